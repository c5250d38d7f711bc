"""Models that are broken: no answer with the reason, and the answers of the others, whoever asks."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dr_cli.main import main
from dr_core.analysis.attribution import Explainer
from dr_core.analysis.spectrum import condition_number
from dr_core.corruption import corrupt
from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError
from dr_core.experiments.performance import MISSING
from dr_core.models.architectures import build_network
from dr_core.models.checkpoint import load_model
from dr_core.study.folder import open_study
from tests.app.page_driver import encoded, html_of, page_at
from tests.cli.test_measure_commands import write_store


def change(path, key=None, value=None, **header):
    """Write a checkpoint anew with some numbers, or some of its header, changed."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["dr_lens"])
    if key is not None:
        tensors[key].view(-1)[0] = value
    save_file(tensors, path, metadata={"dr_lens": json.dumps(about | header)})


@pytest.fixture(scope="module")
def broken(tiny_study, tmp_path_factory):
    """A study whose first three models are broken, each in another way; the fourth is whole."""
    folder = tmp_path_factory.mktemp("broken") / "study"
    shutil.copytree(tiny_study.path, folder)
    study = open_study(folder)
    change(study.checkpoint_path("iwne_fs"), "conv1.weight", float("nan"))
    change(study.checkpoint_path("iwne_cl"), "layer1.0.bn1.running_var", -1.0)
    shutil.copy(study.checkpoint_path("ifi_cl"), study.checkpoint_path("ifi_fs"))
    return study


REASONS = {
    "iwne_fs": "hold values that are no numbers",
    "iwne_cl": "are below 0",
    "ifi_fs": "should be the model of ifi_fs, but says that it is ifi_cl",
}


def test_the_library_gives_the_reasons(broken):
    models, refused = broken.load_valid_models()
    assert list(models) == ["ifi_cl"]
    assert all(REASONS[setup] in reason for setup, reason in refused.items())
    for setup, reason in REASONS.items():
        with pytest.raises(InputError, match=reason):
            broken.load_model(setup)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("fc.weight", float("inf"), "no numbers"),
        ("fc.bias", float("-inf"), "no numbers"),
        ("bn1.running_mean", float("nan"), "no numbers"),
        ("bn1.running_var", -1e-3, "below 0"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(tiny_study, tmp_path, key, value, sentence):
    path = tmp_path / "m.safetensors"
    shutil.copy(tiny_study.checkpoint_path("ifi_cl"), path)
    change(path, key, value)
    with pytest.raises(InputError, match=sentence):
        load_model(path)


@pytest.mark.parametrize("header", [{"classes": ["a", "b"]}, {"arch": "resnet18"}, {"arch": "resnet5000"}])
def test_a_header_of_another_network_is_refused(tiny_study, tmp_path, header):
    path = tmp_path / "m.safetensors"
    shutil.copy(tiny_study.checkpoint_path("ifi_cl"), path)
    change(path, **header)
    with pytest.raises(InputError):
        load_model(path)


def test_score_writes_the_others_rows_and_the_reasons(broken, tmp_path):
    (tmp_path / "eye.png").write_bytes(encoded(draw_phantom(2, 96, 1).image))
    out = tmp_path / "out.csv"
    command = ["score", str(tmp_path / "eye.png"), "--study", str(broken.path), "--out", str(out), "--device", "cpu"]
    assert main([*command, "--processes", "1"]) == 1
    with out.open(newline="") as file:
        rows = {row["setup"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(broken.setups)
    assert rows["ifi_cl"]["grade"] and not rows["ifi_cl"]["reason"]
    for setup, reason in REASONS.items():
        assert reason in rows[setup]["reason"]
        assert rows[setup]["grade"] + rows[setup]["p0"] + rows[setup]["referable_3"] == ""


def test_evaluate_writes_the_others_rows_and_the_reasons(broken, tmp_path, capsys):
    store = write_store(tmp_path / "eyes")
    assert main(["evaluate", "--study", str(broken.path), "--data", str(store), "--draws", "5"]) == 1
    assert "No answer from iwne_fs, because: " in capsys.readouterr().out
    missing = broken.read_results(MISSING).set_index("setup")["reason"]
    assert {setup: REASONS[setup] in missing[setup] for setup in REASONS} == dict.fromkeys(REASONS, True)
    predictions = broken.read_results("predictions").query("data == 'eyes'")
    assert set(predictions["setup"]) == {"ifi_cl"}
    assert np.isfinite(predictions[[f"p{grade}" for grade in range(5)]].to_numpy()).all()


@pytest.mark.parametrize("page", ["1_Compare.py", "2_Robustness.py"])
def test_pages_show_the_others_answers_and_the_reasons(monkeypatch, broken, page):
    monkeypatch.setenv("DR_STUDY", str(broken.path))
    app = page_at(page).run()
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    assert shown.count('class="lens-card lens-') == 1
    for setup, reason in REASONS.items():
        assert f"No answer from {broken.setups[setup].label}, because: " in shown
        assert reason in shown


def test_a_page_without_any_model_says_why(monkeypatch, broken, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(broken.path, folder)
    change(folder / "checkpoints" / "ifi_cl.safetensors", "fc.weight", float("nan"))
    monkeypatch.setenv("DR_STUDY", str(folder))
    for page in ("1_Compare.py", "2_Robustness.py"):
        app = page_at(page).run()
        assert not app.exception
        assert "No answer, because: iwne_fs.safetensors is broken" in app.error[0].value.replace("\\", "")


@pytest.mark.parametrize("arch", ["timm/test_efficientnet", "timm/test_convnext"])
def test_an_architecture_that_a_rule_cannot_explain_is_no_empty_map(arch):
    pytest.importorskip("timm")
    model = build_network(arch, 5, 0).eval()
    try:
        found = Explainer(model).attribute(torch.rand(1, 3, 64, 64), 3)
    except InputError as error:
        assert "No answer from" in str(error)
    else:
        assert float(found.abs().sum()) > 0


IMAGES = torch.rand(1, 3, 64, 64)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (IMAGES.half(), "half precision has too few digits"),
        ((255 * IMAGES).to(torch.uint8), "these are pixels"),
        (IMAGES.double(), "both must be float32"),
        (IMAGES[0], r"must have the shape \(N, 3, H, W\)"),
        (IMAGES * float("nan"), "not finite"),
    ],
)
def test_images_that_no_map_can_be_made_of_are_refused(tiny_study, images, sentence):
    with pytest.raises(InputError, match=sentence):
        Explainer(tiny_study.load_model("ifi_cl").model).attribute(images, 3)


def test_a_map_is_the_same_under_inference_mode(tiny_study):
    explainer = Explainer(tiny_study.load_model("ifi_cl").model)
    wanted = explainer.attribute(IMAGES, 3)
    with torch.inference_mode():
        assert torch.equal(explainer.attribute(IMAGES, 3), wanted)


@pytest.mark.parametrize("severity", ["3", None, True, float("nan"), float("inf"), -1, 6, [3]])
def test_a_severity_must_be_a_number_in_range(severity):
    with pytest.raises(InputError, match="`severity` must be"):
        corrupt(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "fog", severity, 0)


def test_an_eigenvalue_that_is_no_number_gives_no_condition_number():
    with pytest.raises(InputError, match="must be finite"):
        condition_number(torch.tensor([1.0, float("nan")]))
