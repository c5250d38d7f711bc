"""Another device gives the CPU's numbers: a GPU where there is one, otherwise XLA's (`make test-device`)."""

import copy
import importlib.util
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from dr_core.analysis.attribution import Explainer
from dr_core.analysis.attribution.rules import RULES
from dr_core.analysis.image_spectra import image_eigenvalues
from dr_core.analysis.spectrum import activation_eigenvalues
from dr_core.corruption import CORRUPTIONS, corrupt
from dr_core.data.augment import AugmentConfig
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.experiments.damage import RobustnessConfig, damage_eyes
from dr_core.models.architectures import ARCHITECTURES, Architecture
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel
from dr_core.models.prediction import predict_shared
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.optimizer import build_optimizer
from dr_core.training.pretraining.method import build_pretraining
from dr_core.training.pretraining.registry import METHODS
from dr_core.training.pretraining.task import SelfSupervisedTask
from dr_core.training.task import Batch

SIDE = 64
LOCAL = Preprocessing(size=SIDE, contrast="local")
VIEWS = AugmentConfig(crop_area=(0.5, 1.0), brightness=0.2, saturation=0.2, blur_chance=0.5, rotation_degrees=20)
"""Without noise: each kind of device draws other numbers."""


@pytest.fixture(scope="module")
def device():
    if torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        return torch.device("cuda")
    if importlib.util.find_spec("torch_xla") is None:
        pytest.skip("there is no second device; `make test-device` makes an environment that has one")
    import torch_xla
    import torch_xla.experimental

    torch_xla.experimental.eager_mode(True)  # operation by operation: graphs of whole steps take minutes to compile
    return torch_xla.device()


@pytest.fixture(scope="module")
def eyes():
    images = np.stack([draw_phantom(grade, SIDE, grade).image for grade in range(5)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="module")
def store(eyes):
    index = pd.DataFrame({"eye": list("abcde"), "patient": range(5), "grade": range(5)})
    return Store(eyes.numpy(), index)


class ShallowResNet(ResNet):
    """Twelve layers of bottlenecks: what a deeper network has, in a fraction of the time."""

    def __init__(self, classes=5, norm_layer=nn.BatchNorm2d):
        super().__init__(Bottleneck, [1, 1, 1, 1], num_classes=classes, width_per_group=16, norm_layer=norm_layer)


class PlainBatchNorm(nn.BatchNorm2d):
    """By its formula: XLA has no backward pass of a batch norm that does not train."""

    def forward(self, x):
        if self.training:
            return super().forward(x)
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


SHALLOW = Architecture(name="shallow", label="twelve layers", family="resnet", build=lambda n, _: ShallowResNet(n))


def build(norm_layer=nn.BatchNorm2d):
    """Statistics as after a training, so that no layer's output is lost in rounding."""
    torch.manual_seed(0)
    network = ShallowResNet(norm_layer=norm_layer)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.randn(4, 3, SIDE, SIDE))
    return network.eval()


def loaded(network):
    info = CheckpointInfo(
        arch="resnet50_slim",
        setup="a",
        preprocessing=LOCAL,
        validation_auc=0.5,
        training_data="",
        data_fingerprint="",
    )
    return LoadedModel(model=network, info=info)


def assert_close(here, there, tolerance=1e-5):
    here, there = here.detach().cpu(), there.detach().cpu()
    assert (here - there).abs().max() <= tolerance * here.abs().max()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption(name, eyes, device):
    here = corrupt(eyes, name, 3.5, range(5))
    there = corrupt(eyes.to(device), name, 3.5, range(5))
    assert there.device.type == device.type
    assert (here.int() - there.cpu().int()).abs().max() <= 1


def test_answers(eyes, device):
    model = loaded(build())
    (here,) = predict_shared({"a": model}, eyes.permute(0, 2, 3, 1).numpy()).values()
    model.model.to(device)
    for views in (eyes.permute(0, 2, 3, 1).numpy(), eyes.to(device)):
        (there,) = predict_shared({"a": model}, views, batch_size=2, device=device).values()
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-7)


def test_robustness(store, device):
    config = RobustnessConfig(corruptions=("fog", "motion_blur", "jpeg_compression"), severities=(3.0,))
    model = loaded(build())
    (here,) = damage_eyes("phantoms", {"a": model}, store, config)
    model.model.to(device)
    (there,) = damage_eyes("phantoms", {"a": model}, store, config, device=str(device))
    answers = [f"p{grade}" for grade in range(5)]
    np.testing.assert_allclose(there.rows[answers], here.rows[answers], atol=2e-3)  # a gray level of a damaged pixel


