"""Explainers shared by all sessions: one for each model and attribution method."""

from collections.abc import Iterable, Mapping

import streamlit as st
import torch

from dr_core.analysis.attribution import RULES, AttributionRule, Explainer
from dr_core.data.grades import TARGET_GRADE
from dr_core.errors import InputError
from dr_core.models.checkpoint import LoadedModel
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.shell.device import each, model_device


def attribute(
    study: Study, rule: str, inputs: Mapping[str, torch.Tensor], target: int
) -> dict[str, torch.Tensor | str]:
    """Set-up -> relevance of its inputs for a grade's output, float32 (N, 3, S, S), or why it gives none."""

    def ask_all(device: str) -> dict[str, torch.Tensor | str]:
        loaded = cache.models(study, device)

        def explain(setup: str) -> torch.Tensor | str:
            try:
                output = loaded[setup].info.output_of(target)
                found = explainer(study, setup, rule, device).attribute(inputs[setup].to(device), output)
            except InputError as error:
                return str(error)
            return found.detach().float().cpu()

        return each(inputs, explain, is_long=True)

    return model_device().run(ask_all)


def fitting_rules(study: Study) -> list[str]:
    """Attribution methods that fit at least one model of a study; all where it has none.

    Those that fit most of the models that a page asks first (about the paper's target, where any answers it) come
    first, so that it opens with heatmaps where there can be some; then the registry's order.
    """
    return _fitting(cache.study_stamp(study), study) or list(RULES)


@st.cache_data(max_entries=4, show_spinner=False)
def _fitting(stamp: cache.Stamp, _study: Study) -> list[str]:
    loaded = list(cache.models(_study).values())
    asked = [model for model in loaded if model.info.can_answer(TARGET_GRADE)] or loaded
    fitting = [name for name, rule in RULES.items() if _count_fitting(rule, loaded)]
    return sorted(fitting, key=lambda name: -_count_fitting(RULES[name], asked))


def _count_fitting(rule: AttributionRule, models: Iterable[LoadedModel]) -> int:
    return sum(rule.why_unfit(model.model) is None for model in models)


def explainer(study: Study, setup: str, rule: str, device: str = "cpu") -> Explainer:
    """A model's explainer: one for all sessions, which queue at its lock."""
    return _explainer(cache.study_stamp(study), setup, rule, device, study)


@st.cache_resource(max_entries=8, show_spinner=False)
def _explainer(stamp: cache.Stamp, setup: str, rule: str, device: str, _study: Study) -> Explainer:
    return Explainer(cache.models(_study, device)[setup].model, rule)


def slow_engines(study: Study, rule: str) -> dict[str, str]:
    """Set-up -> why its heatmap comes from the slower reference library; empty where the fast engine knows all."""
    reasons = {}
    for setup in cache.models(study):
        try:
            reason = explainer(study, setup, rule).reason
        except InputError:  # no engine fits; the blank panel says why
            continue
        if reason:
            reasons[setup] = reason
    return reasons
