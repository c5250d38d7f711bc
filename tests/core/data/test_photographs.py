"""Photographs on a disk: which files count, what they are called, and what is told of those that cannot be read."""

import os

import numpy as np
import pytest

from dr_core.data import photographs
from dr_core.data.fundus import encode_jpeg, read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.data.photographs import PhotographView, find_photographs, view_photograph, view_photographs
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from tests.fuzz.hostile_files import NATIVE, encode_dicom

WAYS = (Preprocessing(size=64), Preprocessing(size=32, crop="squash"))


@pytest.fixture(scope="module")
def eye():
    """A JPEG that is large enough for a decoder to be tempted to reduce it, with the eye at its right."""
    image = draw_phantom(3, 320, 1).image
    return encode_jpeg(np.pad(image, ((0, 0), (80, 0), (0, 0))), 400)


def put(root, *names, content=b"x"):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def test_pictures_in_folders_count_and_nothing_else(tmp_path, eye):
    put(tmp_path, "b.JPG", "a/c.tiff", "a/deep/er/d.dcm", "old.bmp", "a.gif", content=eye)
    put(tmp_path, "note.txt", "labels.csv", "._b.JPG", ".git/e.jpg", "run.heatmaps/b.JPG/iwne_fs.png", "DICOMDIR", "X1")
    put(tmp_path, "a/IM0001", content=bytes(128) + b"DICM")
    names = [one.name for one in find_photographs([tmp_path])]
    assert names == ["a.gif", "a/IM0001", "a/c.tiff", "a/deep/er/d.dcm", "b.JPG", "old.bmp"]


def test_files_are_called_by_their_names_alone_and_come_once(tmp_path):
    put(tmp_path, "anna/1.jpg", "anna/odd.name")
    given = [tmp_path / "anna" / "odd.name", tmp_path / "anna", tmp_path / "anna" / ".." / "anna" / "1.jpg"]
    assert [one.name for one in find_photographs(given)] == ["1.jpg", "odd.name"]


def test_two_files_of_one_name_are_refused(tmp_path):
    put(tmp_path, "left/1.jpg", "right/1.jpg")
    with pytest.raises(InputError, match=r"Two photographs would be called 1\.jpg; give the folder around both"):
        find_photographs([tmp_path / "left", tmp_path / "right"])
    assert len(find_photographs([tmp_path])) == 2


def test_wrong_places_are_told(tmp_path):
    with pytest.raises(InputError, match=r"no file or folder .*nowhere; check the spelling"):
        find_photographs([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"There is no photograph in .*JPEG, PNG, TIFF, DICOM, .* are read"):
        find_photographs([tmp_path])


def test_names_that_are_no_text_are_written_all_the_same(tmp_path):
    (tmp_path / os.fsdecode(b"m\xfcller.jpg")).write_bytes(b"x")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    names = [one.name for one in find_photographs([tmp_path])]
    assert names == ["gone.jpg", r"m\udcfcller.jpg"]


def test_the_views_are_the_models_and_the_parts_say_where(tmp_path, eye):
    put(tmp_path, "eye.jpg", content=eye)
    view = view_photograph(find_photographs([tmp_path])[0], WAYS)
    assert isinstance(view, PhotographView)
    image = read_fundus(eye)
    for seen, way in zip(view.views, WAYS, strict=True):
        assert np.array_equal(seen, way.to_model_view(image))
    left, top, width, height = view.parts[0]
    assert view.parts[1] == (0, 0, 1, 1)
    assert width * 400 == pytest.approx(height * 320)  # a square
    assert (left + width / 2) * 400 == pytest.approx(240, abs=3)  # the eye's middle, 80 pixels right of the picture's
    assert (top + height / 2) * 320 == pytest.approx(160, abs=3)
    assert view.field_found


def test_a_dicom_file_of_another_name_is_read(tmp_path):
    image = draw_phantom(1, 96, 0).image
    put(tmp_path, "IM0001", content=encode_dicom(image.tobytes(), NATIVE, image))
    view = view_photograph(find_photographs([tmp_path])[0], WAYS)
    assert np.array_equal(view.views[0], WAYS[0].to_model_view(image))


def test_reasons_name_the_photograph_and_not_the_folder(tmp_path, eye):
    put(tmp_path / "Jane Doe", "cut.jpg", content=eye[:900])
    put(tmp_path / "Jane Doe", "empty.png", content=b"")
    (tmp_path / "Jane Doe" / "gone.tif").symlink_to(tmp_path / "Jane Doe" / "nothing")
    put(tmp_path / "Jane Doe", "word.pdf", content=b"%PDF-1.7")
    batches = [[one] for one in find_photographs([tmp_path / "Jane Doe"])]
    reasons = [viewed[0] for viewed in view_photographs(batches, WAYS, 1)]
    assert [reason.split(" ")[0] for reason in reasons] == ["`cut.jpg`", "`empty.png`", "`gone.tif`", "`word.pdf`"]
    assert "Jane Doe" not in " ".join(reasons)
    assert "a PDF document" in reasons[3]


def end(batch, ways):
    os._exit(9)


def test_a_process_that_the_system_ends_is_told(monkeypatch):
    monkeypatch.setattr(photographs, "_view_all", end)  # as want of memory does
    with pytest.raises(InputError, match=r"ended by the system.*one process"):
        list(view_photographs([[]], WAYS, 1))
