"""A text of 1.5 GB, which takes no room on the disk, in the place of every text: a sentence, and no gigabytes."""

import resource

import pytest

from dr_cli.main import main
from dr_core.data.fundus import read_fundus
from dr_core.errors import InputError
from tests.app.page_driver import encoded, page_at
from tests.conftest import make_study
from tests.zoo.photographs import EYE

SIZE = 3 * 2**29


@pytest.fixture
def put():
    """Puts such a file somewhere; this process's memory may not grow by more than a tenth of it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def put(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(SIZE)
        return path

    yield put
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < SIZE / 10


@pytest.mark.parametrize("name", ["labels.csv", "trainLabels.csv"])
def test_as_a_table_of_labels(put, tmp_path, capsys, name):
    put(tmp_path / name)
    source = {"labels.csv": "folder", "trainLabels.csv": "eyepacs"}[name]
    assert main(["data", "check", source, str(tmp_path)]) == 2
    assert "must have at most 64 MB" in " ".join(capsys.readouterr().err.split())


def test_as_a_photograph(put, tmp_path):
    with pytest.raises(InputError, match="must have at most 256 MB"):
        read_fundus(put(tmp_path / "eye.jpg"))


def test_beside_photographs(put, tmp_path, tiny_study):
    folder = tmp_path / "eyes"
    for name in ("notes.txt", "list.csv", "eye.jpg", "noname"):
        put(folder / name)
    (folder / "whole.png").write_bytes(encoded(EYE))
    out = tmp_path / "out.csv"
    options = ["--study", str(tiny_study.path), "--out", str(out), "--device", "cpu", "--processes", "1"]
    assert main(["score", str(folder), *options, "--setups", "ifi_cl"]) == 0
    lines = {line.split(",")[0]: line for line in out.read_text().splitlines()[1:]}
    assert set(lines) == {"eye.jpg", "whole.png"}
    assert "must have at most 256 MB" in lines["eye.jpg"]


@pytest.mark.parametrize("name", ["study.json", "results/predictions.parquet", "runs/ifi_cl-f100-s0/metrics.jsonl"])
def test_in_a_study(put, tmp_path, monkeypatch, capsys, name):
    study = make_study(tmp_path / "study")
    put(study.path / name)
    assert main(["report", "--study", str(study.path)]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at("home.py").run()
    assert not app.exception


def test_as_a_study_toml(put, tmp_path, capsys):
    assert main(["study", "--config", str(put(tmp_path / "study.toml")), "--out", str(tmp_path / "study")]) == 2
    assert "must have at most" in " ".join(capsys.readouterr().err.split())
