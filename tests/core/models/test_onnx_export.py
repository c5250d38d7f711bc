"""An exported model answers as the model does, and its file says how to use it."""

import builtins
import json

import numpy as np
import onnx
import onnxruntime
import pytest

from dr_cli.main import main
from dr_core.data.grades import GRADES
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.files import digest_file
from dr_core.models import onnx_export
from dr_core.models.architectures import build_network
from dr_core.models.checkpoint import CheckpointInfo, load_model, save_model
from dr_core.models.heads import OUTPUT_COUNTS, name_groups, wrap_head
from dr_core.models.onnx_export import WITHIN, describe_model, export_onnx
from dr_core.models.prediction import predict_photographs
from dr_core.publish.sharing.export import export_setup


def save(path, arch, outputs="grades", size=64, positive_from=0, **eye):
    network = wrap_head(build_network(arch, OUTPUT_COUNTS[outputs], size=size), outputs).eval()
    info = CheckpointInfo(
        arch=arch,
        setup="lab",
        preprocessing=Preprocessing(size=size, **eye),
        validation_auc=float("nan"),
        training_data="nothing",
        data_fingerprint="",
        outputs=outputs,
        classes=name_groups(positive_from) if positive_from else GRADES,
        positive_from=positive_from,
    )
    save_model(path, network, info)
    return path


def run(file, inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {"inputs": inputs})[0]


def by_the_description(about, image):
    """The input of an eye, by what the file beside says alone."""
    from dr_core.data.fundus.resize import squash

    one = about["preprocessing"]
    assert (one["crop"], one["contrast"]) == ("squash", "none")
    pixels = squash(image, one["size"]) / 255
    return ((pixels - one["mean"]) / one["std"]).transpose(2, 0, 1)[None].astype(np.float32)


ARCHITECTURES = ("resnet18", "resnet50_slim", "timm/convnext_atto", "timm/vit_tiny_patch16_224")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_onnx_runtime_answers_as_the_model_does(arch, tmp_path):
    if arch.startswith("timm/"):
        pytest.importorskip("timm")
    checkpoint = save(tmp_path / "lab.safetensors", arch, crop="squash", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3))
    report = export_onnx(checkpoint, "lab", tmp_path / "lab.onnx")
    assert report.difference <= WITHIN
    about = json.loads(report.description.read_text())
    eye = draw_phantom(3, size=96, seed=0).image
    expected = predict_photographs({"lab": load_model(checkpoint)}, [eye])["lab"]
    found = run(report.file, by_the_description(about, eye))
    assert abs(found - expected).max() <= WITHIN
    assert run(report.file, np.zeros((4, 3, 64, 64), np.float32)).shape == (4, 5)


@pytest.mark.parametrize("outputs", ["cumulative", "regression"])
def test_heads_of_other_kinds_give_the_grades_probabilities(outputs, tmp_path):
    checkpoint = save(tmp_path / "lab.safetensors", "resnet18", outputs)
    report = export_onnx(checkpoint, "lab", tmp_path / "lab.onnx")
    answers = run(report.file, np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32))
    assert answers.shape == (3, 5)
    assert abs(answers.sum(axis=1) - 1).max() < WITHIN


def test_a_head_that_says_yes_or_no_gives_its_two_probabilities_and_names_them(tmp_path):
    checkpoint = save(tmp_path / "lab.safetensors", "resnet18", "referable", positive_from=2, crop="squash")
    report = export_onnx(checkpoint, "lab", tmp_path / "lab.onnx")
    assert report.difference <= WITHIN
    about = json.loads(report.description.read_text())
    assert about["classes"] == ["grades 0-1", "grades 2-4"]
    assert about["output"]["shape"] == ["N", 2]
    eye = draw_phantom(3, size=96, seed=0).image
    (answers,) = run(report.file, by_the_description(about, eye))
    expected = predict_photographs({"lab": load_model(checkpoint)}, [eye])["lab"][0]
    assert answers == pytest.approx(expected[[0, 2]], abs=WITHIN)  # the others are grades that it does not tell apart
    assert np.isnan(expected[[1, 3, 4]]).all()


def test_the_file_holds_its_description_and_is_the_same_again(tmp_path):
    checkpoint = save(tmp_path / "lab.safetensors", "resnet18", contrast="local")
    first, second = (export_onnx(checkpoint, "lab", tmp_path / f"{name}.onnx") for name in "ab")
    assert first.file.read_bytes() == second.file.read_bytes()
    proto = onnx.load(first.file)
    about = json.loads(first.description.read_text())
    assert {one.key: json.loads(one.value) for one in proto.metadata_props} == {"dr_lens": about}
    assert about["preprocessing"]["contrast"] == "local"
    assert about == describe_model(load_model(checkpoint).info) | {"checkpoint_sha256": digest_file(checkpoint)}
    assert [one.name for one in proto.graph.input] == [about["input"]["name"]]
    assert [one.name for one in proto.graph.output] == [about["output"]["name"]]


def test_one_that_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    checkpoint = save(tmp_path / "lab.safetensors", "resnet18")
    other = onnx_export._trace(load_model(save(tmp_path / "other.safetensors", "resnet18", "regression")))
    monkeypatch.setattr(onnx_export, "_trace", lambda model: other)
    with pytest.raises(InputError, match="answers differ from PyTorch's"):
        export_onnx(checkpoint, "lab", tmp_path / "lab.onnx")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".safetensors", ".safetensors"]


def test_nothing_is_overwritten_and_names_are_checked(tiny_study, tmp_path, capsys):
    for name in ("a.onnx", "b.json"):
        (tmp_path / name).write_text("mine")
    for out, sentence in (("a.onnx", "exists already"), ("b.onnx", "exists already"), ("c.pt", "must end in .onnx")):
        with pytest.raises(InputError, match=sentence):
            export_setup(tiny_study, "iwne_fs", tmp_path / out)
    with pytest.raises(InputError, match="its set-ups are iwne_fs"):
        export_setup(tiny_study, "nobody", tmp_path / "d.onnx")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.onnx": "mine", "b.json": "mine"}
    words = ["export", "--study", str(tiny_study.path), "--setup", "iwne_cl", "--out", str(tmp_path / "e.onnx")]
    assert main(words) == 0
    assert "agree within" in capsys.readouterr().out


def test_without_the_extra_it_says_how_to_get_it(tiny_study, tmp_path, monkeypatch):
    original = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("onnx"):
            raise ModuleNotFoundError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match="pip install onnx onnxruntime"):
        export_setup(tiny_study, "iwne_fs", tmp_path / "a.onnx")
