"""Over many eyes: the study's Table 3 and its knock-outs, below the eye that is looked at."""

import math
from collections.abc import Mapping
from html import escape

import pandas as pd
import streamlit as st

from dr_core.analysis.attribution import RULES
from dr_core.analysis.control_regions import LEAST_PLACED, MOST_UNLIKE
from dr_core.analysis.controls import MAP
from dr_core.analysis.localization import POOLINGS
from dr_core.data.grades import LESIONS, TARGET_GRADE, target_label
from dr_core.data.protocol import PROTOCOLS
from dr_core.experiments.knockout import BEYOND
from dr_core.experiments.localization import list_scores
from dr_core.experiments.table3 import PAPER_RULE
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.parts import style, tables
from dr_ui.shell import missing, result_tables
from dr_ui.shell.page import guarded_fragment
from dr_ui.views.explain.knockouts import signed

_SMALL = "95 % interval and control"
"""What the small figures of both tables are."""

_LESIONS = {"total": "MA, HE and EX", **{lesion: lesion.replace("_", " ") for lesion in LESIONS}}
_MEASURES = {"severe": "P(severe)", "referable_2": "P(referable: grades 2 to 4)"}
_PAINTED = {"total": "all lesions", **{lesion: lesion.replace("_", " ") for lesion in LESIONS}}


@guarded_fragment()
def show(study: Study) -> None:
    """Show both tables where the study has them, closed at first."""
    summary = result_tables.load_table(study, "localization_summary")
    if summary is None:
        missing.show_missing_table(study, "localization_summary", quietly=True)
        return
    with st.expander(f"Over the {summary['n'].max()} eyes with masks of this study: Table 3 and knock-outs"):
        chosen, statistic = _choose(summary)
        tables.show_html(_scores_html(chosen, statistic, study.setups), "table3", _SMALL)
        knockouts = result_tables.load_table(study, "knockout_summary")
        if knockouts is not None:
            tables.show_html(_knockouts_html(knockouts, study.setups), "knockouts_of_study", _SMALL)


