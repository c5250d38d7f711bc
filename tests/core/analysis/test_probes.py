import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from dr_core.analysis.probes import (
    average_positions,
    control_directions,
    find_direction,
    measure_effect,
    measure_slopes,
    pool_features,
    probe,
    strongest_block,
)
from dr_core.errors import InputError
from dr_core.experiments.concepts import MEASURED, ConceptsConfig, probe_concepts
from dr_core.models.architectures import build_backbone, build_network
from dr_core.models.heads import wrap_head
from dr_core.models.structure import list_blocks, list_units

GENERATOR = np.random.default_rng(0)
PRESENT = np.arange(80) % 2 == 0
PATIENTS = np.repeat(np.arange(40), 2)
NOISE = GENERATOR.normal(size=(80, 6))
KNOWING = NOISE + 4 * np.outer(PRESENT, [0, 0, 1, 0, 0, 0])


def test_a_probe_finds_what_the_features_know_and_nothing_else():
    assert probe(KNOWING, PRESENT, PATIENTS) > 0.95
    assert abs(probe(NOISE, PRESENT, PATIENTS) - 0.5) < 0.25
    assert np.isnan(probe(NOISE, np.ones(80, bool), PATIENTS))
    with pytest.raises(InputError, match="at least 4 patients"):
        probe(NOISE[:4], PRESENT[:4], PATIENTS[:4])


def test_a_feature_of_the_patient_alone_does_not_pass_for_knowledge():
    """Both eyes of a patient share a feature and a label at random: folds by eye would reach 1."""
    label = np.repeat(np.random.default_rng(1).random(40) < 0.5, 2)
    identity = np.repeat(np.eye(40), 2, axis=0)
    assert probe(identity, label, PATIENTS) < 0.7


def test_the_direction_points_to_the_lesion():
    direction = find_direction(KNOWING, PRESENT)
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert np.abs(direction).argmax() == 2
    assert direction[2] > 0.5
    shuffled = control_directions(KNOWING, PRESENT, 5, 0)
    assert np.mean([abs(one[2]) for one in shuffled]) < direction[2]


def test_features_are_those_of_each_block_and_the_model_stays():
    model = build_backbone("resnet50_slim", 5, 0).eval()
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = pool_features(model, inputs)
    assert list(features) == list(list_blocks(model))
    assert len(features) == 16
    last = model.fc(torch.from_numpy(features["layer4.2"]).float())
    assert torch.allclose(last, model(inputs), atol=1e-4)
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(InputError, match="no blocks that could be named"):
        pool_features(nn.Linear(3, 3), inputs)


@pytest.mark.parametrize(
    ("arch", "count", "last"),
    [
        ("timm/convnext_atto", 12, "stages.3.blocks.1"),
        ("timm/efficientnet_b0", 16, "blocks.6.0"),
        ("timm/densenet121", 58, "features.denseblock4.denselayer16"),
        ("timm/vit_tiny_patch16_224", 12, "blocks.11"),
    ],
)
def test_blocks_of_any_network_bear_its_own_names_and_pass_in_their_order(arch, count, last):
    pytest.importorskip("timm")
    model, order = build_network(arch, 5, 0, size=32).eval(), []
    blocks = list_blocks(model)
    assert len(blocks) == count
    assert list(blocks)[-1] == last
    assert all(model.get_submodule(name) is block for name, block in blocks.items())
    units = list(list_units(model))
    assert all(any(f"{name}.".startswith(f"{unit}.") for unit in units) for name in blocks)  # each lies in one unit
    assert list(list_blocks(wrap_head(model, "cumulative"))) == list(blocks)
    hooks = [block.register_forward_hook(lambda *_, name=name: order.append(name)) for name, block in blocks.items()]
    features = pool_features(model, torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    for hook in hooks:
        hook.remove()
    assert order == list(blocks) == list(features)
    assert all(values.ndim == 2 and np.isfinite(values).all() for values in features.values())


def test_positions_are_averaged_whatever_the_layout():
    values = torch.arange(48.0).reshape(1, 3, 4, 4)
    expected = values.mean(dim=(2, 3))
    for layout in (values, values.permute(0, 2, 3, 1), values.flatten(2).transpose(1, 2)):
        assert torch.equal(average_positions(layout), expected)
    with pytest.raises(InputError, match=r"not \(2, 3\)"):
        average_positions(torch.zeros(2, 3))


def test_the_effect_is_a_step_of_the_features_spread():
    """Behind the last block there are the mean, one linear layer and softmax: dP / dh = P (w_3 - sum_k P_k w_k)."""
    model = build_backbone("resnet50_slim", 5, 0).eval()
    inputs = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    weight = model.fc.weight.detach().double().numpy()
    answers = torch.softmax(model(inputs), dim=1).detach().double().numpy()
    slopes = measure_slopes(model, inputs, 3)
    assert list(slopes) == list(list_blocks(model))
    expected = answers[:, 3:4] * (weight[3] - answers @ weight)
    assert np.allclose(slopes["layer4.2"], expected, atol=1e-6)
    features, direction = pool_features(model, inputs)["layer4.2"], weight[3] / np.linalg.norm(weight[3])
    slow = np.mean([slope @ direction for slope in expected]) * np.std([one @ direction for one in features])
    assert measure_effect(slopes["layer4.2"], features, [direction, -direction]) == pytest.approx(
        [slow, -slow], rel=1e-4
    )


def test_the_block_that_knows_best():
    assert strongest_block({"a": 0.6, "b": 0.9, "c": float("nan")}) == "b"
    assert strongest_block({"a": float("nan")}) is None


def test_concepts_of_a_model(tiny_study):
    config = ConceptsConfig(patients=8, pixels=96, controls=3)
    models = {"ifi_cl": tiny_study.load_model("ifi_cl")}
    (report,) = probe_concepts(models, config)
    assert (report.done, report.total) == (1, 1)
    rows = report.rows
    assert list(rows.columns) == MEASURED
    assert len(rows) == 16 * 4
    assert rows["auc"].dropna().between(0, 1).all()
    assert (rows["effect_low"].dropna() <= rows["effect_high"].dropna()).all()
    again = next(iter(probe_concepts(models, config))).rows
    pd.testing.assert_frame_equal(rows, again)
    with pytest.raises(InputError, match="at least one trained model"):
        list(probe_concepts({}, config))
