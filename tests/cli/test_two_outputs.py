"""A model that says yes or no answers its one reading in every command, and nothing else is invented for it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from dr_cli.main import main
from dr_core.data.fundus import encode_jpeg
from dr_core.data.grades import READINGS
from dr_core.data.phantom import draw_phantom
from dr_core.models.architectures import build_backbone
from dr_core.study.folder import open_study
from tests.cli.test_measure_commands import write_store

ICDR = "grades 2-4 against 0-1"
SILENT = {"p0", "p1", "p2", "p3", "p4", "grade", "referable_3", "flagged_3", "threshold_3"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A model of five grades and one of a single logit, which means moderate or worse, imported and measured."""
    folder = tmp_path_factory.mktemp("two")
    for name, count, options in (("graded", 5, []), ("yes", 1, ["--grades", "2", "--positive-from", "2"])):
        torch.save(build_backbone("resnet18", count, seed=count).state_dict(), folder / f"{name}.pth")
        words = ["import", folder / f"{name}.pth", "--study", folder / "study", "--name", name, "--arch", "resnet18"]
        assert main([*map(str, words), "--size", "64", *options]) == 0
    store = write_store(folder / "eyes", n=40)
    common = ["--study", str(folder / "study"), "--data", str(store)]
    assert main(["evaluate", *common, "--draws", "10"]) == 0
    damage = ["--corruption", "saturate", "--severity", "3", "--eyes", "20", "--draws", "10"]
    assert main(["robustness", *common, *damage]) == 0
    own = write_store(folder / "own", n=50, seed=1)
    assert main(["calibrate", "--study", str(folder / "study"), "--data", str(own)]) == 0
    return open_study(folder / "study")


def test_its_answer_is_the_sigmoid_of_its_logit(study):
    network = build_backbone("resnet18", 1, seed=1).eval()
    model = study.load_model("yes")
    x = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = torch.softmax(model.model(x), dim=1)[:, 1]
        assert torch.allclose(found, torch.sigmoid(network(x))[:, 0], atol=1e-6)
    assert (model.info.classes, model.info.positive_from) == (("grades 0-1", "grades 2-4"), 2)


def test_predictions_leave_out_the_grades_that_it_does_not_tell(study):
    rows = study.read_results("predictions").query("setup == 'yes'")
    assert rows[["p1", "p3", "p4"]].isna().all(axis=None)
    assert (rows["p0"] + rows["p2"]).to_numpy() == pytest.approx(1)


@pytest.mark.parametrize("table", ["performance", "operating_points", "calibrations"])
def test_tables_hold_its_reading_alone(study, table):
    rows = study.read_results(table)
    assert set(rows.query("setup == 'yes'")["reading"]) == {ICDR}
    assert set(rows.query("setup == 'graded'")["reading"]) > set(READINGS) - {"any DR"}
    assert rows.query("setup == 'yes'").select_dtypes(float).notna().any(axis=1).all()


def test_comparisons_are_of_what_both_answer(study):
    assert set(study.read_results("comparisons")["reading"]) == {ICDR}


def test_damage_is_measured_by_its_reading_alone(study):
    rows = study.read_results("robustness_summary").query("setup == 'yes'")
    assert set(rows["reading"]) == {ICDR}
    assert {"auc", "flip rate", "calibration_error"} == set(rows["measure"])


def test_a_score_sheet_leaves_its_other_cells_empty(study, tmp_path):
    jpeg = encode_jpeg(draw_phantom(3, 96, 0).image, 96)
    (tmp_path / "eye.jpg").write_bytes(jpeg)
    out = tmp_path / "scores.csv"
    words = ["score", str(tmp_path / "eye.jpg"), "--study", str(study.path), "--out", str(out), "--heatmaps"]
    assert main([*words, "--processes", "1", "--device", "cpu"]) == 0
    rows = pd.read_csv(out).set_index("setup")
    assert rows.loc["yes", sorted(SILENT)].isna().all()
    assert 0 <= rows.loc["yes", "referable_2"] <= 1
    assert rows.loc["yes", "flagged_2"] in (0, 1)
    assert rows.loc["graded", sorted(SILENT)].notna().all()
    header = json.loads(out.with_suffix(".json").read_text())
    assert header["models"]["yes"]["answers"] == "grades 0-1 and grades 2-4 alone"
    assert header["heatmaps"]["of_two_outputs"] == {"yes": "grades 2-4"}
    targets = {name: int(np.load(tmp_path / f"scores.heatmaps/eye.jpg/{name}.npz")["target"]) for name in rows.index}
    assert targets == {"graded": 3, "yes": 5}


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (2, [], "gives 2 numbers, a yes or no; say that the outputs are `referable`"),
        (1, [], "may be the grade itself or the probability of disease"),
        (2, ["--grades", "2"], "give the lowest grade that its yes means"),
        (5, ["--outputs", "grades", "--positive-from", "2"], "give the lowest grade that its yes means"),
        (5, ["--positive-from", "2"], "does not hold a resnet18: 2 of another shape"),
    ],
)
def test_what_a_yes_means_must_be_given_and_only_that(tmp_path, count, options, message, capsys):
    torch.save(build_backbone("resnet18", count, seed=0).state_dict(), tmp_path / "a.pth")
    words = ["import", str(tmp_path / "a.pth"), "--study", str(tmp_path / "study"), "--name", "a", "--arch", "resnet18"]
    assert main([*words, "--size", "64", *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "study").exists()


def test_the_expected_answers_of_a_yes_are_one_column(tmp_path, capsys):
    (tmp_path / "eye.jpg").write_bytes(encode_jpeg(draw_phantom(3, 96, 0).image, 96))
    torch.save(build_backbone("resnet18", 2, seed=0).state_dict(), tmp_path / "a.pth")
    (tmp_path / "answers.csv").write_text("path,p\neye.jpg,0.9999\n")
    words = ["import", str(tmp_path / "a.pth"), "--study", str(tmp_path / "study"), "--name", "a", "--arch", "resnet18"]
    words += ["--size", "64", "--grades", "2", "--positive-from", "3", "--expect", str(tmp_path / "answers.csv")]
    assert main(words) == 2
    answer = capsys.readouterr().err.split("answers ")[1].split()[0]
    (tmp_path / "answers.csv").write_text(f"path,p\neye.jpg,{answer}\n")
    assert main(words) == 0
