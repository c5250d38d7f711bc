"""An eye without a picture on this machine: the answers that a table holds of it."""

from html import escape

import streamlit as st

from dr_core.study.folder import Study
from dr_ui.eyes import case_facts
from dr_ui.eyes.cache import Eye
from dr_ui.parts import answer_cards, evidence
from dr_ui.parts.operating_point import OperatingPoint


def show(study: Study, eye: Eye, point: OperatingPoint) -> None:
    """Draw the answers, and say why there is no picture.

    Args:
        study: The study.
        eye: The eye.
        point: The operating point.
    """
    facts = case_facts.find_facts(eye, study)
    st.html(
        evidence.sentence_html(study, point)
        + f'<p class="lens-warning" role="note">{escape(eye.absent)}</p>'
        + "".join(f'<p class="lens-warning">{escape(warning)}</p>' for warning in facts.warnings)
        + answer_cards.answers_html(facts.answers, point, study.setups, grayed=facts.is_outside)
    )
