"""Parts of the Robustness page: an eye, its damage, what the models say then, and the whole grid."""

import base64
from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_core.analysis.robustness import find_flips
from dr_core.corruption import CORRUPTIONS, FAMILIES, MAX_SEVERITY
from dr_core.data.grades import TARGET_GRADE
from dr_core.models.setups import Setup
from dr_core.publish import overlay
from dr_core.study.folder import Study
from dr_ui.eyes import cache, case_facts, case_list, chosen
from dr_ui.eyes.cache import Eye
from dr_ui.parts import charts, no_answer, style, swipe
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.shell.navigation import kept_input
from dr_ui.shell.page import guarded_fragment
from dr_ui.views.compare import screen as compare
from dr_ui.views.robustness import cohort, damage_cards, damaged_eye
from dr_ui.views.robustness.damage_cards import Softmax
from dr_ui.views.robustness.damaged_eye import Steps

_NOTHING = "nothing more"

FIRST_SEVERITY = 3.0
"""Where the slider stands when the page opens."""


def show(study: Study) -> None:
    """One eye, or many."""
    view = st.segmented_control(
        "What is damaged",
        ["This eye", "Many eyes: Figure 4"],
        default="This eye",
        required=True,
        **kept_input("damaged"),
        label_visibility="collapsed",
    )
    if view == "This eye":
        _show_eye(study)
    else:
        cohort.show(study)


def _show_eye(study: Study) -> None:
    no_answer.require_models(study)
    choice = compare.choose_inputs(study)
    eye = chosen.choose_one(choice.eyes, "Which of your photographs", "which")
    case_list.show_in_link(eye)
    cache.look(eye, study)  # a file that cannot be read is said once, for all that follows
    _play(study, eye, choice.point)
    _show_scan(study, eye, choice.point)
    case_facts.read_facts(eye, study)  # the case list shows its answers, as on the other pages


@guarded_fragment()
def _play(study: Study, eye: Eye, point: OperatingPoint) -> None:
    """What follows the slider; a fragment, so that nothing else is drawn again."""
    picker, picture, models = st.columns([1.5, 1.9, 2.9], gap="small")
    with picker:
        name = _pick(study, eye)
    with picture:
        pictures = st.container()
        severity = st.slider(
            "Severity",
            0.0,
            float(MAX_SEVERITY),
            FIRST_SEVERITY,
            0.1,
            **kept_input("severity"),
            help="0 changes nothing; 1 to 5 are the published levels, and there is no jump between them.",
        )
        after = _pick_second(name)
        steps: Steps = ((name, severity), *after)
        found, clean = damaged_eye.damage(eye, study, steps), damaged_eye.damage(eye, study, ())
        answers = {name: softmax for name, softmax in found.answers.items() if name in clean.answers}
        no_answer.require_answers(study, answers)
        with pictures:
            swipe.show(clean.picture, found.picture, ("clean", _label(steps)), key="swipe")
        st.html(f'<p class="lens-small">{escape(CORRUPTIONS[name].description)}</p>')
    with models:
        st.html(
            damage_cards.damage_cards_html(clean.answers, answers, point, study.setups)
            + _summary_html(clean.answers, answers, point, study.setups)
            + no_answer.reasons_html(study, answers)
        )
        charts.show(
            _curve_figure(damaged_eye.curve(eye, study, name, after), point, severity, study.setups), "curve", 215
        )
    _show_heatmaps(study, eye, steps)


def _pick(study: Study, eye: Eye) -> str:
    family = st.selectbox(
        "Corruption family",
        list(FAMILIES),
        **kept_input("family"),
        format_func=lambda key: _FAMILY_TITLES.get(key, FAMILIES[key]),
    )
    names = damaged_eye.names(family)
    st.html(style.thumbnails_css('[class*="st-key-corruption_"]', damaged_eye.thumbnails(eye, study, family).values()))
    chosen = st.segmented_control(
        "Corruption",
        names,
        default=names[0],
        required=True,
        **kept_input(f"corruption_{family}"),
        format_func=lambda key: CORRUPTIONS[key].label,
        label_visibility="collapsed",
    )
    return chosen or names[0]


_FAMILY_TITLES = {
    "noise": "Noise (ImageNet-C)",
    "blur": "Blur (ImageNet-C)",
    "weather": "Weather (ImageNet-C)",
    "digital": "Digital (ImageNet-C)",
    "extra": "Extra (ImageNet-C)",
    "fundus": "Fundus severities (RetinaMNIST-C)",
    "clinic": "A real clinic",
}


