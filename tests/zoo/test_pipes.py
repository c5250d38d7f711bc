"""Pipes and devices in the place of every file that is read from a stranger: a sentence, at once, and never a wait."""

import os
import signal
import zipfile

import numpy as np
import pytest

from dr_cli.main import main
from dr_core.data.idrid import load_segmentation
from dr_core.data.store import open_store
from dr_core.errors import InputError
from dr_core.files import digest_file
from tests.cli.test_measure_commands import write_store
from tests.conftest import make_study

SECONDS = 60
PHOTOGRAPHS = "A. Segmentation/1. Original Images/a. Training Set"
MASKS = "A. Segmentation/2. All Segmentation Groundtruths/a. Training Set/1. Microaneurysms"


class Hung(BaseException):
    """No error that anybody catches."""


@pytest.fixture(autouse=True)
def bounded():
    """Whoever opens a pipe to read waits for ever."""

    def fail(*_):
        raise Hung

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "device"])
def put(request):
    """Puts a pipe, or a link to a device, where a file should be."""

    def put(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if request.param == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        return path

    return put


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("folder", "labels.csv"),
        ("eyepacs", "trainLabels.csv"),
        ("messidor2", "messidor_data.csv"),
        ("aptos", "train.csv"),
        ("retinamnist", "retinamnist.npz"),
        ("idrid-grading", "B. Disease Grading/2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv"),
    ],
)
def test_in_the_place_of_labels(put, tmp_path, capsys, name, file):
    put(tmp_path / file)
    assert main(["data", "check", name, str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_in_the_place_of_photographs(put, tmp_path, capsys):
    (tmp_path / "labels.csv").write_text("image,grade\na.jpg,0\nb,1\n")
    put(tmp_path / "a.jpg")
    put(tmp_path / "b.png")
    assert main(["data", "check", "folder", str(tmp_path), "--processes", "1"]) == 1
    assert "photographs missing: 2" in capsys.readouterr().out


def test_in_the_place_of_idrids_files(put, tmp_path, capsys):
    put(tmp_path / PHOTOGRAPHS / "IDRiD_01.jpg")
    put(tmp_path / MASKS / "IDRiD_01_MA.tif")
    assert main(["data", "check", "idrid", str(tmp_path), "--processes", "1"]) == 1
    assert "photographs missing: 1" in capsys.readouterr().out
    (eye,) = load_segmentation(tmp_path)
    with pytest.raises(InputError, match="no regular file"):
        eye.read_image()
    with pytest.raises(InputError, match="no regular file"):
        eye.read_mask("total")


@pytest.mark.parametrize("name", ["images.npy", "index.parquet"])
def test_in_the_place_of_a_store(put, tmp_path, name):
    store = write_store(tmp_path / "store")
    put(store / name)
    with pytest.raises(InputError):
        open_store(store)


@pytest.mark.parametrize("name", ["predictions", "robustness"])
def test_in_the_place_of_a_table(put, tmp_path, capsys, name):
    study = make_study(tmp_path / "study")
    put(study.path / "results" / f"{name}.parquet")
    for command in (["verify", str(study.path)], ["report", "--study", str(study.path)]):
        assert main(command) in (0, 1, 2)
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["study.json", "checkpoints/ifi_cl.safetensors", "runs/ifi_cl-f100-s0/config.json"])
def test_in_the_place_of_a_studys_files(put, tmp_path, capsys, name):
    study = make_study(tmp_path / "study")
    put(study.path / name)
    data = write_store(tmp_path / "eyes", n=10)
    commands = [["verify", str(study.path)], ["report", "--study", str(study.path)]]
    if name.startswith("checkpoints"):
        commands += [["evaluate", "--study", str(study.path), "--data", str(data), "--draws", "2", "--device", "cpu"]]
    for command in commands:
        assert main(command) in (0, 1, 2)
        assert "Traceback" not in capsys.readouterr().err


def test_in_the_place_of_a_study_toml(put, tmp_path, capsys):
    config = put(tmp_path / "study.toml")
    assert main(["study", "--config", str(config), "--out", str(tmp_path / "study")]) == 2
    assert not (tmp_path / "study").exists()


def test_a_digest_is_of_regular_files(put, tmp_path):
    with pytest.raises(OSError, match="no regular file"):
        digest_file(put(tmp_path / "x"))


def test_an_archive_that_asks_for_gigabytes_is_refused(tmp_path, capsys):
    """A few megabytes of zeros, packed; numpy would take all of them."""
    header = np.lib.format.magic(1, 0) + (118).to_bytes(2, "little")
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**31},), }}".encode().ljust(117) + b"\n"
    with (
        zipfile.ZipFile(tmp_path / "retinamnist.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("train_labels.npy", "w", force_zip64=True) as file,
    ):
        file.write(header + text)
        for _ in range(17):
            file.write(bytes(2**26))
    assert main(["data", "check", "retinamnist", str(tmp_path)]) == 2
    assert "an array has more than 1024 MB" in " ".join(capsys.readouterr().err.split())
