"""The paper's Table 3 of a study, as CSV and LaTeX."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.analysis.controls import CONTROLS, MAP
from dr_core.data.grades import TARGET_GRADE, lesion_code
from dr_core.experiments.heatmap_spread import VIEW
from dr_core.files import csv_of, replacing
from dr_core.models.setups import Setup

PAPER_RULE = "alpha1_beta0"
"""The paper's attribution method. Source: paper, section 3.4."""


def keep_paper_method(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of localization that are of the paper's method and target grade, as all of older tables."""
    if "rule" not in rows:
        return rows
    return rows[(rows["rule"] == PAPER_RULE) & (rows["target"] == TARGET_GRADE)]


def write_table3(summary: pd.DataFrame, folder: Path, setups: Mapping[str, Setup]) -> list[Path]:
    """Write Table 3 for each protocol.

    Rows are set-ups and their controls, columns lesions and scores; a cell is mean / median over the eyes that have the
    lesion.

    Args:
        summary: `localization_summary`, one training run of each set-up.
        folder: Where to.
        setups: The set-ups by name.

    Returns:
        The files, a CSV and a LaTeX table for each protocol.
    """
    paths = []
    for protocol, part in summary.groupby("protocol", sort=False):
        table = arrange_table3(part, setups)
        for suffix, text in ((".csv", csv_of(table, index=True)), (".tex", _latex(table))):
            path = folder / f"table3_{protocol}{suffix}"
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            paths.append(path)
    return paths


def arrange_table3(summary: pd.DataFrame, setups: Mapping[str, Setup]) -> pd.DataFrame:
    """Arrange one protocol's summary as the paper does.

    Cells are `mean / median`; as in the paper the best heatmap of each lesion, pooling, score and statistic is marked,
    here by a star, as it is printed: ties are all marked, controls never.
    """
    summary = summary[summary["lesion"] != VIEW]  # the paper's table has lesions alone
    labels = summary["setup"].map({name: setup.label for name, setup in setups.items()}).fillna(summary["setup"])
    silent = _reasons(summary)
    reasons = labels + [silent.get(str(setup), "") for setup in summary["setup"]]
    controls = summary["method"].map(lambda name: _control_title(str(name))) + " (" + labels + ")"
    marks = np.where(_best(summary), "*", "")
    shown = summary.assign(
        row=reasons.where(summary["method"] == MAP, controls),
        lesion=summary["lesion"].map(lesion_code),
        value=np.where(summary["value"].isna(), _NO_ANSWER, summary["value"].map("{:.4f}".format) + marks),
    )
    wide = shown.pivot_table(
        index=["pooling", "score", "row"],
        columns=["lesion", "statistic"],
        values="value",
        aggfunc="first",
        sort=False,
    )
    lesions = list(dict.fromkeys(shown["lesion"]))
    cells = {lesion: wide[lesion]["mean"] + " / " + wide[lesion]["median"] for lesion in lesions}
    return pd.DataFrame(cells).sort_index(level=[0, 1], sort_remaining=False)


_NO_ANSWER = "no answer"


def _reasons(summary: pd.DataFrame) -> dict[str, str]:
    """Set-up that gives no heatmap of any eye -> what stands behind its name."""
    if "reason" not in summary:
        return {}
    heatmaps = summary[summary["method"] == MAP]
    silent = heatmaps.groupby("setup").filter(lambda rows: rows["value"].isna().all())
    return {str(row["setup"]): f" ({row['reason']})" for row in silent.to_dict("records") if row["reason"]}


def _control_title(method: str) -> str:
    return CONTROLS[method].title if method in CONTROLS else method


def _best(summary: pd.DataFrame) -> np.ndarray:
    """Whether each row is the best heatmap of its lesion, pooling, score and statistic, bool (N,)."""
    printed = summary["value"].round(4).where(summary["method"] == MAP)
    groups = [summary[key] for key in ("lesion", "pooling", "score", "statistic")]
    return (printed == printed.groupby(groups).transform("max")).to_numpy()


def _latex(table: pd.DataFrame) -> str:
    lines = [r"\begin{tabular}{lll" + "r" * len(table.columns) + "}", r"\toprule"]
    lines.append(" & ".join(["pooling", "score", "set-up", *table.columns]) + r" \\")
    lines.append(r"\midrule")
    for key, row in table.iterrows():
        names = [str(name).replace("_", r"\_") for name in key] if isinstance(key, tuple) else [str(key)]
        cells = [re.sub(r"([0-9.]+)\*", r"\\textbf{\1}", str(cell)) for cell in row]
        lines.append(" & ".join([*names, *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
