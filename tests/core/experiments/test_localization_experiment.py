from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError
from dr_core.experiments.heatmap_spread import VIEW
from dr_core.experiments.knockout import BEYOND, summarize_knockouts
from dr_core.experiments.localization import (
    LocalizeConfig,
    compare_setups,
    list_scores,
    localize_eyes,
    summarize_localization,
)
from dr_core.experiments.table3 import arrange_table3, write_table3
from dr_core.models.setups import SETUPS
from dr_core.study.shards import Shard, join_parts, parse_shard, parts_folder, write_part


class DrawnEye:
    """A phantom with the face of a segmented eye."""

    def __init__(self, seed):
        self.name = f"phantom-{seed}"
        self.phantom = draw_phantom(3 if seed else 1, 256, seed)

    def read_image(self):
        return self.phantom.image

    def read_mask(self, lesion):
        parts = ("microaneurysms", "haemorrhages", "hard_exudates") if lesion == "total" else (lesion,)
        return np.logical_or.reduce([self.phantom.masks[part] for part in parts])

    def read_disc(self):
        return None  # to be found in the photograph


CONFIG = LocalizeConfig(protocols=("paper",), controls=1, draws=50)


@pytest.fixture(scope="module")
def measured(tiny_study):
    models = {setup: tiny_study.load_model(setup) for setup in ("iwne_fs", "ifi_cl")}
    reports = list(localize_eyes(models, [DrawnEye(0), DrawnEye(1), DrawnEye(2)], CONFIG))
    assert [(report.done, report.total) for report in reports] == [(1, 3), (2, 3), (3, 3)]
    return (
        pd.concat([report.scores for report in reports], ignore_index=True),
        pd.concat([report.knockouts for report in reports], ignore_index=True),
    )


def test_every_lesion_that_is_there_is_scored(measured):
    scores, _ = measured
    per_lesion = 2 * 8 * 2 * 3  # set-ups, methods, poolings, scores
    assert scores[scores["lesion"] != VIEW].groupby(["eye", "lesion"]).size().eq(per_lesion).all()
    assert scores[scores["lesion"] == VIEW].groupby("eye").size().eq(2 * 8 * 2).all()
    assert set(scores[scores["eye"] == "phantom-0"]["lesion"]) == {"microaneurysms", "total", VIEW}
    assert scores["value"].between(0, 1).all()


def test_a_set_up_without_an_answer_has_its_reason_and_the_others_their_numbers(tiny_study):
    models = {setup: tiny_study.load_model(setup) for setup in ("iwne_fs", "ifi_cl")}
    models["ifi_cl"].model.fc.weight.data.zero_()
    config = LocalizeConfig(protocols=("paper",), poolings=("sum_pos",), controls=1, draws=10)
    (report,) = localize_eyes(models, [DrawnEye(1)], config)
    silent = report.scores[(report.scores["setup"] == "ifi_cl") & (report.scores["method"] == "lrp")]
    assert silent["value"].isna().all()
    assert silent["reason"].str.contains("because its map is zero everywhere").all()
    other = report.scores[report.scores["setup"] == "iwne_fs"]
    assert other["value"].notna().all()
    assert other["reason"].eq("").all()
    summary = summarize_localization(report.scores, config)
    assert summary[(summary["setup"] == "ifi_cl") & (summary["method"] == "lrp")]["n"].eq(0).all()
    table = arrange_table3(summary, SETUPS)
    rows = [str(key[2]) for key in table.index]
    assert any(row.startswith("IFI-CL (No answer from LRP alpha1-beta0, because") for row in rows)
    assert "no answer" in table.to_csv()


def test_the_heatmaps_entropy_in_the_field_of_view_is_measured(measured):
    view = measured[0][measured[0]["lesion"] == "view"]
    assert set(view["score"]) == {"entropy"}
    assert view.groupby("eye").size().eq(2 * 8 * 2).all()  # set-ups, methods, poolings
    assert view["value"].between(0, 1).all()
    assert (view[view["method"] == "random"]["value"] > 0.9).all()


