"""Claims of section 4.2, Figure 3 and Table 2: eigenvalues of the activations."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dr_core.analysis.spectrum import mirrored_density
from dr_core.publish.paper.claim import INITIALIZATIONS, TRAININGS, Claim, by_data, estimate, label
from dr_core.publish.paper.published import ALPHA, PARETO_80_20
from dr_core.publish.paper.verdicts import ALL, EXACT, SIGNS, Comparison
from dr_core.seeds import numpy_generator

_INITIAL, _LATTER = ("stem", "layer1"), ("layer4",)
"""What "initial" and "latter layers" mean here; the paper does not say."""

_BINS, _DRAWS = 81, 300


def _ratios(rows: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> Iterator[Comparison]:
    """How much larger the first set-up's condition number is in each initial layer, as a logarithm to base 10."""
    initial = rows[rows["stage"].isin(_INITIAL)]
    conditions = initial.pivot_table(index="layer", columns="setup", values="condition", sort=False)
    for larger, smaller in pairs:
        if {larger, smaller} <= set(conditions):
            ratios = np.log10(conditions[larger].to_numpy() / conditions[smaller].to_numpy())
            for layer, value in zip(conditions.index, ratios, strict=True):
                yield Comparison(name=f"log10 {label(larger)} / {label(smaller)}, {layer}", value=float(value))


