"""A step of an experiment: work that falls into units, and what follows from the rows of all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far an experiment is.

    Attributes:
        done: What is done of `total`.
        total: All that this part has to do.
        units: Units of work that have just been finished.
        tables: Table -> their rows.
        step: What is being done, for people.
        notes: What a reader of the tables must know, such as eyes that were left out.
        written: Whether the tables have been written; False while another part is missing.
        unanswered: Sentences on training runs that gave no answer, in the last report of a step.
    """

    done: int
    total: int
    units: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    step: str = ""
    notes: tuple[str, ...] = ()
    written: bool = False
    unanswered: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """Work of one experiment on one kind of eyes.

    Attributes:
        name: What is done, in one word; its parts lie in a folder of that name.
        tables: Tables whose rows are measured.
        units: Names of the pieces into which the work falls, eyes or training runs, in the order of the tables.
        unit: Column of the rows that holds the name of their unit.
        facts: Whatever the rows depend on beside the units; other facts are other work.
        measure: Measures some of the units; yields reports with the rows of those that are finished.
        summarize: From the rows of all units, by table, to the whole result tables.
        export: Writes further files from the result tables into the folder of results.
        notes: What a reader of the tables must know.
        unanswered: From the rows of all units, by table, sentences on units that gave no answer.
    """

    name: str
    tables: tuple[str, ...]
    units: tuple[str, ...]
    unit: str
    facts: tuple[object, ...]
    measure: Callable[[Sequence[str]], Iterator[Report]]
    summarize: Callable[[Mapping[str, pd.DataFrame]], Mapping[str, pd.DataFrame]]
    export: Callable[[Mapping[str, pd.DataFrame], Path], object] | None = None
    notes: tuple[str, ...] = ()
    unanswered: Callable[[Mapping[str, pd.DataFrame]], tuple[str, ...]] = lambda _: ()
