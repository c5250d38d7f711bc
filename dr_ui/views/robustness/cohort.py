"""Robustness over many eyes: Figure 4 from the study's tables, and what it leaves out."""

import math
from collections.abc import Iterator
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_core.analysis.measures import Measure, measure_label, measures_of, under_damage
from dr_core.corruption import CORRUPTIONS
from dr_core.experiments.robustness import RobustnessConfig, compare_pairs, relate_errors
from dr_core.experiments.robustness_summary import DIFFERENCE_COLUMNS
from dr_core.models.setups import Setup
from dr_core.publish.paper.robustness import ClearCells, count_clear
from dr_core.publish.paper.wording import describe_other_setups
from dr_core.study.folder import Study
from dr_ui.parts import charts, no_answer, reference, style, tables
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input

_READING = (
    "The paper's reading of its Figure 4 (section 4.3), on EyePACS: from scratch the contrastive model always scores "
    "higher than the supervised one, so it is the more robust; from ImageNet the two are level, with gains for noise, "
    "pixelation and low levels of saturation, and JPEG compression as an outlier."
)


_PARTNERS, _EVERYBODY = "each with its partner", "all"
"""Choices of what Figure 4 compares, beside single set-ups."""


def show(study: Study) -> None:
    """Show the tables, or the command that computes them."""
    summary = result_tables.load_table(study, "robustness_summary")
    if summary is None or summary.empty:
        missing.show_missing_table(study, "robustness_summary")
        return
    data = result_tables.choose_data(study, list(dict.fromkeys(summary["data"])))
    summary = summary[summary["data"] == data]
    chosen, differences = _choose_differences(
        study, data, [name for name in study.setups if name in set(summary["setup"])]
    )
    pairs = _pairs(study, differences)
    title, eyes = escape(result_tables.data_title(study, data)), int(summary["n"].max())
    st.html(f"{_sentences(study, data, pairs)}<p class='lens-small'>{_CLEARLY}{title}, {eyes} eyes.</p>")
    no_answer.show_limits(study)
    if pairs:
        chart, notes = st.columns([4, 1.3], gap="medium")
        with chart:
            charts.show(_figure4(differences, pairs), "figure4", max(470, 200 * len(pairs)))
        with notes:
            for text in (_HOW,) if describe_other_setups(study) else (_READING, _HOW):
                st.html(f'<p class="lens-small">{text}</p>')
    _show_measures(study, summary, data, chosen)


def _choose_differences(study: Study, data: str, present: list[str]) -> tuple[str, pd.DataFrame]:
    """The reference set-up, and the rows of Figure 4 that the user asks for."""
    stored = result_tables.load_table(study, "robustness_differences")
    stored = None if stored is None else _of_partners(study, stored[stored["data"] == data])
    choices = ([] if stored is None or stored.empty else [_PARTNERS]) + [_EVERYBODY]
    choices += present
    left, right, _ = st.columns([1.2, 1.2, 2])
    with left:
        compared = st.selectbox(
            "Set-ups compared",
            choices,
            format_func=lambda key: study.setups[key].label if key in study.setups else key,
            **kept_input("compared"),
            help="The paper compares contrastive set-ups with their supervised partners.",
        )
    with right:
        chosen = reference.choose_reference(study, present)
    if compared == _PARTNERS and stored is not None:
        return chosen, stored
    first = [compared] if compared in present else present
    return chosen, _differences(study, data, tuple((name, chosen) for name in first if name != chosen))


