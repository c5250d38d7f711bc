"""Claims of section 4.1, Figure 2: AUC by the share of the labels."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from dr_core.analysis.intervals import auc_influence
from dr_core.data.grades import PAPER_READING, ReferableFrom, referable_probability
from dr_core.publish.paper.claim import (
    FOUR,
    INITIALIZATIONS,
    MISSING,
    TRAININGS,
    Claim,
    Gathered,
    Tables,
    contrast_pairs,
    label,
)
from dr_core.publish.paper.evidence import Contrast, Evidence, Measured, combine
from dr_core.publish.paper.verdicts import ALL, LEVEL, MOST, Rule, close

_CLOSELY, _MARGINAL = 0.02, 0.03
"""AUC that counts as "closely followed" and as "only a marginal drop"; the paper names no limit."""

_HALF = 1.959964
"""Standard errors in half of a 95 % interval of a normal law."""

_LOWEST: ReferableFrom = 3
"""Lowest positive grade of the paper's reading."""


@dataclass(frozen=True)
class Aucs:
    """AUCs on one data set.

    Attributes:
        fractions: Shares of the labels in percent, rising.
        measured: Set-up -> a cell for each fraction.
    """

    fractions: list[int]
    measured: dict[str, Measured]

    @property
    def names(self) -> list[str]:
        """Names of the cells for people."""
        return [f"{fraction} % of the labels" for fraction in self.fractions]


def measure_aucs(tables: Tables) -> dict[str, Aucs]:
    """AUCs of all runs on each data set, with their joint error over patients where the answers are stored.

    A run whose answers are not stored brings its AUC and interval from the table `fractions`, and its error is taken as
    independent of the others': too wide for the same eyes, never too narrow.
    """
    rows = tables["fractions"] if tables.has("fractions") else pd.DataFrame()
    answers = tables["predictions"] if tables.has("predictions") else pd.DataFrame()
    rows = rows[(rows["reading"] == PAPER_READING) & rows["setup"].isin(FOUR)] if len(rows) else rows
    answers = answers[answers["grade"].ge(0) & answers["setup"].isin(FOUR)] if len(answers) else answers
    keys = dict.fromkeys(str(data) for part_of in (rows, answers) if len(part_of) for data in part_of["data"])
    found = {}
    for key in keys:
        parts = [part_of[part_of["data"] == key] if len(part_of) else part_of for part_of in (rows, answers)]
        aucs = _measure_data(*parts)
        if aucs is not None:
            found[key] = aucs
    return found


def _measure_data(rows: pd.DataFrame, answers: pd.DataFrame) -> Aucs | None:
    stored = {
        (row["setup"], row["seed"], row["fraction"]): (row["value"], (row["high"] - row["low"]) / (2 * _HALF))
        for row in (rows.to_dict("records") if len(rows) else [])
    }
    return gather_runs(_influences(answers), stored)


@dataclass(frozen=True, kw_only=True)
class AnswersInfluence:
    """AUCs of runs whose answers are known.

    Attributes:
        known: (Set-up, seed, fraction) -> AUC, and its column of the influence.
        influence: Float64 (P, K), how much each patient moves each of K AUCs.
        freedom: Degrees of freedom of their variance.
    """

    known: Mapping[tuple[str, int, int], tuple[float, int]]
    influence: np.ndarray
    freedom: float


def gather_runs(
    answers: AnswersInfluence, stored: Mapping[tuple[str, int, int], tuple[float, float]] | None = None
) -> Aucs | None:
    """Bring the AUCs of all runs to set-ups and fractions.

    Args:
        answers: Runs whose answers are known.
        stored: Of other runs, (set-up, seed, fraction) -> AUC and its standard error.

    Returns:
        None where no run has an AUC at every fraction.
    """
    known, influence, stored = answers.known, answers.influence, stored or {}
    runs = {*known, *stored}
    fractions = sorted({fraction for _, _, fraction in runs})
    complete: dict[str, list[int]] = {}
    for setup in FOUR:
        seeds = sorted({seed for part_of, seed, _ in runs if part_of == setup})
        complete[setup] = [seed for seed in seeds if all((setup, seed, part_of) in runs for part_of in fractions)]
    used = {setup: seeds for setup, seeds in complete.items() if seeds}
    if not used:
        return None
    apart, patients = [], influence.shape[0]
    measured = {}
    for setup, seeds in used.items():
        values = np.zeros((len(seeds), len(fractions)))
        shared = np.zeros((patients, len(fractions)))
        for run, seed in enumerate(seeds):
            for cell, fraction in enumerate(fractions):
                key = (setup, seed, fraction)
                if key in known:
                    values[run, cell] = known[key][0]
                    shared[:, cell] += influence[:, known[key][1]] / len(seeds)
                else:
                    values[run, cell], error = stored[key]
                    apart.append((setup, cell, error / len(seeds)))
        measured[setup] = Measured(values=values, influence=shared, freedom=answers.freedom)
    return Aucs(fractions, {setup: _extend(setup, part, apart) for setup, part in measured.items()})


