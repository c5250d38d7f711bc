"""Start a built root as its user, read-only, with a study mounted read-only; open the app in a browser (build.sh)."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import expect, sync_playwright
from promises import CHECKS, Running

PORT = 8599
ADDRESS = f"http://127.0.0.1:{PORT}"

# A mount namespace of its own: nothing of this is seen outside, and all of it ends with the process.
START = """
set -eu
root=$1 study=$2; shift 2
mount --bind "$root" "$root"
mkdir -p "$root/study"
mount --bind "$study" "$root/study"; mount -o remount,ro,bind "$root/study"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"; chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
exec chroot --userspec=10001:10001 "$root" /usr/bin/env -i -C /srv/dr-lens "$@"
"""

ENVIRONMENT = (
    "PATH=/opt/venv/bin:/usr/bin:/bin",
    "HOME=/tmp",
    "DR_LENS_CACHE=/tmp/dr_lens",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONUNBUFFERED=1",
    "DR_STUDY=/study",
    "STREAMLIT_SERVER_ADDRESS=0.0.0.0",
    f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '1')}",
)


def main() -> None:
    """Run the command line, then the app."""
    root, study = sys.argv[1:3]
    inside = ["unshare", "--mount", "sh", "-c", START, "sh", root, study, *ENVIRONMENT]
    told = subprocess.run([*inside, "python", "train_cli.py", "--help"], capture_output=True, text=True, check=True)
    assert "evaluate" in told.stdout
    written = "import pathlib; pathlib.Path('/srv/dr-lens/x').write_text('')"
    refused = subprocess.run([*inside, "python", "-c", written], capture_output=True, text=True, check=False)
    assert "Read-only file system" in refused.stderr, refused.stderr
    log = Path(root).with_name("app.log")
    with log.open("w") as output:
        command = [*inside, "streamlit", "run", "app.py", "--server.port", str(PORT)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        started = time.monotonic()
        _wait(process, log)
        print(f"healthy after {time.monotonic() - started:.1f} s")
        _open(".pdf" if (Path(root) / "usr/bin/chromium").exists() else ".html")
        print("user:", _user_of(process.pid))
        _keep_promises(Running(ADDRESS, process.pid, log, Path(f"/proc/{process.pid}/root/tmp")))
    finally:
        process.terminate()
        process.wait(20)
    text = log.read_text()
    assert "without a login" in text, "no warning that the app listens on every network"
    assert "Traceback" not in text, text[-2000:]
    print("the app opens in a browser")


def _wait(process: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        if process.poll() is not None:
            sys.exit(f"the app stopped:\n{log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(f"{ADDRESS}/_stcore/health", timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    sys.exit("the app did not answer within two minutes")


def _open(sheet: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        for path in ("/", "/Compare", "/Explain"):
            page.goto(ADDRESS + path)
            expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible(timeout=120_000)
        page.goto(ADDRESS + "/Compare")
        expect(page.locator(".lens-answer")).to_have_count(4, timeout=120_000)
        page.get_by_role("button", name="One-page PDF").click()
        saved = page.get_by_role("button", name=re.compile(rf"Save .*{re.escape(sheet)}"))
        expect(saved).to_be_visible(timeout=120_000)
        print("the sheet is", sheet)
        browser.close()


def _keep_promises(running: Running) -> None:
    """Hold the container to what docs/security.md promises, as the tests do with the server."""
    for check in CHECKS:
        check(running)
        print("kept:", check.__name__.removeprefix("check_").replace("_", " "))


def _user_of(process: int) -> str:
    return Path(f"/proc/{process}/status").read_text().partition("Uid:")[2].split()[0]


if __name__ == "__main__":
    main()
