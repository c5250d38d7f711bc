"""Do the methods' maps depend on what the networks have learned, and on the grade? From the study, and for one eye."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.analysis.attribution import RULES
from dr_core.experiments.sanity import (
    SanityConfig,
    arrange_sanity,
    check_sanity,
    describe_sanity,
    name_step,
    summarize_sanity,
)
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import style, tables
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input
from dr_ui.views.explain.heatmaps import Question


def show(study: Study, specimen: Specimen, question: Question) -> None:
    """Show the check of this eye once it is asked for, and the study's table over many eyes."""
    asked = st.toggle(
        "Sanity: randomize the networks' layers, the last first, and draw the heatmaps again",
        **kept_input("sanity"),
        help="Cascading randomization (Adebayo et al. 2018). A heatmap that does not change shows the picture and the "
        "architecture, not what the network has learned. It takes some seconds; switch it off to stop.",
    )
    if asked:
        checked = _check(specimen.view_key, cache.study_stamp(study), question.rule, question.target, specimen, study)
        for sentence in describe_sanity(checked).get(question.rule, ()):
            st.html(f'<p class="lens-small">{escape(sentence, quote=False)}</p>')
        tables.show_html(_steps_html(checked, study.setups), "sanity_of_eye")
    _show_table(study)


@dataclass(frozen=True)
class _Shown:
    """The eye that is looked at, as the experiment reads one."""

    name: str
    image: np.ndarray

    def read_image(self) -> np.ndarray:
        """The photograph, uint8 (H, W, 3)."""
        return self.image


@st.cache_data(max_entries=8, show_spinner=False, scope="session")
def _check(key: str, stamp: cache.Stamp, rule: str, target: int, _specimen: Specimen, _study: Study) -> pd.DataFrame:
    image, _ = _specimen.read()
    config = SanityConfig(rules=(rule,), target=target)
    models = cache.models(_study)
    bar = st.progress(0.0, text="Randomizing layer after layer ...")
    rows = []
    for report in check_sanity(models, [_Shown(_specimen.eye.name, image)], config):
        rows.append(report.rows)
        bar.progress(report.done / report.total, text="Randomizing layer after layer ...")
    bar.empty()
    return summarize_sanity(pd.concat(rows, ignore_index=True), config)


def _steps_html(checked: pd.DataFrame, known: Mapping[str, Setup]) -> str:
    ranks = checked[checked["measure"] == "spearman"]
    setups = [name for name in known if name in set(ranks["setup"])]
    body = ""
    for (check, step), part in ranks.groupby(["check", "step"], sort=False):
        values = dict(zip(part["setup"], part["value"], strict=True))
        cells = "".join(f"<td>{_figure(values.get(setup, math.nan))}</td>" for setup in setups)
        body += f'<tr><th scope="row">{escape(name_step(str(check), str(step)))}</th>{cells}</tr>'
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Sanity of this heatmap">'
        f'<table class="lens-scores lens-falls"><thead><tr><th scope="col">the network</th>'
        f"{style.setup_heads(known[name] for name in setups)}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="lens-small">Rank correlation (Spearman) with the heatmap above inside the field of view, in the '
        "models' own view. 1 = the same map, 0 = unrelated; – = no answer.</p>"
    )


def _show_table(study: Study) -> None:
    summary = result_tables.load_table(study, "sanity_summary")
    if summary is None or summary.empty:
        missing.show_missing_table(study, "sanity_summary", quietly=True)
        return
    with st.expander(
        f"Sanity of {summary['rule'].nunique()} attribution methods over {summary['n'].max()} eyes of this study"
    ):
        table, verdicts = _summary_html(summary)
        tables.show_html(table, "sanity_of_methods")
        st.html(verdicts)


@st.cache_data(max_entries=8, show_spinner=False)
def _summary_html(summary: pd.DataFrame) -> tuple[str, str]:
    """The table and the sentences, made once for each state of the study's table."""
    words = describe_sanity(summary)
    verdicts = "".join(_verdict_html(rule, words[rule]) for rule in words)
    return _table_html(arrange_sanity(summary)), f"<ul>{verdicts}</ul>"


def _verdict_html(rule: str, sentences: tuple[str, str]) -> str:
    label = RULES[rule].label
    late, grade = (escape(one.removeprefix(f"{label}: "), quote=False) for one in sentences)
    return f'<li class="lens-small"><b>{escape(label)}</b>: {late.removesuffix(".")}; {grade}</li>'


def _table_html(table: pd.DataFrame) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(str(row["method"]))}</th>'
        + "".join(f"<td>{_figure(float(row[key]))}</td>" for key in ("late", "all", "grades"))
        + "</tr>"
        for row in table.to_dict("records")
    )
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Sanity of the methods">'
        '<table class="lens-scores lens-falls"><thead><tr><th scope="col">attribution method</th>'
        '<th scope="col">last layer and last stage randomized</th><th scope="col">all layers randomized</th>'
        '<th scope="col">another target grade</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        '<p class="lens-small">Rank correlation (Spearman) with the map of the trained network and the target grade '
        "inside the field of view, mean over the eyes and the set-ups. 1 = the same map; lower values mean that it "
        "depends more on what was learned, or on the grade. Source: results/sanity_summary.parquet.</p>"
    )


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
