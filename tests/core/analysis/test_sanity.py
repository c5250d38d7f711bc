import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dr_core.analysis.attribution import Explainer
from dr_core.analysis.sanity import (
    describe_cascade,
    describe_class_sensitivity,
    randomize_cascade,
    spearman,
    structural_likeness,
)
from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError
from dr_core.models.checkpoint import load_model
from dr_core.study.folder import open_study
from dr_ui.shell.studies import DEMO

QUANTUS = json.loads((Path(__file__).parents[2] / "reference" / "quantus_sanity.json").read_text())


def noisy_pair(case):
    generator = np.random.default_rng([11, case["case"]])
    first = generator.normal(size=(24, 24))
    return first, first + generator.normal(size=(24, 24)) * case["noise"]


@pytest.mark.parametrize("case", QUANTUS["similarity"])
def test_similarities_are_those_of_quantus(case):
    first, second = noisy_pair(case)
    assert spearman(first, second) == pytest.approx(case["spearman"], abs=1e-6)
    assert structural_likeness(first, second) == pytest.approx(case["ssim"], abs=1e-6)


def small_network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)).eval().double()


def gradient_x_input(model, images, targets):
    leaf = torch.as_tensor(images).double().requires_grad_(True)
    (slope,) = torch.autograd.grad(model(leaf)[range(len(leaf)), torch.as_tensor(targets)].sum(), leaf)
    return (slope * leaf).sum(dim=1).detach().numpy()


def test_the_cascade_is_that_of_quantus():
    model, images, targets = small_network(), np.random.default_rng(5).normal(size=(2, 3, 16, 16)), [3, 1]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    own = gradient_x_input(model, images, targets)
    found = {
        layer: [spearman(a, b) for a, b in zip(own, gradient_x_input(changed, images, targets), strict=True)]
        for layer, changed in randomize_cascade(model, 7)
    }
    expected = {layer: values for layer, values in QUANTUS["mprt"].items() if layer != "original"}
    assert list(found) == list(expected)
    for layer, values in expected.items():
        assert found[layer] == pytest.approx(values, abs=1e-6)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_stages_are_randomized_whole():
    model = load_model(open_study(DEMO).checkpoint_path("iwne_fs")).model
    steps = {name: {key: value.clone() for key, value in one.state_dict().items()} for name, one in stages(model)}
    assert list(steps) == ["fc", "layer4", "layer3", "layer2", "layer1", "conv1"]
    trained = model.state_dict()
    for stage, changed in steps.items():
        after = list(steps)[: list(steps).index(stage) + 1]
        for name, value in changed.items():
            if name.endswith("conv2.weight") or name == "fc.weight":
                assert torch.equal(value, trained[name]) == (name.split(".")[0] not in after)


def stages(model):
    return randomize_cascade(model, 0, by_stage=True)


def test_the_known_order_of_two_methods():
    """Adebayo et al. and Sixt et al.: z+ hardly notices late layers, the gradient does."""
    loaded = load_model(open_study(DEMO).checkpoint_path("ifi_fs"))
    inputs = loaded.preprocess(draw_phantom(3, 448, 5).image)[None]
    field = np.hypot(*np.mgrid[-111.5:112.5, -111.5:112.5]) < 110
    likeness = {}
    for rule in ("alpha1_beta0", "gradient_x_input"):
        own = one_map(loaded.model, rule, inputs)
        for stage, changed in randomize_cascade(loaded.model, 0, by_stage=True):
            likeness[rule, stage] = spearman(own, one_map(changed, rule, inputs), field)
            if stage == "layer4":
                break
    assert likeness["alpha1_beta0", "fc"] > 0.8
    assert likeness["gradient_x_input", "layer4"] < 0.5
    assert likeness["alpha1_beta0", "layer4"] > likeness["gradient_x_input", "layer4"] + 0.3


def one_map(model, rule, inputs):
    return Explainer(model, rule).attribute(inputs, 3)[0].double().sum(dim=0).numpy()


def test_only_the_field_of_view_is_compared():
    generator = np.random.default_rng(0)
    first, second = np.zeros((20, 20)), np.zeros((20, 20))
    field = np.zeros((20, 20), bool)
    field[5:15, 5:15] = True
    first[field], second[field] = generator.random(100), generator.random(100)
    assert spearman(first, second) > 0.5  # the surround alone
    assert abs(spearman(first, second, field)) < 0.3


def test_constant_maps_and_other_shapes():
    flat, other = np.zeros((8, 8)), np.random.default_rng(0).random((8, 8))
    assert np.isnan(spearman(flat, other))
    assert np.isnan(structural_likeness(flat, other))
    with pytest.raises(InputError, match=r"must have one shape \(H, W\)"):
        spearman(flat, other[:4])


def test_verdicts_in_words():
    assert "depends little on the target grade" in describe_class_sensitivity("LRP", 0.92)
    assert "depends in part" in describe_class_sensitivity("LRP", 0.6)
    assert "map depends on the target grade" in describe_class_sensitivity("LRP", 0.1)
    assert "cannot be determined" in describe_class_sensitivity("LRP", None)
    assert "hardly depends on what the late layers have learned" in describe_cascade("LRP", 0.9)
    assert "depends in part" in describe_cascade("LRP", 0.6)
    assert "map depends on what the late layers" in describe_cascade("LRP", 0.0)
