"""Explainers shared by all sessions: one for each model and attribution method."""

from collections.abc import Mapping

import streamlit as st
import torch

from dr_core.analysis.attribution import Explainer
from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.shell.device import each, model_device


def attribute(study: Study, rule: str, inputs: Mapping[str, torch.Tensor], target: int) -> dict[str, torch.Tensor]:
    """Set-up -> relevance of its inputs, as the model takes them, for a grade's output, float32 (N, 3, S, S)."""

    def ask_all(device: str) -> dict[str, torch.Tensor]:
        explainers = {setup: explainer(study, setup, rule, device) for setup in inputs}

        def explain(setup: str) -> torch.Tensor:
            return explainers[setup].attribute(inputs[setup].to(device), target).detach().float().cpu()

        return each(inputs, explain)

    return model_device().run(ask_all)


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
