"""Does the answer rest on what the heatmap marks? Region perturbation of the eye that is looked at, live."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from plotly.subplots import make_subplots

from dr_core.analysis.controls import CONTROLS, MAP
from dr_core.analysis.faithfulness import Curves, PerturbationConfig, describe_faithfulness, follow, perturb
from dr_core.data.grades import target_label
from dr_core.data.preprocessing import Preprocessing
from dr_core.experiments.faithfulness import METHODS
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import charts
from dr_ui.shell.device import each
from dr_ui.shell.navigation import kept_input
from dr_ui.views.explain import controls, heatmaps
from dr_ui.views.explain.heatmaps import Question

_CONFIG = PerturbationConfig()


@dataclass(frozen=True)
class Followed:
    """Set-up -> method -> its curves."""

    curves: dict[str, dict[str, Curves]]


def show(study: Study, specimen: Specimen, question: Question) -> None:
    """Show the curves, once they are asked for; turning the switch off while they are drawn stops the drawing."""
    asked = st.toggle(
        "Faithfulness: remove what the heatmap marks and run the models again",
        **kept_input("faithfulness"),
        help="Region perturbation (Samek et al. 2017) with ROAD filling (Rong et al. 2022). A heatmap may lie on the "
        "lesions and not be faithful, and the reverse. It takes some seconds; switch it off to stop.",
    )
    if not asked:
        return
    followed = _follow(specimen.view_key, cache.study_stamp(study), question, specimen, study)
    charts.show(_figure(followed, question, study.setups), "perturbation", 320)
    sentences = [
        describe_faithfulness(
            study.setups[setup].label, by_method[MAP].area, [by_method[name].area for name in by_method if name != MAP]
        )
        for setup, by_method in followed.curves.items()
    ]
    st.html("".join(f'<p class="lens-small">{sentence}</p>' for sentence in sentences))


@st.cache_resource(max_entries=4, show_spinner=False, scope="session")
def _follow(key: str, stamp: cache.Stamp, question: Question, _specimen: Specimen, _study: Study) -> Followed:
    prepared, preprocessings = (
        heatmaps.prepare(_specimen, _study, question.protocol),
        heatmaps.ways_of(_study, question.protocol),
    )
    maps, models = controls.controls(_specimen, _study, question), cache.models(_study)
    jobs = _jobs(maps, preprocessings)
    bar = st.progress(0.0, text="Taking away what the heatmaps mark ...")
    curves: dict[str, dict[str, Curves]] = {setup: {} for setup in maps}
    for done, (method, setups) in enumerate(jobs, start=1):
        preprocessing = preprocessings[setups[0]]
        pooled, field = maps[setups[0]].pooled[method], prepared.regions[preprocessing].field
        perturbed = perturb(prepared.inputs[preprocessing][0], pooled, field, _CONFIG)
        asked = perturbed.contiguous(memory_format=torch.channels_last)
        outputs = {one: models[one].info.output_of(question.target) for one in setups}

        def follow_one(setup: str, asked: torch.Tensor = asked, outputs: dict[str, int] = outputs) -> Curves:
            return follow(models[setup].model, asked, outputs[setup], _CONFIG)

        found = each(setups, follow_one, is_long=True)
        for setup, by_method in found.items():
            curves[setup][method] = by_method
        bar.progress(done / len(jobs), text="Taking away what the heatmaps mark ...")  # a switched-off page stops here
    bar.empty()
    return Followed(
        {
            setup: {method: by_method[method] for method in METHODS if method in by_method}
            for setup, by_method in curves.items()
        }
    )


def _jobs(
    maps: Mapping[str, controls.Controlled], preprocessings: Mapping[str, Preprocessing]
) -> list[tuple[str, list[str]]]:
    """Orders to follow, each with the set-ups that share it: those that see the eye alike share a control's."""
    jobs: list[tuple[str, list[str]]] = []
    for method in METHODS:
        groups: dict[tuple[Preprocessing, int], list[str]] = {}
        for setup, by_method in maps.items():
            if method in by_method.pooled:
                groups.setdefault((preprocessings[setup], id(by_method.pooled[method])), []).append(setup)
        jobs += [(method, setups) for setups in groups.values()]
    return jobs


def _figure(followed: Followed, question: Question, known: Mapping[str, Setup]) -> go.Figure:
    """A panel for each set-up: its own map in its color, the strongest control gray; full lines most relevant first."""
    setups = list(followed.curves)
    figure = make_subplots(
        cols=len(setups), shared_yaxes=True, subplot_titles=[charts.chart_text(known[one].label) for one in setups]
    )
    for column, setup in enumerate(setups, start=1):
        by_method = followed.curves[setup]
        strongest = max(
            (name for name in by_method if name != MAP), key=lambda name: by_method[name].area, default=None
        )
        for name in filter(None, (strongest, MAP)):
            color = known[setup].color if name == MAP else "#8a8f98"
            title = "the heatmap" if name == MAP else CONTROLS[name].label
            for values, dash, order in (
                (by_method[name].most_first, "solid", "most relevant first"),
                (by_method[name].least_first, "dot", "least relevant first"),
            ):
                figure.add_scatter(
                    x=100 * by_method[name].fractions,
                    y=np.round(values, 4),
                    name=f"{title}, {order}",
                    mode="lines+markers",
                    line={"color": color, "dash": dash, "width": 2},
                    showlegend=False,
                    row=1,
                    col=column,
                )
    figure.update_xaxes(title="removed (%)")
    figure.update_yaxes(range=[0, 1.02])
    figure.update_yaxes(title=f"P({target_label(question.target)})", col=1)
    figure.update_layout(height=260, margin={"l": 10, "r": 10, "t": 30, "b": 10})
    return figure
