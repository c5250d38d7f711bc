"""Parts of the Compare page: the choices above, one eye with its answers, or a table of many."""

from dataclasses import dataclass

import streamlit as st

from dr_core.study.folder import Study
from dr_ui.eyes import cache, case_facts, case_list, choice, chosen, masked_eye
from dr_ui.eyes.cache import Eye
from dr_ui.parts import (
    answer_cards,
    calibrated,
    evidence,
    eye_report_button,
    no_answer,
    operating_point,
    photograph,
    take_figure,
    within,
)
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.shell import missing
from dr_ui.views.compare import answers_table, eye_table, list_measures, patient_view, recorded_answers, side_by_side


@dataclass(frozen=True)
class CompareInputs:
    """What the user has set above the answers.

    Attributes:
        eyes: Uploaded eyes, or the chosen sample.
        point: From which probability of which grades an eye counts as referable.
    """

    eyes: list[Eye]
    point: OperatingPoint


def choose_inputs(study: Study) -> CompareInputs:
    """Draw the row of inputs."""
    eyes, point, reading = st.columns([6.7, 1.7, 2.3], gap="small")
    with eyes:
        chosen = choice.choose_eyes()
    return CompareInputs(chosen, operating_point.choose_point(study, point, reading))


def show_answers(study: Study, choice: CompareInputs) -> None:
    """Show one eye, or a table of many with the one that is opened."""
    no_answer.require_models(study)
    table, beside = st.container(), []
    if len(choice.eyes) > 1:
        beside = side_by_side.choose_eyes_beside(choice.eyes)
    eye = choice.eyes[chosen.chosen_row(choice.eyes)]
    case_list.show_in_link(eye)
    if beside:
        side_by_side.show(study, beside, choice.point)
    elif eye_table.can_be_shown(study, choice.eyes, eye):
        _show_eye(study, choice.point, eye)
    if len(choice.eyes) > 1:
        with table:  # the eye that is looked at does not wait for the answers about all the others
            eye_table.show_table(study, choice.eyes, choice.point)
    patient_view.show(study, choice.eyes, eye, choice.point)
    list_measures.show(study, choice.eyes, choice.point)
    take_figure.offer_table(answers_table.make_table(study, choice.eyes, choice.point), "answers")


def _show_eye(study: Study, point: OperatingPoint, eye: Eye) -> None:
    if eye.absent:
        recorded_answers.show(study, eye, point)
        return
    answers = cache.answers(eye, study)
    no_answer.require_answers(study, answers)
    case_facts.read_facts(eye, study)
    judgement = cache.judgement(eye, study)
    picture, models = st.columns([1.8, 3.2], gap="small")
    with picture:
        photograph.show(study, eye, cache.look(eye, study), judgement)
        eye_report_button.show(study, masked_eye.specimen_of(eye), point)
    with models:
        st.html(
            evidence.sentence_html(study, point)
            + within.note_html(study, judgement, point)
            + answer_cards.answers_html(answers, point, study.setups, grayed=judgement.is_outside)
            + calibrated.answer_html(study, answers, point)
            + _missing_html(study, set(answers))
        )
        _show_links(eye)


def _show_links(eye: Eye) -> None:
    """Links to damage and heatmaps; the session goes along, with its uploads, threshold and reading."""
    query = choice.query_of(eye)
    for column, (page, label) in zip(st.columns([1.4, 1, 0.8]), _NEXT_PAGES.items(), strict=False):
        with column:
            st.page_link(page, label=label, query_params=query)


_NEXT_PAGES = {
    "pages/2_Robustness.py": "How much damage do they take?",
    "pages/3_Explain.py": "Where do they look?",
}


def _missing_html(study: Study, present: set[str]) -> str:
    silent = cache.unanswered(study, present)
    return no_answer.reasons_html(study, present) + "".join(
        f'<p class="lens-warning">{missing.missing_checkpoint_html(study, setup)}</p>'
        for setup in study.setups
        if setup not in present and setup not in silent
    )
