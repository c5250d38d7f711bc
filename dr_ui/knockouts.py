"""What if the lesion were not there? How far each model's answer falls when a lesion is painted out."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import streamlit as st
import torch

from dr_core.analysis.knockout import KINDS, knock_out, reduce_eye
from dr_core.data.grades import GRADES, LESION_CODES
from dr_core.models.setups import SETUPS
from dr_core.study.folder import Study
from dr_ui import cache
from dr_ui.specimens import Specimen

_SEED = 0
_ORDER = ("removed", "control", "kept_only")

Falls = list[tuple[str, str, dict[str, float]]]
"""Lesion, kind of knock-out, and set-up -> change of the probability."""


def show(study: Study, specimen: Specimen, target: int) -> None:
    """Show the table, once it is asked for: it takes a few seconds."""
    asked = st.toggle(
        "What if the lesion were not there? Paint lesions out and ask the models again",
        key="knockout",
        bind="query-params",
    )
    if not asked:
        return
    with st.spinner("Painting lesions out ..."):
        falls = _falls(specimen.key, cache.study_stamp(study), target, specimen, study)
    if not falls:
        st.info("No lesion is known in this eye, so none can be painted out.")
        return
    st.html(_table_html(falls, list(cache.models(study)), target))


@st.cache_data(max_entries=16, show_spinner=False, scope="session")
def _falls(key: str, stamp: cache.Stamp, target: int, _specimen: Specimen, _study: Study) -> Falls:
    image, readers = _specimen.read()
    eye, masks = reduce_eye(image, {lesion: reader().pixels for lesion, reader in readers.items()})
    before = _probabilities(_study, eye, target)
    falls: Falls = []
    for lesion in LESION_CODES:
        outs = sorted(knock_out(eye, masks, lesion, _SEED), key=lambda out: _ORDER.index(out.kind))
        for out in outs:
            after = _probabilities(_study, out.image, target)
            falls.append((lesion, out.kind, {setup: after[setup] - before[setup] for setup in before}))
    return falls


def _probabilities(study: Study, eye: np.ndarray, target: int) -> dict[str, float]:
    models = cache.models(study)
    ways = dict.fromkeys(model.info.preprocessing for model in models.values())
    inputs = {way: way(eye)[None] for way in ways}
    with torch.inference_mode():
        return {
            setup: float(torch.softmax(model.model(inputs[model.info.preprocessing]).double(), dim=1)[0, target])
            for setup, model in models.items()
        }


def _table_html(falls: Falls, setups: Sequence[str], target: int) -> str:
    names = "".join(f'<th scope="col" class="lens-{setup}"><i></i>{SETUPS[setup].label}</th>' for setup in setups)
    body = "".join(_row_html(lesion, kind, changes, setups) for lesion, kind, changes in falls)
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Knock-out"><table class="lens-scores">'
        f'<thead><tr><th scope="col">lesion</th><th scope="col" colspan="3">what is done</th>{names}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        f'<p class="lens-small">Change of the probability of {GRADES[target]}, -1 to +1. A model that uses the lesion '
        "falls when it is removed and hardly changes in the control, where as much healthy retina is painted out.</p>"
    )


def _row_html(lesion: str, kind: str, changes: Mapping[str, float], setups: Sequence[str]) -> str:
    cells = "".join(f"<td>{changes[setup]:+.2f}</td>" for setup in setups)
    told = escape(next(words for name, words in KINDS.items() if name == kind))
    return f'<tr><th scope="row">{LESION_CODES[lesion]}</th><td colspan="3">{told}</td>{cells}</tr>'
