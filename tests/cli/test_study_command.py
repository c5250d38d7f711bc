import html
import re
import time

import pytest

from dr_cli.main import main
from dr_core.study.folder import open_study

SMALL = """
preset = "quick"
title = "Small"
setups = ["iwne_fs", "ifi_cl"]
fractions = [100]
[data.draw]
patients = 10
validation_patients = 8
test_patients = 8
textures = 32
segmented = 1
size = 64
[pretrain]
batch_size = 8
[iwne]
epochs = 1
batch_size = 8
[ifi]
epochs = 1
batch_size = 8
[evaluate]
draws = 50
[robustness]
draws = 50
[localize]
controls = 1
draws = 50
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A whole small study, made by the command."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "study.toml").write_text(SMALL)
    assert main(given(folder)) == 0
    return folder


def given(folder, *more):
    return ["study", "--config", str(folder / "study.toml"), "--out", str(folder / "out"), *more]


def test_one_command_makes_the_whole_study(small):
    study = open_study(small / "out")
    assert study.info.title == "Small"
    assert tuple(study.setups) == ("iwne_fs", "ifi_cl")
    assert [data.key for data in study.info.data] == ["textures", "train", "validation", "phantoms_test", "idrid"]
    assert study.info.made_by == "study"
    assert all(data.fingerprint for data in study.info.data if data.key != "textures")
    for table in ("predictions", "fractions", "spectrum", "distributions", "robustness", "localization"):
        assert study.has_results(table)
    report = (small / "out" / "report.html").read_text()
    assert "<h1>Small</h1>" in report
    assert "Figure 3a" in report
    assert f"<h3>study.toml</h3><pre>{html.escape(SMALL)}</pre>" in report


def test_what_is_done_is_not_done_again(small, capsys):
    assert main(given(small)) == 2
    assert "continue it with --resume" in capsys.readouterr().err
    before = (small / "out" / "report.html").stat().st_mtime_ns
    started = time.monotonic()
    assert main(given(small, "--resume")) == 0
    assert time.monotonic() - started < 5
    assert (small / "out" / "report.html").stat().st_mtime_ns == before


def test_the_plan_lists_every_cell_and_what_is_done(small, capsys):
    assert main(given(small, "--plan")) == 0
    text = capsys.readouterr().out
    assert "13 cells" in text
    assert len(re.findall(r"│ done", text)) == 13
    assert "images a second in training" in text
    assert main(given(small, "--plan", "--only", "finetune-*")) == 0
    assert "2 cells" in capsys.readouterr().out
    assert main(given(small, "--only", "fly")) == 2
    assert "No cell is named fly" in capsys.readouterr().err


def test_a_failed_cell_is_named_with_its_log(small, capsys):
    """A batch that no training has: known only when the eyes are counted."""
    before = (small / "out" / "checkpoints" / "ifi_cl.safetensors").read_bytes()
    assert main(given(small, "--resume", "--set", "ifi.batch_size=4000")) == 1
    text = capsys.readouterr().out
    assert "finetune-ifi_cl-f100-s0: failed" in text
    assert "fewer than a batch of 4000" in text
    assert "evaluate-phantoms_test: left out" in text
    assert "finetune-iwne_fs-f100-s0: running" not in text
    assert (small / "out" / "checkpoints" / "ifi_cl.safetensors").read_bytes() == before
    assert not (small / "out" / "runs" / "ifi_cl-f100-s0").exists()  # nothing is written before every check has passed


def test_a_wrong_value_is_found_before_anything_runs(small, capsys):
    assert main(given(small, "--plan", "--set", "ifi.lerning_rate=1.0")) == 2
    assert "unknown key 'lerning_rate'" in capsys.readouterr().err
    assert main(given(small, "--resume", "--set", "title=Another")) == 2
    assert "holds another study, “Small”: its title is not “Another”" in capsys.readouterr().err
    assert main(given(small, "--resume", "--set", "seed=4")) == 2
    assert "its seed is 0, not 4" in capsys.readouterr().err


def test_stores_are_looked_at_before_anything_is_done(tmp_path, capsys):
    config = '[data]\ntrain = "none"\n[data.test]\nt = "none"\n'
    (tmp_path / "study.toml").write_text(config)
    assert main(given(tmp_path)) == 2
    assert "none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