def _of_partners(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of set-ups and the partners that they are declared to have now."""
    partners = {name: setup.partner for name, setup in study.setups.items()}
    kept: pd.DataFrame = rows[rows["other"] == rows["setup"].map(partners)]
    return kept


def _differences(study: Study, data: str, pairs: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    answers = result_tables.load_table(study, "robustness")
    if answers is None:
        missing.show_missing_table(study, "robustness")
        return pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))
    if not pairs:
        st.info("This set-up is the reference; choose another one for a difference.")
    rows = _compare(result_tables.results_stamp(study), data, pairs, answers[answers["data"] == data])
    if pairs and rows.empty:
        st.info("No answer: the score of the true grade needs answers about all five grades from both set-ups.")
    return rows


_CONFIG = RobustnessConfig()


@st.cache_data(max_entries=16, show_spinner="Comparing the set-ups on the damaged eyes ...")
def _compare(
    stamp: result_tables.ResultsStamp, data: str, pairs: tuple[tuple[str, str], ...], _answers: pd.DataFrame
) -> pd.DataFrame:
    return compare_pairs(_answers, _CONFIG, pairs)


@st.cache_data(max_entries=16, show_spinner=False)
def _relate(stamp: result_tables.ResultsStamp, data: str, chosen: str, _answers: pd.DataFrame) -> pd.DataFrame:
    return relate_errors(_answers, _CONFIG, chosen)


_HOW = (
    "Bars: mean score of the true grade, first set-up minus second, darker for more severe damage; hover for the "
    "95 % interval over patients. Above 0 the first is the more robust. A model that scores higher on clean "
    "eyes starts above 0, so the clean difference is shown at the left."
)


Pairs = list[tuple[Setup, Setup]]
"""Comparisons, the first set-up minus the second."""


def _pairs(study: Study, differences: pd.DataFrame) -> Pairs:
    """The comparisons of the rows."""
    names = dict.fromkeys(zip(differences["setup"].astype(str), differences["other"].astype(str), strict=True))
    return [(study.setups[first], study.setups[second]) for first, second in names]


def _of_pair(differences: pd.DataFrame, first: Setup, second: Setup) -> pd.DataFrame:
    rows: pd.DataFrame = differences[(differences["setup"] == first.name) & (differences["other"] == second.name)]
    return rows


def _sentences(study: Study, data: str, pairs: Pairs) -> str:
    """In how many cells of the grid one of the two is clearly better; a line a pair."""
    if not pairs:
        return ""
    answers = result_tables.load_table(study, "robustness")
    if answers is None:
        missing.show_missing_table(study, "robustness", quietly=True)
        return ""
    names = tuple((first.name, second.name) for first, second in pairs)
    counts = _count(result_tables.results_stamp(study), data, names, answers[answers["data"] == data])
    lines = []
    for first, second in pairs:
        if (found := counts.get((first.name, second.name))) is None:
            continue
        unclear = found.cells - found.higher - found.lower
        lines.append(
            f"<b>{escape(first.label)} scores clearly higher than {escape(second.label)} in {found.higher} of "
            f"{found.cells} combinations of corruption and severity, clearly lower in {found.lower}</b>; {unclear} "
            "are not distinguishable."
        )
    return "".join(f'<p class="lens-dense">{line}</p>' for line in lines)


@st.cache_data(max_entries=16, show_spinner="Counting clear differences ...")
def _count(
    stamp: result_tables.ResultsStamp, data: str, pairs: tuple[tuple[str, str], ...], _answers: pd.DataFrame
) -> dict[tuple[str, str], ClearCells]:
    return count_clear(_answers, pairs)


_CLEARLY = (
    "Clearly: by one joint test of all these differences over patients, as for the same claim on Reproduction; more "
    "single intervals exclude 0, some by chance. "
)


def _figure4(differences: pd.DataFrame, pairs: Pairs) -> go.Figure:
    figure = make_subplots(
        rows=max(len(pairs), 1),
        cols=1,
        shared_xaxes=True,
        shared_yaxes="all",
        vertical_spacing=0.16 / max(len(pairs), 1),
        subplot_titles=[charts.chart_text(f"{first.label} minus {second.label}") for first, second in pairs],
    )
    levels = sorted(set(differences["severity"]) - {0.0})
    for row, (first, second) in enumerate(pairs, start=1):
        part = _of_pair(differences, first, second)
        for number, level in enumerate([0.0, *levels]):
            strength = 0.3 + 0.7 * number / max(len(levels), 1)
            color = _translucent(first.color, strength) if level else charts.NEUTRAL
            figure.add_trace(_bars(part[part["severity"] == level], level, color), row=row, col=1)
    figure.update_layout(barmode="group", bargap=0.15, showlegend=False)
    figure.update_yaxes(title="difference", zeroline=True, zerolinewidth=2)
    figure.update_xaxes(tickangle=-40, row=len(pairs), col=1)
    return figure


def _bars(rows: pd.DataFrame, level: float, color: str) -> go.Bar:
    return go.Bar(
        x=[_title(name) for name in rows["corruption"]],
        y=rows["value"],
        name="clean" if level == 0 else f"severity {level:g}",
        marker={"color": color},
        error_y={
            "array": rows["high"] - rows["value"],
            "arrayminus": rows["value"] - rows["low"],
            "thickness": 0.8,
            "width": 0,
        },
        customdata=rows[["low", "high", "severity"]],
        hovertemplate="%{x}, severity %{customdata[2]}: %{y:+.3f} "
        "(%{customdata[0]:+.3f} to %{customdata[1]:+.3f})<extra></extra>",
    )


def _translucent(color: str, strength: float) -> str:
    return f"rgba({', '.join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5))}, {strength:.2f})"


def _label(study: Study, name: str) -> str:
    return escape(study.setups[name].label) if name in study.setups else name


def _title(name: str) -> str:
    return CORRUPTIONS[name].label if name in CORRUPTIONS else name


def _show_measures(study: Study, summary: pd.DataFrame, data: str, chosen: str) -> None:
    setups = [name for name in study.setups if name in set(summary["setup"])]
    levels = sorted({float(level) for level in summary["severity"].dropna()} - {0.0})
    rows, held = _error_rows(study, summary, data, chosen)
    for measure, reading in _measured(summary):
        part = summary[(summary["measure"] == measure) & (summary["reading"] == reading)]
        title = f"{measure_label(measure)}{f', {reading}' if reading else ''}"
        for level in [0.0, *levels]:
            of_level = part[part["severity"] == level].groupby("setup")["value"].mean()
            where = "clean" if level == 0 else f"severity {level:g}, mean over corruptions"
            rows.append((f"{title}, {where}", _beside(of_level, chosen)))
    moved = result_tables.load_table(study, "robustness_heatmaps")
    if moved is not None:
        whose = (
            f"{moved['eye'].nunique()} eyes of {escape(result_tables.data_title(study, str(moved['data'].iloc[0])))}"
        )
        for level in sorted(set(moved["severity"]) - {0.0}):
            part = moved[moved["severity"] == level].groupby("setup")["rank_correlation"].mean().dropna()
            title = f"heatmap's rank correlation with the clean one, severity {level:g}, {whose}"
            rows.append((title, _beside(part, chosen)))
    body = "".join(
        f'<tr><th scope="row">{title}</th>'
        + "".join(f"<td>{values.get(setup, '–')}</td>" for setup in setups)
        + "</tr>"
        for title, values in rows
    )
    heads = style.setup_heads(study.setups[name] for name in setups)
    with st.expander("All measures under damage"):
        tables.show_html(
            '<div class="lens-scroll" tabindex="0" role="region" aria-label="Measures under damage">'
            f'<table class="lens-scores lens-falls"><thead><tr><th scope="col">measure</th>{heads}'
            f"</tr></thead><tbody>{body}</tbody></table></div>"
            f'<p class="lens-small">Small numbers: minus {_label(study, chosen)}, without an interval. Corruption '
            f"error: wrong grades under a corruption over those of {_label(study, held)}, below 1 is more robust. "
            f"Source: results/robustness_summary.parquet, data set {data}; the table has intervals.</p>",
            "measures",
            f"minus {study.setups[chosen].label if chosen in study.setups else chosen}",
        )


def _beside(values: pd.Series, chosen: str) -> dict[str, str]:
    """The value of each set-up, and in small figures its difference from the reference's."""
    base = values.get(chosen)
    return {
        str(setup): f"{value:.3f}" + ("" if base is None or setup == chosen else f"<small>{value - base:+.3f}</small>")
        for setup, value in values.items()
    }


_Row = tuple[str, dict[str, str]]


def _error_rows(study: Study, summary: pd.DataFrame, data: str, chosen: str) -> tuple[list[_Row], str]:
    """The mean corruption errors, and the set-up to which they are relative."""
    answers, held = result_tables.load_table(study, "robustness"), next(iter(study.setups))
    if answers is not None:
        held = chosen
        summary = _relate(result_tables.results_stamp(study), data, held, answers[answers["data"] == data])
    return [_mean_errors(summary, measure, _label(study, held)) for measure in measures_of("corruption")], held


def _measured(summary: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The measures under damage that the table has, each with its reading, in the registry's order."""
    present = set(summary[["measure", "reading"]].drop_duplicates().itertuples(index=False, name=None))
    known = [(measure.name, measure.reading) for measure in measures_of("damage")]
    known += [(measure.name, reading) for measure, reading in under_damage()]
    relative = {measure.name for measure in measures_of("corruption")}
    yield from (one for one in known if one in present)
    yield from sorted(one for one in present - set(known) if one[0] not in relative)


def _mean_errors(summary: pd.DataFrame, measure: Measure, held: str) -> _Row:
    part = summary[(summary["measure"] == measure.name) & (summary["corruption"] == "all")]
    values = {
        str(row["setup"]): f"{row['value']:.3f}"
        + ("" if math.isnan(row["low"]) else f" ({row['low']:.3f} to {row['high']:.3f})")
        for row in part.to_dict("records")
    }
    return f"mean {measure.label}, relative to {held}", values
