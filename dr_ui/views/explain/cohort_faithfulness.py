"""Over many eyes: do the answers rest on what the heatmaps mark? Beside Table 3, since the two may disagree."""

import math
from collections.abc import Hashable, Mapping
from html import escape

import pandas as pd
import streamlit as st

from dr_core.analysis.controls import CONTROLS, MAP
from dr_core.experiments.faithfulness import BEYOND, METHODS
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.parts import style, tables
from dr_ui.shell import missing, result_tables

_TITLES = {MAP: "the heatmap", BEYOND: "the heatmap minus its strongest control"} | {
    name: control.label for name, control in CONTROLS.items()
}


def show(study: Study) -> None:
    """Show the table where the study has it, closed at first."""
    summary = result_tables.load_table(study, "faithfulness_summary")
    if summary is None or summary.empty:
        missing.show_missing_table(study, "faithfulness_summary", quietly=True)
        return
    with st.expander(f"Faithfulness over the {summary['n'].max()} eyes of this study"):
        tables.show_html(_table_html(summary, study.setups), "faithfulness_of_study", "95 % interval")


def _table_html(summary: pd.DataFrame, known: Mapping[str, Setup]) -> str:
    setups = [name for name in known if name in set(summary["setup"])]
    rows = {(str(row["method"]), str(row["setup"])): row for row in summary.to_dict("records")}
    body = ""
    for method in (*METHODS, BEYOND):
        cells = "".join(_cell(rows.get((method, setup)), method == BEYOND) for setup in setups)
        body += f'<tr><th scope="row">{escape(_TITLES[method])}</th>{cells}</tr>'
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Faithfulness over the eyes">'
        f'<table class="lens-scores lens-falls"><thead><tr><th scope="col">order of removal</th>'
        f"{style.setup_heads(known[name] for name in setups)}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="lens-small">Mean area between the two perturbation curves, -1 to 1: how much further the '
        "probability falls when the most relevant pixels are removed first than the least relevant; small numbers: "
        "95 % bootstrap interval over eyes. ▲ the answers depend more on what the heatmap marks than on what its "
        "strongest control marks (the interval lies above 0). Source: results/faithfulness_summary.parquet.</p>"
    )


def _cell(row: Mapping[Hashable, object] | None, judged: bool) -> str:
    value, low, high = (float(str(row[key])) if row else math.nan for key in ("value", "low", "high"))
    if math.isnan(value):
        return "<td>no answer</td>"
    mark = ' class="lens-best"' if judged and low > 0 else ""
    return f"<td{mark}>{value:+.2f}<small>{low:+.2f} to {high:+.2f}</small></td>"
