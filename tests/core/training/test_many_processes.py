import os

import pytest
import torch

from dr_core.devices import Job, find_job
from dr_core.errors import InputError
from dr_core.processes import worker_context
from dr_core.study.run_history import read_metrics
from dr_core.training.execution import start_fabric
from dr_core.training.loop import train
from dr_core.training.run_folder import RunFolder
from tests.conftest import find_free_port
from tests.core.training.job_member import CONFIG, CPU, finetune_task, moco_step, simclr_step, take_part

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Two processes that trained together on the CPU; the second one died in the second epoch of their last task."""
    out = tmp_path_factory.mktemp("job")
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(find_free_port()),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    members = []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test"}
        members.append(worker_context().Process(target=take_part, args=(out, shared | place)))
        members[-1].start()
    try:
        for member in members:
            member.join(300)
        codes = [member.exitcode for member in members]
    finally:
        for member in members:
            member.kill()
    assert codes == [0, 9]
    return out


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    list(train(finetune_task(), CONFIG, RunFolder(out, {}), CPU))
    return out


def test_two_processes_learn_what_one_learns_from_the_whole_batch(job, alone):
    together, one = (torch.load(path / "last.ckpt", weights_only=True)["network"] for path in (job / "run0", alone))
    before = finetune_task().network.state_dict()
    for name, weights in one.items():
        assert not torch.equal(weights, before[name])
        torch.testing.assert_close(together[name], weights, rtol=1e-5, atol=1e-6)


def test_measures_gathered_over_processes_equal_those_of_one(job, alone):
    speed = {"images_per_second", "data_share", "seconds"}
    for together, one in zip(*(read_metrics(path / "metrics.jsonl") for path in (job / "run0", alone)), strict=True):
        assert together.keys() == one.keys()
        assert {name: together[name] for name in one if name not in speed} == pytest.approx(
            {name: one[name] for name in one if name not in speed}, rel=1e-5
        )


def test_the_first_process_alone_writes(job):
    assert {path.name for path in (job / "run0").iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "last.ckpt",
        "best.safetensors",
    }
    assert not (job / "run1").exists()


def test_all_stop_after_the_same_step_when_one_is_asked_to(job):
    assert [(job / f"stopped{rank}.txt").read_text() for rank in (0, 1)] == ["3", "3"]
    resumed, whole = (torch.load(job / name / "last.ckpt", weights_only=True) for name in ("stops", "run0"))
    assert all(torch.equal(resumed["network"][name], weights) for name, weights in whole["network"].items())
    assert resumed.keys() == whole.keys()


def test_moco_on_two_devices_equals_two_groups_on_one(job):
    """Keys are normalized among images of the other device, as shuffling batch norm does, and enter every queue."""
    one = moco_step(norm_groups=2)
    parts = [torch.load(job / f"moco{rank}.pt", weights_only=True) for rank in (0, 1)]
    torch.testing.assert_close((parts[0]["loss"] + parts[1]["loss"]) / 2, one["loss"], rtol=1e-5, atol=1e-6)
    for part in parts:
        torch.testing.assert_close(part["gradient"], one["gradient"], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(part["queue"], one["queue"], rtol=1e-4, atol=1e-5)


def test_views_of_all_devices_are_candidates_and_gradients_are_those_of_the_whole_batch(job):
    one = simclr_step()
    parts = [torch.load(job / f"simclr{rank}.pt", weights_only=True) for rank in (0, 1)]
    losses = [float(part["loss"]) for part in parts]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert losses[0] == pytest.approx(float(one["loss"]), abs=1e-5)
    for part in parts:
        assert torch.allclose(part["gradient"], one["gradient"], atol=1e-5)


def test_the_death_of_a_process_ends_the_others_with_a_sentence(job):
    message = (job / "error0.txt").read_text()
    assert "Another of the 2 processes of this training ended" in message
    assert f"The state after epoch 1 is kept in {job / 'dies' / 'last.ckpt'}" in message


def test_what_is_left_of_a_job_goes_on_alone(job, alone):
    assert len(read_metrics(job / "dies" / "metrics.jsonl")) == 1
    task = finetune_task()
    list(train(task, CONFIG, RunFolder(job / "dies", {}), CPU))
    for name, weights in torch.load(alone / "last.ckpt", weights_only=True)["network"].items():
        torch.testing.assert_close(task.network.state_dict()[name], weights, rtol=1e-5, atol=1e-6)


def test_a_job_is_found_by_what_its_launcher_says():
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    assert find_job(torchrun) == Job(rank=3, world=4, per_node=2, launcher="torchrun")
    slurm = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "5"}
    assert find_job(slurm) == Job(rank=5, world=8, per_node=4, launcher="slurm")
    batch_script = {"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}
    assert find_job(batch_script) == find_job({}) == Job()
    with pytest.raises(InputError, match="spread evenly"):
        find_job(torchrun | {"WORLD_SIZE": "3"})


def test_one_process_is_no_job_where_srun_is_installed(tmp_path, monkeypatch):
    """Fabric warns there, as if SLURM were meant."""
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert start_fabric("32-true", "cpu").world_size == 1
