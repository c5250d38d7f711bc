import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dr_core.analysis.faithfulness import (
    FILLS,
    PerturbationConfig,
    area_between,
    describe_faithfulness,
    follow,
    impute_road,
    order_blocks,
    perturb,
)
from dr_core.errors import InputError

ROAD = json.loads((Path(__file__).parents[2] / "reference" / "quantus_sanity.json").read_text())["road"]


def test_road_imputes_as_quantus_does():
    values = np.random.default_rng(9).normal(size=(3, 12, 12))
    mask = np.zeros(144, bool)
    mask[np.flatnonzero(np.random.default_rng(10).random(144) < 0.5)] = True
    filled = impute_road(values, mask.reshape(12, 12), 0, noise=0.0)
    assert filled.mean() == pytest.approx(ROAD["mean"], abs=1e-6)
    for row, expected in zip(filled.reshape(3, 144), ROAD["values"], strict=True):
        assert row[mask][:12] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(filled[:, ~mask.reshape(12, 12)], values[:, ~mask.reshape(12, 12)])


@pytest.mark.parametrize("fill", FILLS)
def test_a_fill_changes_only_what_is_taken_away_and_repeats(fill):
    values = np.random.default_rng(0).normal(size=(3, 32, 32))
    mask = np.zeros((32, 32), bool)
    mask[8:16, 4:20] = True
    filled = FILLS[fill].apply(values, mask, 1)
    assert np.allclose(filled[:, ~mask], values[:, ~mask], atol=1e-6)
    assert not np.allclose(filled[:, mask], values[:, mask])
    assert np.array_equal(filled, FILLS[fill].apply(values, mask, 1))
    assert np.allclose(FILLS[fill].apply(values, np.zeros_like(mask), 1), values, atol=1e-6)


def test_blocks_are_ranked_by_their_sums_inside_the_field():
    pooled, field = np.zeros((8, 8)), np.ones((8, 8), bool)
    pooled[2:4, 4:6], pooled[0, 0], pooled[6:, 6:] = 1.0, 0.5, 9.0
    field[6:, 6:] = False
    order = order_blocks(pooled, field, 2)
    assert order[0].tolist() == [2, 4]
    assert order[1].tolist() == [0, 0]
    assert order.tolist() != order_blocks(pooled, field, 2, seed=1).tolist()  # equal blocks, another order
    assert len(order) == 15
    with pytest.raises(InputError, match="blocks inside the field"):
        order_blocks(pooled, np.zeros_like(field), 2)


class Bright(nn.Module):
    """Sees how bright one corner is."""

    def forward(self, images):
        corner = images[:, :, :8, :8].mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(corner), 4 * corner], dim=1)


def test_a_map_that_marks_what_the_answer_rests_on_is_faithful_and_another_is_not():
    x = torch.zeros(3, 32, 32)
    x[:, :8, :8] = 1.0
    true = np.zeros((32, 32))
    true[:8, :8] = 1.0
    false = 1 - true
    field, config = np.ones((32, 32), bool), PerturbationConfig(blocks=8)
    areas = [follow(Bright(), perturb(x, one, field, config), 1, config).area for one in (true, false)]
    assert areas[0] > 0.2
    assert areas[1] < -0.2
    assert "depends more on what the heatmap marks than" in describe_faithfulness("A", areas[0], [areas[1]])
    assert "does not depend more on what the heatmap marks" in describe_faithfulness("A", areas[1], [areas[0]])
    assert "no conclusion is possible" in describe_faithfulness("A", areas[0], [])


def test_the_area_by_hand():
    fractions = np.array([0.0, 0.5, 1.0])
    assert area_between(fractions, np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0])) == pytest.approx(0.5)
    assert area_between(fractions, np.ones(3), np.ones(3)) == 0


def test_bad_settings_say_what_must_be():
    with pytest.raises(InputError, match="`fill` must be one of road, inpaint"):
        PerturbationConfig(fill="black")
    with pytest.raises(InputError, match="`fractions` must rise"):
        PerturbationConfig(fractions=(0.5, 0.2))
    with pytest.raises(InputError, match="leave at least one pixel"):
        impute_road(np.zeros((3, 4, 4)), np.ones((4, 4), bool), 0)
