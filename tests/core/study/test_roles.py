"""No patient and no picture has two roles in a study, unless somebody knows why."""

import json

import numpy as np
import pandas as pd
import pytest

from dr_core.data.prepare import view_eye
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.pipeline.drawn_stores import draw_segmented
from dr_core.study.digests import digest_photographs
from dr_core.study.drawn_data import DRAWN_MARK
from dr_core.study.role_members import MASKED, keep_pretraining_eyes, read_member
from dr_core.study.roles import (
    assign_role,
    certify_roles,
    check_published_split,
    read_roles,
    register_roles,
    take_roles,
)


def write(folder, patients, *, seed=0, title="Mine", split=None, images=None):
    folder.mkdir()
    count = len(patients)
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), np.uint8) if images is None else images
    np.save(folder / "images.npy", pixels)
    index = pd.DataFrame({"eye": [f"{folder.name}-{n}" for n in range(count)], "patient": patients, "grade": 0})
    (index if split is None else index.assign(split=split)).to_parquet(folder / "index.parquet")
    if title:
        (folder / "store.json").write_text(json.dumps({"title": title, "size": 32, "crop": "squash"}))
    return folder


@pytest.fixture
def training(tmp_path):
    """A study whose training eyes are of the patients a and b."""
    store = write(tmp_path / "train", ["a", "a", "b"])
    members, notes = take_roles(tmp_path / "study", [("training", store)])
    assert notes == ()
    assert not (tmp_path / "study").exists()  # nothing is written before it is used
    register_roles(tmp_path / "study", members)
    return store


def test_a_patient_with_two_roles_is_refused_and_named(training, tmp_path):
    test = write(tmp_path / "test", ["b", "c"], seed=1)
    with pytest.raises(InputError, match=r"for test, and 1 of its patients \(b\) are used for training") as error:
        take_roles(tmp_path / "study", [("test", test)])
    assert "allow the overlap" in str(error.value)
    members, notes = take_roles(tmp_path / "study", [("test", test)], allow_overlap=True)
    assert len(notes) == 1
    register_roles(tmp_path / "study", members)
    (overlap,) = certify_roles(tmp_path / "study")
    assert (set(overlap.roles), overlap.patients, overlap.pictures, overlap.leaks) == ({"training", "test"}, 1, 0, True)


def test_a_picture_with_two_roles_is_refused_whatever_its_patient_is_called(training, tmp_path):
    pixels = np.load(training / "images.npy")[:1]
    test = write(tmp_path / "test", ["z"], title="Another", images=pixels)
    with pytest.raises(InputError, match=r"1 of its pictures \(test-0\) are used for training"):
        take_roles(tmp_path / "study", [("test", test)])


def test_names_of_patients_of_other_data_sets_mean_nothing(training, tmp_path):
    test = write(tmp_path / "test", ["a", "b"], seed=1, title="Another")
    members, notes = take_roles(tmp_path / "study", [("test", test)])
    assert notes == ()
    register_roles(tmp_path / "study", members)
    (overlap,) = certify_roles(tmp_path / "study")
    assert overlap.patients is None
    assert overlap.describe().endswith("checked by picture")


def test_two_stores_of_one_role_may_share_and_it_is_noted(training, tmp_path):
    more = write(tmp_path / "more", ["b", "c"], seed=1)
    members, notes = take_roles(tmp_path / "study", [("training", more)])
    assert notes == (f"{more}: 1 of its patients (b) are used for training, too.",)
    register_roles(tmp_path / "study", members)
    assert [member.role for member in read_roles(tmp_path / "study")] == ["training", "training"]
    assert not any(overlap.leaks for overlap in certify_roles(tmp_path / "study"))


def test_one_store_may_not_have_two_roles_at_once(tmp_path):
    store = write(tmp_path / "train", ["a", "b"])
    with pytest.raises(InputError, match="for validation, and 2 of its patients"):
        take_roles(tmp_path / "study", [("training", store), ("validation", store)])


def test_pictures_that_look_alike_are_listed_and_not_refused(training, tmp_path):
    pixels = np.load(training / "images.npy")[:1].copy()
    pixels[0, :, 5, 5] = 0
    test = write(tmp_path / "test", ["z"], title="Another", images=pixels)
    register_roles(tmp_path / "study", take_roles(tmp_path / "study", [("test", test)])[0])
    (overlap,) = certify_roles(tmp_path / "study")
    assert [set(pair) for pair in overlap.near] == [{"train-0", "test-0"}]
    assert not overlap.leaks


@pytest.mark.parametrize("split", ["test", "private", "Public"])
def test_eyes_that_were_published_for_testing_are_not_trained_on_unawares(tmp_path, split):
    store = write(tmp_path / "all", ["a", "b", "c"], split=["train", split, "train"])
    with pytest.raises(InputError, match=r"1 of the 3 eyes .* published split .* prepare the training split alone"):
        check_published_split(store)
    check_published_split(store, allow_test=True)
    check_published_split(write(tmp_path / "train", ["a"], split="train"))


def test_a_damaged_registry_is_a_sentence(training, tmp_path):
    (path,) = (tmp_path / "study" / "roles").glob("*")
    path.write_bytes(b"no table")
    with pytest.raises(InputError, match="is damaged"):
        list(read_roles(tmp_path / "study"))


