import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from dr_core.data.augment import AugmentConfig
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.errors import InputError, Stopped
from dr_core.models.architectures import build_backbone, find_architecture
from dr_core.models.checkpoint import CheckpointInfo, load_model
from dr_core.models.projection import record_input
from dr_core.models.setups import PRETRAINING_LABELS, SETUPS
from dr_core.study.run_history import read_metrics
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.jobs.start import Start, build_start
from dr_core.training.loop import LoopConfig, train
from dr_core.training.pretraining.method import build_pretraining
from dr_core.training.pretraining.registry import METHODS, describe_method
from dr_core.training.pretraining.supervised import SupervisedConfig
from dr_core.training.pretraining.task import SelfSupervisedTask, SupervisedTask
from dr_core.training.recipes import FINETUNE
from dr_core.training.run_folder import RunFolder, load_encoder

PREPROCESSING = Preprocessing(size=32, crop="squash")
CONFIG = LoopConfig(epochs=3, learning_rate=1e-3, batch_size=8, precision="32-true")


def bright_and_dark(n, seed):
    """Images whose grade can be read off their brightness."""
    generator = np.random.default_rng(seed)
    grades = np.arange(n) % 5
    images = generator.integers(0, 60, (n, 3, 32, 32)) + 40 * grades[:, None, None, None]
    return Store(images.astype(np.uint8), pd.DataFrame({"grade": grades}))


def describe(auc):
    return CheckpointInfo(
        arch="resnet50_slim",
        setup="iwne_fs",
        preprocessing=PREPROCESSING,
        validation_auc=auc,
        training_data="",
        data_fingerprint="",
    )


def finetune_task():
    return FinetuneTask(
        build_backbone("resnet50_slim", 5, seed=1),
        bright_and_dark(40, 0),
        bright_and_dark(20, 1),
        preprocessing=PREPROCESSING,
        config=FinetuneConfig(epochs=3, learning_rate=1e-3, augment=AugmentConfig(noise=0.01)),
        describe=describe,
    )


SMALL = {
    "moco": {"dim": 8, "queue": 12, "momentum": 0.9},
    "simclr": {"dim": 8},
    "byol": {"dim": 8, "hidden": 16},
    "dino": {"dim": 16, "hidden": 16, "bottleneck": 8, "local_views": 1},
}
"""Method without labels -> what makes it small."""


def pretrain_task(name="moco", arch="resnet50_slim"):
    method = METHODS[name]
    if method.needs_labels:
        store = bright_and_dark(40, 0)
        store.index["label"] = store.index["grade"]
        build = partial(build_backbone, "resnet50_slim", 5, seed=1)
        config = SupervisedConfig(epochs=3, learning_rate=1e-3)
        return SupervisedTask(build, "fc", store, preprocessing=PREPROCESSING, config=config)
    config = replace(method.recipes["quick"], epochs=3, view_size=None, augment=AugmentConfig(), **SMALL[name])
    build = partial(build_pretraining, method, arch, config, 32)
    return SelfSupervisedTask(method, build, bright_and_dark(24, 0), preprocessing=PREPROCESSING, config=config)


def dropout_task():
    """A network whose layers draw in training."""
    task = finetune_task()
    task.network.layer3.append(torch.nn.Dropout(0.2))
    return task


TASKS = [finetune_task, dropout_task, *(partial(pretrain_task, name) for name in METHODS)]


def without_speed(path):
    speed = {"images_per_second", "data_share", "seconds"}
    return [{name: value for name, value in line.items() if name not in speed} for line in read_metrics(path)]


@pytest.mark.parametrize("make_task", TASKS)
def test_a_stopped_training_resumes_to_the_same_weights(tmp_path, make_task):
    whole = make_task()
    list(train(whole, CONFIG, RunFolder(tmp_path / "whole", {})))

    for report in train(make_task(), CONFIG, RunFolder(tmp_path / "stopped", {})):
        if report.epoch == 2 and report.metrics is None:
            break  # in the middle of the second epoch
    resumed = make_task()
    list(train(resumed, CONFIG, RunFolder(tmp_path / "stopped", {})))

    expected = whole.network.state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in resumed.network.state_dict().items())
    metrics = [without_speed(tmp_path / name / "metrics.jsonl") for name in ("whole", "stopped")]
    assert metrics[0] == metrics[1]
    assert len(read_metrics(tmp_path / "whole" / "metrics.jsonl")) == 3


