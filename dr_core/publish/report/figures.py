"""The paper's figures of a study, as SVG that prints well."""

import io
from collections.abc import Callable
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
from dr_core.models.setups import SETUPS
from dr_core.study.folder import Study

_WIDTH = 7.4
"""Width of a figure in inches: A4 without its margins."""

_TITLES = {"iwne": "IWNE-CL - IWNE-FS", "ifi": "IFI-CL - IFI-FS"}

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
            svg = draw(part)
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


def _look(setup: str, size: float = 4) -> dict[str, object]:
    known = SETUPS[setup]
    filled = known.self_supervised
    return {
        "color": known.color,
        "linestyle": known.css_line,
        "marker": "o",
        "markersize": size,
        "markerfacecolor": known.color if filled else "white",
        "label": known.label,
    }


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


def _draw_fractions(rows: pd.DataFrame) -> str:
    rows = rows[rows["reading"] == PAPER_READING]
    if rows.empty:
        return ""
    figure, axes = _sheet(1, 2.9)
    for setup in (name for name in SETUPS if name in set(rows["setup"])):
        rows_of = rows[rows["setup"] == setup].groupby("percent")[["value", "low", "high"]].mean()
        ends = np.maximum(0, np.stack([rows_of["value"] - rows_of["low"], rows_of["high"] - rows_of["value"]]))
        axes[0].errorbar(rows_of.index, rows_of["value"], yerr=ends, capsize=2, elinewidth=0.8, **_look(setup))
    axes[0].set(xlabel="share of the training labels, %", ylabel=f"AUC, {PAPER_READING}")
    axes[0].legend(fontsize=7, frameon=False)
    return _finish(figure, axes)


def _draw_conditions(rows: pd.DataFrame) -> str:
    figure, axes = _sheet(2, 4.2, sharex=True, sharey=True)
    for setup in (name for name in SETUPS if name in set(rows["setup"])):
        rows_of = rows[rows["setup"] == setup]
        position = 0 if SETUPS[setup].initialization == "none" else 1
        axes[position].plot(rows_of["place"], rows_of["condition"].replace([np.inf], np.nan), **_look(setup, 2.5))
    for axis in axes:
        axis.set(yscale="log", ylabel="condition number")
        if axis.lines:
            axis.legend(fontsize=7, frameon=False)
    axes[1].set_xlabel("layer, in the order of the forward pass")
    return _finish(figure, axes)


def _draw_densities(rows: pd.DataFrame) -> str:
    first = rows[rows["layer"] == rows["layer"].iloc[0]]
    largest = float(first["eigenvalue"].max())
    if largest <= 0:
        return ""
    edges = np.linspace(-largest, largest, 82)
    figure, axes = _sheet(2, 4.2)
    for setup in (name for name in SETUPS if name in set(first["setup"])):
        heights = mirrored_density(first.loc[first["setup"] == setup, "eigenvalue"].to_numpy(), edges)
        look = {key: value for key, value in _look(setup).items() if not key.startswith("marker")}
        axes[0].stairs(heights, edges, **look)
        axes[1].stairs(np.where(heights > 0, heights, np.nan), edges, **look)
    axes[0].legend(fontsize=7, frameon=False)
    axes[0].set_ylabel("density")
    axes[1].set(
        yscale="log", xlim=(0.1 * largest, 1.02 * largest), xlabel="eigenvalue; below, the upper tail", ylabel="density"
    )
    return _finish(figure, axes)


def _draw_differences(rows: pd.DataFrame) -> str:
    figure, axes = _sheet(2, 4.8, sharex=True)
    names = [name for name in dict.fromkeys(rows["corruption"]) if name != CLEAN]
    levels = sorted(set(rows["severity"]) - {0.0})
    hues = {"iwne": SETUPS["iwne_cl"].color, "ifi": SETUPS["ifi_cl"].color}
    for axis, (initialization, title) in zip(axes, _TITLES.items(), strict=True):
        _draw_bars(axis, rows[rows["initialization"] == initialization], names, levels, hues[initialization])
        axis.set(title=title, ylabel="difference of the score")
        axis.axhline(0, color="black", linewidth=0.8)
    labels = [CORRUPTIONS[name].label if name in CORRUPTIONS else name for name in names]
    axes[1].set_xticks(range(len(names)), labels, rotation=50, ha="right")
    return _finish(figure, axes)


def _draw_bars(axis: Axes, rows: pd.DataFrame, names: list[str], levels: list[float], hue: str) -> None:
    width = 0.8 / max(len(levels), 1)
    for number, level in enumerate(levels):
        rows_of = rows[rows["severity"] == level].set_index("corruption")["value"].reindex(names)
        strength = 0.3 + 0.7 * (number + 1) / len(levels)
        places = np.arange(len(names)) - 0.4 + (number + 0.5) * width
        axis.bar(places, rows_of, width, color=hue, alpha=strength)


_FIGURES: tuple[tuple[str, str, str, Callable[[pd.DataFrame], str]], ...] = (
    (
        "fractions",
        "Figure 2: AUC by the share of the labels",
        "Bars: 95 % intervals over patients; several seeds are averaged.",
        _draw_fractions,
    ),
    (
        "spectrum",
        "Figure 3a: condition number of every layer",
        "Above from scratch, below from ImageNet; lower means that the layer uses more directions.",
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
        "Figure 4: contrastive minus supervised under damage",
        "Mean score of the true grade, darker for more severe damage; above 0 contrastive training is the more robust.",
        _draw_differences,
    ),
)
"""Table -> title, caption, how it is drawn."""
