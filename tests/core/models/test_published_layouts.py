"""Checkpoints in the layouts in which others publish theirs, drawn here with random weights and small networks."""

import re

import pytest
import torch
from safetensors.torch import save_file

from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.models.architectures import build_network
from dr_core.models.setups import Setup
from dr_core.models.weight_mapping import fill_encoder
from dr_core.models.weights_file import read_weights_file
from dr_core.study.folder import open_study
from dr_core.study.importing import ImportRequest, import_model, plan_import

VIT, SIZE = "timm/test_vit", 160


def state_of(arch, classes=5, size=SIZE):
    return build_network(arch, classes, seed=3, size=size).state_dict()


def prefixed(state, prefix):
    return {f"{prefix}{name}": tensor.clone() for name, tensor in state.items()}


def without_head(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith(("head.", "fc."))}


def request(file, study, arch, size=SIZE, **more):
    setup = Setup(name="lab", label="Lab")
    return ImportRequest(file=file, study=study, setup=setup, arch=arch, preprocessing=Preprocessing(size=size), **more)


FINETUNED = {
    "retfound.pth": (f"{VIT}:avg", lambda state: {"model": state, "optimizer": {}, "epoch": 49}),
    "lightning.ckpt": (
        VIT,
        lambda state: {
            "state_dict": prefixed(state, "model."),
            "hyper_parameters": {"lr": 1e-4, "name": "vit", "layers": [1, 2], "drop": None},
            "pytorch-lightning_version": "2.4.0",
            "epoch": 3,
            "callbacks": {},
        },
    ),
    "timm.safetensors": (VIT, lambda state: state),
    "ema.pth": (VIT, lambda state: {"state_dict": state, "state_dict_ema": prefixed(state, ""), "arch": "vit"}),
}


@pytest.mark.parametrize("name", FINETUNED)
def test_a_finetuned_network_is_imported_whatever_its_layout(tmp_path, name):
    arch, layout = FINETUNED[name]
    network = build_network(arch, 5, seed=3, size=SIZE).eval()
    content = layout(network.state_dict())
    save_file(content, tmp_path / name) if name.endswith(".safetensors") else torch.save(content, tmp_path / name)
    import_model(request(tmp_path / name, tmp_path / "study", arch))
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = open_study(tmp_path / "study").load_model("lab").model(images)
        assert torch.allclose(found, network(images), atol=1e-5)


PRETRAINED = {
    "retfound_mae.pth": (
        VIT,
        lambda state: {
            "model": without_head(state)
            | {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(8, 64)}
            | {"decoder_blocks.0.norm1.weight": torch.zeros(8)}
        },
    ),
    "dino.pth": (
        VIT,
        lambda state: {
            "student": prefixed(without_head(state), "module.backbone."),
            "teacher": prefixed(without_head(state), "backbone.") | {"head.mlp.0.weight": torch.zeros(8, 64)},
        },
    ),
    "moco.pth.tar": (
        "resnet18",
        lambda state: {
            "arch": "resnet18",
            "state_dict": prefixed(without_head(state), "module.encoder_q.")
            | {f"module.encoder_q.fc.{n}.{part}": torch.zeros(9, 9) for n in (0, 2) for part in ("weight", "bias")}
            | prefixed(without_head(state), "module.encoder_k.")
            | {"module.queue": torch.zeros(8, 16), "module.queue_ptr": torch.zeros(1, dtype=torch.long)},
        },
    ),
    "imagenet.safetensors": (VIT, lambda state: without_head(state) | {"head.weight": torch.zeros(1000, 64)}),
}


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_pretraining_fills_everything_but_the_last_layer(tmp_path, name):
    arch, layout = PRETRAINED[name]
    state = state_of(arch)
    content = layout(state)
    save_file(content, tmp_path / name) if name.endswith(".safetensors") else torch.save(content, tmp_path / name)
    network = build_network(arch, 5, seed=8, size=SIZE)
    head = "head" if arch == VIT else "fc"
    fill_encoder(network, read_weights_file(tmp_path / name).tensors, head)
    found = network.state_dict()
    for key, tensor in state.items():
        same = torch.equal(found[key], tensor)
        assert same != key.startswith(f"{head}.") or not tensor.any()


@pytest.mark.parametrize("name", ["retfound_mae.pth", "dino.pth", "moco.pth.tar"])
def test_a_pretraining_without_a_head_is_not_imported_as_a_model(tmp_path, name, monkeypatch):
    monkeypatch.setattr("dr_core.study.importing.find_nearest", lambda *_: "")  # it builds ten networks
    arch, layout = PRETRAINED[name]
    torch.save(layout(state_of(arch)), tmp_path / name)
    with pytest.raises(InputError, match=r"does not hold a .*: \d+ missing: |gives 9 numbers"):
        import_model(request(tmp_path / name, tmp_path / "study", arch))
    assert not (tmp_path / "study").exists()


def test_a_pretraining_of_another_architecture_is_refused():
    network = build_network("resnet18", 5)
    with pytest.raises(InputError, match=r"The weights do not fit: \d+ missing: "):
        fill_encoder(network, state_of(VIT), "fc")


def test_averaged_tokens_are_recognized_by_the_place_of_their_norm(tmp_path, monkeypatch):
    monkeypatch.setattr("dr_core.study.importing.find_nearest", lambda *_: "")
    torch.save(state_of(f"{VIT}:avg"), tmp_path / "a.pth")
    with pytest.raises(InputError, match=re.escape(f"name the architecture {VIT}:avg")):
        import_model(request(tmp_path / "a.pth", tmp_path / "study", VIT))
    assert plan_import(request(tmp_path / "a.pth", tmp_path / "study", f"{VIT}:avg")).mapping.fits
    with pytest.raises(InputError, match="cannot pool 'test_vit' by 'most'"):
        plan_import(request(tmp_path / "a.pth", tmp_path / "study", f"{VIT}:most"))
