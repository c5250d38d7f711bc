"""The house has one direction: app and pages -> dr_ui -> dr_core, and inside dr_core only what stands above."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
LADDER = [
    "errors",
    "files",
    "parquet",
    "seeds",
    "processes",
    "devices",
    "registry",
    "data",
    "models",
    "corruption",
    "analysis",
    "study",
    "training",
    "experiments",
    "publish",
    "score",
    "pipeline",
]
FORBIDDEN_IN_CORE = {"streamlit", "argparse", "typer", "rich", "dr_cli", "dr_ui", "pages", "app", "train_cli"}


def imported_modules(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_core_imports_only_rooms_above():
    for path in (ROOT / "dr_core").rglob("*.py"):
        room = path.relative_to(ROOT / "dr_core").with_suffix("").parts[0]
        for name in imported_modules(path):
            assert name.split(".")[0] not in FORBIDDEN_IN_CORE, f"{path} imports {name}"
            if name.startswith("dr_core.") and room != "__init__":
                assert LADDER.index(name.split(".")[1]) <= LADDER.index(room), f"{path} imports {name}"


def test_only_dr_ui_and_the_pages_know_streamlit():
    outside = ("dr_core", "dr_cli", "benchmarks")
    visitor = ROOT / "benchmarks" / "load_client.py"  # speaks the app's own protocol, from outside
    paths = {ROOT / "train_cli.py", *(path for room in outside for path in (ROOT / room).rglob("*.py"))}
    for path in paths - {visitor}:
        assert not any(name.split(".")[0] == "streamlit" for name in imported_modules(path)), path
    for path in [ROOT / "home.py", *(ROOT / "pages").glob("*.py")]:
        assert not any(name.startswith("dr_core") for name in imported_modules(path)), f"{path} reaches past dr_ui"


def test_benchmarks_have_one_name():
    """As `benchmarks.X`: under a bare name mypy takes them for missing and checks nothing of what is called."""
    benchmarks = {path.stem for path in (ROOT / "benchmarks").rglob("*.py")}
    for folder in ("benchmarks", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not imported_modules(path) & benchmarks, path