class After:
    """Asks to stop after some steps."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left == 0


@pytest.mark.parametrize("make_task", [finetune_task, pretrain_task])
@pytest.mark.parametrize("stops", [(1, 1), (3,), (5,), (7, 1)])
def test_a_training_that_is_asked_to_stop_goes_on_at_the_next_step(tmp_path, make_task, stops):
    """In its first epoch twice, before a validation, in another epoch; what an epoch has measured is not lost."""
    whole, done = make_task(), 0
    *_, last = train(whole, CONFIG, RunFolder(tmp_path / "whole", {}))
    for steps in stops:
        done += steps
        with pytest.raises(Stopped, match=f"after step {done} of {last.steps} is kept in .*last.ckpt"):
            list(train(make_task(), CONFIG, RunFolder(tmp_path / "stopped", {}), None, After(steps)))
    resumed = make_task()
    after = list(train(resumed, CONFIG, RunFolder(tmp_path / "stopped", {})))
    assert after[0].step == done + (done % (last.steps // CONFIG.epochs) > 0)  # or the measures of an epoch
    expected = whole.network.state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in resumed.network.state_dict().items())
    metrics = [without_speed(tmp_path / name / "metrics.jsonl") for name in ("whole", "stopped")]
    assert metrics[0] == metrics[1]


def test_a_finished_training_does_nothing(tmp_path):
    list(train(finetune_task(), CONFIG, RunFolder(tmp_path, {})))
    assert list(train(finetune_task(), CONFIG, RunFolder(tmp_path, {}))) == []


def test_the_epoch_with_the_best_validation_auc_is_kept(tmp_path):
    config = replace(CONFIG, epochs=5)
    list(train(finetune_task(), config, RunFolder(tmp_path, {})))
    history = read_metrics(tmp_path / "metrics.jsonl")
    best = max(epoch["auc_referable_3"] for epoch in history)
    assert load_model(tmp_path / "best.safetensors").info.validation_auc == best
    assert {"auc_referable_2", "kappa", "loss", "learning_rate", "train_accuracy"} <= set(history[0])
    assert history[-1]["loss"] < history[0]["loss"]  # brightness gives the grade away


def test_a_pretrained_encoder_is_taken_over_whole(tmp_path):
    task = pretrain_task()
    list(train(task, replace(CONFIG, epochs=1), RunFolder(tmp_path, {})))
    network = build_backbone("resnet50_slim", 5, seed=9)
    head = network.fc.weight.clone()
    load_encoder(network, tmp_path, "encoder_q.")
    trained = task.network.encoder_q.state_dict()
    assert torch.equal(network.layer4[2].conv3.weight, trained["layer4.2.conv3.weight"])
    assert torch.equal(network.bn1.running_mean, trained["bn1.running_mean"])
    assert torch.equal(network.fc.weight, head)
    with pytest.raises(InputError, match="another architecture"):
        load_encoder(network, tmp_path, "encoder_z.")


ENCODERS = [*((name, "resnet50_slim") for name in METHODS)]
ENCODERS += [
    (name, arch)
    for name in ("moco", "simclr", "dino")
    for arch in ("timm/test_vit", "timm/test_convnext", "timm/test_efficientnet")
]


@pytest.mark.parametrize("source", ["run", "file"])
@pytest.mark.parametrize(("name", "arch"), ENCODERS)
def test_a_finetuning_starts_from_the_encoder_that_each_method_keeps(tmp_path, name, arch, source):
    """Whether its run folder is named or the state in it as a file of weights."""
    if arch.startswith("timm/"):
        pytest.importorskip("timm")
    task, about = pretrain_task(name, arch), {"moco": {"queue": 12}, "supervised": {}}
    folder = RunFolder(tmp_path, {"epochs": 0} | about.get(name, describe_method(METHODS[name])))
    folder.begin({})
    with torch.no_grad():  # so that a teacher differs from its student
        for number, weight in enumerate(task.network.parameters()):
            weight.mul_(1 + number % 7 / 100)
    folder.save_state({"history": [], "network": task.network.state_dict()})
    start = Start(source=source, path=tmp_path if source == "run" else tmp_path / "last.ckpt")
    network, head = build_start(SETUPS["iwne_cl"], start, arch, 3, size=32).eval(), find_architecture(arch).head
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    trained = task.network.eval()
    kept = record_input(trained, "fc", images)[0] if name == "supervised" else trained.encode(images)[0]
    assert torch.allclose(record_input(network, head, images)[0], kept, atol=1e-5)
    assert network.get_submodule(head).out_features == 5


def test_other_settings_in_a_used_folder_are_refused(tmp_path):
    RunFolder(tmp_path, {"epochs": 3}).begin({})
    RunFolder(tmp_path, {"epochs": 3}).begin({})
    with pytest.raises(InputError, match="other settings"):
        RunFolder(tmp_path, {"epochs": 4})


def test_a_batch_larger_than_the_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="40 images, fewer than a batch of 64"):
        list(train(finetune_task(), replace(CONFIG, batch_size=64), RunFolder(tmp_path, {})))


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    task = finetune_task()
    torch.nn.init.constant_(task.network.fc.weight, float("nan"))
    with pytest.raises(InputError, match="nan at step 1"):
        list(train(task, CONFIG, RunFolder(tmp_path, {})))
    assert not (tmp_path / "last.ckpt").exists()


def test_a_half_written_line_of_metrics_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"epoch": 1}) + '\n{"epo')
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"epoch": 1}]


def test_recipes_are_the_papers():
    paper = FINETUNE["paper"]
    assert (paper["none"].epochs, paper["none"].learning_rate) == (500, 1e-4)
    assert (paper["imagenet"].epochs, paper["imagenet"].learning_rate) == (50, 1e-3)
    assert {recipe.optimizer for recipe in paper.values()} == {"adamw"}
    moco = METHODS["moco"].recipes["paper"]
    assert (moco.dim, moco.queue, moco.momentum, moco.temperature) == (128, 65536, 0.999, 0.2)
    assert (moco.optimizer, moco.learning_rate, moco.batch_size, moco.weight_decay) == ("sgd", 0.03, 256, 1e-4)


def test_every_method_has_a_name_for_people_and_a_paper():
    assert list(PRETRAINING_LABELS) == list(METHODS)
    for method in METHODS.values():
        assert method.label == PRETRAINING_LABELS[method.name]
        assert method.source
        assert set(method.recipes) == {"paper", "quick"}
