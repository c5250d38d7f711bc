"""What is done is kept, parts come together only when all are whole, and the tables do not depend on the parts."""

import pandas as pd
import pytest

from dr_core.experiments.runner import run_step
from dr_core.experiments.step import Report, Step
from dr_core.study.folder import StudyInfo, write_study_info
from dr_core.study.shards import Shard
from dr_core.study.tables import TABLES, Table

UNITS = tuple("abcde")


@pytest.fixture
def study(tmp_path):
    info = StudyInfo(title="T", summary="", protocol="-", seed=0, setups=(), data=())
    with TABLES.extended(Table(name="letters", columns={"eye": "eye", "value": "value"})):
        yield write_study_info(tmp_path / "study", info)


class Work:
    """A step that remembers what it was asked for, and may fail at a unit."""

    def __init__(self, fails_at=""):
        self.asked, self.fails_at, self.exported = [], fails_at, []

    def measure(self, units):
        for number, unit in enumerate(units, start=1):
            if unit == self.fails_at:
                raise OSError("the disk is full")
            self.asked.append(unit)
            rows = pd.DataFrame({"eye": [unit, unit], "value": [ord(unit), -ord(unit)]})
            yield Report(done=number, total=len(units), units=(unit,), tables={"letters": rows})

    def step(self, facts=()):
        return Step(
            name="letters",
            tables=("letters",),
            units=UNITS,
            unit="eye",
            facts=facts,
            measure=self.measure,
            summarize=dict,
            export=lambda tables, folder: self.exported.append((list(tables), folder.name)),
            notes=("two rows an eye",),
        )


def run(study, work, shard=None, **given):
    return list(run_step(study, work.step(**given), shard or Shard()))[-1]


def test_a_stopped_run_goes_on_behind_what_it_did(study):
    broken = Work(fails_at="c")
    with pytest.raises(OSError, match="full"):
        run(study, broken)
    assert not study.has_results("letters")
    work = Work()
    last = run(study, work)
    assert (broken.asked, work.asked) == (["a", "b"], ["c", "d", "e"])
    assert (last.written, last.notes, last.done, last.total) == (True, ("two rows an eye",), 3, 3)
    assert list(study.read_results("letters")["eye"]) == [unit for unit in UNITS for _ in range(2)]
    assert work.exported == [(["letters"], "results")]
    assert run(study, Work(fails_at="a")).written  # nothing is left to be measured
    changed = Work()
    run(study, changed, facts=("retrained",))
    assert changed.asked == list(UNITS)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_parts_in_any_order_give_the_same_table(study, order):
    for number in order[:-1]:
        assert not run(study, Work(), Shard(number=number, count=3)).written
        assert not study.has_results("letters")
    assert run(study, Work(), Shard(number=order[-1], count=3)).written
    assert list(study.read_results("letters")["eye"]) == [unit for unit in UNITS for _ in range(2)]


def test_a_part_that_has_only_begun_is_no_whole_part(study):
    with pytest.raises(OSError, match="full"):
        run(study, Work(fails_at="e"), Shard(number=1, count=2))  # a and c are done
    assert not run(study, Work(), Shard(number=2, count=2)).written
    assert run(study, Work(), Shard(number=1, count=2)).written


def test_more_parts_than_units_is_fine(study):
    reports = [run(study, Work(), Shard(number=number, count=7)) for number in range(1, 8)]
    assert [report.written for report in reports] == [False] * 4 + [True] * 3
