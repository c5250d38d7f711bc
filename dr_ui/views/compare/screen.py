"""Parts of the Compare page: the choices above, one eye with its four answers, or a table of many."""

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

import streamlit as st

from dr_core.analysis.agreement import find_agreement
from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import cache, choice
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import answer_cards, eye_report_button, photograph
from dr_ui.parts.answer_cards import READINGS, Verdict
from dr_ui.views.compare import eye_table


@dataclass(frozen=True)
class Choice:
    """What the user has set above the answers.

    Attributes:
        eyes: Uploaded eyes, or the chosen sample.
        verdict: From which probability of which grades an eye is called referable.
    """

    eyes: list[Eye]
    verdict: Verdict


def choose() -> Choice:
    """Draw the row of inputs."""
    pictures, threshold_place, reading_place = st.columns([6.7, 1.7, 2.3], gap="small")
    with pictures:
        chosen = choice.choose_eyes()
    with threshold_place:
        threshold = st.slider(
            "Referable from",
            0.05,
            0.95,
            0.5,
            0.05,
            key="threshold",
            bind="query-params",
            help="A model calls the eye referable when its probability (0 to 1) reaches this value. Lower finds more "
            "sick eyes and raises more false alarms.",
        )
    with reading_place:
        reading = st.segmented_control(
            "Grades that count as referable",
            list(READINGS),
            default=next(iter(READINGS)),
            required=True,
            key="reading",
            bind="query-params",
            help="The paper counts severe and proliferative; the ICDR standard counts moderate and worse.",
        )
    return Choice(chosen, Verdict(reading or next(iter(READINGS)), threshold))


def show_answers(study: Study, choice: Choice) -> None:
    """Show one eye, or a table of many with the one that is opened."""
    if not cache.models(study) and (refused := cache.refused_models(study)):
        raise InputError("No answer, because: " + " ".join(refused.values()))
    if not cache.models(study):
        raise InputError(
            f"The study {study.name} has no trained model yet; "
            f"`python train_cli.py demo --out {study.path}` trains them."
        )
    eye = choice.eyes[0] if len(choice.eyes) == 1 else eye_table.choose_from_table(study, choice.eyes, choice.verdict)
    if eye is not None:
        _show_eye(study, choice.verdict, eye)


def _show_eye(study: Study, verdict: Verdict, eye: Eye) -> None:
    said = cache.answers(eye, study)
    agreement = find_agreement(said, verdict.referable_from, verdict.threshold)
    picture, models = st.columns([1.8, 3.2], gap="small")
    with picture:
        photograph.show(eye, cache.look(eye, study))
        eye_report_button.show(study, Specimen(eye), verdict)
    with models:
        st.html(
            answer_cards.cards_html(said, verdict)
            + answer_cards.agreement_html(agreement, verdict)
            + _missing_html(study, set(said))
            + _ways_on_html(eye)
        )


def _ways_on_html(eye: Eye) -> str:
    """The ways to damage and heatmaps; a sample comes along in the link, an upload by the menu, never in a link."""
    query = choice.query_of(eye)
    if query is None:
        return (
            '<p class="lens-small">Robustness and Explain, in the menu at the left, take this photograph along: how '
            "much damage do they take, and where do they look?</p>"
        )
    asked = urlencode(query)
    return (
        f'<p class="lens-small"><a href="Robustness?{asked}">How much damage do they take?</a> &ensp; '
        f'<a href="Explain?{asked}">Where do they look?</a></p>'
    )


def _missing_html(study: Study, present: set[str]) -> str:
    refused = cache.refused_models(study)
    silent = dict.fromkeys(cache.models(study), "its answer about this eye is no probability") | refused
    absent = [setup for setup in study.setups if setup not in present]
    reasons = "".join(
        f'<p class="lens-warning" role="alert">No answer of {study.setups[setup].label}, because: '
        f"{escape(silent[setup])}</p>"
        for setup in absent
        if setup in silent
    )
    missing = [study.setups[setup].label for setup in absent if setup not in silent]
    if not missing:
        return reasons
    return reasons + (
        f'<p class="lens-warning">This study has no checkpoint of {", ".join(missing)} yet. '
        f"<code>python train_cli.py demo --out {study.path}</code> goes on with the training.</p>"
    )
