"""The next eye of the case list, asked about before somebody goes to it."""

import streamlit as st

from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import case_list, chosen, masked_eye
from dr_ui.shell import request_queue
from dr_ui.views.explain import controls, heatmaps
from dr_ui.views.explain.heatmaps import Question


def ask_ahead(study: Study, question: Question) -> None:
    """Find the heatmaps and controls of the next eye, once this one stands there; another request interrupts it.

    On a server with other requests nothing is found ahead, since it would make them wait.

    Args:
        study: The study.
        question: What the models are asked about the eye that is looked at.
    """
    eyes = case_list.list_cases(study)
    after = eyes[chosen.chosen_row(eyes) + 1 :][:1]
    interruption = st.empty()
    for eye in after:
        try:
            specimen = masked_eye.specimen_of(eye)
            for find in (heatmaps.ask, controls.controls):
                interruption.empty()  # where Streamlit turns to a newer request
                if request_queue.has_company():
                    return
                find(specimen, study, question)
        except InputError:
            return  # said once the eye is looked at
