"""SimCLR, BYOL and DINO against their authors' formulas and lightly's implementation of them."""

import copy
import math

import pytest
import torch
from lightly.loss import DINOLoss, NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    SimCLRProjectionHead,
)
from lightly.utils.scheduler import cosine_schedule

from dr_core.errors import InputError
from dr_core.models.architectures import build_network, find_architecture
from dr_core.models.byol import BYOL, byol_loss
from dr_core.models.dino import DINO, DinoHead, dino_loss
from dr_core.models.moco import MoCo
from dr_core.models.projection import build_mlp, follow_weights, raise_momentum, record_input, take_off_head
from dr_core.models.simclr import SimCLR, nt_xent


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def views(n=4, side=32):
    return draw(2, n, 3, side, side).unbind()


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_is_equation_1_of_simclr_pair_by_pair(temperature):
    first, second = draw(2, 5, 8).double().unbind()
    z = torch.stack([first, second], dim=1).flatten(0, 1)  # 1, 1', 2, 2', ... as in algorithm 1
    unit = z / z.norm(dim=1, keepdim=True)
    losses = []
    for i in range(len(z)):
        j = i ^ 1
        terms = [math.exp(float(unit[i] @ unit[k]) / temperature) for k in range(len(z)) if k != i]
        losses.append(-math.log(math.exp(float(unit[i] @ unit[j]) / temperature) / sum(terms)))
    ours = nt_xent(first, second, temperature)
    assert float(ours) == pytest.approx(sum(losses) / len(losses), abs=1e-6)
    assert float(ours) == pytest.approx(float(NTXentLoss(temperature)(first.float(), second.float())), abs=1e-6)


def test_byol_loss_is_lightlys_and_the_distance_of_unit_vectors():
    prediction, target = draw(2, 6, 8).unbind()
    unit = [v / v.norm(dim=1, keepdim=True) for v in (prediction, target)]
    assert float(byol_loss(prediction, target)) == pytest.approx(
        float((unit[0] - unit[1]).square().sum(1).mean()), abs=1e-6
    )
    lightly = 2 + 2 * float(NegativeCosineSimilarity()(prediction, target))
    assert float(byol_loss(prediction, target)) == pytest.approx(lightly, abs=1e-6)


@pytest.mark.parametrize("local", [0, 2])
def test_dino_loss_and_center_are_lightlys(local):
    student, teacher = list(draw(2 + local, 4, 16)), list(draw(2, 4, 16, seed=1))
    oracle = DINOLoss(output_dim=16, teacher_temp=0.05, warmup_teacher_temp=0.05, student_temp=0.1)
    oracle.center.data = draw(1, 1, 16, seed=2)
    center = oracle.center.flatten().clone()
    found = dino_loss(student, teacher, center, 0.1, 0.05)
    assert float(found) == pytest.approx(float(oracle(teacher, student)), abs=1e-6)
    dino = DINO(build_network("resnet50_slim", 1), 16, 8, 8)
    dino.center.copy_(center)
    dino.move_center(torch.cat(teacher))
    assert torch.allclose(dino.center, oracle.center.flatten(), atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")  # lightly's own
def test_heads_compute_what_lightlys_do():
    x = draw(6, 12)
    pairs = [
        (build_mlp(12, 12, 4, normalize_output=True), SimCLRProjectionHead(12, 12, 4)),
        (build_mlp(12, 20, 4), BYOLProjectionHead(12, 20, 4)),
        (build_mlp(12, 20, 4), BYOLPredictionHead(12, 20, 4)),
    ]
    for ours, theirs in pairs:
        weights = theirs.layers.state_dict()
        ours.load_state_dict(weights)
        assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    head, oracle = DinoHead(12, 16, 10, 8), DINOProjectionHead(12, 10, 8, 16)
    head.layers.load_state_dict(oracle.layers.state_dict())
    head.last.weight.data = oracle.last_layer.weight_v.data
    assert torch.allclose(head(x), oracle(x), atol=1e-6)


def test_momentum_rises_to_one_along_lightlys_cosine():
    for step in range(9):
        assert raise_momentum(0.99, step / 10) == pytest.approx(cosine_schedule(step, 11, 0.99, 1.0), abs=1e-9)
    assert (raise_momentum(0.9, 0.0), raise_momentum(0.9, 1.0)) == (pytest.approx(0.9), 1.0)


@pytest.mark.parametrize("make", [lambda e: BYOL(e, 8, 16), lambda e: DINO(e, 16, 16, 8)])
def test_a_target_follows_and_has_no_gradient(make):
    model = make(build_network("resnet50_slim", 1))
    targets = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    assert targets
    assert all("target" in name or "teacher" in name for name in targets)
    online = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.no_grad():
        for weight in online:
            weight.add_(1.0)
    before = {name: weight.clone() for name, weight in model.named_parameters() if name in targets}
    model.move_target(0.75)
    after = dict(model.named_parameters())
    assert all(torch.allclose(after[name], before[name] + 0.25, atol=1e-5) for name in targets)


def test_every_trained_weight_has_a_gradient_also_in_a_frozen_layer():
    first, second = views()
    dino = DINO(build_network("resnet50_slim", 1), 16, 16, 8)
    dino.freeze_last_layer(True)
    student, teacher = dino(first, second)
    dino_loss(student, teacher, dino.center, 0.1, 0.04).backward()
    assert float(dino.projector.last.weight.grad.abs().max()) == 0
    assert all(weight.grad is not None for weight in dino.parameters() if weight.requires_grad)
    copied = copy.deepcopy(dino)
    copied.freeze_last_layer(False)
    copied.zero_grad()
    student, teacher = copied(first, second)
    dino_loss(student, teacher, copied.center, 0.1, 0.04).backward()
    assert float(copied.projector.last.weight.grad.abs().max()) > 0
    byol = BYOL(build_network("resnet50_slim", 1), 8, 16)
    q1, q2, z1, z2 = byol(first, second)
    (byol_loss(q1, z2) + byol_loss(q2, z1)).backward()
    assert all(weight.grad is not None for weight in byol.parameters() if weight.requires_grad)


@pytest.mark.parametrize("arch", ["resnet18", "timm/convnext_atto", "timm/vit_tiny_patch16_224"])
def test_any_architecture_gives_its_features_and_takes_a_head(arch):
    if arch.startswith("timm/"):
        pytest.importorskip("timm")
    head, size = find_architecture(arch).head, 32
    images = draw(2, 3, size, size)
    whole = build_network(arch, 3, 0, size).eval()
    features, logits = record_input(whole, head, images)
    assert torch.equal(whole.get_submodule(head)(features), logits)
    simclr = SimCLR(build_network(arch, 3, 0, size), 8, head=head).eval()
    assert torch.allclose(simclr.encode(images)[0], features, atol=1e-5)
    moco = MoCo(build_network(arch, 3, 0, size), 8, 16, head=head).eval()
    assert torch.allclose(moco.encode(images)[0], features, atol=1e-5)
    assert moco.encode(images)[1].shape == (2, 8)


def test_a_head_that_is_not_linear_is_refused():
    with pytest.raises(InputError, match="'layer1' of the network must be linear, not Sequential"):
        take_off_head(build_network("resnet18", 1), "layer1")


def test_following_with_momentum_one_changes_nothing():
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before = first.weight.clone()
    follow_weights(first, second, 1.0)
    assert torch.equal(first.weight, before)
