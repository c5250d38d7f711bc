"""What is pinned is locked, and what is locked has hashes."""

import ast
import re
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEVELOPMENT = {"dev", "peers", "supply"}
"""Requirements that no user installs."""

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(name):
    return {normalized(package): version for package, version in PIN.findall((ROOT / name).read_text())}


def test_every_requirement_is_pinned_and_locked():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    pins, locked = read_pins("requirements.txt"), read_pins("requirements.lock")
    assert len(pins) == len(lines)
    wrong = {name for name, version in pins.items() if locked.get(name) != version}
    assert not wrong, f"`make lock` after a change of requirements.txt: {wrong}"


def test_every_locked_package_has_hashes_and_comes_from_no_address():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert len(entries) > len(read_pins("requirements.txt"))
    for entry in entries:
        assert "==" in entry.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]


def test_every_locked_package_of_this_platform_has_its_licence_listed():
    rows = [line for line in (ROOT / "docs" / "licences.md").read_text().splitlines() if line.startswith("| ")]
    listed = {normalized(row.split("|")[1].strip()) for row in rows}
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text())
    everywhere = [entry.split("==")[0] for entry in entries if ";" not in entry.splitlines()[0]]
    assert not {normalized(name) for name in everywhere} - listed


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):  # also inside functions
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_whatever_the_product_imports_is_locked_or_an_extra():
    known = set(read_pins("requirements.lock"))
    extras = [path.name for path in ROOT.glob("requirements-*.txt") if path.stem.split("-")[1] not in DEVELOPMENT]
    for name in extras:
        known |= set(read_pins(name))
    owners = packages_distributions()
    missing = {}
    for path in (file for room in ("dr_core", "dr_ui", "dr_cli", "pages") for file in (ROOT / room).rglob("*.py")):
        for module in imported_modules(path):
            packages = {normalized(package) for package in owners.get(module, ())}
            if packages and not packages & known:
                missing[path.relative_to(ROOT).as_posix()] = module
    assert not missing
