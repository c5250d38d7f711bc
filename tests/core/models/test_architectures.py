import pytest
import torch

from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.models.architectures import (
    ARCHITECTURES,
    build_backbone,
    build_network,
    build_without_weights,
    feature_count,
    find_architecture,
    replace_head,
)
from dr_core.models.checkpoint import CheckpointInfo, load_model, save_model


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
    with pytest.raises(InputError, match=r"resnet50, resnet50_slim, .* not 'resnet5'"):
        build_backbone("resnet5", 5)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_resnet_answers_and_has_its_head_where_the_record_says(arch):
    network = build_network(arch, 5).eval()
    assert network.get_submodule(ARCHITECTURES[arch].head).out_features == 5
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


@pytest.mark.parametrize(
    ("arch", "family", "millions"),
    [
        ("timm/convnext_tiny", "convolutional", 27.8),
        ("timm/efficientnet_b0", "convolutional", 4.0),
        ("timm/densenet121", "convolutional", 7.0),
        ("timm/vit_small_patch16_224", "transformer", 21.7),
        ("timm/vit_large_patch16_224", "transformer", 303.3),
    ],
)
def test_timms_architectures_are_described_from_their_own_configuration(arch, family, millions):
    known = find_architecture(arch)
    network = build_without_weights(arch, 5, 224)
    assert known.family == family
    assert network.get_submodule(known.head).out_features == 5
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(millions * 1e6, rel=0.01)


@pytest.mark.parametrize("arch", ["timm/test_convnext", "timm/test_vit", "timm/test_efficientnet"])
def test_a_checkpoint_of_a_timm_network_answers_as_the_network_did(arch, tmp_path):
    network = build_network(arch, 5, seed=1, size=96).eval().to(memory_format=torch.channels_last)
    info = CheckpointInfo(
        arch=arch,
        setup="mine",
        preprocessing=Preprocessing(size=96),
        validation_auc=0.5,
        training_data="nothing",
        data_fingerprint="",
    )
    save_model(tmp_path / "mine.safetensors", network, info)
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "mine.safetensors").model(images), network(images))


def test_an_unknown_timm_name_says_what_is_near_to_it():
    with pytest.raises(InputError, match=r"timm knows no model 'convnext_tinny'.*convnext_tiny"):
        find_architecture("timm/convnext_tinny")


def test_without_timm_its_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package timm"):
        find_architecture("timm/convnext_tiny")


def test_what_needs_a_resnet_says_so():
    with pytest.raises(InputError, match="no ResNet"):
        build_backbone("timm/test_vit", 5)
