from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from dr_core.models.features import last_features
from dr_core.models.prediction import predict_views


def draw_views(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), np.uint8)


def test_the_last_layer_makes_the_answer_of_the_features(tiny_study):
    model, views = tiny_study.load_model("iwne_fs"), draw_views(3)
    features = last_features(model, views)
    softmax = torch.softmax(model.model.fc(torch.from_numpy(features)).double(), dim=1).numpy()
    np.testing.assert_allclose(softmax, predict_views(model, views), atol=1e-6)


def test_threads_that_share_a_network_get_their_own_features(tiny_study):
    model = tiny_study.load_model("iwne_fs")
    views = [draw_views(5, seed) for seed in range(4)]
    alone = [last_features(model, one) for one in views]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: last_features(model, one), views))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert not any(module._forward_pre_hooks for module in model.model.modules())
