import numpy as np
import pytest
import torch
from torch import nn

from dr_core.data.preprocessing import Preprocessing
from dr_core.models.architectures import build_network
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel
from dr_core.models.folding import fold_batch_norm, fold_models
from dr_core.models.heads import wrap_head
from dr_core.models.prediction import predict_shared

SIZE = 64


def train_briefly(network):
    """Give batch norm statistics, scales and shifts of its own, as training does."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator) / 4)
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
                module.weight.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
                module.bias.copy_(torch.randn(module.num_features, generator=generator) / 4)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize(("arch", "outputs"), [("resnet50_slim", "grades"), ("resnet18", "cumulative")])
def test_a_folded_network_gives_the_same_and_leaves_the_other_as_it_was(arch, outputs):
    network = wrap_head(train_briefly(build_network(arch, 5 if outputs == "grades" else 4)), outputs)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)
        folded = fold_batch_norm(network)
        assert (folded(images) - expected).abs().max() <= 2e-5 * expected.abs().max()
        assert (network(images) == expected).all()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert all((tensor == before[name]).all() for name, tensor in network.state_dict().items())


def test_what_need_not_follow_each_other_is_left_alone():
    class Twins(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, images):
            return self.bn1(torch.relu(self.conv1(images)))

    network = nn.Sequential(Twins(), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    norms = [module for module in fold_batch_norm(network).modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 2


@pytest.fixture(scope="module")
def models():
    info = CheckpointInfo(
        arch="resnet50_slim",
        setup="ifi_fs",
        preprocessing=Preprocessing(size=SIZE),
        validation_auc=0.5,
        training_data="none",
        data_fingerprint="",
    )
    return {"a": LoadedModel(train_briefly(build_network("resnet50_slim", 5)), info)}


def test_an_eyes_answer_depends_on_no_other_eye_of_the_batch(models):
    """With as many neighbors bit for bit; with fewer, libraries may add up in another order."""
    views = np.random.default_rng(0).integers(0, 256, (9, SIZE, SIZE, 3), np.uint8)
    plain, folded = predict_shared(models, views)["a"], predict_shared(fold_models(models), views)["a"]
    assert abs(folded - plain).max() < 1e-5
    others = np.concatenate([views[:1], 255 - views[1:]])
    assert (predict_shared(fold_models(models), others)["a"][0] == folded[0]).all()
    alone = predict_shared(fold_models(models), views, batch_size=1)["a"]
    assert abs(alone - folded).max() < 1e-5


def test_parts_of_a_table_equal_the_whole_bit_for_bit(models):
    views = np.random.default_rng(1).integers(0, 256, (21, SIZE, SIZE, 3), np.uint8)
    whole = predict_shared(models, views, fill=True)["a"]
    parts = [predict_shared(models, part, fill=True)["a"] for part in (views[:5], views[5:18], views[18:])]
    assert (np.concatenate(parts) == whole).all()
