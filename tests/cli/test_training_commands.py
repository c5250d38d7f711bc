import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dr_cli.main import main
from dr_core.models.architectures import build_backbone
from dr_core.models.imagenet_weights import EXTERNAL
from dr_core.study.folder import open_study
from dr_core.study.run_history import read_metrics
from dr_core.study.verify import SOUND, verify_study
from tests.faults.commands import Forked, wait_for

QUICK = ["--arch", "resnet50_slim", "--preset", "quick", "--precision", "32-true", "--device", "cpu"]
SHORT = ["--epochs", "2", "--batch-size", "8", "--small-epochs", "0"]


def write_store(folder, n=40, size=32, seed=0):
    """Graded eyes whose grade can be read off their brightness, of a patient each."""
    folder.mkdir()
    grades = np.arange(n) % 5
    noise = np.random.default_rng(seed).integers(0, 60, (n, 3, size, size))
    np.save(folder / "images.npy", (noise + 40 * grades[:, None, None, None]).astype(np.uint8))
    eyes = [f"{seed}-{number}" for number in range(n)]
    table = pd.DataFrame({"eye": eyes, "patient": eyes, "side": "left", "grade": grades})
    table.to_parquet(folder / "index.parquet")
    return folder


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("eyes") / "train", n=60)


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("eyes") / "validation", n=20, seed=1)


def finetune(eyes, study, *options, setup="iwne_fs"):
    return main(["finetune", "--setup", setup, "--data", str(eyes), "--study", str(study), *QUICK, *SHORT, *options])


def pretrain(eyes, out, *options):
    command = ["pretrain", "--data", str(eyes), "--out", str(out), *QUICK, "--epochs", "1", "--batch-size", "16"]
    return main([*command, "--view-size", "32", "--queue", "32", *options])