def _extend(setup: str, part: Measured, apart: Sequence[tuple[str, int, float]]) -> Measured:
    """Add a row of influence for each value whose error is independent of all others."""
    rows = np.zeros((len(apart), part.values.shape[1]))
    for row, (part_of, cell, error) in enumerate(apart):
        rows[row, cell] = error if part_of == setup else 0.0
    return replace(part, influence=np.concatenate([part.influence, rows]))


def _influences(answers: pd.DataFrame) -> AnswersInfluence:
    if not len(answers):
        return _NO_ANSWERS
    softmax = answers[[f"p{grade}" for grade in range(5)]].to_numpy(float)
    scored = answers.assign(score=referable_probability(softmax, _LOWEST)).dropna(subset="score")
    if not len(scored):
        return _NO_ANSWERS
    eyes = ["patient", "eye", "grade"]
    wide = scored.pivot_table(index=eyes, columns=["setup", "seed", "fraction"], values="score", aggfunc="first")
    wide = wide.dropna()
    index = wide.index.to_frame(index=False)
    labels = (index["grade"] >= _LOWEST).to_numpy()
    columns = [(str(key[0]), int(key[1]), int(key[2])) for key in map(tuple, wide.columns.to_list())]
    return linearize_answers(columns, wide.to_numpy().T, labels, index["patient"].astype(str).to_numpy())


_NO_ANSWERS = AnswersInfluence(known={}, influence=np.empty((0, 0)), freedom=math.inf)


