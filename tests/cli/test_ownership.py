"""Every writing command leaves a study that is not its own, or that is half written, as it is."""

import hashlib
import json
import shutil

import pytest

from dr_cli.main import main
from dr_core.experiments.advice import advise_table
from dr_core.pipeline.drawn_stores import draw_segmented
from dr_core.study.advice import advise_checkpoint, advise_no_study
from dr_core.study.folder import open_study
from tests.cli.test_training_commands import QUICK, SHORT, write_store
from tests.conftest import make_study

CONFIG = """
preset = "quick"
title = "Mine"
[data.draw]
patients = 4
size = 64
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A lab's study without one of its checkpoints, a store, and a configuration."""
    folder = tmp_path_factory.mktemp("foreign")
    study = make_study(folder / "lab")
    study.checkpoint_path("ifi_cl").unlink()
    write_store(folder / "noise", n=20, size=64)
    list(draw_segmented(folder / "segmented", 1, size=96, seed=0))
    head = json.loads((folder / "lab" / "study.json").read_text())
    head["data"][0]["fingerprint"] = "0123456789abcdef"
    head["data"].append(head["data"][0] | {"key": "idrid", "title": "The lab's own eyes with masks"})
    (folder / "lab" / "study.json").write_text(json.dumps(head))
    (folder / "lab" / "report.html").write_text("<h1>The lab's own report</h1>")
    (folder / "study.toml").write_text(CONFIG)
    return folder


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def commands(folder, study):
    data = ["--study", str(study), "--data", str(folder / "noise")]
    return {
        "demo": ["demo", "--quick", "--out", str(study)],
        "study": ["study", "--config", str(folder / "study.toml"), "--out", str(study), "--resume"],
        "finetune": ["finetune", "--setup", "ifi_cl", *data, *QUICK, *SHORT, "--weights", "none.pth"],
        "finetune again": ["finetune", "--setup", "iwne_fs", *data, *QUICK, *SHORT],
        "evaluate": ["evaluate", *data],
        "spectrum": ["spectrum", *data],
        "robustness": ["robustness", *data],
        "localize": ["localize", "--study", str(study), "--idrid", str(folder / "segmented")],
        "report": ["report", "--study", str(study)],
    }


REFUSED = {
    "demo": "it was made elsewhere",
    "study": "it was made elsewhere",
    "finetune": "was not made by the study's own training runs",
    "finetune again": "was not made by the study's own training runs",
    "evaluate": "give them another key",
    "spectrum": "give them another key",
    "robustness": "give them another key",
    "localize": "give them another key",
    "report": "was not written by DR Lens",
}


@pytest.mark.parametrize("command", REFUSED)
def test_a_foreign_study_stays_as_it_is(folder, command, capsys):
    before = digests(folder)
    assert main(commands(folder, folder / "lab")[command]) == 2
    assert REFUSED[command] in capsys.readouterr().err
    assert digests(folder) == before


@pytest.mark.parametrize("head", ["missing", "cut off", "of nine set-ups", "of a set-up that no version knows"])
@pytest.mark.parametrize("command", REFUSED)
def test_a_half_written_study_stays_as_it_is(folder, command, head, tmp_path, capsys):
    shutil.copytree(folder / "lab", tmp_path / "lab")
    path = tmp_path / "lab" / "study.json"
    values = json.loads(path.read_text())
    nine = [{"name": f"s{n}", "label": f"S{n}"} for n in range(9)]
    contents = {
        "cut off": path.read_text()[:100],
        "of nine set-ups": json.dumps(values | {"setups": nine}),
        "of a set-up that no version knows": json.dumps(values | {"setups": ["dino"]}),
    }
    path.unlink()
    if head in contents:
        path.write_text(contents[head])
    before = digests(tmp_path)
    assert main(commands(folder, tmp_path / "lab")[command]) == 2
    assert "study.json" in capsys.readouterr().err.replace("\n", "") or head not in ("missing", "cut off")
    assert digests(tmp_path) == before


def test_advice_never_names_what_would_harm(folder, tiny_study):
    lab = open_study(folder / "lab")
    advice = advise_checkpoint(lab, "ifi_cl")
    assert advice.remedy is None
    assert "made elsewhere" in advice.sentence
    assert advise_table(lab, "spectrum").remedy.arguments["experiment"] == "spectrum"  # measuring harms nothing
    assert advise_table(lab, "performance").remedy.kind == "measure again"
    assert advise_no_study(folder).remedy is None
    assert advise_no_study(folder / "none").remedy.kind == "make study"


def test_a_swapped_checkpoint_is_foreign(tmp_path, capsys):
    store = write_store(tmp_path / "eyes", n=40)
    start = ["finetune", "--data", str(store), "--study", str(tmp_path / "study"), *QUICK, *SHORT, "--epochs", "1"]
    assert main([*start, "--setup", "iwne_fs"]) == 0
    checkpoint = tmp_path / "study" / "checkpoints" / "iwne_fs.safetensors"
    assert advise_checkpoint(open_study(tmp_path / "study"), "ifi_fs").remedy.kind == "finetune"
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(content)
    capsys.readouterr()
    before = digests(tmp_path)
    assert main([*start, "--setup", "iwne_fs", "--seed", "1"]) == 2
    assert "was not made by the study's own training runs" in capsys.readouterr().err
    assert digests(tmp_path) == before
