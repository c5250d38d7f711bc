"""Decoders in processes of their own: bounded by the kernel, used again, and gone with the process that asked."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dr_core.data.decoder_process import DecoderLimits, DecoderProcesses, decode_apart
from dr_core.data.fundus import read_fundus
from dr_core.data.fundus.reading import decode_photograph
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.errors import InputError
from tests.conftest import ROOT
from tests.core.data.decoder_members import die, own_number, sleep, spin, strange_samples, take_memory

LIMITS = DecoderLimits(memory=2**27)


@pytest.fixture
def processes():
    made = DecoderProcesses(LIMITS)
    yield made
    made.end_all()


def number_of(processes):
    return int(processes.decode(own_number, "x", b"x", {}).arrays[1][0])


def test_what_asks_for_more_memory_than_it_is_given_is_a_sentence(processes):
    assert processes.decode(take_memory, "It", b"", {"megabytes": 64}).notes == ("It",)
    with pytest.raises(InputError, match="It cannot be decoded: it asks for more memory than a picture may take"):
        processes.decode(take_memory, "It", b"", {"megabytes": 256})
    assert processes.decode(take_memory, "It", b"", {"megabytes": 64}).arrays[0].all()


def test_a_picture_that_asks_for_more_memory_than_it_is_given_is_a_sentence(processes):
    """A small file, within the budget of its header, whose decoder takes a quarter of a gigabyte."""
    file = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(file, "JPEG2000")
    data = file.getvalue()
    assert len(data) < 100_000
    with pytest.raises(InputError, match=r"^The photograph .*\.$"):
        processes.decode(decode_photograph, "The photograph", data, {})


@pytest.mark.parametrize("limits", [DecoderLimits(seconds=0.3), DecoderLimits(longest=0.3)])
def test_what_takes_too_long_is_a_sentence(limits, tmp_path):
    work = spin if limits.seconds < 1 else sleep
    with pytest.raises(InputError, match=r"It takes more than .* s to decode; save it as JPEG or PNG\."):
        DecoderProcesses(limits).decode(work, "It", str(tmp_path / "number").encode(), {})


@pytest.mark.parametrize("work", [die, strange_samples])
def test_a_decoder_that_breaks_down_is_a_sentence_and_the_next_file_is_read(processes, work):
    before = number_of(processes)
    with pytest.raises(InputError, match="its decoder crashed"):
        processes.decode(work, "It", b"", {})
    assert number_of(processes) != before


def test_a_process_is_used_again_and_ends_when_it_is_asked_to(processes):
    number = number_of(processes)
    assert number == number_of(processes)
    processes.end_all()
    assert not is_running(number)


def test_many_at_once_get_their_own(processes):
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda n: processes.decode(own_number, "x", bytes([n]) * 200_000, {}).arrays[0], range(40))
    assert [set(one) for one in found] == [{n} for n in range(40)]


def is_running(number):
    with suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


PARENT = """
import sys
from dr_core.data.decoder_process import decode_apart
from tests.core.data.decoder_members import spin
decode_apart(spin, "x", sys.argv[1].encode())
"""


def test_nothing_is_left_when_the_parent_is_killed_in_the_middle_of_a_picture(tmp_path):
    file = tmp_path / "number"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(file)], cwd=ROOT, env=os.environ | PATHS)
    try:
        wait_until(lambda: file.exists() and file.read_text())
        number = int(file.read_text())
        assert is_running(number)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not is_running(number))


PATHS = {"PYTHONPATH": str(ROOT)}


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_forked_process_has_decoders_of_its_own():
    """Two that read from one pipe would take each other's answers."""
    mine = int(decode_apart(own_number, "x", b"x").arrays[1][0])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        theirs = int(decode_apart(own_number, "x", b"x").arrays[1][0])
        os.write(writing, str(theirs).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as file:
        assert int(file.read()) not in (0, mine)


def test_a_script_without_a_main_guard_reads_a_tiff(tmp_path):
    """Multiprocessing would run the script again in its workers."""
    tifffile.imwrite(tmp_path / "eye.tif", np.full((64, 64, 3), 7, np.uint8))
    script = tmp_path / "script.py"
    script.write_text("from dr_core import read_fundus\nprint(read_fundus('eye.tif').mean())\n")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=os.environ | PATHS, capture_output=True, text=True, check=True
    )
    assert done.stdout == "7.0\n"
    assert done.stderr == ""


def test_jpeg_and_png_stay_in_this_process(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a process was asked")

    monkeypatch.setattr("dr_core.data.fundus.reading.decode_apart", fail)
    monkeypatch.setattr("dr_core.data.intake.lesion_mask.decode_apart", fail)
    picture = Image.fromarray(np.full((64, 64, 3), 90, np.uint8))
    for kind in ("JPEG", "PNG"):
        file = io.BytesIO()
        picture.save(file, kind)
        assert read_fundus(file.getvalue()).shape == (64, 64, 3)
    mask = np.zeros((64, 64), np.uint8)
    mask[9:12, 9:12] = 255
    for kind, passes in (("PNG", True), ("TIFF", False)):
        file = io.BytesIO()
        Image.fromarray(mask).save(file, kind)
        if passes:
            assert decode_mask("m", file.getvalue()).pixels.sum() == 9
        else:
            with pytest.raises(AssertionError, match="a process was asked"):
                decode_mask("m", file.getvalue())
