import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel, load_model, read_info, save_model
from dr_core.models.prediction import predict_photographs


def make_info(**changes):
    values = {
        "arch": "resnet50_slim",
        "setup": "ifi_cl",
        "preprocessing": Preprocessing(size=64, crop="squash"),
        "validation_auc": 0.75,
        "training_data": "nothing",
        "data_fingerprint": "00",
        "training": {"epochs": 3},
    }
    return CheckpointInfo(**values | changes)


@pytest.fixture
def saved(tmp_path):
    model = build_backbone("resnet50_slim", 5, seed=1).eval()
    save_model(tmp_path / "a.safetensors", model, make_info())
    return tmp_path / "a.safetensors", model


def test_a_checkpoint_rebuilds_its_model_alone(saved):
    path, model = saved
    loaded = load_model(path)
    images = torch.rand(2, 3, 64, 64)
    assert torch.allclose(loaded.model(images), model(images), atol=1e-6)
    assert loaded.info == make_info() == read_info(path)
    assert not loaded.model.training
    assert loaded.preprocess(np.zeros((50, 80, 3), np.uint8)).shape == (3, 64, 64)


def test_half_precision_halves_the_file_and_keeps_batch_norm_whole(saved, tmp_path):
    path, model = saved
    save_model(tmp_path / "half.safetensors", model, make_info(), half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * path.stat().st_size
    stored = load_file(tmp_path / "half.safetensors")
    assert stored["bn1.running_var"].dtype == torch.float32
    assert stored["conv1.weight"].dtype == torch.float16
    weight = load_model(tmp_path / "half.safetensors").model.conv1.weight
    assert torch.allclose(weight, model.conv1.weight, rtol=1e-3, atol=1e-4)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    path, model = saved
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("dr_core.models.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="No space"):
        save_model(path, model, make_info())
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def rewrite_header(path, **changes):
    tensors = load_file(path)
    info = make_info()
    values = vars(info) | {"preprocessing": vars(info.preprocessing)} | changes
    save_file(tensors, path, metadata={"dr_lens": json.dumps(values)})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda p: p.unlink(), "There is no checkpoint"),
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), "cut off"),
        (lambda p: p.write_bytes(pickle.dumps({"conv1.weight": 1})), "not a safetensors file"),
        (lambda p: save_file({"a": torch.zeros(1)}, p), "not DR Lens's header"),
        (
            lambda p: save_file({"a": torch.zeros(1)}, p, metadata={"dr_lens": "{"}),
            "header of a.safetensors is damaged",
        ),
        (lambda p: rewrite_header(p, schema=99), "newer DR Lens"),
        (lambda p: rewrite_header(p, arch="vgg"), "`architecture` must be one of"),
        (lambda p: rewrite_header(p, arch="resnet50"), "does not hold the weights of a resnet50"),
    ],
)
def test_each_bad_checkpoint_gets_its_sentence(saved, damage, sentence):
    path, _ = saved
    damage(path)
    with pytest.raises(InputError, match=sentence):
        load_model(path)


def test_models_answer_with_probabilities(saved):
    path, _ = saved
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    answers = predict_photographs({"ifi_cl": load_model(path)}, [image, image[::-1]])
    assert answers["ifi_cl"].shape == (2, 5)
    assert np.allclose(answers["ifi_cl"].sum(axis=1), 1)
    alone = predict_photographs({"ifi_cl": load_model(path)}, [image])
    assert np.allclose(alone["ifi_cl"][0], answers["ifi_cl"][0], atol=1e-6)


@pytest.mark.parametrize("crop", ["squash", "field_of_view"])
def test_a_mask_is_found_where_the_model_sees_what_it_marks(crop):
    image = np.zeros((300, 400, 3), np.uint8)
    rows, columns = np.mgrid[:300, :400]
    image[np.hypot(rows - 150, columns - 190) < 130] = 90
    mask = np.hypot(rows - 110, columns - 240) < 25
    preprocessing = Preprocessing(size=96, crop=crop)
    info = CheckpointInfo(
        arch="resnet50_slim",
        setup="iwne_fs",
        preprocessing=preprocessing,
        validation_auc=0.5,
        training_data="nothing",
        data_fingerprint="",
    )
    loaded = LoadedModel(torch.nn.Identity(), info)
    marked = image.copy()
    marked[mask] = 250
    shown = loaded.view(marked)[..., 0] > 170  # half of a pixel marked is the middle of 90 and 250
    half, touched = loaded.view_mask(mask, image, "half").numpy(), loaded.view_mask(mask, image).numpy()
    assert (shown != half).sum() < 0.05 * half.sum()
    assert (touched & half).sum() == half.sum() < touched.sum()
    views = torch.from_numpy(loaded.view(image)).permute(2, 0, 1)[None]
    assert torch.equal(loaded.normalize(views)[0], loaded.preprocess(image))
    with pytest.raises(InputError, match="height and width, \\(300, 400\\), not \\(20, 30\\)"):
        loaded.view_mask(np.ones((20, 30), bool), image)
