"""The app as `streamlit run app.py` starts it, in a process that is forked from one that has imported all it needs.

A server that is started anew imports for seconds before it answers. The first servers of tests/browser are started so;
whatever else needs a server of its own takes one of these.
"""

import os
import runpy
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import dr_ui
from dr_core.processes import worker_context
from tests.conftest import ROOT, find_free_port

SCREENS = sorted(Path(dr_ui.__file__).parent.glob("views/*/screen.py"))
MODULES = (
    "tests.servers",
    "streamlit.starlette",
    "streamlit.web.cli",
    "dr_ui.shell.server",
    *(f"dr_ui.views.{path.parent.name}.screen" for path in SCREENS),
)
"""What the server that forks imports once."""

worker_context(*MODULES)


class ForkedServer:
    """A server; has what the tests use of `subprocess.Popen`.

    Args:
        port: Where it listens.
        log: Where its output goes.
        options: Of `streamlit run`, behind the port.
        environment: Variables on top of this process's; None takes one away.
    """

    def __init__(self, port, log, options=(), environment=None):
        words = ["streamlit", "run", "app.py", "--server.port", str(port), *options]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("DR_")}
        variables |= environment or {}
        self._process = worker_context(*MODULES).Process(target=_run, args=(words, str(log), variables))
        self._process.start()
        self.pid = self._process.pid

    def poll(self):
        return self._process.exitcode

    def terminate(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds):
        self._process.join(seconds)
        if self.poll() is None:
            self._process.kill()
            raise subprocess.TimeoutExpired("streamlit run app.py", seconds)
        return self.poll()


def _run(words, log, variables):
    os.environ.clear()
    os.environ.update(variables)
    with Path(log).open("wb") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    os.chdir(ROOT)
    sys.argv = words
    runpy.run_module("streamlit", run_name="__main__")


def wait_until_healthy(address, process):
    """Wait until a server answers."""
    for _ in range(600):
        assert process.poll() is None, "the server stopped"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server did not answer within a minute")


@contextmanager
def stopping(process):
    """End a server at the end of the block."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def start_server(log=os.devnull, *options, port=None, **environment):
    """Start the app on the demo study, or on the one that DR_STUDY names; gives address and process."""
    port = port or find_free_port()
    with stopping(ForkedServer(port, log, options, environment)) as process:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}", process.pid