def test_spectrum(eyes, device):
    torch.manual_seed(0)
    small = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 1))
    network = small if device.type == "xla" else build()  # XLA's eigenvalues of more take minutes
    inputs, of_solver = LOCAL.standardize(eyes.float() / 255), 1e-4 if device.type == "xla" else 1e-5
    here = activation_eigenvalues(network, [inputs])
    first = next(iter(here))
    alone = image_eigenvalues(network, [inputs], first)
    network.to(device)
    there = activation_eigenvalues(network, [inputs.to(device)])
    assert list(there) == list(here)
    assert len(here) > 1
    for layer, values in here.items():
        assert_close(values, there[layer], of_solver)
    assert_close(alone, image_eigenvalues(network, [inputs.to(device)], first), of_solver)


KNOW_BATCH_NORM = ("alpha1_beta0", "contrastive", "attn_lrp", "attn_lrp_gamma")
"""Methods that know PyTorch's own batch norm alone."""

FITTING = [name for name, rule in RULES.items() if rule.why_unfit(ShallowResNet()) is None]


@pytest.mark.parametrize("rule", FITTING)
def test_an_attribution(rule, eyes, device):
    own = rule in KNOW_BATCH_NORM
    network, inputs = build(nn.BatchNorm2d if own else PlainBatchNorm), LOCAL.standardize(eyes[2:4].float() / 255)
    target = 0 if rule == "grad_cam" else 3  # its map for grade 3 is zero, which is no answer
    here = Explainer(network, rule).attribute(inputs, target)
    there = Explainer(network.to(device), rule).attribute(inputs.to(device), target)
    assert there.device.type == device.type
    assert_close(here, there, 1e-4)


def finetuning(store):
    config = FinetuneConfig(epochs=1, learning_rate=1e-3, augment=VIEWS, class_weighting="inverse")
    return FinetuneTask(build(), store, store, preprocessing=LOCAL, config=config, describe=None)


def pretraining(name, store):
    method = METHODS[name]
    config = replace(method.recipes["quick"], batch_size=4, augment=VIEWS, **SMALL[name])
    build_all = partial(build_pretraining, method, "shallow", config, SIDE)
    with ARCHITECTURES.extended(SHALLOW):
        return SelfSupervisedTask(method, build_all, store, preprocessing=LOCAL, config=config)


SMALL = {
    "moco": {"dim": 8, "queue": 12, "norm_groups": 1},
    "simclr": {},
    "byol": {"dim": 8, "hidden": 16},
    "dino": {"dim": 16, "hidden": 8, "bottleneck": 8},
}
TASKS = [finetuning, *(partial(pretraining, name) for name, method in METHODS.items() if not method.needs_labels)]


def train(task, device, state=None, steps=range(3)):
    """Whole steps: augmentation, forward and backward pass, optimizer; gives losses and what a resumed one needs."""
    network = task.network.to(device).train()
    optimizer = build_optimizer(network, "sgd", 1e-3, 1e-4)
    if state is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    losses = []
    for step in steps:
        images = task.read(np.arange(4)).to(device)
        loss, _ = task.loss(network, images, Batch(rows=np.arange(4), size=4, seed=step, epoch=0, part=0, parts=1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach().cpu())
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    return torch.stack(losses), copy.deepcopy(state)


def weights_of(state):
    """All weights in one row, without running variances, which XLA does not correct for the number of values."""
    kept = (tensor for name, tensor in state["network"].items() if "running" not in name)
    return torch.cat([tensor.detach().cpu().double().flatten() for tensor in kept])


def nudge(task, seed):
    """The task from weights that differ by a rounding each."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in task.network.parameters():
            weights.mul_(1 + torch.finfo(weights.dtype).eps * torch.randn(weights.shape, generator=generator))
    return task


@pytest.mark.parametrize("task", TASKS, ids=["finetune", *SMALL])
def test_training(task, store, device):
    """The second loss has a whole step behind it, in which rounding grows: four images, batch norm.

    How much it grows is measured on the CPU, from weights that differ by a rounding: by 1e-3 of BYOL's second loss.
    """
    losses, state = train(task(store), "cpu", steps=range(2))
    there, state_there = train(task(store), device, steps=range(2))
    nudged = [train(nudge(task(store), seed), "cpu", steps=range(2)) for seed in range(3)]
    grown = max(float(abs(other - losses)[1] / losses[1]) for other, _ in nudged)
    spread = max(float((weights_of(other) - weights_of(state)).norm()) for _, other in nudged)
    assert_close(losses[:1], there[:1])
    assert_close(losses[1:], there[1:], max(1e-4, 3 * grown))
    here = weights_of(state)
    assert (here - weights_of(state_there)).norm() <= max(1e-4 * here.norm(), 3 * spread)


@pytest.mark.parametrize("task", TASKS, ids=["finetune", *SMALL])
def test_a_training_that_goes_on(task, store, device):
    losses, whole = train(task(store), device)
    _, begun = train(task(store), device, steps=range(2))
    rest, resumed = train(task(store), device, begun, steps=range(2, 3))
    assert torch.equal(rest, losses[2:])
    assert all(torch.equal(resumed["network"][name].cpu(), weights.cpu()) for name, weights in whole["network"].items())