def test_the_random_control_scores_chance(measured):
    random = measured[0][(measured[0]["method"] == "random") & (measured[0]["lesion"] == "total")]
    mass = random[random["score"] == "mass accuracy"]
    assert (mass["value"] / mass["share"]).mean() == pytest.approx(1, abs=0.25)
    recall = random[(random["score"] == "recall") & (random["pooling"] == "l2_norm_sq")]
    assert recall["value"].mean() == pytest.approx(0.99, abs=0.02)


def test_knock_outs_tell_before_and_after(measured):
    _, knockouts = measured
    assert set(knockouts["kind"]) == {"removed", "kept_only", "control"}
    assert set(knockouts["measure"]) == {"severe", "referable_3", "referable_2"}
    assert knockouts.groupby(["eye", "setup", "measure"])["before"].nunique().eq(1).all()
    assert knockouts[["before", "after"]].stack().between(0, 1).all()
    controls = knockouts["kind"] == "control"
    assert knockouts[controls]["weight"].between(0, 1).all()
    assert knockouts[~controls]["weight"].isna().all()


def test_means_medians_and_intervals(measured):
    scores, _ = measured
    summary = summarize_localization(scores, CONFIG)
    chosen = scores.query("setup == 'ifi_cl' and method == 'lrp' and pooling == 'sum_pos' and lesion == 'total'")
    values = chosen[chosen["score"] == "mass accuracy"]["value"]
    row = summary.query(
        "setup == 'ifi_cl' and method == 'lrp' and pooling == 'sum_pos' and lesion == 'total' "
        "and score == 'mass accuracy' and statistic == 'mean'"
    ).iloc[0]
    assert row["value"] == pytest.approx(values.mean())
    assert row["low"] <= row["value"] <= row["high"]
    assert row["n"] == 3
    random = scores.query("setup == 'ifi_cl' and method == 'random' and pooling == 'sum_pos' and lesion == 'total'")
    for score in list_scores():  # measured by the same code, not a closed form
        found = summary.query(
            "setup == 'ifi_cl' and method == 'lrp' and pooling == 'sum_pos' and lesion == 'total' and score == @score"
        )
        assert found["chance"].tolist() == pytest.approx([random[random["score"] == score]["value"].mean()] * 2)
    recall = summary.query("method == 'lrp' and score == 'recall' and lesion == 'total'")
    # half of a Gaussian map is clamped to exactly 0 by sum_pos and falls out of the recall
    assert recall[recall["pooling"] == "sum_pos"]["chance"].between(0.4, 0.6).all()
    assert recall[recall["pooling"] == "l2_norm_sq"]["chance"].between(0.95, 1).all()


def test_pairs_of_set_ups_are_compared_on_the_same_eyes(measured):
    tests = compare_setups(measured[0])
    assert set(zip(tests["setup"], tests["other"], strict=True)) == {("iwne_fs", "ifi_cl")}
    assert tests["p"].dropna().between(0, 1).all()
    multitest = multipletests(tests["p"].dropna(), method="holm")[1]
    assert tests["p_holm"].dropna().to_numpy() == pytest.approx(multitest)
    same = measured[0].assign(value=0.5)
    assert compare_setups(same)["p"].isna().all()


def test_table_3_has_a_row_for_each_set_up_and_control(measured, tmp_path):
    summary = summarize_localization(measured[0], CONFIG)
    table = arrange_table3(summary, SETUPS)
    assert set(table.columns) == {"MA", "HE", "EX", "SE", "total"} & set(table.columns)
    assert len(table) == 2 * 3 * 2 * 8  # poolings, scores, set-ups, the heatmap and its controls
    csv, tex = write_table3(summary, tmp_path, SETUPS)
    assert csv.name == "table3_paper.csv"
    assert "IFI-CL" in csv.read_text()
    assert tex.read_text().count(r"\\") == 1 + len(table)