@pytest.fixture(scope="module")
def pretrained(eyes, validation, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "moco"
    assert pretrain(eyes, out, "--labeled", str(validation)) == 0
    return out


def test_pretraining_and_finetuning_make_a_study(eyes, validation, pretrained, tmp_path, capsys):
    logged = read_metrics(pretrained / "metrics.jsonl")[0]
    assert {"loss", "contrast_accuracy", "cosine", "feature_spread", "knn_accuracy", "learning_rate"} <= set(logged)
    assert logged["images_per_second"] > 0
    study = tmp_path / "study"
    start = ["--pretrained", str(pretrained), "--validation", str(validation)]
    assert finetune(eyes, study, *start, setup="iwne_cl") == 0
    assert finetune(eyes, study, *start, "--fraction", "50", setup="iwne_cl") == 0
    assert finetune(eyes, study, "--seed", "7", "--sampling", "balanced", "--class-weighting", "inverse_root") == 0
    made = open_study(study)
    assert tuple(made.setups) == ("iwne_cl",)  # the other was trained with another seed than the study's
    assert made.load_model("iwne_cl").info.training_data == "60 eyes of train"
    assert {path.name for path in study.glob("runs/*")} == {"iwne_cl-f100-s0", "iwne_cl-f50-s0", "iwne_fs-f100-s7"}
    logged = read_metrics(study / "runs" / "iwne_cl-f100-s0" / "metrics.jsonl")
    assert {"auc_one_vs_rest", "auc_referable_3", "auc_referable_2", "kappa", "validation_loss"} <= set(logged[-1])
    assert made.data("train").images == 60
    capsys.readouterr()
    measured = ["evaluate", "--study", str(study), "--data", str(validation), "--draws", "10"]
    assert main(measured) == 2
    assert "are used for validation in this study" in capsys.readouterr().err
    assert main([*measured, "--allow-overlap"]) == 0
    assert set(made.read_results("fractions")["percent"]) == {50, 100}


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_a_dry_run_prints_the_plan_and_writes_nothing(eyes, tmp_path, capsys, command):
    run = {"pretrain": pretrain, "finetune": finetune}[command]
    assert run(eyes, tmp_path / "out", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert {"pretrain": "│ 3 ", "finetune": "│ 12 "}[command] in printed  # 60 // 16 and 2 * (50 // 8) steps
    assert all(word in printed for word in ("images a second", "estimated time", "GiB", "1 x CPU"))
    assert not (tmp_path / "out").exists()


def test_a_queue_as_long_as_the_data_is_doubted(eyes, tmp_path, capsys):
    assert pretrain(eyes, tmp_path / "out", "--dry-run", "--queue", "64") == 0
    assert "The queue holds 64 keys and there are 60 images" in capsys.readouterr().out


@pytest.mark.parametrize("setup", ["ifi_fs", "ifi_cl"])
def test_published_weights_start_a_finetuning(eyes, tmp_path, setup, capsys):
    """A full ResNet-50, as the published files are; the plan reads them and takes a few steps."""
    state = build_backbone("resnet50", 1000).state_dict()
    moco = {"state_dict": {f"module.encoder_q.{name}": tensor for name, tensor in state.items()}}
    content = {"ifi_fs": state, "ifi_cl": moco}[setup]
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    options = ["--weights", str(path), "--arch", "resnet50", "--batch-size", "2", "--dry-run"]
    assert finetune(eyes, tmp_path / "study", *options, setup=setup) == 0
    capsys.readouterr()
    assert finetune(eyes, tmp_path / "study", "--weights", str(path), setup=setup) == 2
    assert "of another shape: " in capsys.readouterr().err  # the slim network is no ResNet-50
    other = {"ifi_fs": "ifi_cl", "ifi_cl": "ifi_fs"}[setup]
    path = path.rename(tmp_path / "resnet50-0676ba61.pth") if setup == "ifi_fs" else path
    assert finetune(eyes, tmp_path / "study", "--weights", str(path), setup=other) == 2
    assert "holds weights of another pretraining" in capsys.readouterr().err


def test_offline_the_missing_weights_are_named(eyes, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DR_LENS_CACHE", str(tmp_path / "cache"))
    weights = EXTERNAL["supervised"]
    nowhere = {"supervised": type(weights)(**vars(weights) | {"url": "http://127.0.0.1:9/resnet50-0676ba61.pth"})}
    monkeypatch.setattr("dr_core.training.jobs.start.EXTERNAL", nowhere)
    assert finetune(eyes, tmp_path / "study", setup="ifi_fs") == 2
    assert f"put it at {tmp_path / 'cache' / 'resnet50-0676ba61.pth'}" in capsys.readouterr().err


def html(folder):
    (folder / "weights.pth").write_text("<!DOCTYPE html><html>Not found</html>")
    return ["--weights", str(folder / "weights.pth")]


def another_size(folder):
    return ["--validation", str(write_store(folder / "large", n=10, size=64))]


def another_architecture(folder):
    torch.save({"history": [], "network": build_backbone("resnet50", 1).state_dict()}, folder / "last.ckpt")
    (folder / "config.json").write_text("{}")
    return ["--pretrained", str(folder)]


def unfinished(folder):
    (folder / "config.json").write_text(json.dumps({"queue": 8, "epochs": 5}))
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n')
    return ["--pretrained", str(folder)]


BAD = {
    "html": ("ifi_fs", html, "is a web page, not weights"),
    "another size": ("iwne_fs", another_size, "were prepared"),
    "another architecture": ("ifi_fs", another_architecture, "another architecture"),
    "no pretraining": ("iwne_cl", lambda _: [], "IWNE-CL starts from a pretraining on eyes"),
    "unfinished pretraining": ("iwne_cl", unfinished, "has done 1 of 5 epochs"),
    "pretraining for IWNE-FS": ("iwne_fs", unfinished, "starts from random weights"),
    "unknown set-up": ("iwne_xx", lambda _: [], "must be one of iwne_fs, iwne_cl, ifi_fs, ifi_cl, not 'iwne_xx'"),
    "batch": ("iwne_fs", lambda _: ["--batch-size", "64"], "50 images, fewer than a batch of 64; lower the batch"),
    "parts": ("iwne_fs", lambda _: ["--accumulate", "3"], "batch of 8 cannot be split evenly among 1 processes"),
    "epochs": ("iwne_fs", lambda _: ["--epochs", "0"], "`epochs` must be at least 1"),
    "fraction": ("iwne_fs", lambda _: ["--fraction", "0"], "must be above 0 and at most 100"),
    "no GPU": ("iwne_fs", lambda _: ["--device", "cuda"], "There is no CUDA device here"),
    "no store": ("iwne_fs", lambda folder: ["--data", str(folder)], "holds no prepared data"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_its_sentence(eyes, tmp_path, capsys, case):
    if case == "no GPU" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    setup, prepare, sentence = BAD[case]
    assert finetune(eyes, tmp_path / "study", *prepare(tmp_path), setup=setup) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "study").exists()  # nothing is written before every check has passed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--batch-size", "2", "--norm-groups", "2"], "fewer than 2 images in each of 2 groups"),
        (["--momentum", "1.5"], "`momentum` must be between 0 and 1"),
        (["--batch-size", "64"], "60 images, fewer than a batch of 64"),
        (["--queue", "0"], "must be at least 1"),
        (["--method", "simclr"], "--queue belongs to MoCo v2; leave it out with --method simclr."),
        (["--teacher-temperature", "0.1"], "--teacher-temperature belongs to DINO; leave it out with --method moco."),
        (["--keep-every", "-1"], "`keep_every` must not be below 0"),
        (["--arch", "resnet51"], "`architecture` must be one of resnet50"),
        (["--arch", "timm/vit_tiny_patch16_224", "--view-size", "16"], "takes images of one size"),
    ],
)
def test_bad_pretraining_gets_its_sentence(eyes, tmp_path, capsys, options, sentence):
    assert pretrain(eyes, tmp_path / "out", *options) == 2
    assert sentence in capsys.readouterr().err


def test_a_study_that_cannot_be_written_is_named(eyes, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert finetune(eyes, tmp_path / "file" / "study") == 2
    assert "file" in capsys.readouterr().err


def test_want_of_gpu_memory_says_what_to_lower(eyes, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("dr_core.training.classification.augment", fail)
    assert finetune(eyes, tmp_path / "study") == 2
    error = capsys.readouterr().err
    assert "Lower `batch_size`" in error
    assert "raise `accumulate`" in error


@pytest.mark.usefixtures("one_thread")
def test_a_checkpoint_in_16_bits_takes_half_the_space_also_of_a_training_that_is_done(eyes, tmp_path):
    study = tmp_path / "study"
    run = study / "runs" / "iwne_fs-f100-s0"
    assert finetune(eyes, study) == 0
    state = (run / "last.ckpt").read_bytes()
    whole, best = open_study(study).load_model("iwne_fs"), (run / "best.safetensors").read_bytes()
    assert finetune(eyes, study, "--half") == 0
    assert (run / "last.ckpt").read_bytes() == state  # nothing was trained anew
    checkpoint = open_study(study).checkpoint_path("iwne_fs")
    assert checkpoint.read_bytes() == (run / "best.safetensors").read_bytes()
    assert checkpoint.stat().st_size < 0.55 * len(best)
    rounded = open_study(study).load_model("iwne_fs")
    assert rounded.info == whole.info
    pairs = zip(whole.model.state_dict().values(), rounded.model.state_dict().values(), strict=True)
    assert all(torch.equal(one.half().float() if one.dim() > 1 else one, other) for one, other in pairs)
    assert all(node.state in SOUND for node in verify_study(open_study(study)))


@pytest.mark.usefixtures("one_thread")
def test_a_killed_finetuning_resumes_to_the_same_weights(eyes, tmp_path, capsys):
    """Killed wherever it is after its first epoch, with accumulation and balanced sampling."""
    options = ["--epochs", "4", "--accumulate", "2", "--sampling", "balanced"]
    arguments = ["finetune", "--setup", "iwne_fs", "--data", str(eyes), "--study", str(tmp_path / "killed")]
    state = tmp_path / "killed" / "runs" / "iwne_fs-f100-s0" / "last.ckpt"
    process = Forked([*arguments, *QUICK, *SHORT, *options], tmp_path, partial(torch.set_num_threads, 1))
    wait_for(lambda: state.is_file() or process.has_ended())
    assert not process.has_ended(), "the training ended by itself"
    process.kill()
    assert len(torch.load(state, weights_only=True)["history"]) < 4
    assert finetune(eyes, tmp_path / "killed", *options) == 0
    assert finetune(eyes, tmp_path / "whole", *options) == 0
    resumed = torch.load(state, weights_only=True)
    whole = torch.load(tmp_path / "whole" / "runs" / state.parent.name / "last.ckpt", weights_only=True)
    assert all(torch.equal(whole["network"][name], tensor) for name, tensor in resumed["network"].items())
    for place, values in whole["optimizer"]["state"].items():
        assert all(torch.equal(value, resumed["optimizer"]["state"][place][name]) for name, value in values.items())


FAULTS = """
import resource
{}
import torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.zeros(2**24)  # 64 MiB, given back each time
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    not (SWITCH := Path("/sys/kernel/mm/transparent_hugepage/enabled")).exists() or "[never]" in SWITCH.read_text(),
    reason="this machine has no large pages",
)
def test_large_tensors_lie_in_large_pages():
    """What a step computes is forgotten and asked for again; in small pages that costs a third of a training's time."""
    without, ours = (
        int(subprocess.run([sys.executable, "-c", FAULTS.format(line)], capture_output=True, check=True).stdout)
        for line in ("import os; os.environ['THP_MEM_ALLOC_ENABLE'] = '0'", "import dr_cli.main")
    )
    assert ours < without / 10
