"""The Explain page: the viewer, the headline, the scores beside their controls, and what happens without a lesion."""

from collections.abc import Mapping
from html import escape

import numpy as np
import streamlit as st
import torch

from dr_core.analysis.attribution import RULES
from dr_core.analysis.controls import MAP
from dr_core.analysis.sanity import describe_class_sensitivity
from dr_core.data.annotation import pack_masks
from dr_core.data.grades import GRADES, LESIONS
from dr_core.models.checkpoint import CheckpointInfo
from dr_core.study.folder import Study
from dr_ui.eyes import cache, case_facts
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import charts, eye_report_button, tables, take_figure, viewer
from dr_ui.parts.operating_point import current_point
from dr_ui.parts.viewer import Panel, Scene
from dr_ui.shell import missing
from dr_ui.views.explain import (
    cohort,
    cohort_faithfulness,
    controls,
    engines,
    faithfulness,
    heatmaps,
    inputs,
    knockouts,
    localization_scores,
    method_sanity,
    next_case,
)
from dr_ui.views.explain.heatmaps import Prepared, Question
from dr_ui.views.explain.inputs import Choice
from dr_ui.views.explain.localization_scores import Asked, Row

_Key = tuple[str, cache.Stamp, Question]
"""Eye, study and question: what a row of scores depends on besides its masks."""


def show(study: Study, choice: Choice) -> None:
    """Show where the models look, and whether it is at the lesions."""
    if not cache.models(study):
        raise missing.no_model_error(study)
    with st.spinner("Computing the heatmaps ..."):
        prepared = heatmaps.prepare(choice.specimen, study, choice.question.protocol)
        sentence = heatmaps.ask(choice.specimen, study, choice.question)
    viewer.show(_scene(study, choice, prepared, sentence), "explain")
    for note in [*prepared.notes, *_missing(study, sentence.reasons), *_engine_notes(study, choice.question.rule)]:
        st.html(f'<p class="lens-warning" role="alert">{escape(note)}</p>')
    _show_scores(study, choice, prepared)
    _show_files(study, choice, prepared)
    faithfulness.show(study, choice.specimen, choice.question)
    method_sanity.show(study, choice.specimen, choice.question)
    if choice.specimen.masked:
        knockouts.show(study, choice.specimen, choice.question.target)
    cohort.show(study)
    cohort_faithfulness.show(study)
    case_facts.read_facts(choice.specimen.eye, study)  # its answers are there: the case list shows them
    next_case.ask_ahead(study, choice.question)


def _missing(study: Study, reasons: Mapping[str, str]) -> list[str]:
    return [f"{study.setups[setup].label}: {reason}" for setup, reason in reasons.items()]


def _engine_notes(study: Study, rule: str) -> list[str]:
    return [
        f"{study.setups[setup].label}: {reason}; zennit, the slower reference, drew its heatmap."
        for setup, reason in engines.slow_engines(study, rule).items()
    ]


def _scene(study: Study, choice: Choice, prepared: Prepared, found: heatmaps.Answers) -> Scene:
    asked = choice.question
    answers = heatmaps.probabilities(choice.specimen, study, asked.protocol)
    preprocessings, models = heatmaps.ways_of(study, asked.protocol), cache.models(study)
    panels = [
        Panel(
            label=study.setups[setup].label,
            note="no answer"
            if setup in found.reasons
            else _probability(asked.target, answers[setup], models[setup].info),
            color=study.setups[setup].color,
            line=study.setups[setup].css_line,
            heatmap=found.pictures.get(setup),
            extent=prepared.places[preprocessing],
            reason=found.reasons.get(setup, ""),
        )
        for setup, preprocessing in preprocessings.items()
    ]
    name = choice.specimen.eye.name
    return Scene(
        eye=choice.specimen.eye.key,
        name=name,
        photograph=prepared.photograph,
        ratio=prepared.ratio,
        panels=panels,
        outlines=prepared.outlines,
        part=prepared.part_on_photograph,
        strokes=choice.specimen.strokes,
        origin={
            "figure": f"{name}. {inputs.rule_title(asked.rule)} from {inputs.grade_title(asked.target)}, "
            f"{inputs.pooling_title(asked.pooling)} of the colors.",
            **take_figure.describe_origin(study),
        },
        file=f"{_stem(name)}-{asked.rule}-{asked.pooling}",
    )


def _probability(target: int, answers: np.ndarray, info: CheckpointInfo) -> str:
    output = info.output_of(target)
    return f"P({info.classes[output] if info.positive_from else GRADES[target]}) {100 * answers[output]:.0f} %"


def _show_scores(study: Study, choice: Choice, prepared: Prepared) -> None:
    wanted = _wanted(study, choice, prepared)
    if not wanted:
        st.info(_nothing_known(choice))
        _show_controls(study, choice, prepared)
        return
    with st.spinner("Drawing the controls ..."):
        maps = controls.controls(choice.specimen, study, choice.question)
    rows = _rows(study, choice, maps, wanted)
    first = rows[0]
    sentence = localization_scores.headline(first)
    st.html(f'<p class="lens-sentence lens-dense" role="status">{sentence}</p>')
    tables.show_html(
        localization_scores.table_html(rows, {name: study.setups[name] for name in cache.models(study)})
        + _method_note(study, choice),
        "scores",
        "strongest control",
    )
    alike = controls.compare_with_other_grades(choice.specimen, study, choice.question)
    verdict = describe_class_sensitivity(RULES[choice.question.rule].label, alike)
    st.html(f'<p class="lens-small">{escape(verdict, quote=False)}</p>')
    if first.empty:
        return
    with st.expander(f"Controls and regions: {first.name}"):
        tables.show_html(localization_scores.controls_html(first, study.setups), "controls", _AREA)
    with st.expander(f"Recall at every percentile: {first.name}"):
        pooled = {setup: torch.from_numpy(controlled.pooled[MAP])[None] for setup, controlled in maps.items()}
        curves = localization_scores.recall_curves(pooled, wanted[0][2])
        figure = localization_scores.curve_figure(
            curves, choice.percentile, study.setups, choice.question.pooling, wanted[0][2]
        )
        charts.show(figure, "recall", 320)