@pytest.mark.parametrize("role", ["training", "validation", "test"])
def test_eyes_to_calibrate_on_have_no_other_role(tmp_path, role):
    study = tmp_path / "study"
    assert assign_role(study, role, write(tmp_path / "known", ["a", "b"])) == ()
    mixed = write(tmp_path / "mixed", ["b", "c"], seed=1)
    with pytest.raises(InputError, match=rf"for calibration, and 1 of its patients \(b\) are used for {role}"):
        assign_role(study, "calibration", mixed)
    assert [member.role for member in read_roles(study)] == [role]
    assert assign_role(study, "calibration", write(tmp_path / "others", ["d"], seed=2)) == ()
    assert {member.role for member in read_roles(study)} == {role, "calibration"}
    with pytest.raises(InputError, match="are used for calibration"):
        assign_role(study, "test", write(tmp_path / "late", ["d"], seed=3))
    assert len(assign_role(study, "test", tmp_path / "late", allow_overlap=True)) == 1
    assert any(overlap.leaks for overlap in certify_roles(study))


def test_a_pretraining_may_see_the_training_eyes_and_never_the_test_eyes(training, tmp_path):
    run = tmp_path / "moco"
    run.mkdir()
    (run / "config.json").write_text('{"data": "0123456789abcdef"}')
    keep_pretraining_eyes(run, write(tmp_path / "pretrain", ["a", "d"], seed=3))
    notes = assign_role(tmp_path / "study", "pretraining", run)
    assert notes == (f"{run}: 1 of its patients (a) are used for training, too.",)
    assert not any(overlap.leaks for overlap in certify_roles(tmp_path / "study"))
    with pytest.raises(InputError, match=r"1 of its patients \(d\) are used for pretraining"):
        assign_role(tmp_path / "study", "test", write(tmp_path / "test", ["d"], seed=4))


def test_photographs_with_masks_are_test_eyes_known_by_their_pictures(tmp_path):
    masked = tmp_path / "segmented"
    list(draw_segmented(masked, 2, size=96, seed=0))
    (first, _) = sorted(masked.rglob("IDRiD_*.jpg"))
    view = view_eye(masked, first.relative_to(masked).as_posix(), Preprocessing(size=32, crop="squash"))
    training = write(tmp_path / "train", ["a", "b"], images=np.stack([view, view // 2]))
    study = tmp_path / "study"
    assign_role(study, "training", training)
    with pytest.raises(InputError, match=r"1 of its pictures \(IDRiD_01\) are used for training"):
        take_roles(study, [("test", masked), ("test", write(tmp_path / "t", ["z"], seed=5))])
    register_roles(study, take_roles(study, [("test", masked)], allow_overlap=True)[0])
    assert {member.role for member in read_roles(study)} == {"training", "test"}


def test_drawn_eyes_with_masks_are_not_called_photographs(tmp_path):
    list(draw_segmented(tmp_path / "masked", 1, size=96, seed=0))
    view = Preprocessing(size=32)
    drawn = read_member(tmp_path, "test", tmp_path / "masked", [view])
    (tmp_path / "masked" / DRAWN_MARK).unlink()
    photographs = read_member(tmp_path, "test", tmp_path / "masked", [view])
    assert (drawn.title, photographs.title) == ("", MASKED)
    assert (drawn.eyes["title"].unique(), photographs.eyes["title"].unique()) == ([""], [MASKED])


def write_training(folder, view, preparation):
    write(folder, ["a", "b"], images=np.stack([view, view // 2]))
    (folder / "store.json").write_text(json.dumps({"title": "Mine", "crop": preparation.crop}))
    return folder


@pytest.mark.parametrize(("size", "crop"), [(64, "squash"), (48, "field_of_view")])
def test_photographs_with_masks_are_recognized_in_training_stores_of_any_preparation(tmp_path, size, crop):
    """The study has no model, or one of another size: what its training eyes went through stands in their role."""
    masked, study, preparation = tmp_path / "segmented", tmp_path / "study", Preprocessing(size=size, crop=crop)
    list(draw_segmented(masked, 2, size=96, seed=0))
    (first, _) = sorted(masked.rglob("IDRiD_*.jpg"))
    view = view_eye(masked, first.relative_to(masked).as_posix(), preparation)
    assign_role(study, "training", write_training(tmp_path / "train", view, preparation))
    with pytest.raises(InputError, match=r"1 of its pictures \(IDRiD_01\) are used for training"):
        take_roles(study, [("test", masked)])


def test_photographs_that_have_a_role_are_looked_at_again_when_a_store_of_another_size_is_there(tmp_path):
    masked, study, preparation = tmp_path / "segmented", tmp_path / "study", Preprocessing(size=64, crop="squash")
    list(draw_segmented(masked, 1, size=96, seed=0))
    (first,) = sorted(masked.rglob("IDRiD_*.jpg"))
    assign_role(study, "test", write(tmp_path / "other", ["z"], seed=5))
    assign_role(study, "test", masked)
    view = view_eye(masked, first.relative_to(masked).as_posix(), preparation)
    assign_role(study, "calibration", write_training(tmp_path / "own", view, preparation))
    with pytest.raises(InputError, match=r"are used for calibration"):
        assign_role(study, "test", masked)
    assert len(assign_role(study, "test", masked, allow_overlap=True)) == 1
    (again,) = (member for member in read_roles(study) if member.fingerprint == digest_photographs(masked))
    assert len(again.eyes) == 2