def _choose(summary: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    places = st.columns([1.3, 2.8, 1.5, 1])
    with places[0]:
        score = st.selectbox("Score", list_scores(), key="cohort_score", format_func=str.capitalize)
    with places[1]:
        keys = [key for key in PROTOCOLS if key in set(summary["protocol"])]
        protocol = st.selectbox("Protocol", keys, key="cohort_protocol", format_func=lambda key: PROTOCOLS[key].title)
    with places[2]:
        keys = list(summary["pooling"].unique())
        pooling = st.selectbox("Channel pooling", keys, key="cohort_pooling", format_func=_pooling_title)
    with places[3]:
        statistic = st.selectbox("Over the eyes", ["mean", "median"], key="cohort_statistic")
    summary = _choose_method(summary)
    kept = (summary["score"] == score) & (summary["protocol"] == protocol) & (summary["pooling"] == pooling)
    return summary[kept & (summary["statistic"] == statistic)], statistic


def _choose_method(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of one attribution method and target; a choice where the study has several, the paper's first."""
    known = list(summary[["rule", "target"]].drop_duplicates().itertuples(index=False, name=None))
    known.sort(key=lambda pair: pair != (PAPER_RULE, TARGET_GRADE))
    chosen = known[0]
    if len(known) > 1:
        chosen = st.selectbox("Attribution method", known, key="cohort_rule", format_func=_method_title) or known[0]
    mine: pd.DataFrame = summary[(summary["rule"] == chosen[0]) & (summary["target"] == chosen[1])]
    return mine


def _method_title(pair: tuple[str, int]) -> str:
    rule, target = pair
    return f"{RULES[rule].label if rule in RULES else rule}, target {target_label(int(target))}"


def _pooling_title(key: str) -> str:
    return style.POOLING_TITLES.get(key, POOLINGS[key].label)


def _scores_html(part: pd.DataFrame, statistic: str, known: Mapping[str, Setup]) -> str:
    setups = {name: setup for name, setup in known.items() if name in set(part["setup"])}
    body = "".join(
        _score_row(_LESIONS[lesion], part[part["lesion"] == lesion], setups)
        for lesion in _LESIONS
        if (part["lesion"] == lesion).any()
    )
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Table 3">'
        '<table class="lens-scores lens-falls"><thead><tr><th scope="col">lesion</th><th scope="col">eyes</th>'
        '<th scope="col">random heatmap</th>'
        f"{style.setup_heads(setups.values())}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{_reasons_html(part, known)}"
        f'<p class="lens-small">{statistic.capitalize()} over the eyes that have the lesion; small numbers: 95 % '
        "bootstrap interval over eyes, and that set-up's strongest control; ▲ the best of the row, if above its own "
        "control. Random heatmap: measured on Gaussian noise, mean of the set-ups. Source: "
        "results/localization_summary.parquet, also as table3_*.csv and .tex.</p>"
    )


def _reasons_html(part: pd.DataFrame, known: Mapping[str, Setup]) -> str:
    """Why a set-up has no numbers, or fewer eyes than the others."""
    if "reason" not in part:
        return ""
    missing = part[(part["method"] == MAP) & (part["reason"] != "")].drop_duplicates("setup")
    lines = [f"{known[str(row['setup'])].label}: {row['reason']}" for row in missing.to_dict("records")]
    return "".join(f'<p class="lens-warning" role="alert">{escape(line)}</p>' for line in lines)


def _score_row(name: str, part: pd.DataFrame, setups: Mapping[str, Setup]) -> str:
    lrp = {str(row["setup"]): row for row in part[part["method"] == MAP].to_dict("records")}
    control = float(part.loc[part["method"] == "random", "value"].mean())
    known = [row for row in lrp.values() if int(row["n"])]
    best = max((round(float(row["value"]), 3) for row in known), default=math.nan)
    eyes = max((int(row["n"]) for row in known), default=0)
    controls = part[part["method"] != MAP].groupby("setup")["value"].max()
    cells = ""
    for setup in setups:
        row, strongest = lrp.get(setup), float(controls.get(setup, math.nan))
        if row is None or not int(row["n"]):
            reason = "" if row is None else str(row.get("reason", ""))
            cells += f'<td title="{escape(reason)}">no answer</td>'
            continue
        value = round(float(row["value"]), 3)
        mark = ' class="lens-best"' if value == best and value > round(strongest, 3) else ""
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        cells += f"<td{mark}>{value:.3f}<small>{interval}; control {strongest:.3f}</small></td>"
    return f'<tr><th scope="row">{escape(name)}</th><td>{eyes}</td><td>{control:.3f}</td>{cells}</tr>'


def _knockouts_html(table: pd.DataFrame, known: Mapping[str, Setup]) -> str:
    setups = {name: setup for name, setup in known.items() if name in set(table["setup"])}
    beyond = table[table["kind"] == BEYOND]
    heads = "".join(
        f'<th scope="colgroup" colspan="{len(setups)}">Change of {name} beyond the control</th>'
        for name in _MEASURES.values()
    )
    body = "".join(
        _knockout_row(name, beyond[beyond["lesion"] == lesion], setups)
        for lesion, name in _PAINTED.items()
        if (beyond["lesion"] == lesion).any()
    )
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Knock-out over the eyes">'
        '<table class="lens-scores lens-falls"><thead><tr><th rowspan="2" scope="col">painted out</th>'
        f'<th rowspan="2" scope="col">eyes</th><th rowspan="2" scope="col">left out</th>{heads}</tr>'
        f"<tr>{style.setup_heads(setups.values()) * len(_MEASURES)}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="lens-small">How much further the probability falls when the lesion is painted out than when the '
        "same area of healthy retina is; small numbers: 95 % bootstrap interval over eyes; ▼ the interval "
        f"lies below 0: the models use the lesion. {_MATCHED} Source: results/knockout_summary.parquet.</p>"
    )


_MATCHED = (
    "Left out: eyes without healthy retina similar to the lesion’s surroundings in distance from the fovea, brightness "
    f"and vessels (dissimilarity at most {MOST_UNLIKE:g}, at least {100 * LEAST_PLACED:.0f} % of the area); small "
    "number: dissimilarity of the other eyes' controls, 0 = alike."
)


def _knockout_row(name: str, part: pd.DataFrame, setups: Mapping[str, Setup]) -> str:
    rows = {(row["measure"], row["setup"]): row for row in part.to_dict("records")}
    cells = ""
    for measure in _MEASURES:
        for setup in setups:
            row = rows.get((measure, setup))
            if row is None:
                cells += "<td>no answer</td>"
                continue
            mark = ' class="lens-used"' if row["high"] < 0 else ""
            cells += (
                f"<td{mark}>{signed(row['value'])}<small>{signed(row['low'])} to {signed(row['high'])}</small></td>"
            )
    return f'<tr><th scope="row">{escape(name)}</th><td>{part["n"].max()}</td>{_left_out(part)}{cells}</tr>'


def _left_out(part: pd.DataFrame) -> str:
    """Eyes without a matched control, the same for every set-up; a dash in tables of before controls were weighed."""
    unlike = float(part["unlike"].mean())
    if math.isnan(unlike) and not part["left_out"].any():
        return "<td>–</td>"
    return f"<td>{part['left_out'].max()}<small>{'' if math.isnan(unlike) else f'differ by {unlike:.2f}'}</small></td>"
