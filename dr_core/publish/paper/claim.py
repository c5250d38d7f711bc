"""A claim of the paper as a statement that can be checked on a study's tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import pandas as pd

from dr_core.errors import InputError
from dr_core.models.setups import SETUPS
from dr_core.publish.paper.evidence import Contrast, Evidence, Measured, combine
from dr_core.publish.paper.verdicts import Rule
from dr_core.study.folder import Study

FOUR = ("iwne_fs", "iwne_cl", "ifi_fs", "ifi_cl")
"""The paper's set-ups."""

TRAININGS = (("iwne_fs", "iwne_cl"), ("ifi_fs", "ifi_cl"))
"""Supervised and contrastive set-up of each initialization."""

INITIALIZATIONS = (("iwne_fs", "ifi_fs"), ("iwne_cl", "ifi_cl"))
"""Set-up from scratch and from ImageNet of each training."""

NOT_RECONSTRUCTED = "the paper's definition cannot be reconstructed"
"""Why no claim on eq. 3 is decided: no reading gives both the paper's control rows and its own (docs/methods.md)."""

T = TypeVar("T")


class Tables:
    """Result tables with the columns `setup`, `seed` and `fraction` of the training run that each row measured.

    Args:
        tables: Name -> rows.
        seed: Seed of rows that name none, the study's.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], seed: int = 0) -> None:
        self._read: Callable[[str], pd.DataFrame | None] = tables.get
        self._seed = seed
        self._known: dict[str, pd.DataFrame] = {}
        self._computed: dict[object, Any] = {}

    @classmethod
    def of_study(cls, study: Study) -> "Tables":
        """The tables of a study, read when they are asked for."""
        tables = cls({}, study.info.seed)
        tables._read = lambda name: study.read_declared_results(name) if study.has_results(name) else None
        return tables

    def has(self, name: str) -> bool:
        """Whether there is such a table."""
        return name in self._known or self._read(name) is not None

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The rows of a table.

        Raises:
            InputError: If there is no such table, or it is damaged.
        """
        if name not in self._known:
            rows = self._read(name)
            if rows is None:
                raise InputError(f"The study has no table `{name}`.")
            self._known[name] = complete_runs(rows, self._seed)
        return self._known[name]

    def remember(self, compute: "Callable[[Tables], T]", value: "T") -> None:
        """Give what a function would make of these tables, where it is known without them."""
        self._computed[compute] = value

    def once(self, compute: "Callable[[Tables], T]") -> "T":
        """What a function makes of these tables, computed once."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        return cast("T", self._computed[compute])


def complete_runs(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Give rows of a table of schema 1 the columns `seed` and `fraction` of the only run that was measured then.

    Args:
        rows: A result table; `percent` is schema 1's name of `fraction`.
        seed: The study's seed.
    """
    rows = rows.rename(columns={"percent": "fraction"}) if "fraction" not in rows else rows
    missing = {name: value for name, value in (("seed", seed), ("fraction", 100)) if name not in rows}
    return rows.assign(**missing).astype({"seed": int, "fraction": int})


Gathered = Mapping[str, Evidence | str]
"""Key of the data set, or several -> the contrasts, or why there are none."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim.

    Attributes:
        key: Short name.
        exhibit: Figure or table of the paper.
        section: Section of the paper that states it.
        statement: The claim as a sentence that can be checked.
        paper: What the paper gives for it, in words or numbers.
        tables: Keys of `RESULT_COLUMNS` whose rows decide.
        gather: From the tables to the contrasts on each data set, by its key.
        rule: How contrasts become a verdict.
        unit: What the contrasts are measured in.
        needs_runs: Whether the claim is about set-ups, so that one training run of each cannot decide it.
        own: Whether this is the project's own version of a claim that cannot be reconstructed.
        undefined: Why the claim cannot be decided whatever is measured; empty for all others.
    """

    key: str
    exhibit: str
    section: str
    statement: str
    paper: str
    tables: tuple[str, ...]
    gather: Callable[[Tables], Gathered]
    rule: Rule
    unit: str
    needs_runs: bool = True
    own: bool = False
    undefined: str = ""


MISSING = "the study lacks a set-up, a fraction or a corruption that the claim compares"


def contrast_pairs(
    measured: Mapping[str, Measured], names: Sequence[str], pairs: Iterable[tuple[str, str, int, float]]
) -> Evidence | str:
    """Contrasts of two set-ups in one cell each.

    Args:
        measured: Set-up -> what was measured.
        names: What each cell is, for people.
        pairs: First set-up, second set-up, cell, the paper's difference or NaN.

    Returns:
        First minus second of each; a sentence where a set-up is missing.
    """
    wanted = list(pairs)
    if not wanted or not {setup for pair in wanted for setup in pair[:2]} <= set(measured):
        return MISSING
    contrasts = [
        Contrast(
            name=f"{label(first)} - {label(second)}, {names[cell]}",
            weights={(first, cell): 1.0, (second, cell): -1.0},
            published=published,
        )
        for first, second, cell, published in wanted
    ]
    return combine(measured, contrasts)


def label(setup: str) -> str:
    """Name of a set-up for people."""
    return SETUPS[setup].label if setup in SETUPS else setup
