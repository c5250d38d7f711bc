from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dr_core.analysis.controls import MAP
from dr_core.data.grades import POSITIVE
from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError
from dr_core.experiments import faithfulness, sanity
from dr_core.experiments.experiment import Inputs, Workload
from dr_core.experiments.explained_eyes import average_over_eyes
from dr_core.experiments.faithfulness import FAITHFULNESS
from dr_core.experiments.sanity import SANITY as SANITY_EXPERIMENT
from dr_core.models.architectures import build_network
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.heads import name_groups
from dr_core.pipeline.drawn_stores import draw_segmented


class DrawnEye:
    """A phantom with the face of an eye that is read."""

    def __init__(self, seed):
        self.name = f"phantom-{seed}"
        self.seed = seed

    def read_image(self):
        return draw_phantom(3, 128, self.seed).image


EYES = [DrawnEye(0), DrawnEye(1)]
SANITY = sanity.SanityConfig(rules=("alpha1_beta0", "gradient_x_input"), draws=50)
FAITHFUL = faithfulness.FaithfulnessConfig(draws=50)


@pytest.fixture(scope="module")
def models(tiny_study):
    return {setup: tiny_study.load_model(setup) for setup in ("iwne_fs", "ifi_cl")}


@pytest.fixture(scope="module")
def checked(models):
    reports = list(sanity.check_sanity({"ifi_cl": models["ifi_cl"]}, EYES, SANITY))
    assert [(report.done, report.total) for report in reports] == [(1, 2), (2, 2)]
    return pd.concat([report.rows for report in reports], ignore_index=True)


def test_every_method_is_checked_stage_by_stage_and_grade_by_grade(checked):
    assert list(checked.columns) == sanity.MEASURED
    steps = checked.groupby(["check", "step"], sort=False).size()
    assert list(steps["cascade"].index) == ["fc", "layer4", "layer3", "layer2", "layer1", "conv1"]
    assert list(steps["class"].index) == ["0", "1", "2", "4"]
    assert steps.eq(2 * 2 * 2).all()  # rules, eyes, measures
    assert checked["value"].dropna().between(-1, 1).all()


def test_sanity_is_summarized_and_said(checked):
    summary = sanity.summarize_sanity(checked, SANITY)
    assert set(summary.columns) == set(sanity.TABLES["sanity_summary"]) - {"seed", "fraction"}
    row = summary.iloc[0]
    same = checked[(checked[["setup", "rule", "check", "step", "measure"]] == row[:5]).all(axis=1)]
    assert row["value"] == pytest.approx(same["value"].mean())
    said = sanity.describe_sanity(summary)
    assert list(said) == list(SANITY.rules)
    assert said["alpha1_beta0"][0].startswith("LRP alpha1-beta0: this method's map ")
    assert "the target grade" in said["alpha1_beta0"][1]
    assert sanity.name_step("class", "0") == "target “no DR”"
    assert sanity.name_step("cascade", "layer4") == "randomized down to layer4"


def test_of_two_outputs_the_other_one_is_named_by_its_grades(models):
    """Neither is a grade: the first of them is not `no DR`."""
    info = replace(models["ifi_cl"].info, outputs="referable", classes=name_groups(3), positive_from=3)
    binary = LoadedModel(build_network("resnet50_slim", 2, 0).eval(), info)
    config = sanity.SanityConfig(rules=("gradient_x_input",), target=POSITIVE, draws=5)
    rows = pd.concat([one.rows for one in sanity.check_sanity({"binary": binary, **models}, EYES[:1], config)])
    assert set(rows["setup"]) == {"binary"}
    (step,) = set(rows.loc[rows["check"] == sanity.CLASSES, "step"])
    assert sanity.name_step(sanity.CLASSES, step) == "target “grades 0-2”"
    assert np.isfinite(sanity.arrange_sanity(sanity.summarize_sanity(rows, config))["grades"]).all()
    asked_for_a_grade = replace(config, target=3)
    assert all(one.rows.empty for one in sanity.check_sanity({"binary": binary}, EYES[:1], asked_for_a_grade))


@pytest.fixture(scope="module")
def followed(models):
    reports = list(faithfulness.measure_faithfulness(models, EYES, FAITHFUL))
    assert [(report.done, report.total) for report in reports] == [(1, 2), (2, 2)]
    return pd.concat([report.rows for report in reports], ignore_index=True)


def test_every_order_is_followed(followed):
    assert list(followed.columns) == faithfulness.MEASURED
    assert set(followed["method"]) == set(faithfulness.METHODS)
    assert followed["taken"].unique().tolist() == [0.0, 0.02, 0.05, 0.1, 0.2, 0.3]
    start = followed[followed["taken"] == 0]
    assert np.allclose(start["most_first"], start["least_first"])
    assert start.groupby(["eye", "setup"])["most_first"].nunique().eq(1).all()


def test_a_map_is_held_against_the_strongest_control_of_its_own_eye(followed):
    summary = faithfulness.summarize_faithfulness(followed, FAITHFUL)
    assert set(summary.columns) == set(faithfulness.TABLES["faithfulness_summary"]) - {"seed", "fraction"}
    start = followed[(followed["taken"] == 0) & (followed["setup"] == "ifi_cl")]
    wide = start.pivot_table(index="eye", columns="method", values="area")
    expected = (wide[MAP] - wide.drop(columns=MAP).max(axis=1)).mean()
    row = summary[(summary["setup"] == "ifi_cl") & (summary["method"] == faithfulness.BEYOND)].iloc[0]
    assert row["value"] == pytest.approx(expected)
    assert row["n"] == 2


def test_the_same_seed_gives_the_same_rows(models, followed):
    again = pd.concat([one.rows for one in faithfulness.measure_faithfulness(models, EYES, FAITHFUL)])
    assert again.reset_index(drop=True).equals(followed)


def test_nothing_to_measure_is_an_error():
    with pytest.raises(InputError, match="at least one eye"):
        list(sanity.check_sanity({}, [], SANITY))
    with pytest.raises(InputError, match="at least one eye"):
        list(faithfulness.measure_faithfulness({}, [], FAITHFUL))


def test_an_eye_without_a_value_is_left_out_of_the_mean():
    rows = pd.DataFrame({"a": "x", "eye": ["1", "2", "3"], "value": [0.2, 0.4, np.nan]})
    found = average_over_eyes(rows, ["a"], 50, 0).iloc[0]
    assert (found["value"], found["n"]) == (pytest.approx(0.3), 2)
    empty = average_over_eyes(rows.assign(value=np.nan), ["a"], 50, 0).iloc[0]
    assert (np.isnan(empty["value"]), empty["n"]) == (True, 0)


@pytest.mark.parametrize("experiment", [SANITY_EXPERIMENT, FAITHFULNESS])
def test_a_few_eyes_are_drawn_by_the_seed(experiment, tiny_study, tmp_path):
    config = experiment.config
    list(draw_segmented(tmp_path, 4, size=64))

    def units(**given):
        (step,) = experiment.plan(tiny_study, Inputs(masks=tmp_path), config(**given), "cpu")
        return step.units

    every = units()
    assert len(every) == 4
    assert units(limit=9) == every
    drawn = {units(limit=2, seed=seed) for seed in range(9)}
    assert len(drawn) > 1
    for few in drawn:
        assert few == tuple(eye for eye in every if eye in few)
        assert len(few) == 2
    work = Workload(eyes=0, segmented=4, models=1, runs=1, forward=1.0)
    assert experiment.estimate(work, config(limit=2)).seconds == experiment.estimate(work, config()).seconds / 2
