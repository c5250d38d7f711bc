import json

import pytest

import train_cli
from dr_core.data.fundus import encode_jpeg
from dr_core.data.phantom import draw_phantom
from dr_core.data.store import open_store


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab's folder: six phantoms and a table."""
    root = tmp_path_factory.mktemp("lab")
    rows = ["file,icdr,person"]
    for number in range(6):
        (root / f"{number}.jpg").write_bytes(encode_jpeg(draw_phantom(number % 5, 128, number).image, 128))
        rows.append(f"{number},{number % 5},{number // 2}")
    (root / "eyes.csv").write_text("\n".join(rows))
    return root


TABLE = ["--csv", "eyes.csv", "--image-column", "file", "--grade-column", "icdr", "--patient-column", "person"]


def run(*arguments):
    return train_cli.main([str(argument) for argument in arguments])


def test_check_and_prepare_any_folder(lab, tmp_path, capsys):
    assert run("data", "check", "folder", lab, *TABLE, "--processes", 1) == 0
    assert "Everything is there" in capsys.readouterr().out
    out = tmp_path / "store"
    assert run("data", "prepare", "folder", lab, *TABLE, "--out", out, "--size", 48, "--processes", 1) == 0
    assert "6 images of 48 px" in capsys.readouterr().out
    store = open_store(out)
    assert store.images.shape == (6, 3, 48, 48)
    assert store.index["patient"].tolist() == ["0", "0", "1", "1", "2", "2"]


def test_eyes_are_called_what_their_lab_calls_them(lab, tmp_path, capsys):
    """By the folder's name or a title, which is no part of what a store is: new words change nothing else."""
    out = tmp_path / "store"
    command = ["data", "prepare", "folder", lab, *TABLE, "--out", out, "--size", 48, "--processes", 1]
    assert run(*command) == 0
    header = json.loads((out / "store.json").read_text())
    assert header["title"] == lab.name
    assert run(*command, "--title", "Clinic A, 2024") == 0
    assert json.loads((out / "store.json").read_text()) == header | {"title": "Clinic A, 2024"}
    capsys.readouterr()
    assert run(*command, "--size", 64) == 2
    assert "prepared differently (size differs)" in " ".join(capsys.readouterr().err.split())


def test_the_protocol_decides_crop_and_size(lab, tmp_path):
    out = tmp_path / "store"
    assert run("data", "prepare", "folder", lab, *TABLE, "--out", out, "--protocol", "paper", "--processes", 1) == 0
    header = json.loads((out / "store.json").read_text())
    assert (header["size"], header["crop"]) == (224, "squash")


def test_a_split_by_image_says_that_fellow_eyes_leak(shared_data, capsys):
    root = shared_data / "labels" / "eyepacs"
    assert run("data", "split", "eyepacs", root) == 0
    by_patient = capsys.readouterr().out
    assert "35126" not in by_patient  # a part of them validates
    assert "leak" not in by_patient
    assert run("data", "split", "eyepacs", root, "--split-by", "image") == 0
    assert "fellow eyes of one patient may lie on both sides" in " ".join(capsys.readouterr().out.split())


def test_json_and_exit_code_of_a_check_that_differs(lab, capsys):
    (lab / "trainLabels.csv").write_text("image,level\n1_left,0\n")
    assert run("data", "check", "eyepacs", lab, "--json", "--processes", 1) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["sound"]
    assert found["missing"] == ["train/1_left.jpeg"]
    assert found["counts"][0] == {"split": "train", "grade": 0, "found": 1, "expected": 25810}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "eyepax", "."], "There is no data set 'eyepax'; choose from eyepacs"),
        (["check", "eyepacs", "/nowhere"], "There is no folder /nowhere"),
        (["prepare", "folder", "{lab}", "--out", "{out}"], "There is no label file"),
        (["prepare", "folder", "{lab}", "--out", "{out}", *TABLE, "--split", "test"], "has no split 'test'"),
        (["prepare", "folder", "{lab}", "--out", "{lab}/0.jpg/store", *TABLE], "0.jpg"),
    ],
)
def test_bad_input_is_one_sentence(lab, tmp_path, capsys, arguments, message):
    filled = [argument.format(lab=lab, out=tmp_path / "store") for argument in arguments]
    assert run("data", *filled) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
