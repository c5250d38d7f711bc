"""The package as `pip install` leaves it, used outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs `dr-lens` from an unpacked wheel, in an empty folder; a wheel of pure Python is installed by unpacking."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    (folder / "elsewhere").mkdir()
    environment = os.environ | {"PYTHONPATH": str(folder / "site")}
    environment.pop("DR_STUDY", None)
    return {"cwd": folder / "elsewhere", "env": environment}


def test_the_packages_come_from_the_wheel_and_commands_run(installed):
    code = "import dr_core, dr_cli, dr_ui; print(dr_core.__file__, dr_cli.__file__, dr_ui.__file__)"
    found = subprocess.run([sys.executable, "-c", code], **installed, capture_output=True, text=True, check=True).stdout
    assert found.count("/site/dr_") == 3
    command = [sys.executable, "-m", "dr_cli", "score", "nowhere.jpg", "--study", "nowhere", "--out", "out.csv"]
    finished = subprocess.run(command, **installed, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "nowhere" in finished.stderr
    command = [sys.executable, "-m", "dr_cli", "app", "--study", "nowhere"]
    finished = subprocess.run(command, **installed, capture_output=True, text=True, check=False)
    assert (finished.returncode, "is not a folder" in finished.stderr) == (2, True)


def test_dr_lens_app_opens_the_demo_study(installed, page, free_port, wait_until_healthy, demo_info, tmp_path):
    port = free_port()
    with (tmp_path / "log.txt").open("w") as log:
        command = [sys.executable, "-m", "dr_cli", "app", "--port", str(port)]
        process = subprocess.Popen(command, **installed, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process)
            page.goto(f"http://127.0.0.1:{port}/")
            expect(page.get_by_text(demo_info.title)).to_be_visible()
            expect(page.get_by_text("IFI-CL").first).to_be_visible()
            page.goto(f"http://127.0.0.1:{port}/Compare")
            expect(page.get_by_text("50MB per file")).to_be_visible()  # Streamlit's own limit is 200
            expect(page.get_by_role("heading", name="What do the models say about this eye?")).to_be_visible()
            assert not list(installed["cwd"].iterdir())
        finally:
            process.terminate()
            process.wait(20)
