"""Claims of section 4.2, Figure 3 and Table 2: eigenvalues of the activations.

A network's spectrum has no error over eyes in these tables, and its layers hang together. The unit is the training
run: a run brings all of its layers at once, and with one run of each set-up nothing about a set-up can be concluded.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dr_core.analysis.spectrum import mirrored_density
from dr_core.publish.paper.claim import (
    FOUR,
    INITIALIZATIONS,
    MISSING,
    TRAININGS,
    Claim,
    Tables,
    contrast_pairs,
    label,
)
from dr_core.publish.paper.evidence import Contrast, Evidence, Measured, combine
from dr_core.publish.paper.published import ALPHA, PARETO_80_20
from dr_core.publish.paper.spectra import ByRun, Laws, Layers, read_first_layers, read_laws, read_layers
from dr_core.publish.paper.verdicts import ALL, DESCRIPTION, Rule, close

_INITIAL, _LATTER = ("stem", "layer1"), ("layer4",)
"""What "initial" and "latter layers" mean here; the paper does not say."""

_INDISTINGUISHABLE = math.log10(1.25)
"""Largest ratio of two condition numbers that counts as indistinguishable, as a logarithm; the paper names no limit."""

_BINS = 81


def _of_runs(values: Mapping[tuple[str, int], Sequence[float]]) -> dict[str, Measured]:
    """Measured set-ups from (set-up, seed) -> a value for each cell; without error over patients."""
    measured = {}
    for setup in FOUR:
        runs = [value for (values_of, _), value in sorted(values.items()) if values_of == setup]
        if runs:
            array = np.asarray(runs, np.float64)
            measured[setup] = Measured(values=array, influence=np.empty((0, array.shape[1])))
    return measured


def _initial_means(runs: ByRun[Layers]) -> dict[str, Measured]:
    found = {run: layers.select(_INITIAL) for run, layers in runs.items()}
    return _of_runs({run: [float(np.nanmean(values))] for run, values in found.items() if np.isfinite(values).any()})


def _lower(pairs: Sequence[tuple[str, str]]) -> Callable[[ByRun[Layers]], Evidence | str]:
    """How much larger the first set-up's condition number is, the logarithm's mean over the initial layers."""
    names = ["log10 of the condition number, mean of the initial layers"]
    return lambda runs: contrast_pairs(_initial_means(runs), names, [(*pair, 0, math.nan) for pair in pairs])


def _flattening(runs: ByRun[Layers]) -> Evidence | str:
    """Every two set-ups in every latter layer."""
    measured = _of_runs({run: list(layers.select(_LATTER)) for run, layers in runs.items()})
    if len(measured) < len(FOUR):
        return MISSING
    first = next(iter(runs.values()))
    latter = [name for name, stage in zip(first.names, first.stages, strict=True) if stage in _LATTER]
    pairs = [(first, second) for number, first in enumerate(FOUR) for second in FOUR[number + 1 :]]
    names = [f"log10 of the condition number, {layer}" for layer in latter]
    return contrast_pairs(measured, names, [(*pair, cell, math.nan) for cell in range(len(latter)) for pair in pairs])


def _peaks(runs: ByRun[np.ndarray]) -> dict[str, Measured]:
    """Log10 of the highest of 81 bins over the mirrored eigenvalues; all runs share the bins."""
    largest = max((float(values_of.max()) for values_of in runs.values()), default=0.0)
    if largest <= 0:
        return {}
    edges = np.linspace(-largest, largest, _BINS + 1)
    return _of_runs(
        {run: [math.log10(float(mirrored_density(values_of, edges).max()))] for run, values_of in runs.items()}
    )


def _peak_over(pairs: Sequence[tuple[str, str]]) -> Callable[[ByRun[np.ndarray]], Evidence | str]:
    names = ["log10 of the peak"]
    return lambda runs: contrast_pairs(_peaks(runs), names, [(*pair, 0, math.nan) for pair in pairs])


def tail_weight(eigenvalues: np.ndarray) -> float:
    """Kurtosis of eigenvalues mirrored around 0, as Figure 3b draws them: mean(lambda^4) / mean(lambda^2)^2.

    Args:
        eigenvalues: Float (C,).

    Returns:
        At least 1, which all equal eigenvalues give; larger where few are much larger than the others.

    Source: our reading of "heavy tailedness" in section 4.2.2, which names no measure.
    """
    squares = np.asarray(eigenvalues, np.float64) ** 2
    return float((squares**2).mean() / squares.mean() ** 2)


def _tails(runs: ByRun[np.ndarray]) -> Evidence | str:
    values = {run: [math.log10(tail_weight(values_of))] for run, values_of in runs.items() if values_of.any()}
    pairs = [(contrastive, supervised, 0, math.nan) for supervised, contrastive in TRAININGS]
    return contrast_pairs(_of_runs(values), ["log10 of the kurtosis"], pairs)


def _alphas(runs: ByRun[Laws]) -> dict[str, Measured]:
    """Alpha on distfit's scale, as the paper estimated it."""
    return _of_runs({run: [laws.alpha] for run, laws in runs.items() if math.isfinite(laws.alpha)})