def test_the_best_of_a_row_is_marked_as_in_the_paper(tmp_path):
    """Two set-ups tie in the mean, one is ahead in the median; the control is higher than both and not marked."""
    keys = {"protocol": "paper", "lesion": "total", "pooling": "sum_pos", "score": "mass accuracy"}
    rows = [
        keys | {"setup": setup, "method": method, "statistic": statistic, "value": value}
        for setup, method, mean, median in (
            ("iwne_fs", "lrp", 0.20001, 0.1),
            ("ifi_cl", "lrp", 0.2, 0.3),
            ("ifi_cl", "random", 0.9, 0.9),
        )
        for statistic, value in (("mean", mean), ("median", median))
    ]
    table = arrange_table3(pd.DataFrame(rows), SETUPS)
    assert table["total"].tolist() == ["0.2000* / 0.1000", "0.2000* / 0.3000*", "0.9000 / 0.9000"]
    _, tex = write_table3(pd.DataFrame(rows), tmp_path, SETUPS)
    assert r"\textbf{0.2000} / \textbf{0.3000}" in tex.read_text()


def test_shards_share_the_work_out_and_join(tmp_path):
    items = list(range(7))
    parts = [Shard(number=number, count=3) for number in (1, 2, 3)]
    assert sorted(item for part in parts for item in part.take(items)) == items
    for part in parts:
        assert join_parts(tmp_path, ["table"], part) is None
        write_part(tmp_path, "table", pd.DataFrame({"item": part.take(items)}), part)
    (joined,) = join_parts(tmp_path, ["table"], parts[0])
    assert sorted(joined["item"]) == items


def test_a_shard_is_parsed_or_taken_from_the_rank(monkeypatch):
    assert parse_shard("2/8") == Shard(number=2, count=8)
    assert parse_shard(None) == Shard()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert parse_shard(None) == Shard(number=2, count=4)
    for text in ("0/2", "3/2", "two"):
        with pytest.raises(InputError, match="must be written as 2/8"):
            parse_shard(text)


def test_nothing_to_localize_is_an_error():
    with pytest.raises(InputError, match="at least one eye"):
        list(localize_eyes({}, [], CONFIG))


def fall(eye, kind, after, before=0.8):
    about = {"eye": eye, "setup": "iwne_fs", "lesion": "haemorrhages", "measure": "severe", "painted": 0.1}
    return about | {"kind": kind, "placed": 1.0, "before": before, "after": after}


def test_a_fall_is_held_against_the_mean_of_the_eyes_own_controls():
    table = pd.DataFrame(
        [
            *(fall("a", "removed", 0.3), fall("a", "control", 0.7), fall("a", "control", 0.8)),
            *(fall("b", "removed", 0.2, 0.6), fall("b", "control", 0.6, 0.6), fall("b", "control", 0.6, 0.6)),
        ]
    )
    found = summarize_knockouts(table, draws=200).set_index("kind")
    assert found.loc["removed", "value"] == pytest.approx(-0.45)  # -.5 and -.4
    assert found.loc["control", "value"] == pytest.approx(-0.025)  # -.05 and 0
    assert found.loc[BEYOND, "value"] == pytest.approx(-0.425)
    assert found.loc[BEYOND, ["low", "high"]].tolist() == pytest.approx([-0.45, -0.4])
    assert found["n"].tolist() == [2, 2, 2]


def test_an_eye_whose_control_could_not_be_matched_is_left_out_of_what_is_beyond_it():
    def row(eye, kind, after, weight):
        return fall(eye, kind, after) | {"weight": weight, "unlike": 0.2}

    nan = float("nan")
    table = pd.DataFrame(
        [
            *(row("a", "removed", 0.3, nan), row("a", "control", 0.7, 1.0), row("a", "control", 0.1, 0.0)),
            *(row("b", "removed", 0.2, nan), row("b", "control", 0.8, 0.0)),
        ]
    )
    found = summarize_knockouts(table, draws=200).set_index("kind")
    assert found.loc["removed", ["value", "n", "left_out"]].tolist() == pytest.approx([-0.55, 2, 0])
    assert found.loc[BEYOND, ["value", "n", "left_out"]].tolist() == pytest.approx([-0.4, 1, 1])
    assert found.loc[BEYOND, "unlike"] == pytest.approx(0.2)


def test_other_settings_or_models_are_other_work(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    first = parts_folder(tmp_path, "localize", CONFIG, ["eye"])
    assert first == parts_folder(tmp_path, "localize", CONFIG, ["eye"])
    assert first != parts_folder(tmp_path, "localize", CONFIG, ["another"])
    assert first != parts_folder(tmp_path, "localize", replace(CONFIG, seed=1), ["eye"])
