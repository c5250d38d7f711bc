"""Claims of section 4.3, Figure 4: damaged eyes."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dr_core.corruption import CORRUPTIONS, IMAGENET_C
from dr_core.experiments.answers import ANSWERS
from dr_core.publish.paper.claim import FOUR, MISSING, TRAININGS, Claim, Tables, contrast_pairs
from dr_core.publish.paper.evidence import Contrast, Evidence, Measured, combine, mean_influence
from dr_core.publish.paper.verdicts import ALL, MOST, OUTLIER, Rule, step_down

_NOISES = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "pixelate")
_LOW = 2
"""Severities up to here count as low levels of saturation; the paper does not say."""

_IWNE, _IFI = ((contrastive, supervised) for supervised, contrastive in TRAININGS)


@dataclass(frozen=True)
class Damaged:
    """Scores of the true grade under damage.

    Attributes:
        cells: Corruption and severity of each cell.
        measured: Set-up -> the mean over eyes in each cell.
    """

    cells: list[tuple[str, float]]
    measured: dict[str, Measured]

    def find(self, *names: str, up_to: float = math.inf) -> list[int]:
        """Cells of some corruptions, or of all."""
        return [
            number for number, (name, level) in enumerate(self.cells) if (not names or name in names) and level <= up_to
        ]

    @property
    def names(self) -> list[str]:
        """Names of the cells for people."""
        titles = {name: CORRUPTIONS[name].label if name in CORRUPTIONS else name for name, _ in self.cells}
        return [f"{titles[name]}, severity {level:g}" for name, level in self.cells]


def measure_damage(rows: pd.DataFrame, setups: Collection[str] = FOUR) -> Damaged | None:
    """Mean score of the true grade of every set-up in every cell of ImageNet-C's corruptions.

    Args:
        rows: Rows of `robustness` of one data set, with `seed` and `fraction`.
        setups: Names of the set-ups.

    Returns:
        None where no eye was damaged.
    """
    kept = rows[rows["corruption"].isin(IMAGENET_C) & rows["setup"].isin(setups) & (rows["fraction"] == 100)]
    kept = kept.dropna(subset=ANSWERS)
    if kept.empty:
        return None
    answers = kept[ANSWERS].to_numpy(float)
    score = answers[np.arange(len(kept)), kept["grade"].to_numpy(int)]
    runs, run = _number(kept, ["setup", "seed"])
    eyes, eye = _number(kept, ["patient", "eye"])
    names, cell = _number(kept, ["corruption", "severity"])
    scores = np.full((len(runs), len(eyes), len(names)), np.nan)
    scores[run, eye, cell] = score
    patients = np.unique([str(patient) for patient, _ in eyes], return_inverse=True)[1]
    return average_damage(
        [str(setup) for setup, _ in runs], [(str(name), float(level)) for name, level in names], scores, patients
    )


def average_damage(
    setups: Sequence[str], cells: list[tuple[str, float]], scores: np.ndarray, patients: np.ndarray
) -> Damaged:
    """Average the scores of training runs over the eyes that all of them have in all cells.

    Args:
        setups: Set-up of each of R runs.
        cells: Corruption and severity of each of M cells.
        scores: Float (R, N, M), probability of the true grade, 0..1; NaN where an eye was not damaged so.
        patients: Int (N,), number of each eye's patient.
    """
    complete = np.isfinite(scores).all(axis=(0, 2))  # the same eyes for all
    patients = np.unique(patients[complete], return_inverse=True)[1]
    measured = {}
    for setup in dict.fromkeys(setups):
        of_runs = scores[[owner == setup for owner in setups]][:, complete]  # (runs, eyes, cells)
        if of_runs.size:
            influence = mean_influence(of_runs.mean(axis=0), patients)
            freedom = max(len(np.unique(patients)) - 1, 1)
            measured[setup] = Measured(values=of_runs.mean(axis=1), influence=influence, freedom=freedom)
    return Damaged(cells, measured)


@dataclass(frozen=True, kw_only=True)
class ClearCells:
    """In how many cells one set-up of a pair scores clearly higher than the other.

    Attributes:
        cells: All cells.
        higher: Those in which the first set-up is clearly higher.
        lower: Those in which it is clearly lower.
    """

    cells: int
    higher: int
    lower: int


def count_clear(rows: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ClearCells]:
    """Count clear differences by the joint test of all cells of all pairs, as the claim about most distortions does.

    Args:
        rows: As in `measure_damage`.
        pairs: First and second set-up of each comparison.

    Returns:
        Pair -> its counts, all of them right at once in 97.5 % of studies on each side; without pairs that were not
        measured.

    Source: `dr_core.publish.paper.verdicts.step_down`.
    """
    damaged = measure_damage(rows, {setup for pair in pairs for setup in pair})
    known = [pair for pair in pairs if damaged is not None and set(pair) <= set(damaged.measured)]
    if damaged is None or not known:
        return {}
    cells = damaged.find()
    evidence = contrast_pairs(
        damaged.measured, damaged.names, [(*pair, cell, math.nan) for pair in known for cell in cells]
    )
    if isinstance(evidence, str):
        return {}
    higher, lower = (step_down(evidence, sign).reshape(len(known), len(cells)).sum(axis=1) for sign in (1, -1))
    return {
        pair: ClearCells(cells=len(cells), higher=int(above), lower=int(below))
        for pair, above, below in zip(known, higher, lower, strict=True)
    }


def _number(rows: pd.DataFrame, columns: list[str]) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """The distinct values of some columns, and the number of each row's."""
    distinct = list(rows[columns].drop_duplicates().itertuples(index=False, name=None))
    return distinct, rows.groupby(columns, sort=False).ngroup().to_numpy()


