import pytest
import torch

from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone, feature_count, replace_head


def test_slim_network_keeps_depth_and_first_convolution():
    slim, full = build_backbone("resnet50_slim", 5), build_backbone("resnet50", 5)
    assert sum(p.numel() for p in slim.parameters()) == pytest.approx(1.5e6, rel=0.02)
    convolutions = [[m for m in model.modules() if isinstance(m, torch.nn.Conv2d)] for model in (slim, full)]
    assert (len(convolutions[0]), len(convolutions[1])) == (52, 53)  # 64 channels enter and leave: no projection
    assert convolutions[0][0].weight.shape == convolutions[1][0].weight.shape == (64, 3, 7, 7)
    assert convolutions[0][1].out_channels * 4 == convolutions[1][1].out_channels


def test_weights_follow_from_the_seed_and_leave_the_global_state_alone():
    state = torch.random.get_rng_state()
    first, again, other = (build_backbone("resnet50_slim", 5, seed).conv1.weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_new_head_leaves_the_rest():
    model = build_backbone("resnet50_slim", 1000)
    before = model.conv1.weight.clone()
    replace_head(model, 5, seed=1)
    assert model.fc.weight.shape == (5, 512)
    assert feature_count(model) == 512
    assert torch.equal(before, model.conv1.weight)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 5)


def test_unknown_architecture_names_the_known_ones():
    with pytest.raises(InputError, match="resnet50, resnet50_slim, not 'resnet5'"):
        build_backbone("resnet5", 5)
