"""A lab's own checkpoint becomes a set-up, whatever its file looks like; what does not fit leaves no trace."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dr_cli.main import main
from dr_core.data.fundus import encode_jpeg, read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone, build_network
from dr_core.models.heads import grades_from_cumulative, grades_from_regression
from dr_core.models.prediction import predict_photographs
from dr_core.models.setups import Setup
from dr_core.study.folder import open_study
from dr_core.study.importing import ImportRequest, import_model, plan_import
from dr_core.study.verify import SOUND, verify_study

SIZE = Preprocessing(size=64, crop="squash", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.fixture(scope="module")
def network():
    return build_backbone("resnet18", 5, seed=3).eval()


def request(file, study, **more):
    given = {"arch": "resnet18", "preprocessing": SIZE, "setup": Setup(name="lab", label="Lab")}
    return ImportRequest(file=file, study=study, **given | more)


def save(path, content):
    save_file(content, path) if path.suffix == ".safetensors" else torch.save(content, path)
    return path


def prefixed(state, prefix):
    return {f"{prefix}{name}": tensor.clone() for name, tensor in state.items()}


FORMS = {
    "bare.pth": lambda state: state,
    "bare.safetensors": lambda state: prefixed(state, ""),
    "bin.bin": lambda state: prefixed(state, "model."),
    "trained.tar": lambda state: {"epoch": 3, "arch": "x", "state_dict": prefixed(state, "module."), "optimizer": {}},
    "lightning.ckpt": lambda state: {"state_dict": prefixed(state, "net."), "hyper_parameters": {"lr": 1e-3}},
    "backbone.pt": lambda state: {"model": prefixed(state, "backbone.")},
    "moco.pth": lambda state: {
        "state_dict": prefixed(state, "module.encoder_q.")
        | {f"module.encoder_k.{name}": torch.zeros_like(tensor) for name, tensor in state.items()}
        | {"module.queue": torch.zeros(8, 16)}
    },
    "dino.pth": lambda state: {
        "student": {name: torch.zeros_like(tensor) for name, tensor in state.items()},
        "teacher": prefixed(state, "backbone."),
    },
    "ema.pt": lambda state: {
        "model": {name: torch.zeros_like(tensor) for name, tensor in state.items()},
        "ema": {"module": prefixed(state, "")},
    },
    "head.pth": lambda state: {name.replace("fc.", "classifier."): tensor for name, tensor in state.items()},
    "old.pth": lambda state: {name: tensor for name, tensor in state.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("name", FORMS)
def test_every_usual_form_gives_the_same_network(network, tmp_path, name):
    file = save(tmp_path / name, FORMS[name](network.state_dict()))
    report = import_model(request(file, tmp_path / "study"))
    study = open_study(tmp_path / "study")
    loaded = study.load_model("lab")
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.model(x), network(x).detach()) or torch.allclose(loaded.model(x), network(x), atol=1e-5)
    header = loaded.info.training["imported"]
    assert header["sha256"] == report.plan.digest
    assert header["file"] == name
    assert loaded.info.preprocessing == SIZE
    assert study.info.made_by == "import"
    assert all(node.state in SOUND for node in verify_study(study) if node.kind == "checkpoint")


def test_what_was_understood_is_said(network, tmp_path):
    state = network.state_dict()
    plan = plan_import(request(save(tmp_path / "a.pth", FORMS["moco.pth"](state)), tmp_path / "study"))
    assert plan.mapping.prefix == "module.encoder_q."
    assert plan.mapping.names["conv1.weight"] == "module.encoder_q.conv1.weight"
    assert plan.mapping.left == len(state) + 1
    assert any("'state_dict'" in note for note in plan.notes)
    plan = plan_import(request(save(tmp_path / "b.pth", FORMS["head.pth"](state)), tmp_path / "study"))
    assert "The last layer is 'classifier' in the file and 'fc' here." in plan.notes
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    plan = plan_import(request(save(tmp_path / "c.pth", half), tmp_path / "study"))
    assert any("float16 were read as float32" in note for note in plan.notes)
    assert not (tmp_path / "study").exists()


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def new_head(outputs):
    return {"fc.weight": torch.zeros(outputs, 512), "fc.bias": torch.zeros(outputs)}


BAD = {
    "code.pth": (lambda path, state: path.write_bytes(pickle.dumps(Evil())), "holds code or objects beside tensors"),
    "class.ckpt": (
        lambda path, state: torch.save({"state_dict": state, "hyper_parameters": Evil()}, path),
        "holds code or objects beside tensors",
    ),
    "page.pth": (lambda path, state: path.write_text("<!DOCTYPE html><html>"), "is a web page, not weights"),
    "cut.pth": (lambda path, state: (torch.save(state, path), path.write_bytes(path.read_bytes()[:5000])), "cut.pth"),
    "cut.safetensors": (
        lambda path, state: (save_file(state, path), path.write_bytes(path.read_bytes()[:50_000])),
        "is cut off or no safetensors file",
    ),
    "quantized.pth": (
        lambda path, state: torch.save({name: tensor.to(torch.int8) for name, tensor in state.items()}, path),
        "holds quantized weights",
    ),
    "list.pth": (lambda path, state: torch.save([1, 2], path), "holds no state dict that is known, but list"),
    "other.pth": (lambda path, state: torch.save({"a": 1, "b": 2}, path), "but the keys a, b"),
    "nan.pth": (
        lambda path, state: torch.save(state | {"fc.bias": torch.full((5,), float("nan"))}, path),
        "hold values that are no numbers",
    ),
    "missing.pth": (
        lambda path, state: torch.save({n: t for n, t in state.items() if n != "bn1.weight"}, path),
        "1 missing: bn1.weight",
    ),
    "unexpected.pth": (
        lambda path, state: torch.save(state | {"aux.weight": torch.zeros(3, 3)}, path),
        "1 unexpected: aux.weight",
    ),
    "imagenet.pth": (
        lambda path, state: torch.save(state | new_head(1000), path),
        "gives 1000 numbers, not the 5 grades; finetune a set-up that starts from this file",
    ),
    "binary.pth": (
        lambda path, state: torch.save(state | new_head(2), path),
        "gives 2 numbers, a yes or no; say that the outputs are `referable`",
    ),
    "one.pth": (
        lambda path, state: torch.save(state | new_head(1), path),
        "may be the grade itself or the probability of disease",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_a_sentence_and_leave_no_trace(network, tmp_path, name, capsys):
    write, message = BAD[name]
    write(tmp_path / name, {key: tensor.clone() for key, tensor in network.state_dict().items()})
    words = ["import", str(tmp_path / name), "--study", str(tmp_path / "study"), "--name", "lab", "--arch", "resnet18"]
    assert main([*words, "--size", "64"]) == 2
    text = capsys.readouterr()
    assert message in " ".join(text.err.split())
    assert "run" not in text.out
    assert not (tmp_path / "study").exists()


def test_a_wrong_architecture_names_the_nearest(tmp_path):
    file = save(tmp_path / "a.pth", build_backbone("resnet34", 5, seed=0).state_dict())
    with pytest.raises(InputError, match=r"does not hold a resnet18: .* unexpected: .* most like resnet34\."):
        import_model(request(file, tmp_path / "study"))
    file = save(tmp_path / "b.pth", build_network("timm/densenet121", 5).state_dict())
    assert plan_import(request(file, tmp_path / "study")).nearest == "timm/densenet121"


def test_what_is_left_out_knowingly_is_left_out(network, tmp_path):
    file = save(tmp_path / "a.pth", network.state_dict() | {"aux.weight": torch.zeros(3, 3)})
    assert import_model(request(file, tmp_path / "study", ignore=("aux.",))).plan.mapping.left == 1


def test_answers_that_are_expected_are_compared(network, tmp_path):
    for number in range(2):
        eye = draw_phantom(3 * number, 128, number)
        (tmp_path / f"{number}.jpg").write_bytes(encode_jpeg(eye.image, 128))
    file = save(tmp_path / "a.pth", network.state_dict())
    import_model(request(file, tmp_path / "first"))
    model = open_study(tmp_path / "first").load_model("lab")
    images = [read_fundus(tmp_path / f"{number}.jpg") for number in range(2)]
    answers = predict_photographs({"": model}, images)[""]
    table = pd.DataFrame(answers, columns=[f"p{grade}" for grade in range(5)]).assign(path=["0.jpg", "1.jpg"])
    table.to_csv(tmp_path / "answers.csv", index=False)
    report = import_model(request(file, tmp_path / "study", expect=tmp_path / "answers.csv"))
    assert (report.compared, report.difference < 1e-6) == (2, True)
    table.assign(p0=table["p0"] + [0, 2e-4]).to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(InputError, match=r"answers .* about 1.jpg, not .* Nothing was written"):
        import_model(request(file, tmp_path / "other", expect=tmp_path / "answers.csv"))
    assert not (tmp_path / "other").exists()


def test_names_studies_and_preprocessings_that_do_not_do(network, tmp_path):
    file = save(tmp_path / "a.pth", network.state_dict())
    import_model(request(file, tmp_path / "study"))
    before = {path: path.read_bytes() for path in (tmp_path / "study").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="has a set-up 'lab' already"):
        import_model(request(file, tmp_path / "study"))
    with pytest.raises(InputError, match="must begin with a lower-case letter"):
        import_model(request(file, tmp_path / "study", setup=Setup(name="../x", label="x")))
    with pytest.raises(InputError, match="`architecture` must be one of"):
        import_model(request(file, tmp_path / "other", arch="resnet51"))
    assert {path: path.read_bytes() for path in (tmp_path / "study").rglob("*") if path.is_file()} == before
    with pytest.raises(InputError, match="three finite numbers"):
        Preprocessing(mean=(0.5, 0.5))  # type: ignore[arg-type]
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "checkpoints").mkdir()
    (tmp_path / "lab" / "checkpoints" / "x.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"study.json"):
        import_model(request(file, tmp_path / "lab"))


def test_a_dry_run_shows_the_mapping_and_writes_nothing(network, tmp_path, capsys):
    file = save(tmp_path / "a.pth", FORMS["moco.pth"](network.state_dict()))
    words = ["import", str(file), "--study", str(tmp_path / "study"), "--name", "lab", "--dry-run", "--arch"]
    assert main([*words, "resnet18", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["fits"]
    assert values["plan"]["mapping"]["names"]["fc.bias"] == "module.encoder_q.fc.bias"
    assert main([*words, "resnet34"]) == 1
    assert "80 missing: " in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "study").exists()


def test_ordinal_and_regression_heads_become_grades_by_the_stated_rule(tmp_path):
    logits = torch.tensor([[2.0, 1.0, -1.0, -3.0], [0.0, 1.0, 0.0, -1.0]])
    beyond = torch.sigmoid(logits)
    first = [1 - beyond[0, 0], *(beyond[0, k] - beyond[0, k + 1] for k in range(3)), beyond[0, 3]]
    assert grades_from_cumulative(logits)[0].tolist() == pytest.approx([float(value) for value in first])
    last = float(beyond[1, 3])
    assert grades_from_cumulative(logits)[1].tolist() == pytest.approx([0.5, 0, 0, 0.5 - last, last])
    values = torch.tensor([[2.3], [-1.0], [9.0], [3.0]])
    shares = grades_from_regression(values)
    assert shares[0].tolist() == pytest.approx([0, 0, 0.7, 0.3, 0], abs=1e-6)
    assert shares.argmax(dim=1).tolist() == [2, 0, 4, 3]
    assert shares.sum(dim=1).tolist() == pytest.approx([1] * 4)
    for outputs, count in (("cumulative", 4), ("regression", 1)):
        network = build_backbone("resnet18", count, seed=1).eval()
        nn.init.normal_(network.fc.weight, std=0.3)
        file = save(tmp_path / f"{outputs}.pth", network.state_dict())
        import_model(request(file, tmp_path / outputs, outputs=outputs))
        model = open_study(tmp_path / outputs).load_model("lab")
        x = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        rule = grades_from_cumulative if outputs == "cumulative" else grades_from_regression
        with torch.no_grad():
            expected = rule(network(x))
        np.testing.assert_allclose(torch.softmax(model.model(x), dim=1), expected, atol=1e-5)
