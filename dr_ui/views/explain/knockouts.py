"""What if the lesion were not there? How far each model's answer falls when a lesion is painted out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st

from dr_core.analysis.knockout import KINDS, Kind, PaintedEye, knock_out_all
from dr_core.data.grades import TOTAL, lesion_code, referable_probability, target_label
from dr_core.models.checkpoint import CheckpointInfo
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.kept import kept
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import style, tables
from dr_ui.shell.navigation import kept_input

_SEED = 0
_CONTROLS = 5
_REFERABLE: Literal[2] = 2
"""Lowest grade of the reading that is shown beside the grade that the user asks about."""

_WORDS: dict[Kind, str] = {"removed": "painted out", "kept_only": "all others painted out"}


@dataclass(frozen=True, kw_only=True)
class Fall:
    """What one knock-out changes.

    Attributes:
        lesion: The lesion, or `"total"`.
        kind: What was done.
        changes: Measure -> set-up -> change of the probability, float64 (K,), a value for each control that found
            healthy retina like the lesion's; one of the other kinds.
    """

    lesion: str
    kind: Kind
    changes: dict[str, dict[str, np.ndarray]]


def show(study: Study, specimen: Specimen, target: int) -> None:
    """Show the table, once it is asked for: it takes a second or two."""
    asked = st.toggle(
        "What if the lesion were not there? Paint lesions out and run the models again",
        **kept_input("knockout"),
    )
    if not asked:
        return
    with st.spinner("Painting lesions out ..."):
        falls = _falls(specimen.key, cache.study_stamp(study), target, specimen, study)
    if not falls:
        st.info("No lesion is known in this eye, so none can be painted out.")
        return
    shown = {name: study.setups[name] for name in cache.models(study)}
    tables.show_html(_table_html(falls, shown), "painted_out", "control")


@kept(st.cache_data, 16)
def _falls(key: str, stamp: cache.Stamp, target: int, _specimen: Specimen, _study: Study) -> list[Fall]:
    image, readers = _specimen.read()
    painted = knock_out_all(
        _specimen.eye.name,
        image,
        {lesion: reader().pixels for lesion, reader in readers.items()},
        controls=_CONTROLS,
        seed=_SEED,
        disc=_specimen.read_disc((image.shape[0], image.shape[1])),
    )
    outs = painted.cases
    if not outs:
        return []
    changes = _changes(_study, painted, target)
    falls = []
    for lesion in dict.fromkeys(out.lesion for out in outs):
        for kind in KINDS:
            found = [number for number, out in enumerate(outs) if (out.lesion, out.kind) == (lesion, kind)]
            if found:
                rows = [number for number in found if outs[number].weight != 0]  # as in the table over many eyes
                picked = {
                    name: {key: values[rows] for key, values in by_kind.items()} for name, by_kind in changes.items()
                }
                falls.append(Fall(lesion=lesion, kind=kind, changes=picked))
    return falls


def _changes(study: Study, painted: PaintedEye, target: int) -> dict[str, dict[str, np.ndarray]]:
    """Measure -> set-up -> change against the eye as it is, float64, a value for each knock-out."""
    pictures = [painted.image, *(case.image for case in painted.cases)]
    preprocessings = dict.fromkeys(model.info.preprocessing for model in cache.models(study).values())
    views = {
        preprocessing: np.stack([preprocessing.to_model_view(picture, painted.field) for picture in pictures])
        for preprocessing in preprocessings
    }
    found: dict[str, dict[str, np.ndarray]] = {f"P({target_label(target)})": {}, "P(referable: grades 2 to 4)": {}}
    for setup, answers in cache.predict(study, views).items():
        asked = _asked(cache.models(study)[setup].info, answers, target)
        for measure, values in zip(found, (asked, referable_probability(answers, _REFERABLE)), strict=True):
            found[measure][setup] = values[1:] - values[0]
    return found


def _asked(info: CheckpointInfo, answers: np.ndarray, target: int) -> np.ndarray:
    """Probability of what is asked about, float64 (N,); NaN where the model has no output for it."""
    if not info.can_answer(target):
        return np.full(len(answers), np.nan)
    output = info.output_of(target)
    return answers[:, info.positive_from if output and info.positive_from else output]


def _table_html(falls: list[Fall], setups: Mapping[str, Setup]) -> str:
    measures = list(falls[0].changes)
    heads = "".join(f'<th scope="colgroup" colspan="{len(setups)}">Change of {measure}</th>' for measure in measures)
    controls = {fall.lesion: fall.changes for fall in falls if fall.kind == "control"}
    body = "".join(_row_html(fall, controls[fall.lesion], setups) for fall in falls if fall.kind in _WORDS)
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Knock-out">'
        '<table class="lens-scores lens-falls"><thead><tr><th rowspan="2" scope="col">lesion</th>'
        f'<th rowspan="2" scope="col">what is done</th>{heads}</tr>'
        f"<tr>{style.setup_heads(setups.values()) * len(measures)}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="lens-small">Change of a probability, -1 to +1, in the models\' own view. Small numbers: the range '
        f"when the same area of healthy retina is painted out, {_CONTROLS} times, off the optic disc and similar in "
        "distance from the fovea, brightness and vessels; “no control”: the eye has no such retina. ▼ falls further "
        f"than in each of them (of {_CONTROLS}, by chance alone in one of {_CONTROLS + 1}). If removing a lesion "
        "changes no more than that, a heatmap on it does not show what the decision depends on.</p>"
    )


def _row_html(fall: Fall, controls: Mapping[str, Mapping[str, np.ndarray]], setups: Mapping[str, Setup]) -> str:
    first = "<td></td>"
    if fall.kind == "removed":
        first = f'<th scope="row">{"all" if fall.lesion == TOTAL else lesion_code(fall.lesion)}</th>'
    cells = "".join(
        _cell_html(fall.kind, float(changes[setup][0]), controls[measure][setup])
        for measure, changes in fall.changes.items()
        for setup in setups
    )
    return f'<tr class="lens-{fall.kind}">{first}<td class="lens-done">{_WORDS[fall.kind]}</td>{cells}</tr>'


def _cell_html(kind: Kind, change: float, controls: np.ndarray) -> str:
    if kind != "removed":
        return f"<td>{signed(change)}</td>"
    if not len(controls):
        return f"<td>{signed(change)}<small>no control</small></td>"
    if math.isnan(change):
        return f"<td>{signed(change)}</td>"
    low, high = float(controls.min()), float(controls.max())
    mark = ' class="lens-used"' if round(change, 2) < round(low, 2) else ""
    return f"<td{mark}>{signed(change)}<small>{signed(low)} to {signed(high)}</small></td>"


def signed(change: float) -> str:
    """A change with its sign to two digits; no sign where nothing is left of it; a dash where there is none."""
    if math.isnan(change):
        return "–"
    return f"{change:+.2f}" if round(change, 2) else "0.00"
