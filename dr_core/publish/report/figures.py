"""The paper's figures of a study, as SVG that prints well."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dr_core.analysis.spectrum import mirrored_density
from dr_core.corruption import CORRUPTIONS
from dr_core.data.grades import PAPER_READING
from dr_core.experiments.robustness import CLEAN
from dr_core.models.setups import Setup
from dr_core.study.folder import Study

_WIDTH = 7.4
"""Width of a figure in inches: A4 without its margins."""

Setups = Mapping[str, Setup]

mpl.rcParams["svg.hashsalt"] = "dr-lens"  # the same figure has the same bytes


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure.

    Attributes:
        title: Which figure of the paper, and what it shows.
        caption: How to read it, on which eyes, and the table that it comes from.
        svg: The picture.
    """

    title: str
    caption: str
    svg: str


def draw_figures(study: Study) -> list[Drawing]:
    """Draw what the study has tables for; each data set has figures of its own.

    Raises:
        InputError: If a table is damaged.
    """
    drawings = []
    for table, title, caption, draw in _FIGURES:
        if not study.has_results(table):
            continue
        rows = study.read_checkpoint_results(table)
        for data, part in rows.groupby("data", sort=False):
            svg = draw(part, study.setups)
            if svg:
                about = f"{caption} Eyes: {describe_data(study, str(data))}. Source: results/{table}.parquet."
                drawings.append(Drawing(title=title, caption=about, svg=svg))
    return drawings


def describe_data(study: Study, key: str) -> str:
    """Name of a data set, or of several, for people; its key where the study does not describe it.

    Two of one title, such as the same eyes with and without their colors, are told apart by their labels.
    """
    titles = [data.title for data in study.info.data]
    names = {"idrid": "eyes with lesion masks (IDRiD)"}
    for data in study.info.data:
        names[data.key] = data.title if titles.count(data.title) == 1 else f"{data.title}: {data.label or data.key}"
    return ", ".join(names.get(one, one) for one in key.split(", "))


def _look(setup: Setup, size: float = 4) -> dict[str, object]:
    return {
        "color": setup.color,
        "linestyle": setup.css_line,
        "marker": "o",
        "markersize": size,
        "markerfacecolor": setup.color if setup.filled else "white",
        "label": _plain(setup.label),
    }


def _plain(text: str) -> str:
    """A stranger's text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def _each_setup(rows: pd.DataFrame, setups: Setups) -> Iterator[tuple[Setup, pd.DataFrame]]:
    """The rows of each set-up that has some, in the study's order."""
    for name, setup in setups.items():
        mine = rows[rows["setup"] == name]
        if not mine.empty:
            yield setup, mine


def _add_legend(axis: Axes) -> None:
    axis.legend(fontsize=7, frameon=False, ncols=1 if len(axis.get_legend_handles_labels()[1]) <= _ONE_COLUMN else 2)


_ONE_COLUMN = 4
"""Set-ups that a legend lists one under the other."""


def _sheet(rows: int, height: float, *, sharex: bool = False, sharey: bool = False) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, 1, squeeze=False, sharex=sharex, sharey=sharey).ravel()


def _finish(figure: Figure, axes: np.ndarray) -> str:
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=7)
        for text in (axis.title, axis.xaxis.label, axis.yaxis.label):
            text.set_fontsize(8)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _draw_fractions(rows: pd.DataFrame, setups: Setups) -> str:
    rows = rows[rows["reading"] == PAPER_READING]
    if rows.empty:
        return ""
    figure, axes = _sheet(1, 2.9)
    for setup, mine in _each_setup(rows, setups):
        rows_of = mine.groupby("percent")[["value", "low", "high"]].mean()
        ends = np.maximum(0, np.stack([rows_of["value"] - rows_of["low"], rows_of["high"] - rows_of["value"]]))
        axes[0].errorbar(rows_of.index, rows_of["value"], yerr=ends, capsize=2, elinewidth=0.8, **_look(setup))
    axes[0].set(xlabel="share of the training labels, %", ylabel=f"AUC, {PAPER_READING}")
    _add_legend(axes[0])
    return _finish(figure, axes)