def _by_initialization(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _ratios(rows, INITIALIZATIONS)


def _by_training(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _ratios(rows, TRAININGS)


def _flattening(rows: pd.DataFrame) -> Iterator[Comparison]:
    """How much closer the set-ups lie in each latter layer than in the middle initial one."""
    spread = rows.groupby(["stage", "layer"], sort=False)["condition"].agg(lambda of: np.log10(of.max() / of.min()))
    stages = spread.index.get_level_values("stage")
    middle = spread[stages.isin(_INITIAL)].median()
    for row in spread[stages.isin(_LATTER)].reset_index().to_dict("records"):
        name = f"log10 spread, initial layers - {row['layer']}"
        yield Comparison(name=name, value=float(middle - row["condition"]))


def _peaks(rows: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> Iterator[Comparison]:
    first = rows[rows["layer"] == rows["layer"].iloc[0]]
    values = {str(setup): part["eigenvalue"].to_numpy() for setup, part in first.groupby("setup", sort=False)}
    largest = max(float(of.max()) for of in values.values())
    if largest <= 0:
        return
    edges = np.linspace(-largest, largest, _BINS + 1)
    peaks = {setup: _draw_peaks(of, edges) for setup, of in values.items()}
    for higher, lower in pairs:
        if {higher, lower} <= set(peaks):
            ratio = np.log10(peaks[higher] / peaks[lower])
            low, high = np.percentile(ratio[1:], [2.5, 97.5])
            name = f"log10 peak of {label(higher)} / {label(lower)}"
            yield Comparison(name=name, value=float(ratio[0]), low=float(low), high=float(high))


def _draw_peaks(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Height of the density's peak, first of the values and then of draws of them with replacement."""
    generator = numpy_generator(0, "peak", len(values))
    drawn = [values, *(generator.choice(values, len(values)) for _ in range(_DRAWS))]
    return np.array([mirrored_density(of, edges).max() for of in drawn])


def _peaks_by_initialization(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _peaks(rows, INITIALIZATIONS)


def _peaks_by_training(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _peaks(rows, TRAININGS)


def _alphas(rows: pd.DataFrame) -> Mapping[str, dict[Hashable, Any]]:
    return {str(row["setup"]): row for row in rows.drop_duplicates("setup").to_dict("records")}


def _against_80_20(rows: pd.DataFrame, setups: Sequence[str], sign: int) -> Iterator[Comparison]:
    for setup, row in _alphas(rows).items():
        if setup in setups:
            ends = sorted(sign * (row[end] - PARETO_80_20) for end in ("alpha_low", "alpha_high"))
            name = f"{label(setup)}: alpha - {PARETO_80_20}" if sign > 0 else f"{label(setup)}: {PARETO_80_20} - alpha"
            yield Comparison(
                name=name,
                value=sign * (row["alpha"] - PARETO_80_20),
                low=ends[0],
                high=ends[1],
                published=sign * (ALPHA[setup] - PARETO_80_20),
            )


def _iwne_above(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _against_80_20(rows, ("iwne_fs", "iwne_cl"), 1)


def _ifi_below(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _against_80_20(rows, ("ifi_fs", "ifi_cl"), -1)


def _alpha_differences(rows: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> Iterator[Comparison]:
    alphas = {
        setup: estimate(row["alpha"], row["alpha_low"], row["alpha_high"]) for setup, row in _alphas(rows).items()
    }
    for larger, smaller in pairs:
        if {larger, smaller} <= set(alphas):
            name = f"alpha of {label(larger)} - {label(smaller)}"
            yield alphas[larger].minus(alphas[smaller]).compared(name, ALPHA[larger] - ALPHA[smaller])


def _alpha_by_training(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _alpha_differences(rows, TRAININGS)


def _alpha_by_initialization(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _alpha_differences(rows, INITIALIZATIONS)


def _pareto_by_distfit(rows: pd.DataFrame) -> Iterator[Comparison]:
    """How much worse the best other law fits, relative to Pareto."""
    for setup, part in rows.groupby("setup", sort=False):
        fits = part.dropna(subset=["rss"]).set_index("distribution")["rss"]
        others = fits.drop("pareto", errors="ignore")
        if "pareto" in fits and len(others):
            name = f"{label(str(setup))}: {others.idxmin()} against pareto"
            yield Comparison(name=name, value=float(others.min() / fits["pareto"] - 1))


def _pareto_by_likelihood(rows: pd.DataFrame) -> Iterator[Comparison]:
    """Vuong's z of Pareto against its hardest rival; its standard error is 1."""
    for setup, part in rows.groupby("setup", sort=False):
        rivals = part.dropna(subset=["vuong"]).set_index("distribution")["vuong"]
        if len(rivals):
            name = f"{label(str(setup))}: Vuong's z of pareto against {rivals.idxmin()}"
            value = float(rivals.min())
            yield Comparison(name=name, value=value, low=value - 1.96, high=value + 1.96)


CLAIMS = (
    Claim(
        key="condition_ifi_below_iwne",
        place="Figure 3a",
        section="4.2.1",
        statement="In the initial layers (stem and layer1) the condition number of IFI is below that of IWNE.",
        paper="“much lower”, drawn in Figure 3a",
        table="spectrum",
        compare=lambda rows: by_data(rows, _by_initialization),
        rule=SIGNS,
    ),
    Claim(
        key="condition_cl_below_fs",
        place="Figure 3a",
        section="4.2.1",
        statement="In the initial layers (stem and layer1) the condition number of CL is below that of FS.",
        paper="said in words, drawn in Figure 3a",
        table="spectrum",
        compare=lambda rows: by_data(rows, _by_training),
        rule=SIGNS,
    ),
    Claim(
        key="condition_flattens",
        place="Figure 3a",
        section="4.2.1",
        statement="In the latter layers (layer4) the four condition numbers lie closer together than initially.",
        paper="“flattened out and becomes indistinguishable”",
        table="spectrum",
        compare=lambda rows: by_data(rows, _flattening),
        rule=SIGNS,
    ),
    Claim(
        key="peak_iwne_above_ifi",
        place="Figure 3b",
        section="4.2.2",
        statement="The density of the first layer's eigenvalues has a higher peak for IWNE than for IFI.",
        paper="“high and peaked” against “lower peak values”",
        table="eigenvalues",
        compare=lambda rows: by_data(rows, _peaks_by_initialization),
        rule=ALL,
    ),
    Claim(
        key="peak_fs_above_cl",
        place="Figure 3b",
        section="4.2.2",
        statement="That peak is a little lower for CL than for FS.",
        paper="“a slightly lower peak value”",
        table="eigenvalues",
        compare=lambda rows: by_data(rows, _peaks_by_training),
        rule=ALL,
    ),
    Claim(
        key="pareto_by_distfit",
        place="Table 2",
        section="4.2.3",
        statement="By distfit, as the paper did, Pareto fits the first layer of all four models best.",
        paper="Pareto in all four",
        table="distributions",
        compare=lambda rows: by_data(rows, _pareto_by_distfit),
        rule=EXACT,
    ),
    Claim(
        key="pareto_by_likelihood",
        place="Table 2",
        section="4.2.3",
        statement="By likelihood Pareto fits the first layer of all four models better than every other law.",
        paper="Pareto in all four, by distfit",
        table="distributions",
        compare=lambda rows: by_data(rows, _pareto_by_likelihood),
        rule=ALL,
    ),
    Claim(
        key="alpha_iwne_above",
        place="Table 2",
        section="4.2.3",
        statement="IWNE has alpha above 1.16, where 20 % of the causes bring 80 % of the results.",
        paper="1.45 and 1.28",
        table="distributions",
        compare=lambda rows: by_data(rows, _iwne_above),
        rule=ALL,
    ),
    Claim(
        key="alpha_ifi_below",
        place="Table 2",
        section="4.2.3",
        statement="IFI has alpha below 1.16.",
        paper="0.87 and 0.73",
        table="distributions",
        compare=lambda rows: by_data(rows, _ifi_below),
        rule=ALL,
    ),
    Claim(
        key="alpha_ifi_below_iwne",
        place="Table 2",
        section="4.2.3",
        statement="IFI has a smaller alpha than IWNE.",
        paper="0.87 against 1.45, 0.73 against 1.28",
        table="distributions",
        compare=lambda rows: by_data(rows, _alpha_by_initialization),
        rule=ALL,
    ),
    Claim(
        key="alpha_cl_below_fs",
        place="Table 2",
        section="4.2.3",
        statement="CL has a smaller alpha, a heavier tail, than FS.",
        paper="1.28 against 1.45, 0.73 against 0.87",
        table="distributions",
        compare=lambda rows: by_data(rows, _alpha_by_training),
        rule=ALL,
    ),
)
