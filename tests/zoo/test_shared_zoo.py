"""The awkward inputs that lie beside the shared data, each with its right answer, through library, CLI and app."""

import csv
import shutil

import cv2
import numpy as np
import pytest

from dr_cli.main import main
from dr_core.data.fundus import open_fundus, read_fundus
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.data.published.folder import FolderLayout
from dr_core.data.published.sources import folder_source
from dr_core.errors import InputError
from tests.app.page_driver import html_of, page_at, upload


@pytest.fixture(scope="module")
def zoo(shared_data):
    folder = shared_data.parent / "zoo"
    if not folder.is_dir():
        pytest.skip(f"no awkward inputs in {folder}")
    return folder


@pytest.fixture
def compare(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return page_at("1_Compare.py").run()


def score(folder, study, out):
    options = ["--study", str(study.path), "--out", str(out), "--device", "cpu", "--processes", "1"]
    assert main(["score", str(folder), *options, "--setups", "ifi_cl"]) == 0
    with out.open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def copied(zoo, name, folder):
    """A folder of the zoo that may be written to."""
    shutil.copytree(zoo / name, folder / name)
    return folder / name


def test_one_of_forty_eyes_without_a_patient(zoo, tmp_path, capsys):
    root = copied(zoo, "blank_patient", tmp_path)
    head, *rows = (root / "labels.csv").read_text().splitlines()
    columns = head.split(",")
    eyes = [row.split(",")[0] for row in rows]
    for number, eye in enumerate(eyes):
        picture = np.full((40, 40, 3), number, np.uint8)
        cv2.imwrite(str(root / (eye if "." in eye else f"{eye}.png")), picture)
    layout = FolderLayout(image_column=columns[0], grade_column=columns[1], patient_column="patient")
    intake = folder_source(layout).take_in(root)
    assert intake.summary == "40 eyes, 20 patients, 1 without a patient: counted as its own."
    assert intake.index["patient"].nunique() == 21
    options = ["--image-column", columns[0], "--grade-column", columns[1], "--patient-column", "patient"]
    assert main(["data", "check", "folder", str(root), *options, "--fast"]) == 0
    assert intake.summary in capsys.readouterr().out


def test_the_zeroed_jpeg_is_damaged(zoo, compare, tiny_study, tmp_path):
    rows = score(zoo / "damaged_jpeg", tiny_study, tmp_path / "out.csv")
    assert rows["whole.jpg"]["grade"]
    assert "damaged" in rows["zeroed_4k_in_scan.jpg"]["error"]
    for side in (None, 200):
        with pytest.raises(InputError, match="damaged"):
            read_fundus(zoo / "damaged_jpeg" / "zeroed_4k_in_scan.jpg", longest_side=side)
    app = upload(compare, ("eye.jpg", (zoo / "damaged_jpeg" / "zeroed_4k_in_scan.jpg").read_bytes()))
    assert not app.exception
    assert "damaged" in " ".join(one.value for one in (*app.error, *app.warning))


def test_each_dicom_is_the_eye(zoo, compare, tiny_study, tmp_path):
    eye = read_fundus(zoo / "dicom" / "eye.png")
    gray = cv2.cvtColor(eye, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=2)
    files = sorted((zoo / "dicom").glob("*.dcm"))
    for path in files:
        found = read_fundus(path).astype(int)
        assert min(abs(found - eye).mean(), abs(found - gray).mean()) < 4, path.name
    rows = score(zoo / "dicom", tiny_study, tmp_path / "out.csv")
    assert all(rows[path.name]["grade"] for path in files)
    app = upload(compare, *((path.name, path.read_bytes()) for path in files))
    assert not app.exception
    assert list(app.dataframe[0].value["eye"]) == [path.name for path in files]


def test_heavy_compression_is_warned_of(zoo, compare, tiny_study, tmp_path):
    for name, expected in (("healthy.png", False), ("healthy_q10.jpg", True)):
        notes = " ".join(open_fundus(zoo / "jpeg_quality" / name).notes)
        assert ("heavily compressed (JPEG of quality 1" in notes) == expected, name
    rows = score(zoo / "jpeg_quality", tiny_study, tmp_path / "out.csv")
    assert "heavily compressed" in rows["healthy_q10.jpg"]["warnings"]
    assert "compressed" not in rows["healthy.png"]["warnings"]
    app = upload(compare, ("q10.jpg", (zoo / "jpeg_quality" / "healthy_q10.jpg").read_bytes()))
    assert "compressed" in html_of(app)


def test_every_mask_is_the_same_lesion(zoo, monkeypatch, tiny_study):
    files = sorted((zoo / "masks").glob("*_HE.png"))
    plain = decode_mask("ok", (zoo / "masks" / "ok_HE.png").read_bytes()).pixels
    for path in files:
        assert np.array_equal(decode_mask(path.name, path.read_bytes(), plain.shape).pixels, plain), path.name
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    eye = ("eye.png", (zoo / "masks" / "eye.png").read_bytes())
    codes = ("MA", "HE", "EX", "SE")[: len(files)]
    named = [(f"eye_{code}.png", path.read_bytes()) for code, path in zip(codes, files, strict=True)]
    app = upload(page_at("3_Explain.py").run(), eye, *named)
    assert not app.exception
    assert not app.error, app.error[0].value
    assert html_of(app).count("was taken for the lesion") == len(files) - 1


def test_twelve_bits_are_the_eye(zoo, compare, tiny_study, tmp_path):
    eye = read_fundus(zoo / "png_12_bits" / "eye.png")
    deep = zoo / "png_12_bits" / "eye12.png"
    assert abs(read_fundus(deep).astype(int) - eye).mean() <= 1
    rows = score(zoo / "png_12_bits", tiny_study, tmp_path / "out.csv")
    assert float(rows["eye12.png"]["referable_3"]) == pytest.approx(float(rows["eye.png"]["referable_3"]), abs=0.01)
    app = upload(compare, ("eye12.png", deep.read_bytes()))
    assert not app.error, app.error[0].value
    assert len(app.exception) == 0


def test_stems_mean_the_photographs_or_are_asked_about(zoo, tmp_path, capsys):
    root = copied(zoo, "stem_twins", tmp_path)
    assert main(["data", "check", "folder", str(root), "--fast"]) == 2
    assert "'1' may be '1.jpg' or '1.png'" in " ".join(capsys.readouterr().err.split())
    (root / "1.png").unlink()
    assert folder_source(FolderLayout()).take_in(root).index["path"].tolist() == ["1.jpg", "2.jpg"]


def test_trailing_commas_shift_nothing(zoo, tmp_path, capsys):
    root = copied(zoo, "trailing_comma", tmp_path)
    for number in (1, 2):
        cv2.imwrite(str(root / f"{number}.jpg"), np.full((40, 40, 3), 90 * number, np.uint8))
    index = folder_source(FolderLayout()).take_in(root).index
    assert dict(zip(index["path"], index["grade"], strict=True)) == {"1.jpg": 0, "2.jpg": 1}
    assert main(["data", "check", "folder", str(root), "--fast"]) == 0
    assert "2 eyes" in capsys.readouterr().out