def _pick_second(first: str) -> Steps:
    with st.popover("Second corruption", width="stretch"):
        second = st.selectbox(
            "Applied after the first",
            [_NOTHING, *(name for name in CORRUPTIONS if name != first)],
            **kept_input("second"),
            format_func=lambda key: CORRUPTIONS[key].label if key in CORRUPTIONS else key,
        )
        level = st.slider(
            "Severity of the second",
            0.0,
            float(MAX_SEVERITY),
            2.0,
            0.1,
            **kept_input("level"),
        )
    return ((second, level),) if second in CORRUPTIONS else ()


def _label(steps: Steps) -> str:
    return ", then ".join(f"{CORRUPTIONS[name].label} {severity:g}" for name, severity in steps)


def _summary_html(clean: Softmax, damaged: Softmax, point: OperatingPoint, setups: Mapping[str, Setup]) -> str:
    damaged = point.answered(damaged)
    if not damaged:
        return '<p class="lens-sentence" role="status"><b>No model answers for this reading.</b></p>'
    changes = {name: float(point.score(damaged[name]) - point.score(clean[name])) for name in damaged}
    flipped = [
        escape(setups[name].label)
        for name in damaged
        if find_flips(point.score(clean[name]), point.score(damaged[name]), point.threshold_of(name))
    ]
    most = max(changes, key=lambda name: abs(changes[name]))
    flips = f"The decision flips for {', '.join(flipped)}." if flipped else "No decision flips."
    return (
        f'<p class="lens-sentence" role="status"><b>{flips}</b> {escape(setups[most].label)} changes most, by '
        f'{changes[most]:+.2f}.</p><p class="lens-small">Score: probability of grades {point.grades}, 0 to 1; '
        f"referable from the {point.range}. The line in a bar is the clean eye.</p>"
    )


def _curve_figure(curves: Softmax, point: OperatingPoint, severity: float, setups: Mapping[str, Setup]) -> go.Figure:
    figure = go.Figure()
    curves = point.answered(curves)
    for name, softmax in curves.items():
        scores, setup = point.score(softmax), setups[name]
        label, line = charts.chart_text(setup.label), charts.setup_line(setup)
        figure.add_scatter(x=damaged_eye.LEVELS, y=scores, name=label, mode="lines", line=line)
        at = float(np.interp(severity, damaged_eye.LEVELS, scores))
        figure.add_scatter(
            x=[severity], y=[at], mode="markers", marker=charts.setup_marker(setup), showlegend=False, hoverinfo="skip"
        )
    for threshold in sorted({point.threshold_of(name) for name in curves}):
        figure.add_hline(y=threshold, line={"width": 1, "dash": "dot", "color": charts.NEUTRAL})
    figure.add_vline(x=severity, line={"width": 1, "color": charts.NEUTRAL})
    figure.update_xaxes(title="severity", range=[0, MAX_SEVERITY])
    figure.update_yaxes(title=f"score, grades {point.grades}", range=[0, 1.02])
    return figure


def _show_heatmaps(study: Study, eye: Eye, steps: Steps) -> None:
    asked = st.toggle(
        "Where do they look now? LRP from the severe neuron, clean and damaged",
        **kept_input("lrp"),
    )
    if not asked:
        return
    with st.spinner("Computing the heatmaps ..."):
        moved = damaged_eye.move(eye, study, steps, TARGET_GRADE)
    cards = "".join(_heatmaps_card(study.setups[name], found) for name, found in moved.items())
    st.html(f'<div class="lens-cards">{cards}</div><p class="lens-small">{overlay.scale_bar_html()}</p>')


def _heatmaps_card(setup: Setup, found: damaged_eye.Moved | str) -> str:
    if isinstance(found, str):
        return (
            f'<section class="lens-card {style.setup_class(setup.name)}"><h2>{escape(setup.label)}</h2>'
            f'<p class="lens-sure">{escape(found)}</p></section>'
        )
    pictures = "".join(
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}" alt="{name}">'
        f"<figcaption>{name}</figcaption></figure>"
        for name, picture in zip(("clean", "damaged"), found.pictures, strict=True)
    )
    return (
        f'<section class="lens-card {style.setup_class(setup.name)}"><h2>{escape(setup.label)}</h2>'
        f'<div class="lens-pair">{pictures}</div>'
        f'<p class="lens-sure">rank correlation {found.correlation:.2f} (1: unchanged)</p></section>'
    )


_SCANNED = "robustness_scan"
_DARK = 0.5
"""Change of the score from which a cell of the grid is so dark that its sign must be white."""


