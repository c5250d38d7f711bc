import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dr_core.analysis.localization import (
    POOLINGS,
    mask_share,
    pool,
    pool_random_relevance,
    relevance_entropy,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_recall,
    sample_random_relevance,
    why_undefined,
    zero_share,
)
from dr_core.errors import InputError

REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "rma_rra.json").read_text())["scores"]
QUANTUS = json.loads((Path(__file__).parents[2] / "reference" / "quantus.json").read_text())["scores"]


def reference_case():
    heatmap = np.random.default_rng(42).standard_normal((3, 16, 16))
    mask = np.zeros((16, 16), bool)
    mask[4:9, 5:12] = True
    heatmap[:, mask] += 0.7
    return torch.from_numpy(heatmap)[None], torch.from_numpy(mask)[None]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_authors_own_values(pooling):
    relevance, mask = reference_case()
    pooled = pool(relevance, pooling)
    assert relevance_mass_accuracy(pooled, mask).item() == pytest.approx(REFERENCE[pooling]["rma"], abs=1e-12)
    assert relevance_rank_accuracy(pooled, mask).item() == pytest.approx(REFERENCE[pooling]["rra"], abs=1e-12)


@pytest.mark.parametrize("case", QUANTUS, ids=lambda case: f"{case['side']} px")
def test_the_values_of_quantus(case):
    side = case["side"]
    pooled = torch.from_numpy(np.random.default_rng([7, case["case"]]).gamma(0.5, size=(1, side, side)))
    mask = torch.zeros((1, side, side), dtype=torch.bool)
    mask[:, slice(*case["rows"]), slice(*case["columns"])] = True
    assert relevance_mass_accuracy(pooled, mask).item() == pytest.approx(case["rma"], abs=1e-12)
    assert relevance_rank_accuracy(pooled, mask).item() == pytest.approx(case["rra"], abs=1e-12)


def test_scores_by_hand():
    pooled = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
    mask = torch.tensor([[[True, False], [True, False]]])
    assert relevance_mass_accuracy(pooled, mask).item() == pytest.approx(0.6)
    assert relevance_rank_accuracy(pooled, mask).item() == 0.5  # of 4 and 3, only 4 is marked
    assert relevance_recall(pooled, mask, 50).item() == 0.5  # above 2.5: 4, not 2
    assert relevance_recall(pooled, mask, 0).item() == 1.0


def test_percentiles_are_numpys_linear_ones():
    generator = np.random.default_rng(0)
    for size in (4, 7, 50):
        values = generator.random((1, size, size))
        mask = generator.random((1, size, size)) < 0.3
        for percentile in (0, 1, 12.5, 50, 99, 100):
            expected = (values[mask] > np.percentile(values, percentile)).mean()
            found = relevance_recall(torch.from_numpy(values), torch.from_numpy(mask), percentile)
            assert found.item() == pytest.approx(expected, abs=1e-12)


def test_a_random_heatmap_scores_the_masks_share():
    relevance = sample_random_relevance((400, 3, 24, 24), seed=1)
    mask = torch.zeros(400, 24, 24, dtype=torch.bool)
    mask[:, 3:9, 4:14] = True
    for pooling in ("sum_pos", "l2_norm_sq"):
        pooled = pool(relevance, pooling)
        share = mask_share(mask)[0].item()
        assert relevance_mass_accuracy(pooled, mask).mean().item() == pytest.approx(share, rel=0.03)
        assert relevance_rank_accuracy(pooled, mask).mean().item() == pytest.approx(share, rel=0.05)
    continuous = pool(relevance, "l2_norm_sq")
    assert relevance_recall(continuous, mask, 1).mean().item() == pytest.approx(0.99, abs=0.002)
    assert torch.equal(relevance, sample_random_relevance((400, 3, 24, 24), seed=1))


def test_ties_rank_in_reading_order():
    pooled = torch.ones(1, 2, 2)
    upper = torch.tensor([[[True, True], [False, False]]])
    assert relevance_rank_accuracy(pooled, upper).item() == 1.0
    assert relevance_rank_accuracy(pooled, ~upper).item() == 0.0
    assert relevance_recall(pooled, upper, 1).item() == 0.0  # nothing lies above its equals


def test_undefined_scores_are_nan_with_a_reason():
    pooled = torch.stack([torch.rand(4, 4), torch.zeros(4, 4), torch.rand(4, 4)])
    mask = torch.zeros(3, 4, 4, dtype=torch.bool)
    mask[1:, 0, 0] = True
    for score in (relevance_mass_accuracy, relevance_rank_accuracy, relevance_recall):
        assert score(pooled, mask).isnan().tolist() == [True, True, False]
        assert score(pooled, mask).dtype == torch.float64
    assert why_undefined(pooled, mask) == ["no such lesion", "no positive relevance", None]
    assert zero_share(pooled).tolist() == [0.0, 1.0, 0.0]


def test_bad_arguments_say_what_must_be():
    with pytest.raises(InputError, match=r"must be one of sum_pos"):
        pool(torch.zeros(1, 3, 4, 4), "sum")
    with pytest.raises(InputError, match=r"\(N, 3, H, W\)"):
        pool(torch.zeros(3, 4, 4), "sum_pos")
    with pytest.raises(InputError, match=r"must both have the shape"):
        relevance_mass_accuracy(torch.zeros(1, 4, 4), torch.zeros(1, 5, 4, dtype=torch.bool))
    with pytest.raises(InputError, match="between 0 and 100"):
        relevance_recall(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool), 101)


def test_a_random_maps_recall_is_measured_not_derived():
    """Half of a Gaussian map is clamped to 0 under sum_pos and falls out; nothing is clamped in squares."""
    mask = torch.ones((1, 64, 64), dtype=torch.bool)
    for pooling, expected in (("sum_pos", 0.5), ("l2_norm_sq", 0.99)):
        random = pool_random_relevance((1, 64, 64), pooling, seed=3)
        assert relevance_recall(random, mask).item() == pytest.approx(expected, abs=0.03)


def test_entropy_is_0_in_one_pixel_and_1_where_all_are_alike():
    field = torch.zeros((1, 8, 8), dtype=torch.bool)
    field[:, :4] = True
    one, even = torch.zeros((1, 8, 8)), torch.ones((1, 8, 8))
    one[0, 1, 1] = 3.0
    assert relevance_entropy(one, field).item() == 0
    assert relevance_entropy(even, field).item() == pytest.approx(1)
    half = even.clone()
    half[:, 2:] = 0.0
    half[:, 6:] = 9.0  # outside the field, where it does not count
    assert relevance_entropy(half, field).item() == pytest.approx(np.log(16) / np.log(32))
    assert relevance_entropy(torch.zeros((1, 8, 8)), field).isnan().all()
