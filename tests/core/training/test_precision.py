import json

import pytest

from dr_core.errors import InputError
from dr_core.training import execution, precision
from dr_core.training.execution import Share
from dr_core.training.loop import LoopConfig, settle
from dr_core.training.precision import choose_by_trial, measure_gain, resolve_precision
from dr_core.training.run_folder import RunFolder


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """The results of the next trials, and a cache of its own; the list empties as trials are made."""
    monkeypatch.setenv("DR_LENS_CACHE", str(tmp_path / "cache"))
    results = []
    monkeypatch.setattr(precision, "measure_gain", lambda: results.pop(0))
    precision._choose.cache_clear()
    yield results
    precision._choose.cache_clear()


def test_a_trial_measures_both_precisions():
    assert 0.02 < measure_gain(seconds=0) < 50


@pytest.mark.parametrize(("gain", "chosen"), [(2.0, "bf16-mixed"), (1.02, "32-true"), (0.6, "32-true")])
def test_the_faster_precision_is_chosen_and_kept(trials, tmp_path, gain, chosen):
    trials.append(gain)
    assert resolve_precision("auto", "cpu") == chosen
    precision._choose.cache_clear()  # as another process
    assert settle(LoopConfig(epochs=1, learning_rate=1e-3), "cpu").precision == chosen
    (kept,) = (tmp_path / "cache").iterdir()
    assert json.loads(kept.read_text())["times_as_fast_in_bf16"] == gain
    assert "torch" in json.loads(kept.read_text())["machine"]


def test_another_version_or_processor_is_measured_anew(trials, monkeypatch):
    trials += [2.0, 0.5]
    assert resolve_precision("auto", "cpu") == "bf16-mixed"
    monkeypatch.setattr(precision, "find_processor", lambda: "another")
    assert resolve_precision("auto", "cpu") == "32-true"


def test_a_folder_that_cannot_be_written_changes_nothing(trials, tmp_path):
    (tmp_path / "file").write_text("no folder")
    trials.append(2.0)
    assert choose_by_trial(tmp_path / "file") == "bf16-mixed"
    assert choose_by_trial(tmp_path / "file") == "bf16-mixed"  # measured once a process


def test_a_damaged_choice_is_replaced_and_a_good_one_stays(trials, tmp_path):
    trials += [2.0, 0.5]
    choose_by_trial(tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text("{")
    precision._choose.cache_clear()
    assert choose_by_trial(tmp_path) == "32-true"
    precision._keep_first(kept, json.dumps({"precision": "bf16-mixed"}))  # a process that came second
    precision._choose.cache_clear()
    assert choose_by_trial(tmp_path) == "32-true"
    assert list(tmp_path.iterdir()) == [kept]


def test_what_is_asked_for_is_not_tried(trials):
    assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"
    assert resolve_precision("32-true", "cpu") == "32-true"


def test_a_training_goes_on_in_its_own_precision(trials, tmp_path):
    trials.append(2.0)
    config = LoopConfig(epochs=1, learning_rate=1e-3)
    RunFolder(tmp_path / "run", {"precision": "32-true"}).begin({"precision": "32-true"})
    assert settle(config, "cpu", tmp_path / "run").precision == "32-true"
    assert settle(config, "cpu", tmp_path / "other").precision == "bf16-mixed"


def test_processes_that_chose_differently_are_stopped(monkeypatch):
    monkeypatch.setattr(execution, "any_process", lambda value, share: True)
    execution._check_alike("bf16-mixed", Share(0, 2))
    with pytest.raises(InputError, match="different precisions"):
        execution._check_alike("32-true", Share(1, 2))
