import ast
import dataclasses
import inspect
import textwrap

import pytest

from dr_core.errors import InputError
from dr_core.experiments.experiment import Inputs, Workload
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.experiments.settings import build_config, describe, list_settings
from dr_core.study.folder import StudyInfo, write_study_info


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    sizes: tuple[float, ...] = describe((1.0,), "sizes", name="size")
    word: str = describe("a", "a word", choices=("a", "b"))
    kept: bool = describe(True, "drop it", name="dropped", negated=True)
    hidden: int = 3


def test_settings_are_the_described_fields():
    assert [(one.name, one.kind, one.multiple) for one in list_settings(Config)] == [
        ("size", float, True),
        ("word", str, False),
        ("dropped", bool, False),
    ]


def test_a_configuration_is_made_from_settings():
    assert build_config(Config, {}) == Config()
    made = build_config(Config, {"size": 2, "word": "b", "dropped": True})
    assert made == Config(sizes=(2,), word="b", kept=False)
    assert build_config(Config, {"size": [1, 2.5], "word": None}).sizes == (1, 2.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden": 1}, "no setting 'hidden'; the settings are size, word, dropped"),
        ({"word": "c"}, "must be one of a, b, not 'c'"),
        ({"size": "large"}, "`size` must be a number, not 'large'"),
        ({"size": True}, "`size` must be a number, not True"),
        ({"dropped": 1}, "`dropped` must be true or false, not 1"),
    ],
)
def test_wrong_settings_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        build_config(Config, values)


def test_every_setting_of_an_experiment_is_described():
    for experiment in EXPERIMENTS.values():
        described = {setting.field for setting in experiment.settings}
        assert described == {field.name for field in dataclasses.fields(experiment.config)}
        assert all(setting.description for setting in experiment.settings)
        assert build_config(experiment.config, {}) == experiment.config()


def test_more_models_cost_more():
    def work(models):
        return Workload(eyes=100, segmented=5, models=models, runs=models, forward=50.0)

    for experiment in EXPERIMENTS.values():
        one, four = (experiment.estimate(work(models), experiment.config()) for models in (1, 4))
        assert four.seconds > one.seconds > 0
        assert four.disk > one.disk > 0


@pytest.mark.parametrize("key", EXPERIMENTS)
def test_an_experiment_that_leaves_the_device_alone_says_so(key):
    plan = ast.parse(textwrap.dedent(inspect.getsource(EXPERIMENTS[key].plan)))
    passed_on = {node.id for node in ast.walk(plan) if isinstance(node, ast.Name)}
    if "device" not in passed_on:
        assert EXPERIMENTS[key].on_processor


def test_tables_of_the_processor_are_not_said_to_be_of_another_device(tmp_path):
    planned = []
    experiment = dataclasses.replace(
        EXPERIMENTS["concepts"], plan=lambda study, inputs, config, device: planned.append(device) or []
    )
    info = StudyInfo(title="T", summary="", protocol="-", seed=0, setups=(), data=())
    study = write_study_info(tmp_path / "study", info)
    assert list(experiment.run(study, Inputs(), device="cuda:0")) == []
    assert list(dataclasses.replace(experiment, on_processor=False).run(study, Inputs(), device="cuda:0")) == []
    assert planned == ["cpu", "cuda:0"]
