"""The heatmaps of the eye that is looked at beside their controls, drawn once and kept for every choice of lesions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
import torch

from dr_core.analysis.controls import CONTROLS, MAP, kind_of, trace_edges, untrained_maps, why_no_untrained
from dr_core.analysis.localization import pool, sample_random_relevance
from dr_core.analysis.sanity import spearman
from dr_core.data.preprocessing import Preprocessing
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.kept import kept
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.views.explain import heatmaps


@dataclass(frozen=True)
class Controlled:
    """A heatmap and its controls, as they are scored.

    Attributes:
        pooled: `MAP` and keys of `CONTROLS` -> pooled map, float64 (S, S).
        order: The same keys -> pixels from the most relevant to the least, int32 (S * S,).
        note: Why no untrained network could be drawn; empty where it was.
    """

    pooled: dict[str, np.ndarray]
    order: dict[str, np.ndarray]
    note: str


def controls(specimen: Specimen, study: Study, question: heatmaps.Question) -> dict[str, Controlled]:
    """Set-up with an answer -> its heatmap held ready beside its controls."""
    return _controls(specimen.view_key, cache.study_stamp(study), question, specimen, study)


@kept(st.cache_resource, 3)
def _controls(
    key: str, stamp: cache.Stamp, question: heatmaps.Question, _specimen: Specimen, _study: Study
) -> dict[str, Controlled]:
    prepared, preprocessings = (
        heatmaps.prepare(_specimen, _study, question.protocol),
        heatmaps.ways_of(_study, question.protocol),
    )
    maps = heatmaps.maps_by_class(key, stamp, replace(question, pooling=""), _specimen, _study)
    models = cache.models(_study)
    untrained: dict[tuple[object, Preprocessing], dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    found = {}
    for setup in maps:
        preprocessing = preprocessings[setup]
        model, inputs = models[setup], prepared.inputs[preprocessing]
        note = why_no_untrained(model, question.rule) or ""
        group = (kind_of(model), preprocessing)
        if group not in untrained:
            drawn = untrained_maps(model, question.rule, inputs, model.info.output_of(question.target))
            drawn["random"] = sample_random_relevance(tuple(inputs.shape), 0)
            drawn["edges"] = trace_edges(inputs, torch.from_numpy(prepared.regions[preprocessing].field)[None])
            untrained[group] = _ranked(drawn, question.pooling)
        both = _ranked(maps[setup], question.pooling) | untrained[group]
        ordered = {method: both[method] for method in (MAP, *CONTROLS) if method in both}
        found[setup] = Controlled(
            {method: pooled for method, (pooled, _) in ordered.items()},
            {method: order for method, (_, order) in ordered.items()},
            note,
        )
    return found


def compare_with_other_grades(specimen: Specimen, study: Study, question: heatmaps.Question) -> float | None:
    """Mean rank correlation of the models' heatmaps with their maps of other grades, in the field of view.

    None where a method draws no map of another grade.
    """
    return _compare(specimen.view_key, cache.study_stamp(study), question, specimen, study)


@kept(st.cache_data, 3)
def _compare(
    key: str, stamp: cache.Stamp, question: heatmaps.Question, _specimen: Specimen, _study: Study
) -> float | None:
    prepared = heatmaps.prepare(_specimen, _study, question.protocol)
    preprocessings = heatmaps.ways_of(_study, question.protocol)
    pairs = [
        spearman(controlled.pooled[MAP], controlled.pooled[method], prepared.regions[preprocessings[setup]].field)
        for setup, controlled in _controls(key, stamp, question, _specimen, _study).items()
        for method in ("class-0", "class-others")
        if method in controlled.pooled
    ]
    return float(np.mean(pairs)) if pairs else None


def _ranked(maps: Mapping[str, torch.Tensor], pooling: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Method -> pooled map and the order of its pixels, ties in reading order as `relevance_rank_accuracy` has them."""
    pooled = {method: pool(relevance, pooling)[0].numpy() for method, relevance in maps.items()}
    return {method: (values, _order(values)) for method, values in pooled.items()}


def _order(pooled: np.ndarray) -> np.ndarray:
    return np.argsort(-pooled.ravel(), kind="stable").astype(np.int32)  # kept for each map: half of int64
