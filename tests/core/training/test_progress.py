import json
import os

import pytest

from dr_core.training.progress import find_running


def write_run(folder, epochs, lines, written):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"epochs": epochs}))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("config.json", "metrics.jsonl"):
        os.utime(folder / name, (written, written))
    return folder


def test_runs_that_are_not_at_their_end(tmp_path):
    lines = [{"epoch": epoch, "loss": 1.0, "seconds": seconds} for epoch, seconds in ((1, 30.0), (2, 10.0), (3, 12.0))]
    write_run(tmp_path / "iwne_fs-f100-s0", 10, lines, 1000)
    write_run(tmp_path / "finished", 3, lines, 1010)
    write_run(tmp_path / "moco-s0", 5, [], 1005)
    (tmp_path / "nonsense").mkdir()
    (tmp_path / "nonsense" / "config.json").write_text("{")
    first, second = find_running(tmp_path, now=1020)
    assert (first.name, first.silent, len(first.history)) == ("moco-s0", 15, 0)
    assert first.seconds_left != first.seconds_left  # nothing is known yet
    assert second.seconds_left == pytest.approx(7 * 12)
    assert not second.stalled
    assert find_running(tmp_path, now=1000 + 601)[1].stalled
    assert find_running(tmp_path / "nothing") == []


def test_a_training_that_stopped_early_is_at_its_end(tmp_path):
    aucs = (0.7, 0.8, 0.79, 0.78)
    lines = [{"epoch": epoch, "auc_referable_3": auc, "seconds": 1.0} for epoch, auc in enumerate(aucs, start=1)]
    folder = write_run(tmp_path / "run", 10, lines, 1000)
    for patience, running in ((0, 1), (2, 0), (3, 1)):
        (folder / "config.json").write_text(json.dumps({"epochs": 10, "patience": patience}))
        assert len(find_running(tmp_path)) == running


def test_a_long_epoch_is_no_silence(tmp_path):
    write_run(tmp_path / "slow", 10, [{"epoch": 1, "seconds": 3600.0}], 1000)
    (run,) = find_running(tmp_path, now=1000 + 2 * 3600)
    assert not run.stalled


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    folder = write_run(tmp_path / "run", 10, [{"epoch": 1, "seconds": 1.0}], 1000)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "se')
    assert len(find_running(tmp_path)[0].history) == 1
