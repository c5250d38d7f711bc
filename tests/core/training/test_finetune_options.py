import dataclasses
import resource
import signal
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from dr_core.errors import InputError
from dr_core.models.architectures import SlimResNet50, build_backbone
from dr_core.models.checkpoint import load_model, save_model
from dr_core.study.run_history import has_stalled
from dr_core.training.classification import FinetuneTask, mean_auc_one_vs_rest, weigh_classes
from dr_core.training.execution import Execution
from dr_core.training.loop import LoopConfig, Trainer, train
from dr_core.training.recipe_values import recipe_values
from dr_core.training.run_folder import RunFolder
from tests.core.training.job_member import CONFIG, CPU, PREPROCESSING, eyes, finetune_task


def task_with():
    """The task without any option."""
    plain = finetune_task()
    config = dataclasses.replace(CONFIG, class_weighting="none", sampling="natural")
    return FinetuneTask(
        plain.network, eyes(43, 0), eyes(21, 1), preprocessing=PREPROCESSING, config=config, describe=plain.describe
    )


def test_class_weights_are_inverse_to_frequency_and_one_on_average():
    counts = np.array([6, 3, 1, 0])
    for weighting, ratio in (("inverse", 6.0), ("inverse_root", 6.0**0.5)):
        weights = weigh_classes(counts, weighting).numpy()
        assert weights[2] / weights[0] == pytest.approx(ratio)
        assert (weights * counts).sum() == pytest.approx(10)
        assert weights[3] == 0
    assert weigh_classes(counts, "none") is None


def test_balanced_sampling_draws_every_grade_as_often():
    task = finetune_task()  # 7 eyes of each grade but 15 of the last
    drawn = np.concatenate([task.draw_order(np.random.default_rng(seed)) for seed in range(200)])
    counts = np.bincount(task.labels.numpy()[drawn])
    assert len(task.draw_order(np.random.default_rng(0))) == task.images
    assert counts / counts.sum() == pytest.approx(np.full(5, 0.2), abs=0.02)
    natural = task_with().draw_order(np.random.default_rng(0))
    assert sorted(natural) == list(range(43))


@pytest.mark.parametrize("accumulate", [2, 8])
def test_accumulated_parts_learn_what_the_whole_batch_teaches(tmp_path, accumulate):
    whole, parts = finetune_task(), finetune_task()
    list(train(whole, CONFIG, RunFolder(tmp_path / "whole", {}), CPU))
    execution = dataclasses.replace(CPU, accumulate=accumulate)
    list(train(parts, CONFIG, RunFolder(tmp_path / "parts", {}), execution))
    for name, weights in whole.network.state_dict().items():
        torch.testing.assert_close(parts.network.state_dict()[name], weights, rtol=1e-5, atol=1e-6)


def test_a_training_stops_when_it_no_longer_gets_better(tmp_path):
    config = dataclasses.replace(CONFIG, epochs=30, learning_rate=1e-9, patience=2)  # it stays as it is
    reports = list(train(finetune_task(), config, RunFolder(tmp_path, {}), CPU))
    ended = [report for report in reports if report.metrics]
    best = int(np.argmax([report.metrics["auc_referable_3"] for report in ended]))
    assert len(ended) == best + 3 < 30
    assert list(train(finetune_task(), config, RunFolder(tmp_path, {}), CPU)) == []


def test_stalling_counts_from_the_first_best_epoch():
    history = [{"auc": value} for value in (0.6, 0.8, 0.7, 0.8)]
    assert has_stalled(history, "auc", 2)
    assert not has_stalled(history, "auc", 3)
    assert not has_stalled(history, "auc", 0)
    assert not has_stalled(history, None, 1)


def test_auc_of_five_classes_is_scikit_learns():
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 5
    answers = generator.dirichlet(np.ones(5), 60) + 0.2 * np.eye(5)[labels]
    answers /= answers.sum(axis=1, keepdims=True)
    assert mean_auc_one_vs_rest(answers, labels) == pytest.approx(roc_auc_score(labels, answers, multi_class="ovr"))
    some = labels < 3
    assert 0 <= mean_auc_one_vs_rest(answers[some], labels[some]) <= 1  # two classes have no eye


def test_validation_without_referable_eyes_is_refused():
    healthy = eyes(21, 1)
    healthy.index["grade"] = 0
    plain = finetune_task()
    with pytest.raises(InputError, match="21 validation eyes must have grades below 3 and from 3 on"):
        FinetuneTask(
            plain.network, eyes(43, 0), healthy, preprocessing=PREPROCESSING, config=CONFIG, describe=plain.describe
        )


def test_compile_and_memory_format_reach_the_encoder(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(type(module)))
    task = task_with()
    task.network = build_backbone("resnet50_slim", 5)
    Trainer(task, CONFIG, Execution(device="cpu", compile=True, channels_last=False))
    assert compiled == [SlimResNet50]
    assert task.network.layer1[0].conv2.weight.is_contiguous()
    Trainer(task, CONFIG, CPU)
    assert task.network.layer1[0].conv2.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_recipe_reads_as_before_where_new_options_are_off():
    assert {"optimizer", "patience"}.isdisjoint(recipe_values(LoopConfig(epochs=1, learning_rate=1.0)))
    assert recipe_values(CONFIG)["sampling"] == "balanced"


def test_nan_names_the_step_and_the_last_good_state(tmp_path):
    task = finetune_task()
    with pytest.raises(InputError, match=r"nan at step 6\. The state after epoch 1 is kept in .*last\.ckpt"):
        for report in train(task, CONFIG, RunFolder(tmp_path, {}), CPU):
            if report.metrics:
                nn.init.constant_(task.network[3].bias, float("nan"))
    kept = RunFolder(tmp_path, {}).load_state()["network"]
    assert all(tensor.isfinite().all() for tensor in kept.values())


@contextmanager
def full_disk():
    """No file can grow beyond 4 KiB, as if the disk were full; not longer than needed, pytest may write to a file."""
    signals = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, signals)


def test_a_disk_that_is_full_leaves_the_last_good_state_and_checkpoint(tmp_path):
    folder = RunFolder(tmp_path, {})
    folder.save_state({"history": [], "network": torch.zeros(9000)})
    network = build_backbone("resnet50_slim", 5)
    info = finetune_task().describe(0.7)
    save_model(folder.checkpoint, network, info)
    with full_disk(), pytest.raises(OSError, match="disk is full"):
        folder.save_state({"network": torch.ones(9000)})
    with full_disk(), pytest.raises(OSError, match="could not be written whole"):
        save_model(folder.checkpoint, network, info)
    assert torch.equal(folder.load_state()["network"], torch.zeros(9000))
    assert load_model(folder.checkpoint).info.validation_auc == 0.7
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", [b"", b"PK and then nothing", None])
def test_a_damaged_state_is_named(tmp_path, content):
    path = tmp_path / "last.ckpt"
    torch.save({"weights": 1}, path)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"last\.ckpt is .*remove it to train this anew"):
        RunFolder(tmp_path, {}).load_state()
