"""Readings that labels support, operating points, groups and calibration as tables of a study."""

import json

import numpy as np
import pandas as pd
import pytest

from dr_core.analysis.operating_points import HALF
from dr_core.data.published.folder import FolderLayout, index_folder
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, MeasureConfig, compare_performance, read_answers, summarize
from dr_core.experiments.calibration import CALIBRATION, chosen_maps, fit_calibrations
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.groups import GAP, check_columns, measure_groups
from dr_core.experiments.operating import find_thresholds, list_points
from dr_core.experiments.performance import PERFORMANCE
from dr_core.study.folder import open_study
from dr_core.study.roles import register_roles, take_roles
from tests.conftest import make_study

PAPER, ANY = "grades 3-4 against 0-2", "any DR"
FEW = MeasureConfig(draws=60)


def answers(number=240, *, graded=True, seed=0):
    """Answers that know something of the grade, overconfident."""
    generator = np.random.default_rng(seed)
    grades = generator.integers(0, 5, number)
    logits = generator.normal(0, 1.5, (number, 5)) + 2.5 * np.eye(5)[grades]
    softmax = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    names = np.arange(number)
    rows = {"data": "d", "eye": names.astype(str), "patient": names // 2, "setup": "iwne_fs"}
    rows |= {"grade": grades if graded else -1, "has_dr": grades > 0} | dict(zip(ANSWERS, softmax.T, strict=True))
    return pd.DataFrame(rows)


def write_store(folder, number=60, *, seed=1, grades=None, title="Mine", **columns):
    folder.mkdir()
    np.save(folder / "images.npy", np.random.default_rng(seed).integers(0, 256, (number, 3, 64, 64), np.uint8))
    names = np.arange(number)
    index = {"eye": [f"{folder.name}-{n}" for n in names], "patient": [f"{folder.name}-{n // 2}" for n in names]}
    index |= {"grade": names % 5 if grades is None else grades} | columns
    pd.DataFrame(index).to_parquet(folder / "index.parquet")
    about = {"title": title, "size": 64, "crop": "field_of_view"}
    (folder / "store.json").write_text(json.dumps(about))
    return folder


# --- right labels ---------------------------------------------------------------------------------------------------


def test_only_readings_that_the_labels_support_are_measured():
    known = answers(graded=False)
    assert set(summarize(known, FEW)["reading"]) == {ANY}
    both = pd.concat([known, known.assign(setup="ifi_cl")], ignore_index=True)
    assert set(compare_performance(both, FEW)["reading"]) == {ANY}
    assert set(list_points(known, FEW)["reading"]) == {ANY}
    with pytest.raises(InputError, match="only the presence of DR is known"):
        read_answers(known, PAPER)
    assert {PAPER, ANY} <= set(summarize(answers(), FEW)["reading"])


def test_a_table_of_before_shows_no_figure_under_the_name_of_a_label_that_no_eye_has(tmp_path):
    study = make_study(tmp_path / "old")
    table = study.read_results("performance")
    assert PAPER in set(table["reading"])
    study.write_results("predictions", study.read_results("predictions").assign(grade=-1))
    found = set(study.read_results("performance")["reading"])
    assert ANY in found
    assert not {name for name in found if name.startswith("grades ")}


# --- operating points -----------------------------------------------------------------------------------------------


def test_points_are_found_by_name(tmp_path):
    study = make_study(tmp_path / "study")
    list(PERFORMANCE.run(study, Inputs(), FEW))
    found = find_thresholds(study, "specificity 0.9", "noise", PAPER)
    assert found.keys() == study.setups.keys()
    rows = study.read_results("predictions")
    for setup, threshold in found.items():
        labels, scores = read_answers(rows[rows["setup"] == setup], PAPER)
        assert (scores[~labels] < threshold).mean() >= 0.9
    assert set(find_thresholds(study, HALF, "", PAPER).values()) == {0.5}
    with pytest.raises(InputError, match=r"no operating point 'specificity 0.9' on 'other'.*noise: specificity 0.9"):
        find_thresholds(study, "specificity 0.9", "other", PAPER)


# --- groups ---------------------------------------------------------------------------------------------------------


def test_a_group_that_is_worse_is_the_worst_of_the_gap():
    rows = answers(600)
    camera = np.array(["a", "b", "c"])[np.arange(600) // 2 % 3]
    blind = rows[ANSWERS].sample(frac=1, random_state=0).to_numpy()
    rows.loc[camera == "b", ANSWERS] = blind[camera == "b"]
    index = pd.DataFrame({"eye": rows["eye"], "camera": camera})
    found = measure_groups(rows, index, MeasureConfig(draws=100, by=("camera",)))
    aucs = found[(found["reading"] == PAPER) & (found["measure"] == "auc")].set_index("group")
    assert aucs.loc["b", "value"] < 0.65 < aucs.loc["a", "value"]
    gap = aucs.loc[GAP]
    assert "worst b, of 3 groups" in gap["warning"]
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    assert aucs.loc["all", "n"] == 600
    calibration = found[(found["reading"] == PAPER) & (found["measure"] == "calibration")].set_index("group")
    assert "worst b" in calibration.loc[GAP, "warning"]


def test_a_group_without_positives_is_said_and_in_no_gap():
    rows = answers(300)
    site = np.where(rows["grade"] == 0, "healthy", "mixed")
    index = pd.DataFrame({"eye": rows["eye"], "site": site})
    found = measure_groups(rows, index, MeasureConfig(draws=50, by=("site",)))
    healthy = found[(found["group"] == "healthy") & (found["reading"] == PAPER)].set_index("measure")
    assert healthy.loc["auc", "warning"] == "no positive eyes"
    assert np.isnan(healthy.loc["auc", "value"])
    assert healthy.loc["specificity", "n"] == (site == "healthy").sum()
    assert found[(found["group"] == GAP) & (found["measure"] == "auc")].empty


def test_columns_that_are_no_groups_are_refused():
    index = pd.DataFrame({"eye": range(500), "name": range(500), "one": 1, "age": [None, "x"] * 250})
    with pytest.raises(InputError, match="'name' has 500 different values; groups need 2 to 40"):
        check_columns(index, ["name"])
    with pytest.raises(InputError, match="'one' has 1 different"):
        check_columns(index, ["one"])
    with pytest.raises(InputError, match="no column 'camera'; it has eye, name"):
        check_columns(index, ["camera"])
    check_columns(index, ["age"])  # what is not known is a group of its own


def test_evaluate_measures_by_column_and_keeps_what_others_measured(tmp_path):
    study = make_study(tmp_path / "study")
    cameras = np.where(np.arange(60) < 30, "left", "right")
    store = write_store(tmp_path / "eyes", camera=cameras, patient=np.arange(60) // 2)  # numbers, as the study's
    list(PERFORMANCE.run(study, Inputs(data=store), MeasureConfig(draws=40, by=("camera",))))
    found = study.read_results("groups")
    assert set(found["group"]) == {"all", "left", "right", GAP}
    assert set(found["setup"]) == set(study.setups)
    assert set(study.read_results("operating_points")["data"]) == {"noise", "eyes"}


def test_further_columns_of_a_table_are_kept(tmp_path):
    root = tmp_path / "photographs"
    root.mkdir()
    (root / "a.png").write_bytes(b"a")
    (root / "labels.csv").write_text("image,grade,camera,patient\na,2,Topcon,p\n")
    layout = FolderLayout(keep_columns=("camera",))
    assert index_folder(root, layout).index["camera"].tolist() == ["Topcon"]
    with pytest.raises(InputError, match="'grade' is in every index"):
        index_folder(root, FolderLayout(keep_columns=("grade",)))


# --- calibration ----------------------------------------------------------------------------------------------------


def test_a_calibration_is_chosen_and_better_than_none():
    found = fit_calibrations(answers(600), FEW)
    assert set(found["reading"]) == {PAPER, "grades 2-4 against 0-1", ANY, "five grades"}
    for _, rows in found.groupby("reading"):
        assert rows["chosen"].sum() == 1
        assert rows.loc[rows["chosen"], "log_loss"].iloc[0] == rows["log_loss"].min()
        raw = rows[rows["method"].str.startswith("raw")].iloc[0]
        assert rows["log_loss"].min() < raw["log_loss"]
    maps = chosen_maps(found, "d", PAPER)
    assert 0 < maps["iwne_fs"].apply(np.array([0.5]))[0] < 1


def test_a_study_is_calibrated_and_its_points_stand_beside_the_others(tmp_path):
    study = make_study(tmp_path / "study")
    list(PERFORMANCE.run(study, Inputs(), FEW))
    store = write_store(tmp_path / "own", number=100)
    reports = list(CALIBRATION.run(study, Inputs(data=store), FEW))
    assert any("Fitted on 100 eyes" in note for note in reports[-1].notes)
    study = open_study(study.path)
    assert study.data("own").role == "calibration"
    assert len(study.read_results("calibration_answers")) == 400
    assert set(study.read_results("calibrations")["data_digest"]) == {study.data("own").fingerprint}
    points = study.read_results("operating_points")
    assert set(points["data"]) == {"noise", "own"}
    list(PERFORMANCE.run(study, Inputs(), FEW))  # measuring again keeps them
    assert set(study.read_results("operating_points")["data"]) == {"noise", "own"}


@pytest.mark.parametrize(
    ("number", "grades", "reason"), [(3, None, "at least 50 labeled eyes, not 3"), (60, 0, "60 eyes 0 are positive")]
)
def test_eyes_that_calibrate_nothing_are_refused_and_nothing_is_written(tmp_path, number, grades, reason):
    study = make_study(tmp_path / "study")
    store = write_store(tmp_path / "own", number=number, grades=grades)
    with pytest.raises(InputError, match=reason):
        list(CALIBRATION.run(study, Inputs(data=store), FEW))
    assert not study.has_results("calibrations")
    assert [data.key for data in open_study(study.path).info.data] == ["noise"]


def test_eyes_that_trained_the_models_are_recognized_and_refused(tmp_path):
    study = make_study(tmp_path / "study")
    store = write_store(tmp_path / "training")
    members, _ = take_roles(study.path, [("training", store)])
    register_roles(study.path, members)
    same = write_store(tmp_path / "copy", number=60)  # the same pixels under other names
    with pytest.raises(InputError, match="used for training in this study"):
        list(CALIBRATION.run(study, Inputs(data=same), FEW))
    assert not study.has_results("calibrations")
