import dataclasses
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store, fingerprint_store, open_store
from dr_core.errors import InputError
from dr_core.models.setups import SETUPS
from dr_core.study.drawn_data import DRAWN_DATA, draw_patient_views
from dr_core.study.eyes import can_open, list_eyes, open_graded, open_picture
from dr_core.study.folder import DataSet, StudyInfo, add_data, open_study, write_study_info


@pytest.fixture
def study(tmp_path):
    data = dataclasses.replace(DRAWN_DATA["test"], images=2)
    info = StudyInfo(title="T", summary="", protocol="-", seed=5, setups=(SETUPS["ifi_cl"],), data=(data,))
    return write_study_info(tmp_path / "study", info)


def measured_on(study, folder):
    """The study as it is once it has been measured on prepared eyes."""
    data = DataSet(key="mine", title="Mine", role="test", images=3, real=True, description="", label="")
    add_data(study.path, dataclasses.replace(data, fingerprint=fingerprint_store(folder)))
    return open_study(study.path)


def write_store(folder):
    folder.mkdir()
    np.save(folder / "images.npy", np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), np.uint8))
    rows = {"eye": ["a", "b", "c"], "grade": [0, 4, 2], "sharpness": 0.4, "luminance": 90.0, "warnings": ["", "x", ""]}
    pd.DataFrame(rows).to_parquet(folder / "index.parquet")
    return folder


def test_a_phantom_is_drawn_again_pixel_by_pixel(study):
    views, rows = draw_patient_views(5, Preprocessing(size=224), 7)
    for view, row in zip(views, rows, strict=True):
        picture = open_picture(study, "phantoms_test", row["eye"])
        assert np.array_equal(Preprocessing(size=224).to_model_view(picture.image).transpose(2, 0, 1), view)
        assert picture.grade == row["grade"]
        assert picture.masks["haemorrhages"].shape == picture.image.shape[:2]


def test_a_prepared_eye_is_opened_from_its_store(study, tmp_path):
    folder = write_store(tmp_path / "store")
    eyes = list_eyes("mine", open_store(folder), folder)
    study = measured_on(study, folder)
    picture = open_picture(study, "mine", "b", eyes)
    assert np.array_equal(picture.image.transpose(2, 0, 1), np.load(folder / "images.npy")[1])
    assert (picture.grade, picture.prepared, list(eyes["warnings"])) == (4, True, ["", "x", ""])


def test_what_cannot_be_opened_is_said(study, tmp_path):
    folder = write_store(tmp_path / "store")
    eyes = list_eyes("mine", open_store(folder), folder)
    assert not can_open(study, "mine", eyes)
    study = measured_on(study, folder)
    assert can_open(study, "phantoms_test")
    assert can_open(study, "mine", eyes)
    assert not can_open(study, "other", eyes)
    with pytest.raises(InputError, match="no eye 'd'"):
        open_picture(study, "mine", "d", eyes)
    with pytest.raises(InputError, match="not on this machine"):
        open_picture(study, "other", "a", eyes)
    with pytest.raises(InputError, match="no phantom 'phantom-1-up'"):
        open_picture(study, "phantoms_test", "phantom-1-up")
    folder.rename(tmp_path / "moved")
    assert not can_open(study, "mine", eyes)


def test_a_study_opens_no_folder_whose_content_it_was_not_measured_on(study, tmp_path):
    """A stranger's table of eyes may name any folder of this machine."""
    folder, private = write_store(tmp_path / "store"), tmp_path / "private"
    eyes = list_eyes("mine", open_store(folder), folder)
    study = measured_on(study, folder)
    shutil.copytree(folder, private)
    np.save(private / "images.npy", np.zeros((3, 3, 16, 16), np.uint8))
    for place in (private, tmp_path, "/proc/self", "..", "\0", "x" * 5000):
        with pytest.raises(InputError, match="not on this machine, or are others by now"):
            open_picture(study, "mine", "a", eyes.assign(store=str(place)))
    (private / "images.npy").unlink()
    os.mkfifo(private / "images.npy")
    assert not can_open(study, "mine", eyes.assign(store=str(private)))


def test_quality_is_left_open_where_nobody_measured_it():
    views, rows = draw_patient_views(0, Preprocessing(size=224), 1)
    store = Store(np.stack(views), pd.DataFrame(rows))
    assert list_eyes("drawn", store)["warnings"].isna().all()
    assessed = list_eyes("drawn", store, assess=True)
    assert assessed["sharpness"].between(0.2, 0.6).all()
    assert list(assessed["side"]) == ["right", "left"]


def write_grades(folder, grades):
    folder.mkdir()
    np.save(folder / "images.npy", np.zeros((len(grades), 3, 16, 16), np.uint8))
    eyes = [f"e{number}" for number in range(len(grades))]
    pd.DataFrame({"eye": eyes, "patient": eyes, "grade": grades}).to_parquet(folder / "index.parquet")
    return folder


def test_eyes_without_a_grade_are_left_out_and_counted(tmp_path):
    graded = open_graded(write_grades(tmp_path / "some", [0, -1, 4, None]))
    assert list(graded.store.index["eye"]) == ["e0", "e2"]
    assert (graded.left_out, graded.note) == (2, "2 eyes have no grade and were left out.")
    assert list(list_eyes("k", graded.store)["row"]) == [0, 2]  # so that their pictures can be opened
    whole = open_graded(write_grades(tmp_path / "all", [0, 1]))
    assert (len(whole.store), whole.left_out, whole.note) == (2, 0, "")


@pytest.mark.parametrize(
    ("grades", "message"),
    [([-1, -1], "must be 0 to 4, and none of its 2 eyes has one"), ([0, 7], "must be 0 to 4, not 7"), ([], "none of")],
)
def test_grades_that_are_none_are_refused(tmp_path, grades, message):
    with pytest.raises(InputError, match=message):
        open_graded(write_grades(tmp_path / "store", grades))
