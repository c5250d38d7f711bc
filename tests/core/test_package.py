"""The wheel that `pip install .` makes: what is in it, and what it asks for."""

import email
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import dr_core

ROOT = Path(__file__).parents[2]
INFO = f"dr_lens-{dr_core.__version__}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, opened as the ZIP file that it is."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("dr_lens-*.whl"))) as archive:
        yield archive


def read_requirements(name):
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("-")}


def files_below(*folders):
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    return {path.relative_to(ROOT).as_posix() for path in paths if path.is_file() and "__pycache__" not in path.parts}


def test_every_file_of_the_packages_is_in_it(wheel):
    names = set(wheel.namelist())
    assert not files_below("dr_core", "dr_cli", "dr_ui") - names
    assert {f"{package}/py.typed" for package in ("dr_core", "dr_cli", "dr_ui")} <= names
    assert any(name.endswith(".js") for name in names)


def test_the_app_and_the_demo_study_are_in_it_byte_by_byte(wheel):
    parts = {"app.py", "home.py", ".streamlit/config.toml", "docs/glossary.md"} | files_below("pages", "assets")
    assert {name.removeprefix("dr_ui/_app/") for name in wheel.namelist() if "_app/" in name} == parts
    for name in parts:
        assert wheel.read(f"dr_ui/_app/{name}") == (ROOT / name).read_bytes(), name


def test_nothing_else_is_in_it(wheel):
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "dr_core",
        "dr_cli",
        "dr_ui",
        INFO,
    }
    assert not [name for name in wheel.namelist() if "secrets" in name or name.split("/")[-1].startswith("test_")]


def test_it_asks_for_what_requirements_txt_pins(wheel):
    metadata = email.message_from_bytes(wheel.read(f"{INFO}/METADATA"))
    extras = {
        name: f"requirements-{name}.txt" for name in ("timm", "heif", "completion", "tensorboard", "onnx", "hub", "dev")
    }
    asked = {None: set(), **{extra: set() for extra in extras}}
    for line in metadata.get_all("Requires-Dist"):
        requirement, _, marker = line.partition("; extra == ")
        asked[marker.strip("'\"") or None].add(requirement)
    assert asked[None] == read_requirements("requirements.txt")
    for extra, name in extras.items():
        assert asked[extra] == read_requirements(name), name
    assert "dr-lens = dr_cli.main:main" in wheel.read(f"{INFO}/entry_points.txt").decode()


def test_what_builds_it_is_what_the_tests_have():
    with (ROOT / "pyproject.toml").open("rb") as file:
        builders = set(tomllib.load(file)["build-system"]["requires"])
    assert builders <= read_requirements("requirements-dev.txt")