def linearize_answers(
    runs: Sequence[tuple[str, int, int]], scores: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> AnswersInfluence:
    """AUCs of K runs on the same eyes, with the patients' influence.

    Args:
        runs: Set-up, seed and fraction of each run.
        scores: Float (K, N).
        labels: Bool (N,), whether the eye is positive.
        patients: Anything (N,); equal values are one patient.
    """
    if min(len(np.unique(patients[labels])), len(np.unique(patients[~labels]))) < 2:
        return _NO_ANSWERS
    found = auc_influence(scores, labels, patients)
    known = {key: (float(value), number) for number, (key, value) in enumerate(zip(runs, found.value, strict=True))}
    return AnswersInfluence(known=known, influence=found.influence, freedom=max(found.freedom, 2))


def _everywhere(aucs: Aucs, better: str, worse: Sequence[str]) -> Evidence | str:
    cells = range(len(aucs.fractions))
    pairs = [(better, other, cell, math.nan) for cell in cells for other in worse]
    return contrast_pairs(aucs.measured, aucs.names, pairs)


def _best(aucs: Aucs) -> Evidence | str:
    return _everywhere(aucs, "ifi_cl", [setup for setup in FOUR if setup != "ifi_cl"])


def _second(aucs: Aucs) -> Evidence | str:
    return _everywhere(aucs, "ifi_fs", ["iwne_fs", "iwne_cl"])


def _follows_closely(aucs: Aucs) -> Evidence | str:
    return _everywhere(aucs, "ifi_cl", ["ifi_fs"])


def _drop(setup: str, last: int, sign: float = 1.0) -> dict[tuple[str, int], float]:
    return {(setup, last): sign, (setup, 0): -sign}


def _losses(aucs: Aucs) -> Evidence | str:
    """How much more AUC is lost from all labels to the fewest without ImageNet."""
    last = len(aucs.fractions) - 1
    if last < 1 or not set(FOUR) <= set(aucs.measured):
        return MISSING
    span = f"{aucs.fractions[-1]} to {aucs.fractions[0]} %"
    contrasts = [
        Contrast(
            name=f"loss of {label(scratch)} - loss of {label(imagenet)}, {span}",
            weights=_drop(scratch, last) | _drop(imagenet, last, -1.0),
        )
        for scratch, imagenet in INITIALIZATIONS
    ]
    return combine(aucs.measured, contrasts)


def _marginal_drop(aucs: Aucs) -> Evidence | str:
    last = len(aucs.fractions) - 1
    if last < 1 or not {"ifi_fs", "ifi_cl"} <= set(aucs.measured):
        return MISSING
    span = f"{aucs.fractions[-1]} to {aucs.fractions[0]} %"
    contrasts = [
        Contrast(name=f"loss of {label(setup)}, {span}", weights=_drop(setup, last)) for setup in ("ifi_fs", "ifi_cl")
    ]
    return combine(aucs.measured, contrasts)


def _self_supervision(aucs: Aucs) -> Evidence | str:
    last = len(aucs.fractions) - 1
    pairs = [(contrastive, supervised, last, math.nan) for supervised, contrastive in TRAININGS]
    return contrast_pairs(aucs.measured, aucs.names, pairs)


def _same_ranking(tables: Tables) -> Gathered:
    """Pairs that are clearly ordered on the first data set, and how they come out on each other one."""
    by_set = tables.once(measure_aucs)
    if len(by_set) < 2:
        return dict.fromkeys(by_set, "needs two test sets; the study has one")
    (first, aucs), *others = by_set.items()
    ordered = list(_ordered_pairs(aucs))
    found: dict[str, Evidence | str] = {}
    for other, theirs in others:
        places = {fraction: cell for cell, fraction in enumerate(theirs.fractions)}
        pairs = [
            (better, worse, places[fraction], math.nan)
            for better, worse, fraction in ordered
            if fraction in places and {better, worse} <= set(theirs.measured)
        ]
        reason = f"no two set-ups are clearly ordered on {first}, so there is no ranking to find again on {other}"
        found[f"{first}, {other}"] = contrast_pairs(theirs.measured, theirs.names, pairs) if pairs else reason
    return found


def _ordered_pairs(aucs: Aucs) -> Iterator[tuple[str, str, int]]:
    """Better set-up, worse set-up and fraction of each clearly ordered pair, of these very checkpoints."""
    for cell, fraction in enumerate(aucs.fractions):
        for first, second in combinations(aucs.measured, 2):
            found = contrast_pairs(aucs.measured, aucs.names, [(first, second, cell, math.nan)])
            if isinstance(found, Evidence):
                one = found.at_hand()
                if one.clear(1, LEVEL)[0] or one.clear(-1, LEVEL)[0]:
                    yield (first, second, fraction) if one.values[0] > 0 else (second, first, fraction)


def _on_each(gather: Callable[[Aucs], Evidence | str]) -> Callable[[Tables], Gathered]:
    def gather_all(tables: Tables) -> Mapping[str, Evidence | str]:
        return {key: gather(aucs) for key, aucs in tables.once(measure_aucs).items()}

    return gather_all


def _claim(
    key: str,
    statement: str,
    paper: str,
    gather: Callable[[Aucs], Evidence | str],
    rule: Rule = ALL,
    section: str = "4.1",
) -> Claim:
    return Claim(
        key=key,
        exhibit="Figure 2",
        section=section,
        statement=statement,
        paper=paper,
        tables=("fractions",),
        gather=_on_each(gather),
        rule=rule,
        unit="AUC",
    )


_DRAWN = "said in words, drawn in Figure 2"

CLAIMS = (
    _claim("ifi_cl_best", "IFI-CL has the best AUC at every fraction of the labels.", _DRAWN, _best),
    _claim(
        "ifi_fs_second",
        "IFI-FS follows: its AUC is above both IWNE models at every fraction.",
        _DRAWN,
        _second,
    ),
    _claim(
        "ifi_fs_close",
        f"IFI-FS follows IFI-CL closely: within {_CLOSELY} of its AUC at every fraction (our limit).",
        "“closely followed by IFI-FS”",
        _follows_closely,
        close(_CLOSELY, "AUC"),
    ),
    _claim(
        "iwne_loses_more",
        "With fewer labels IWNE loses more AUC than IFI.",
        "“IWNE models deteriorate in performance, IFI models show only a marginal drop”",
        _losses,
    ),
    _claim(
        "ifi_marginal_drop",
        f"With fewer labels IFI loses only marginally: less than {_MARGINAL} AUC from all to the fewest (our limit).",
        "“IFI models show only a marginal drop”",
        _marginal_drop,
        close(_MARGINAL, "AUC"),
    ),
    _claim(
        "self_supervision_helps",
        "With all labels self-supervision raises the AUC: CL is above FS, from scratch and from ImageNet.",
        _DRAWN,
        _self_supervision,
        section="5",
    ),
    Claim(
        key="same_ranking",
        exhibit="Figure 2",
        section="4.1",
        statement="The ranking on the external test set is largely that on the first one.",
        paper="“largely consistent” between EyePACS and Messidor-2",
        tables=("fractions",),
        gather=_same_ranking,
        rule=MOST,
        unit="AUC",
        needs_runs=False,
    ),
)
