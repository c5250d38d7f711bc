import copy
import math

import pytest
import torch
import torch.nn.functional as F

from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.models.moco import MoCo


def build_moco(K=16, m=0.9, T=0.2):
    return MoCo(build_backbone("resnet50_slim", 1), dim=8, K=K, m=m, T=T)


def views(n=4, seed=0):
    return torch.randn(2, n, 3, 64, 64, generator=torch.Generator().manual_seed(seed)).unbind()


def test_loss_equals_a_slow_transcription_of_algorithm_1():
    moco = build_moco().double()
    slow = copy.deepcopy(moco)
    im_q, im_k = (view.double() for view in views())
    logits, labels = moco(im_q, im_k)

    for q, k in zip(slow.encoder_q.parameters(), slow.encoder_k.parameters(), strict=True):
        k.data = slow.m * k.data + (1 - slow.m) * q.data
    with torch.no_grad():
        q = F.normalize(slow.encoder_q(im_q), dim=1)
        k = F.normalize(slow.encoder_k(im_k), dim=1)
    losses = []
    for i in range(4):
        positive = math.exp(float(q[i] @ k[i]) / slow.T)
        negatives = sum(math.exp(float(q[i] @ slow.queue[:, j]) / slow.T) for j in range(slow.K))
        losses.append(-math.log(positive / (positive + negatives)))
    assert float(F.cross_entropy(logits, labels).detach()) == pytest.approx(sum(losses) / 4, rel=1e-10)
    assert torch.allclose(moco.queue[:, :4].T, k, atol=1e-10)


def test_chance_is_the_logarithm_of_the_number_of_candidates():
    moco = build_moco(K=100, T=1e6)  # so hot that no key stands out
    assert float(F.cross_entropy(*moco(*views())).detach()) == pytest.approx(math.log(101), rel=1e-5)


@pytest.mark.parametrize("batch", [4, 5, 20])
def test_queue_wraps_whatever_the_batch_size(batch):
    moco = build_moco(K=16)
    expected = moco.queue.clone()
    position = 0
    for step in range(4):
        im_q, im_k = views(batch, seed=step)
        moco(im_q, im_k)
        with torch.no_grad():
            keys = F.normalize(copy.deepcopy(moco.encoder_k).train()(im_k), dim=1)[-16:]
        for key in keys:
            expected[:, position % 16] = key
            position += 1
    assert int(moco.queue_position) == position % 16
    assert torch.allclose(moco.queue, expected, atol=1e-4)
    assert torch.allclose(moco.queue.norm(dim=0), torch.ones(16), atol=1e-5)


def test_keys_carry_no_gradient_and_evaluation_changes_nothing():
    moco = build_moco()
    logits, labels = moco(*views())
    F.cross_entropy(logits, labels).backward()
    assert all(p.grad is None for p in moco.encoder_k.parameters())
    assert all(p.grad is not None for p in moco.encoder_q.parameters())
    moco.eval()
    before = copy.deepcopy(moco.state_dict())
    moco(*views())
    assert all(torch.equal(before[name], tensor) for name, tensor in moco.state_dict().items())


def test_views_of_different_shape_are_refused():
    with pytest.raises(InputError, match="one shape"):
        build_moco()(torch.zeros(4, 3, 64, 64), torch.zeros(4, 3, 32, 32))


def test_groups_of_batch_norm_differ_for_queries_and_keys():
    """Each image's key is normalized among other images than its query, and comes back in its own place."""
    moco = MoCo(build_backbone("resnet50_slim", 1), dim=8, K=16, m=0.0, T=0.2, norm_groups=2)
    im_q, _ = views(8)
    slow = copy.deepcopy(moco)
    moco(im_q, im_q)
    with torch.no_grad():
        expected = torch.empty(8, 8)
        for members in ([0, 2, 4, 6], [1, 3, 5, 7]):
            expected[members] = F.normalize(slow.encoder_q(im_q[members]), dim=1)  # m = 0: the key encoder is a copy
    assert torch.allclose(moco.queue[:, :8].T, expected, atol=1e-4)