def _cells_of(
    choose: Callable[[Damaged], Sequence[int]], pairs: Sequence[tuple[str, str]]
) -> Callable[[Damaged], Evidence | str]:
    def gather(damaged: Damaged) -> Evidence | str:
        wanted = [(*pair, cell, math.nan) for pair in pairs for cell in choose(damaged)]
        return contrast_pairs(damaged.measured, damaged.names, wanted)

    return gather


def _mean_of(cells: Sequence[int], pair: tuple[str, str], sign: float = 1.0) -> dict[tuple[str, int], float]:
    first, second = pair
    weight = sign / len(cells)
    return {(first, cell): weight for cell in cells} | {(second, cell): -weight for cell in cells}


def _leveled(damaged: Damaged) -> Evidence | str:
    """How much larger the mean difference is from scratch."""
    if not set(FOUR) <= set(damaged.measured):
        return MISSING
    cells = damaged.find()
    weights = _mean_of(cells, _IWNE) | _mean_of(cells, _IFI, -1.0)
    return combine(damaged.measured, [Contrast(name="mean of CL - FS, IWNE - IFI", weights=weights)])


def _noisy(damaged: Damaged) -> list[int]:
    return [*damaged.find(*_NOISES), *damaged.find("saturate", up_to=_LOW)]


def _by_corruption(damaged: Damaged) -> Evidence | str:
    """IFI-CL - IFI-FS by corruption, the mean over severities, JPEG first."""
    names = list(dict.fromkeys(name for name, _ in damaged.cells))
    if "jpeg_compression" not in names or not set(_IFI) <= set(damaged.measured):
        return MISSING
    names.sort(key=lambda name: name != "jpeg_compression")
    contrasts = [
        Contrast(name=f"IFI-CL - IFI-FS, {CORRUPTIONS[name].label}", weights=_mean_of(damaged.find(name), _IFI))
        for name in names
    ]
    return combine(damaged.measured, contrasts)


def measure_all_damage(tables: Tables) -> dict[str, Damaged | None]:
    """`measure_damage` of every data set."""
    rows = tables["robustness"]
    return {str(data): measure_damage(part) for data, part in rows.groupby("data", sort=False)}


def _claim(
    key: str, statement: str, paper: str, gather: Callable[[Damaged], Evidence | str], rule: Rule = ALL
) -> Claim:
    def gather_all(tables: Tables) -> dict[str, Evidence | str]:
        found = tables.once(measure_all_damage)
        return {data: MISSING if damaged is None else gather(damaged) for data, damaged in found.items()}

    return Claim(
        key=key,
        exhibit="Figure 4",
        section="4.3",
        statement=statement,
        paper=paper,
        tables=("robustness",),
        gather=gather_all,
        rule=rule,
        unit="probability of the true grade",
    )


CLAIMS = (
    _claim(
        "iwne_cl_more_robust",
        "From scratch CL is more robust than FS under every corruption at every severity.",
        "“always”, drawn in Figure 4",
        _cells_of(Damaged.find, (_IWNE,)),
    ),
    _claim(
        "cl_mostly_more_robust",
        "Under most distortions CL scores higher than FS, from scratch and from ImageNet taken together.",
        "“for the majority of distortion cases”",
        _cells_of(Damaged.find, (_IWNE, _IFI)),
        MOST,
    ),
    _claim(
        "imagenet_levels",
        "ImageNet levels the difference: on average CL gains less over FS from ImageNet than from scratch.",
        "“levels the difference between FS and CL”",
        _leveled,
    ),
    _claim(
        "ifi_cl_noise",
        "IFI-CL still improves on IFI-FS under noises, pixelation and low levels of saturation (1 and 2).",
        "said in words, drawn in Figure 4",
        _cells_of(_noisy, (_IFI,)),
    ),
    _claim(
        "jpeg_outlier",
        "Under IFI JPEG compression is an outlier: it lies farther from the mean of the other corruptions than any of "
        "them, and farther than one more of them would.",
        "“conspicuous outlier”",
        _by_corruption,
        OUTLIER,
    ),
)