def _against_80_20(setups: Sequence[str], sign: int) -> Callable[[ByRun[Laws]], Evidence | str]:
    def gather(runs: ByRun[Laws]) -> Evidence | str:
        measured = {
            setup: Measured(values=sign * (part.values - PARETO_80_20), influence=part.influence)
            for setup, part in _alphas(runs).items()
        }
        if not set(setups) <= set(measured):
            return MISSING
        contrasts = [
            Contrast(
                name=f"{label(setup)}: alpha - {PARETO_80_20}"
                if sign > 0
                else f"{label(setup)}: {PARETO_80_20} - alpha",
                weights={(setup, 0): 1.0},
                published=sign * (ALPHA[setup] - PARETO_80_20),
            )
            for setup in setups
        ]
        return combine(measured, contrasts)

    return gather


def _alpha_over(pairs: Sequence[tuple[str, str]]) -> Callable[[ByRun[Laws]], Evidence | str]:
    wanted = [(larger, smaller, 0, ALPHA[larger] - ALPHA[smaller]) for larger, smaller in pairs]
    return lambda runs: contrast_pairs(_alphas(runs), ["alpha by distfit"], wanted)


def _pareto_by_distfit(runs: ByRun[Laws]) -> Evidence | str:
    """How much worse the best other law fits, relative to Pareto, in every run."""
    names, values = [], []
    for (setup, seed), laws in runs.items():
        others = {name: value for name, value in laws.rss.items() if name != "pareto"}
        if "pareto" in laws.rss and others:
            best = min(others, key=lambda name: others[name])
            names.append(f"{label(setup)}, seed {seed}: {best} against pareto")
            values.append(others[best] / laws.rss["pareto"] - 1)
    return _apart(names, values, math.nan)


def _pareto_by_likelihood(runs: ByRun[Laws]) -> Evidence | str:
    """Vuong's z of Pareto against its hardest rival in every run; its standard error is 1."""
    names, values = [], []
    for (setup, seed), laws in runs.items():
        if laws.vuong:
            rival = min(laws.vuong, key=lambda name: laws.vuong[name])
            names.append(f"{label(setup)}, seed {seed}: Vuong's z of pareto against {rival}")
            values.append(laws.vuong[rival])
    return _apart(names, values, 1.0)


def _apart(names: Sequence[str], values: Sequence[float], error: float) -> Evidence | str:
    """Numbers of single networks, each with the same error of its own, or with none."""
    if not names:
        return MISSING
    number = len(names)
    return Evidence(
        names=tuple(names),
        values=np.asarray(values, np.float64),
        of_patients=np.eye(number) * error if math.isfinite(error) else np.empty((0, number)),
        of_runs=np.empty((0, number)),
        patient_freedom=math.inf,
        run_freedom=math.inf,
        runs=1,
        published=np.full(number, math.nan),
    )


_SOURCES: dict[str, tuple[str, str, Callable[[Tables], Mapping[str, ByRun[Any]]]]] = {
    "Figure 3a": ("4.2.1", "spectrum", read_layers),
    "Figure 3b": ("4.2.2", "eigenvalues", read_first_layers),
    "Table 2": ("4.2.3", "distributions", read_laws),
}
"""Figure or table -> section of the paper, table of a study, and how it is read by data set and run."""


