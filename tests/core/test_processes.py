import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dr_core.errors import InputError
from dr_core.processes import ignoring_interrupts, start_workers


def disposition():
    return os.getpid(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_workers_leave_ctrl_c_to_their_parent():
    before = signal.getsignal(signal.SIGINT)
    with start_workers(2) as pool:
        answers = dict(task.result() for task in [pool.submit(disposition) for _ in range(20)])
    assert all(answers.values())
    assert os.getpid() not in answers
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_signals_are_left_alone():
    seen = []

    def watch():
        with ignoring_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


WORKING = """
import os, time
from dr_core.processes import start_workers
if __name__ == "__main__":
    with start_workers(2) as pool:
        print(*{task.result() for task in [pool.submit(os.getpid) for _ in range(20)]}, flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "working.py"
    script.write_text(WORKING)
    command = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    workers = [int(process) for process in command.stdout.readline().split()]
    assert workers
    assert all(map(is_alive, workers))
    command.kill()
    command.communicate()
    until = time.monotonic() + 60
    while any(map(is_alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(is_alive, workers))


@pytest.mark.parametrize("processes", [0, -1])
def test_no_workers_is_a_sentence(processes):
    with pytest.raises(InputError, match="`processes` must be at least 1"), start_workers(processes):
        pass


LAUNCHED = """
import os, subprocess, sys, time
code = "import time; from dr_core import processes as p; p.end_with_launcher(); print(1, flush=True); time.sleep(600)"
worker = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
print(worker.pid, flush=True)
time.sleep(600)
"""


def test_what_a_launcher_started_ends_with_it(tmp_path):
    """As torchrun starts its workers: in sessions of their own."""
    command = subprocess.Popen([sys.executable, "-c", LAUNCHED], stdout=subprocess.PIPE, text=True)
    worker = int(command.stdout.readline())
    assert command.stdout.readline() == "1\n"
    assert is_alive(worker)
    command.kill()
    command.communicate()
    until = time.monotonic() + 60
    while is_alive(worker) and time.monotonic() < until:
        time.sleep(0.1)
    assert not is_alive(worker)
