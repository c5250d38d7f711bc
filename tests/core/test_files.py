import platform
import subprocess
import sys

import pytest

from dr_core.files import replacing


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = tmp_path / f".table.{platform.node()}.{ended.pid}.tmp.txt"
    living = tmp_path / f".table.{platform.node()}.1.tmp.txt"
    elsewhere = tmp_path / ".table.another-machine.7.tmp.txt"
    for file in (dead, living, elsewhere):
        file.write_text("half")
    with replacing(tmp_path / "table.txt") as temporary:
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "table.txt", living, elsewhere])
