"""Which lesions does each network know, and where: probes on every block, beside an untrained network's."""

import math
from collections.abc import Mapping
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.analysis.probes import strongest_block
from dr_core.data.grades import GRADES, LESIONS, TARGET_GRADE, lesion_label
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.parts import charts, style, tables
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input


def show(study: Study) -> None:
    """Show the section, or the command that measures it."""
    st.html('<h2 class="lens-h2">Which lesions does each network know, and where?</h2>')
    table = result_tables.load_table(study, "concepts")
    if table is None or table.empty:
        missing.show_missing_table(study, "concepts", quietly=True)
        return
    lesion = st.selectbox(
        "Lesion",
        [name for name in LESIONS if name in set(table["lesion"])],
        **kept_input("concept"),
        format_func=lesion_label,
        width=320,
    )
    _show_probes(table[table["lesion"] == lesion], study.setups)
    tables.show_html(_summary_html(table, study.setups), "concepts_summary", "step along the direction")


def _show_probes(rows: pd.DataFrame, known: Mapping[str, Setup]) -> None:
    figure = go.Figure()
    for name, setup in known.items():
        mine = rows[rows["setup"] == name]
        if mine.empty:
            continue
        figure.add_scatter(
            x=mine["block"],
            y=mine["auc"],
            name=setup.label,
            mode="lines+markers",
            line=charts.setup_line(setup),
            marker=charts.setup_marker(setup, 6),
        )
    if "auc_untrained" in rows and rows["auc_untrained"].notna().any():
        control = rows.groupby("block", sort=False)["auc_untrained"].mean()
        line = {"color": charts.NEUTRAL, "dash": "dot", "width": 2}
        figure.add_scatter(x=control.index, y=control, name="untrained network", mode="lines", line=line)
    figure.update_yaxes(title="AUC of the probe", range=[min(0.4, float(rows["auc"].min())), 1.01])
    figure.update_xaxes(title="block of the network, from the input to the output")
    charts.show(figure, "concepts", 330)
    st.caption(
        f"AUC of a linear probe on each block's mean features, on unseen patients; {rows['n'].max()} "
        f"phantoms, {rows['positives'].max()} with the lesion. 0.5 = chance. Dotted line: the same architecture before "
        "any training."
    )


def _summary_html(table: pd.DataFrame, known: Mapping[str, Setup]) -> str:
    setups = [name for name in known if name in set(table["setup"])]
    body = ""
    for lesion in dict.fromkeys(table["lesion"]):
        cells = ""
        for setup in setups:
            mine = table[(table["lesion"] == lesion) & (table["setup"] == setup)]
            cells += _cell(mine)
        body += f'<tr><th scope="row">{escape(lesion_label(str(lesion)))}</th>{cells}</tr>'
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Lesions in the representations">'
        f'<table class="lens-scores lens-falls"><thead><tr><th scope="col">lesion</th>'
        f"{style.setup_heads(known[name] for name in setups)}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="lens-small">Highest AUC of a probe and its block; below it, in the last block, how far a step of '
        f"one standard deviation along the lesion's direction moves P({GRADES[TARGET_GRADE]}), percentage points, mean "
        "over the eyes, and the range of directions from shuffled labels. ▲ the AUC is above the untrained network's "
        "best, ▼ the effect lies outside that of shuffled directions. Source: results/concepts.parquet.</p>"
    )


def _cell(mine: pd.DataFrame) -> str:
    scores = dict(zip(mine["block"], mine["auc"], strict=True))
    best = strongest_block(scores)
    if best is None:
        return "<td>no answer</td>"
    control = float(mine["auc_untrained"].max()) if "auc_untrained" in mine else math.nan
    last = mine.iloc[-1]
    effect, low, high = (float(last[key]) for key in ("effect", "effect_low", "effect_high"))
    moved = not math.isnan(effect) and not low <= effect <= high
    mark = ' class="lens-best"' if round(scores[best], 2) > round(control, 2) else ""
    shown = "" if math.isnan(effect) else f"{100 * effect:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
    return f"<td{mark}>{scores[best]:.2f} {escape(best)}<small>{'▼ ' if moved else ''}{shown}</small></td>"
