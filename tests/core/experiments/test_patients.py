import numpy as np
import pandas as pd
import pytest

from dr_core.data.fundus.checks import INPUT_CHECKS
from dr_core.experiments.answers import ANSWERS
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.patients import (
    PATIENT_AUC,
    count_patients,
    find_unjudged,
    join_answers,
    patient_auc,
    summarize_patients,
)
from dr_core.experiments.performance import PERFORMANCE
from tests.conftest import make_study

PAPER = "grades 3-4 against 0-2"


def answers(scores, grades, patients):
    """Answers whose probability of grade 4 is the score, and the rest of grade 0."""
    softmax = np.zeros((len(scores), 5))
    softmax[:, 4], softmax[:, 0] = scores, 1 - np.array(scores)
    rows = {"data": "d", "eye": [f"e{n}" for n in range(len(scores))], "patient": patients, "setup": "iwne_fs"}
    rows |= {"grade": grades, "has_dr": np.array(grades) > 0}
    return pd.DataFrame(rows | dict(zip(ANSWERS, softmax.T, strict=True)))


def test_patient_auc_by_hand():
    """Worse eyes: a .9 and b .3 are sick (b's sick eye scores .1), c .4 and d .2 are healthy: 3 of 4 pairs."""
    table = answers([0.9, 0.1, 0.1, 0.3, 0.4, 0.2, 0.2], [4, 0, 3, 1, 2, 0, 0], list("aabbccd"))
    row = summarize_patients(table).set_index("reading").loc[PAPER]
    assert (row["measure"], row["n"], row["positives"]) == (PATIENT_AUC, 4, 2)
    assert row["value"] == pytest.approx(0.75)
    assert row["low"] < 0.75 < row["high"]
    assert row["warning"] == "only 2 positive patients"
    joined = join_answers(table, PAPER, {"e0", "e6"})  # a is left with .1, and d has no answer: .1 and .3 against .4
    assert patient_auc(joined).warning == "fewer than two patients with positive or with negative eyes"
    counts = count_patients(joined)
    assert (counts.patients, counts.several_eyes, counts.partly_judged, counts.without_answer) == (4, 3, 1, 1)


def test_where_every_patient_has_one_eye_nothing_is_added():
    assert summarize_patients(answers([0.9, 0.1], [4, 0], ["a", "b"])).empty


def test_an_eye_outside_of_what_models_know_cannot_be_judged():
    outside = next(check for check in INPUT_CHECKS.values() if check.level == "outside")
    eyes = pd.DataFrame({"eye": ["a", "b", "c"], "warnings": ["", outside.sentence, None]})
    assert find_unjudged(eyes) == {"b"}


def test_evaluating_stores_it_beside_the_other_measures(tmp_path):
    study = make_study(tmp_path / "study")
    predictions = study.read_results("predictions")
    number = predictions.groupby("setup").cumcount()
    study.write_results("predictions", predictions.assign(patient=(number // 2).astype(str)))
    list(PERFORMANCE.run(study, Inputs(), PERFORMANCE.config(draws=20)))
    rows = study.read_results("performance")
    mine = rows[(rows["measure"] == PATIENT_AUC) & (rows["reading"] == PAPER)]
    assert set(mine["setup"]) == set(study.setups)
    assert (mine["n"] == number.max() // 2 + 1).all()
    assert {"auc", "accuracy"} <= set(rows["measure"])