def _show_scan(study: Study, eye: Eye, point: OperatingPoint) -> None:
    asked = (eye.key, cache.study_stamp(study))
    kept = st.session_state.get(_SCANNED)
    if kept is None or kept[0] != asked:
        if not st.button(
            f"Scan all: {len(damaged_eye.GRID)} corruptions in {len(damaged_eye.GRID_LEVELS)} severities", key="scan"
        ):
            return
        bar = st.progress(0.0, "Damaging the eye ...")
        grid: dict[str, list[np.ndarray]] = {setup: [] for setup in cache.models(study)}
        for done, (name, answers) in enumerate(damaged_eye.scan(eye, study), start=1):
            bar.progress(done / len(damaged_eye.GRID), f"{CORRUPTIONS[name].label}")
            for setup, softmax in answers.items():
                grid[setup].append(softmax)
        bar.empty()
        whole = {setup: cells for setup, cells in grid.items() if len(cells) == len(damaged_eye.GRID)}
        kept = (asked, {setup: np.stack(cells) for setup, cells in whole.items()})
        st.session_state[_SCANNED] = kept
    clean = damaged_eye.damage(eye, study, ()).answers
    figure = _scan_figure(clean, kept[1], point, study.setups)
    st.html(
        '<p class="lens-small"><b>The whole grid.</b> Color: change of the score against the clean eye, blue lower, '
        "red higher; × the decision flips. Click a cell to open it above.</p>"
    )
    height = 520 * -(-len(kept[1]) // _ACROSS)
    figure.update_layout(showlegend=False)
    charts.show(figure, "grid", height, on_select=_open_cell, selection_mode="points")


_ACROSS = 4
"""Small multiples side by side."""


def _scan_figure(clean: Softmax, grid: Softmax, point: OperatingPoint, setups: Mapping[str, Setup]) -> go.Figure:
    grid = point.answered(grid)
    figure = make_subplots(
        rows=max(1, -(-len(grid) // _ACROSS)),
        cols=max(1, min(len(grid), _ACROSS)),
        shared_yaxes=True,
        horizontal_spacing=0.02,
        vertical_spacing=0.08,
        subplot_titles=[charts.chart_text(setups[name].label) for name in grid],
    )
    for number, (name, softmax) in enumerate(grid.items()):
        panel = _scan_panel(
            point.score(softmax), float(point.score(clean[name])), point.threshold_of(name), setups[name]
        )
        panel.marker.showscale = number == 0
        figure.add_trace(panel, row=number // _ACROSS + 1, col=number % _ACROSS + 1)
    figure.update_xaxes(title="severity", dtick=1, range=[0.4, MAX_SEVERITY + 0.6])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _scan_panel(scores: np.ndarray, clean: float, threshold: float, setup: Setup) -> go.Scatter:
    """One set-up's grid: a square for each corruption and severity, colored by the change of the score."""
    rows, columns = np.meshgrid(np.arange(len(damaged_eye.GRID)), damaged_eye.GRID_LEVELS, indexing="ij")
    change, flips = (scores - clean).ravel(), find_flips(np.full(scores.shape, clean), scores, threshold)
    return go.Scatter(
        x=columns.ravel(),
        name=charts.chart_text(setup.label),
        y=[CORRUPTIONS[damaged_eye.GRID[row]].label for row in rows.ravel()],
        mode="markers+text",
        text=np.where(flips, "×", "").ravel(),
        textfont={"size": 16, "color": np.where(np.abs(change) > _DARK, "white", "black")},
        customdata=[
            [damaged_eye.GRID[row], int(level)] for row, level in zip(rows.ravel(), columns.ravel(), strict=True)
        ],
        marker={
            "symbol": "square",
            "size": 20,
            "color": change,
            "colorscale": "RdBu_r",
            "cmin": -1,
            "cmax": 1,
            "line": {"width": 1, "color": "rgba(128,128,128,.4)"},
            "colorbar": {"title": "change", "thickness": 10},
        },
        hovertemplate="%{y} %{x}: change %{marker.color:+.2f}<extra>%{fullData.name}</extra>",
        showlegend=False,
    )


def _open_cell() -> None:
    """Set the inputs to the clicked cell, before the page is drawn again."""
    points = st.session_state["grid"]["selection"]["points"]
    if not points:
        return
    name, level = points[0]["customdata"][:2]
    family = CORRUPTIONS[name].family
    st.session_state["family"] = family
    st.session_state[f"corruption_{family}"] = name
    st.session_state["severity"] = float(level)
    st.session_state["second"] = _NOTHING
