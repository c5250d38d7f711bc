"""What is gained by passing on the eyes of which a model is least sure, on the Performance page."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.analysis.abstention import UNCERTAINTIES, RiskCoverage, measure_abstention
from dr_core.analysis.bootstrap import sample_patients
from dr_core.data.grades import TWO_OUTPUTS, tells_grades
from dr_core.experiments.answers import ANSWERS, is_graded
from dr_core.study.folder import Study
from dr_ui.parts import charts, tables
from dr_ui.shell import result_tables

_DRAWS = 200

_MEAN = "mean of all (ensemble)"

_Curves = dict[tuple[str, str], RiskCoverage]
"""Set-up, or the mean of all, and name of the score -> curve."""


def show(study: Study, mine: pd.DataFrame, setups: list[str]) -> None:
    """Draw the risk-coverage curves by one score and the areas under those of all, and who has none.

    Args:
        study: The study.
        mine: Rows of its table `predictions` about one data set.
        setups: Names of the set-ups that answer the reading.
    """
    asked = tuple(name for name in setups if tells_grades(mine.loc[mine["setup"] == name, ANSWERS].to_numpy()))
    for name in study.setups:
        if name not in asked:
            reason = TWO_OUTPUTS if name in set(mine["setup"]) else "it was not measured on these eyes"
            st.caption(f"No curve of {charts.chart_text(study.setups[name].label)}, because: {reason}.")
    if not asked:
        return
    curves = _measure(result_tables.results_stamp(study), str(mine["data"].iloc[0]), asked, mine)
    score = st.selectbox(
        "Uncertainty by",
        list(UNCERTAINTIES),
        format_func=lambda name: UNCERTAINTIES[name].label,
        key="abstention_score",
    )
    _draw(study, curves, score or next(iter(UNCERTAINTIES)))
    tables.show(_areas(study, curves), "abstention")
    wrong = "grades" if is_graded(mine) else "answers for any DR, at probability 0.5"
    st.caption(
        f"Share of wrong {wrong} among the eyes answered, the most certain first; at the right edge all are answered. "
        "AURC in the table: mean of the curve, with its 95 % interval by patients; lower is better. `at random` is the "
        "share of wrong answers, `best possible` refers every wrong answer first. The distance from the training eyes "
        "is not available here, because it needs the photographs and the study keeps only the answers."
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _measure(stamp: result_tables.ResultsStamp, data: str, setups: tuple[str, ...], _mine: pd.DataFrame) -> _Curves:
    parts = [_mine[_mine["setup"] == setup] for setup in setups]
    softmax = np.stack([rows[ANSWERS].to_numpy(np.float64) for rows in parts])
    graded = is_graded(_mine)
    truth = parts[0]["grade"].to_numpy(int) if graded else parts[0]["has_dr"].to_numpy(bool)
    draws = sample_patients(parts[0]["patient"].astype(str).to_numpy(), draws=_DRAWS)
    models = {setup: softmax[[number]] for number, setup in enumerate(setups)}
    models |= {_MEAN: softmax} if len(setups) > 1 else {}
    found = {}
    for model, several in models.items():
        answer = several.mean(axis=0)
        wrong = (answer.argmax(axis=1) != truth) if graded else ((1 - answer[:, 0] >= 0.5) != truth)
        for score in UNCERTAINTIES.values():
            if not score.several or len(several) > 1:
                found[model, score.name] = measure_abstention(score.compute(several), wrong, draws)
    return found


def _draw(study: Study, curves: _Curves, score: str) -> None:
    figure = go.Figure()
    for (model, name), curve in curves.items():
        if name != score:
            continue
        setup = study.setups.get(model)
        figure.add_scatter(
            x=curve.coverage,
            y=curve.risk,
            name=charts.chart_text(setup.label if setup else model),
            mode="lines",
            line=charts.setup_line(setup) if setup else {"color": charts.NEUTRAL, "width": 2},
            hovertemplate="%{x:.0%} answered, %{y:.1%} of them wrong<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="share of eyes answered, the most certain first", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="share of wrong answers", tickformat=".0%", rangemode="tozero")
    charts.show(figure, "risk_coverage", 280)


def _areas(study: Study, curves: _Curves) -> pd.DataFrame:
    rows = []
    for model in dict.fromkeys(model for model, _ in curves):
        setup = study.setups.get(model)
        row: dict[str, str] = {"model": setup.label if setup else model}
        for score in UNCERTAINTIES.values():
            curve = curves.get((model, score.name))
            if curve is None:
                row[score.label] = "no answer: one model has no spread"
                continue
            row[score.label] = f"{curve.area:.3f} ({curve.low:.3f} to {curve.high:.3f})"
            row |= {"at random": f"{curve.random:.3f}", "best possible": f"{curve.oracle:.3f}"}
        rows.append(row)
    return pd.DataFrame(rows)
