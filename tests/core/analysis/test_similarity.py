"""Debiased linear CKA against the formulas of the papers, its invariances, and its minibatches."""

import numpy as np
import pytest
import torch
from torch import nn

from dr_core.analysis.similarity import BlockGrams, SimilaritySums, center_gram, linear_cka, split_minibatches
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.models.heads import wrap_head


def song_hsic(left, right):
    """Unbiased HSIC term by term. Source: Song et al. 2012, the unbiased estimator HSIC_1."""
    n = len(left)
    K, L = left @ left.T, right @ right.T
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    one = np.ones(n)
    terms = np.trace(K @ L) + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ K @ L @ one
    return terms / (n * (n - 3))


def biased_cka(left, right):
    """Source: Kornblith et al. 2019, linear CKA from centered features."""
    left, right = left - left.mean(0), right - right.mean(0)
    return np.linalg.norm(left.T @ right) ** 2 / (np.linalg.norm(left.T @ left) * np.linalg.norm(right.T @ right))


@pytest.fixture
def features():
    generator = np.random.default_rng(0)
    left = generator.normal(3, 1, (40, 12))
    return left, left @ generator.normal(size=(12, 20)) + 2 * generator.normal(size=(40, 20))


def test_it_is_the_formula_of_the_papers_on_one_batch(features):
    left, right = features
    oracle = song_hsic(left, right) / np.sqrt(song_hsic(left, left) * song_hsic(right, right))
    assert linear_cka(torch.from_numpy(left), torch.from_numpy(right)) == pytest.approx(oracle, abs=1e-12)


def test_minibatches_sum_up_both_parts_of_the_fraction(features):
    sums, parts = SimilaritySums(), [np.arange(0, 13), np.arange(13, 26), np.arange(26, 40)]
    for part in parts:
        sums.add([center_gram(torch.from_numpy(values[part])) for values in features])
    left, right = features
    both, one, other = (
        sum(song_hsic(a[part], b[part]) for part in parts) for a, b in ((left, right), (left, left), (right, right))
    )
    found = sums.similarity()
    assert found[0, 1] == found[1, 0] == pytest.approx(both / np.sqrt(one * other), abs=1e-12)
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-14)


def test_rotation_scale_and_shift_change_nothing_and_another_linear_map_does(features):
    left, right = (torch.from_numpy(values) for values in features)
    rotation = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
    before = linear_cka(left, right)
    assert linear_cka(left @ rotation, right) == pytest.approx(before, abs=1e-12)
    assert linear_cka(7 * left, right / 3) == pytest.approx(before, abs=1e-12)
    assert linear_cka(left + 5, right) == pytest.approx(before, abs=1e-10)
    assert linear_cka(left @ rotation, left) == pytest.approx(1, abs=1e-12)
    stretch = torch.diag(torch.logspace(-1, 1, 12, dtype=torch.float64))
    assert linear_cka(left @ stretch, left) < 0.9


def test_what_shares_nothing_is_about_zero_where_the_biased_one_is_not():
    generator = np.random.default_rng(1)
    pairs = [(generator.normal(size=(16, 200)), generator.normal(size=(16, 200))) for _ in range(200)]
    found = np.array([linear_cka(torch.from_numpy(left), torch.from_numpy(right)) for left, right in pairs])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
    assert (found < 0).any()
    assert np.mean([biased_cka(left, right) for left, right in pairs]) > 0.8


def test_float32_maps_of_any_memory_order_are_summed_up_in_float64(features):
    maps = torch.randn(6, 40, 30, 30, generator=torch.Generator().manual_seed(0)) + 100
    flat = maps.double().flatten(1)
    other = torch.from_numpy(features[0][:6])
    # a constant changes nothing, but the formula's own terms would cancel to seven digits with it
    expected = song_hsic((flat - flat.mean(dim=0)).numpy(), other.numpy())
    for one in (maps, maps.contiguous(memory_format=torch.channels_last)):
        product = (center_gram(one) * center_gram(other)).sum().item() / (6 * 3)
        assert product == pytest.approx(expected, rel=1e-8)


def test_a_constant_layer_has_no_value():
    left = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    assert np.isnan(linear_cka(torch.full((8, 300), 0.1), left))
    assert np.isnan(linear_cka(torch.zeros(8, 3), left))


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (torch.ones(3, 2), torch.ones(3, 2), "at least 4 eyes in a minibatch, not 3"),
        (torch.ones(5, 2), torch.ones(6, 2), "not of 5 and 6"),
        (torch.full((5, 2), float("nan")), torch.ones(5, 2), "not finite"),
    ],
)
def test_bad_input_is_a_sentence(left, right, message):
    with pytest.raises(InputError, match=message):
        linear_cka(left, right)
    with pytest.raises(InputError, match="no image"):
        SimilaritySums().similarity()


@pytest.mark.parametrize(("count", "size", "limit"), [(4, 4, 0), (5, 4, 0), (33, 32, 0), (100, 32, 0), (100, 8, 50)])
def test_every_eye_is_in_one_minibatch_of_four_or_more(count, size, limit):
    parts = split_minibatches(count, size, 0, limit)
    joined = np.concatenate(parts)
    assert len(np.unique(joined)) == len(joined) == (limit or count)
    assert min(map(len, parts)) >= 4
    assert max(map(len, parts)) <= max(size, 7)
    assert all(np.array_equal(*pair) for pair in zip(parts, split_minibatches(count, size, 0, limit), strict=True))
    with pytest.raises(InputError, match="at least 4 eyes, not 3"):
        split_minibatches(3, size, 0)


@torch.inference_mode()
def test_blocks_of_a_network_are_those_that_it_gives():
    network = build_backbone("resnet50_slim", 5, 0).eval()
    images = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    stem = network.maxpool(network.relu(network.bn1(network.conv1(images))))
    first = network.layer1[0](stem)
    for pooled, expected in ((False, first), (True, first.mean(dim=(2, 3)))):
        with BlockGrams(network, pooled=pooled) as blocks:
            network(images)
        assert len(blocks.grams) == len(blocks.names) == 16
        assert blocks.names[0] == "layer1.0"
        torch.testing.assert_close(blocks.grams[0], center_gram(expected), rtol=1e-4, atol=1e-6)
    assert BlockGrams(wrap_head(network, "regression")).names == blocks.names
    with pytest.raises(InputError, match="no blocks that could be named"):
        BlockGrams(nn.Linear(2, 2))