_AREA = "share of the field of view"


def _show_files(study: Study, choice: Choice, prepared: Prepared) -> None:
    """What can be taken away of this eye: the report on it, and its masks with what was drawn."""
    report, masks, _ = st.columns([1, 1.2, 2.6], gap="small")
    with report:
        eye_report_button.show(study, choice.specimen, current_point())
    specimen = choice.specimen
    with masks:
        st.download_button(
            "Lesion masks (ZIP)",
            lambda: _pack(specimen, prepared),
            f"{_stem(specimen.eye.name)}-masks.zip",
            "application/zip",
            key="save_masks",
            on_click="ignore",
            disabled=not specimen.masked,
            help="The lesions including your drawings, as masks of the photograph's full size with IDRiD's names "
            "(eye_MA.tif). Upload them with the photograph to restore them, pixel for pixel. Regions without a "
            "lesion are not included.",
        )


def _pack(specimen: Specimen, prepared: Prepared) -> bytes:
    readers = specimen.mask_readers(prepared.shape, prepared.field_of_view.share)
    return pack_masks(_stem(specimen.eye.name), {lesion: reader().pixels for lesion, reader in readers.items()})


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0]


def _show_controls(study: Study, choice: Choice, prepared: Prepared) -> None:
    """Without masks the parts of every eye remain: disc, macula and the rest, beside the controls."""
    with st.spinner("Drawing the controls ..."):
        maps = controls.controls(choice.specimen, study, choice.question)
    preprocessings = heatmaps.ways_of(study, choice.question.protocol)
    masks = {setup: prepared.regions[preprocessings[setup]].disc for setup in maps}
    asked = localization_scores.asked_of(study, choice.specimen, choice.question)
    row = localization_scores.measure_controlled("disc", "the optic disc", maps, masks, asked)
    with st.expander("Where the heatmaps lie without any mask: optic disc and central macula, beside the controls"):
        tables.show_html(localization_scores.controls_html(row, study.setups), "controls", _AREA)


def _nothing_known(choice: Choice) -> str:
    if choice.specimen.masked:
        return "No lesion is chosen: choose at least one above, or draw a region in the viewer."
    return (
        "The positions of this eye's lesions are not known, so nothing can be measured yet. Press “draw” in the "
        "viewer and outline one, or upload lesion masks with the photograph (TIFF or PNG as in IDRiD)."
    )


_Wanted = list[tuple[str, str, dict[str, np.ndarray]]]
"""Letters, name and masks by set-up of what is scored, what the user chose first."""


def _wanted(study: Study, choice: Choice, prepared: Prepared) -> _Wanted:
    preprocessings = heatmaps.ways_of(study, choice.question.protocol)
    wanted: _Wanted = []
    if prepared.drawn:
        drawn = {setup: prepared.drawn[preprocessing] for setup, preprocessing in preprocessings.items()}
        wanted.append(("region", "the drawn region", drawn))
    if choice.specimen.masked:
        alone = [(lesion,) for lesion in LESIONS if choice.lesions != (lesion,)]
        for lesions in [choice.lesions, *alone] if choice.lesions else alone:
            masks = {setup: prepared.join(preprocessing, lesions) for setup, preprocessing in preprocessings.items()}
            wanted.append((*localization_scores.name_lesions(lesions), masks))
    return wanted


def _rows(
    study: Study,
    choice: Choice,
    maps: Mapping[str, controls.Controlled],
    wanted: _Wanted,
) -> list[Row]:
    key = (choice.specimen.key, cache.study_stamp(study), choice.question)
    asked = localization_scores.asked_of(study, choice.specimen, choice.question)
    return [_row(name, key, code, maps, masks, asked) for code, name, masks in wanted]


@st.cache_data(max_entries=256, show_spinner=False, scope="session")
def _row(
    name: str,
    key: _Key,
    _code: str,
    _maps: Mapping[str, controls.Controlled],
    _masks: Mapping[str, np.ndarray],
    _asked: Asked,
) -> Row:
    """Another choice of lesions needs one new row; the others are kept."""
    return localization_scores.measure_controlled(_code, name, _maps, _masks, _asked)


def _method_note(study: Study, choice: Choice) -> str:
    """How the numbers came about, in small letters."""
    preprocessings = dict.fromkeys(heatmaps.ways_of(study, choice.question.protocol).values())
    seen = " or ".join(
        f"{preprocessing.size} × {preprocessing.size} px, "
        + ("cropped to the field of view" if preprocessing.crop == "field_of_view" else "the whole photograph squashed")
        for preprocessing in preprocessings
    )
    return (
        '<p class="lens-small">Small numbers: the strongest control of that model; ▲ the best of the row, if above its '
        f"own control. Measured in the view that the models see ({seen}); "
        f"{inputs.covering(choice.question.protocol)}.</p>"
    )