def _claim(
    key: str,
    exhibit: str,
    statement: str,
    paper: str,
    gather: Callable[[ByRun[Any]], Evidence | str],
    unit: str,
    rule: Rule = ALL,
) -> Claim:
    section, table, read = _SOURCES[exhibit]
    return Claim(
        key=key,
        exhibit=exhibit,
        section=section,
        statement=statement,
        paper=paper,
        tables=(table,),
        gather=lambda tables: {data: gather(runs) if runs else MISSING for data, runs in tables.once(read).items()},
        rule=rule,
        unit=unit,
        needs_runs=not key.startswith("pareto"),  # those speak of single networks
    )


CLAIMS = (
    _claim(
        "condition_ifi_below_iwne",
        "Figure 3a",
        "In the initial layers (stem and layer1) the condition number of IFI is below that of IWNE, on average.",
        "“much lower”, drawn in Figure 3a",
        _lower(INITIALIZATIONS),
        "log10",
    ),
    _claim(
        "condition_cl_below_fs",
        "Figure 3a",
        "In the initial layers (stem and layer1) the condition number of CL is below that of FS, on average.",
        "said in words, drawn in Figure 3a",
        _lower(TRAININGS),
        "log10",
    ),
    _claim(
        "condition_flattens",
        "Figure 3a",
        "In the latter layers (layer4) the four condition numbers are indistinguishable: within 25 % of each other "
        "(our limit).",
        "“flattened out and becomes indistinguishable”",
        _flattening,
        "log10",
        close(_INDISTINGUISHABLE, "(log10; 25 %)"),
    ),
    _claim(
        "peak_iwne_above_ifi",
        "Figure 3b",
        "The density of the first layer's eigenvalues has a higher peak for IWNE than for IFI.",
        "“high and peaked” against “lower peak values”",
        _peak_over(INITIALIZATIONS),
        "log10",
    ),
    _claim(
        "peak_fs_above_cl",
        "Figure 3b",
        "That peak is a little lower for CL than for FS.",
        "“a slightly lower peak value”",
        _peak_over(TRAININGS),
        "log10",
    ),
    _claim(
        "tail_cl_heavier",
        "Figure 3b",
        "The first layer's eigenvalues have a heavier tail for CL than for FS: a larger kurtosis (our measure).",
        "“self-supervised learning models show more heavy tailedness”",
        _tails,
        "log10",
    ),
    _claim(
        "pareto_by_distfit",
        "Table 2",
        "By distfit, as the paper did, Pareto fits the first layer of all four models best.",
        "Pareto in all four",
        _pareto_by_distfit,
        "relative to Pareto",
        DESCRIPTION,
    ),
    _claim(
        "pareto_by_likelihood",
        "Table 2",
        "By likelihood Pareto fits the first layer of all four models better than every other law.",
        "Pareto in all four, by distfit",
        _pareto_by_likelihood,
        "z",
    ),
    _claim(
        "alpha_iwne_above",
        "Table 2",
        "IWNE has alpha (by distfit, as the paper) above 1.16, where 20 % of the causes bring 80 % of the results.",
        "1.45 and 1.28",
        _against_80_20(("iwne_fs", "iwne_cl"), 1),
        "alpha",
    ),
    _claim(
        "alpha_ifi_below",
        "Table 2",
        "IFI has alpha (by distfit, as the paper) below 1.16.",
        "0.87 and 0.73",
        _against_80_20(("ifi_fs", "ifi_cl"), -1),
        "alpha",
    ),
    _claim(
        "alpha_ifi_below_iwne",
        "Table 2",
        "IFI has a smaller alpha (by distfit, as the paper) than IWNE.",
        "0.87 against 1.45, 0.73 against 1.28",
        _alpha_over(INITIALIZATIONS),
        "alpha",
    ),
    _claim(
        "alpha_cl_below_fs",
        "Table 2",
        "CL has a smaller alpha (by distfit, as the paper) than FS.",
        "1.28 against 1.45, 0.73 against 0.87",
        _alpha_over(TRAININGS),
        "alpha",
    ),
)
