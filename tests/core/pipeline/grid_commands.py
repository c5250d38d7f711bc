"""Commands that stand for the program in tests of executors; a job's process imports them by name."""

import sys
import time
from pathlib import Path


class Words:
    """A command whose requests are words already."""

    program = ()

    def __init__(self, work):
        self.work = work

    def render(self, request):
        return list(request.words)

    def __call__(self, words):
        return self.work(words)


def copy(arguments):
    """`copy TEXT FILE`: print and write; `fail` gives an exit code, `raise` an exception."""
    text, file = arguments
    sys.stdout.write(f"printed {text}\n")
    if text == "fail":
        return 2
    if text == "raise":
        raise RuntimeError("nobody expected this")
    Path(file).write_text(text)
    return 0


def wait_to_be_cut_off(arguments):
    """Wait for ever the first time it runs; the second time, it is done."""
    (file,) = arguments
    if Path(file).exists():
        Path(file).write_text("went on")
        return 0
    Path(file).write_text("began")
    time.sleep(300)
    return 1
