"""Robustness over many eyes: Figure 4 from the study's tables, and what it leaves out."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_core.corruption import CORRUPTIONS
from dr_core.experiments.robustness import CLEAN
from dr_core.models.setups import SETUPS
from dr_core.study.folder import Study
from dr_ui.parts import style
from dr_ui.shell import result_tables

_ROWS = {"iwne": "from scratch: IWNE-CL minus IWNE-FS", "ifi": "from ImageNet: IFI-CL minus IFI-FS"}
_HUES = {"iwne": "213, 94, 0", "ifi": "0, 114, 178"}
_READING = (
    "The paper's reading of its Figure 4 (section 4.3), on EyePACS: from scratch the contrastive model always scores "
    "higher than the supervised one, so it is the more robust; from ImageNet the two are level, with gains for noise, "
    "pixelation and low levels of saturation, and JPEG compression as an outlier."
)
_MEASURES = {
    "AUC, grades 3-4": ("auc", "grades 3-4 against 0-2"),
    "AUC, grades 2-4": ("auc", "grades 2-4 against 0-1"),
    "quadratic kappa": ("quadratic_kappa", "five grades"),
    "calibration error": ("calibration_error", "grades 2-4 against 0-1"),
    "flips of the referable decision": ("flip rate", "grades 2-4 against 0-1"),
}


def show(study: Study) -> None:
    """Show the tables, or the command that computes them."""
    differences = result_tables.read_table(study, "robustness_differences")
    summary = result_tables.read_table(study, "robustness_summary")
    if differences is None or summary is None:
        st.info(
            "This study has no robustness tables yet; `python train_cli.py robustness "
            f"--study {study.path} --data STORE` damages prepared eyes and measures them."
        )
        return
    data = result_tables.choose_data(study, list(dict.fromkeys(summary["data"])))
    differences, summary = differences[differences["data"] == data], summary[summary["data"] == data]
    eyes = int(summary["n"].max())
    st.html(f"<p>{_sentence(differences)} <small>{result_tables.data_title(study, data)}, {eyes} eyes.</small></p>")
    chart, told = st.columns([4, 1.3], gap="medium")
    with chart:
        figure = _figure4(differences)
        figure.update_layout(height=470, margin={"l": 10, "r": 10, "t": 30, "b": 10}, hovermode="closest")
        st.plotly_chart(figure, key="figure4", config={"displayModeBar": False})
    with told:
        st.html(f'<p class="lens-small">{_READING}</p><p class="lens-small">{_HOW}</p>')
    _show_measures(study, summary, data)


_HOW = (
    "Bars: mean score of the true grade, contrastive minus supervised, darker for more severe damage; hover for the "
    "95 % interval over patients. Above 0 contrastive training is the more robust. A model that scores higher on clean "
    "eyes starts above 0, so the clean difference stands at the left."
)


def _sentence(differences: pd.DataFrame) -> str:
    parts = []
    for key, title in (("iwne", "From scratch"), ("ifi", "from ImageNet")):
        part = differences[(differences["initialization"] == key) & (differences["corruption"] != CLEAN)]
        names = part.groupby("corruption")["value"].mean()
        above = int((names > 0).sum())
        parts.append(f"{title} the contrastive model scores higher under {above} of {len(names)} corruptions")
    return f"<b>{'; '.join(parts)}.</b>"


def _figure4(differences: pd.DataFrame) -> go.Figure:
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08, subplot_titles=list(_ROWS.values())
    )
    levels = sorted(set(differences["severity"]) - {0.0})
    for row, key in enumerate(_ROWS, start=1):
        part = differences[differences["initialization"] == key]
        for number, level in enumerate([0.0, *levels]):
            of_level = part[part["severity"] == level]
            strength = 0.3 + 0.7 * number / max(len(levels), 1)
            figure.add_bar(
                x=[_title(name) for name in of_level["corruption"]],
                y=of_level["value"],
                name="clean" if level == 0 else f"severity {level:g}",
                marker={"color": f"rgba({_HUES[key]}, {strength:.2f})" if level else "#8a8f98"},
                customdata=of_level[["low", "high", "severity"]],
                hovertemplate="%{x}, severity %{customdata[2]}: %{y:+.3f} "
                "(%{customdata[0]:+.3f} to %{customdata[1]:+.3f})<extra></extra>",
                showlegend=False,
                row=row,
                col=1,
            )
    figure.update_layout(barmode="group", bargap=0.15)
    figure.update_yaxes(title="CL - FS", zeroline=True, zerolinewidth=2)
    figure.update_xaxes(tickangle=-40, row=2, col=1)
    return figure


def _title(name: str) -> str:
    return CORRUPTIONS[name].label if name in CORRUPTIONS else name


def _show_measures(study: Study, summary: pd.DataFrame, data: str) -> None:
    setups = list(dict.fromkeys(summary["setup"]))
    levels = sorted({float(level) for level in summary["severity"].dropna()} - {0.0})
    rows = [("mean corruption error, relative to IWNE-FS", _mean_errors(summary))]
    for title, (measure, reading) in _MEASURES.items():
        part = summary[(summary["measure"] == measure) & (summary["reading"] == reading)]
        for level in [0.0, *levels]:
            of_level = part[part["severity"] == level].groupby("setup")["value"].mean()
            where = "clean" if level == 0 else f"severity {level:g}, mean over corruptions"
            rows.append((f"{title}, {where}", {setup: f"{of_level[setup]:.3f}" for setup in setups}))
    moved = result_tables.read_table(study, "robustness_heatmaps")
    if moved is not None:
        for level in sorted(set(moved["severity"]) - {0.0}):
            part = moved[moved["severity"] == level].groupby("setup")["rank_correlation"].mean()
            title = (
                f"heatmap's rank correlation with the clean one, severity {level:g}, {moved['eye'].nunique()} real eyes"
            )
            rows.append((title, {setup: f"{part[setup]:.3f}" for setup in setups}))
    body = "".join(
        f'<tr><th scope="row">{title}</th>' + "".join(f"<td>{values[setup]}</td>" for setup in setups) + "</tr>"
        for title, values in rows
    )
    with st.expander("AUC, kappa, calibration, flips, corruption errors and heatmaps under damage"):
        st.html(
            '<div class="lens-scroll" tabindex="0" role="region" aria-label="Measures under damage">'
            f'<table class="lens-scores lens-falls"><thead><tr><th scope="col">measure</th>{style.setup_heads(setups)}'
            f"</tr></thead><tbody>{body}</tbody></table></div>"
            f'<p class="lens-small">Source: results/robustness_summary.parquet of {study.name}, data set {data}; '
            "intervals stand in the table. Corruption error: wrong grades under a corruption over those of "
            f"{SETUPS['iwne_fs'].label}, below 1 is more robust.</p>"
        )


def _mean_errors(summary: pd.DataFrame) -> dict[str, str]:
    part = summary[(summary["measure"] == "corruption error") & (summary["corruption"] == "all")]
    return {
        str(row["setup"]): f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        for row in part.to_dict("records")
    }
