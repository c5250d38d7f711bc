"""What is pinned is locked, and what is locked has hashes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
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