def _draw_conditions(rows: pd.DataFrame, setups: Setups) -> str:
    panels = list(dict.fromkeys(setup.initialization for setup, _ in _each_setup(rows, setups)))
    figure, axes = _sheet(len(panels), max(2.9, 2.1 * len(panels)), sharex=True, sharey=True)
    for setup, mine in _each_setup(rows, setups):
        axis = axes[panels.index(setup.initialization)]
        axis.plot(mine["place"], mine["condition"].replace([np.inf], np.nan), **_look(setup, 2.5))
    for axis, initialization in zip(axes, panels, strict=True):
        title = "no external data" if initialization == "none" else initialization
        axis.set(yscale="log", ylabel="condition number", title=_plain(f"initialization: {title}"))
        _add_legend(axis)
    axes[-1].set_xlabel("layer, in the order of the forward pass")
    return _finish(figure, axes)


def _draw_densities(rows: pd.DataFrame, setups: Setups) -> str:
    first = rows[rows["layer"] == rows.groupby("setup")["layer"].transform("first")]
    largest = float(first["eigenvalue"].max())
    if largest <= 0:
        return ""
    edges = np.linspace(-largest, largest, 82)
    figure, axes = _sheet(2, 4.2)
    for setup, mine in _each_setup(first, setups):
        heights = mirrored_density(mine["eigenvalue"].to_numpy(), edges)
        look = {key: value for key, value in _look(setup).items() if not key.startswith("marker")}
        axes[0].stairs(heights, edges, **look)
        axes[1].stairs(np.where(heights > 0, heights, np.nan), edges, **look)
    _add_legend(axes[0])
    axes[0].set_ylabel("density")
    axes[1].set(
        yscale="log", xlim=(0.1 * largest, 1.02 * largest), xlabel="eigenvalue; below, the upper tail", ylabel="density"
    )
    return _finish(figure, axes)


def _draw_differences(rows: pd.DataFrame, setups: Setups) -> str:
    pairs = list(dict.fromkeys(zip(rows["setup"].astype(str), rows["other"].astype(str), strict=True)))
    figure, axes = _sheet(len(pairs), 1.2 + 1.8 * len(pairs), sharex=True, sharey=True)
    names = [name for name in dict.fromkeys(rows["corruption"]) if name != CLEAN]
    levels = sorted(set(rows["severity"]) - {0.0})
    for axis, (first, second) in zip(axes, pairs, strict=True):
        mine = rows[(rows["setup"] == first) & (rows["other"] == second)]
        _draw_bars(axis, mine, names, levels, setups[first].color)
        title = _plain(f"{setups[first].label} - {setups[second].label}")
        axis.set(title=title, ylabel="difference of the score")
        axis.axhline(0, color="black", linewidth=0.8)
    labels = [CORRUPTIONS[name].label if name in CORRUPTIONS else name for name in names]
    axes[-1].set_xticks(range(len(names)), labels, rotation=50, ha="right")
    return _finish(figure, axes)


def _draw_bars(axis: Axes, rows: pd.DataFrame, names: list[str], levels: list[float], hue: str) -> None:
    width = 0.8 / max(len(levels), 1)
    for number, level in enumerate(levels):
        rows_of = rows[rows["severity"] == level].set_index("corruption")["value"].reindex(names)
        strength = 0.3 + 0.7 * (number + 1) / len(levels)
        places = np.arange(len(names)) - 0.4 + (number + 0.5) * width
        axis.bar(places, rows_of, width, color=hue, alpha=strength)


_FIGURES: tuple[tuple[str, str, str, Callable[[pd.DataFrame, Setups], str]], ...] = (
    (
        "fractions",
        "Figure 2: AUC by the share of the labels",
        "Bars: 95 % intervals over patients; several seeds are averaged.",
        _draw_fractions,
    ),
    (
        "spectrum",
        "Figure 3a: condition number of every layer",
        "One panel for each initialization; lower means that the layer uses more directions.",
        _draw_conditions,
    ),
    (
        "eigenvalues",
        "Figure 3b: eigenvalues of the first layer",
        "Mirrored at 0; below, the upper tail enlarged.",
        _draw_densities,
    ),
    (
        "robustness_differences",
        "Figure 4: set-ups minus their partners under damage",
        "Mean score of the true grade, darker for more severe damage; above 0 the first is the more robust.",
        _draw_differences,
    ),
)
"""Table -> title, caption, how it is drawn."""
