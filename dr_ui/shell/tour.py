"""The guided tour: one eye in a minute, from the answer to the verdict, beside the pages themselves."""

from dataclasses import dataclass
from html import escape

import streamlit as st

_STEP, _MOVES = "tour_step", "tour_moves"


@dataclass(frozen=True)
class TourStep:
    """A station of the tour.

    Attributes:
        page: File of the page.
        title: What is looked at.
        text: What one sees there.
        marked: CSS selectors of the part that is outlined.
    """

    page: str
    title: str
    text: str
    marked: str


STEPS = (
    TourStep(
        "1_Compare.py",
        "The answer",
        "One card for each model: the likeliest grade, the probability of every grade, and whether the eye is "
        "referable. The models were pretrained in different ways; the line below says whether they agree.",
        ".lens-cards",
    ),
    TourStep(
        "2_Robustness.py",
        "Damage",
        "The same eye as a poor photograph. Move the severity to see at which point a model changes its decision.",
        ".st-key-severity",
    ),
    TourStep(
        "3_Explain.py",
        "The heatmap",
        "Where the prediction of severe DR comes from, by the attribution method, with the outlines of the lesions. "
        "The scale is the same for all models.",
        ".st-key-explain",
    ),
    TourStep(
        "3_Explain.py",
        "The controls",
        "Any heatmap lies on some lesions by chance. The table compares each model with controls, such as a random "
        "heatmap and an untrained network: only a score above the strongest control is evidence.",
        ".lens-scores",
    ),
    TourStep(
        "6_Reproduction.py",
        "The verdict",
        "Every claim of the paper beside what this study measured: holds, does not hold, or cannot tell, by a stated "
        "rule. One eye decides none of them.",
        ".lens-counts",
    ),
)
"""The stations, in the order of the tour."""


def follow_tour() -> None:
    """Go to the page of the step that was just chosen; before anything else of a page is drawn."""
    if st.session_state.pop(_MOVES, False):
        st.switch_page(f"pages/{STEPS[st.session_state[_STEP]].page}")


def show_step() -> None:
    """Draw the step of a tour that is under way, over the page; nothing otherwise."""
    at = st.session_state.get(_STEP)
    if at is None:
        return
    step, is_last = STEPS[at], at == len(STEPS) - 1
    st.html(f"<style>{step.marked} {{ outline: 3px solid #0f766e; outline-offset: 4px; }}</style>")
    with st.container(key="tour", horizontal=True, vertical_alignment="center"):
        st.html(
            f'<p role="status" class="lens-tour"><b>{at + 1} of {len(STEPS)}: {escape(step.title)}.</b> '
            f"{escape(step.text)}</p>"
        )
        if at:
            st.button("Back", key="tour_back", on_click=_go_to, args=(at - 1,))
        if is_last:
            st.button("Finish", key="tour_end", type="primary", on_click=end_tour)
        else:
            st.button("Next step", key="tour_next", type="primary", on_click=_go_to, args=(at + 1,))
            st.button("Skip the tour", key="tour_skip", on_click=end_tour)


def offer_tour() -> None:
    """Draw the button that begins the tour, also anew."""
    st.button(
        "Take the tour (60 seconds)",
        key="tour_start",
        icon=":material/explore:",
        help="Through one eye: answer, damage, heatmap, controls, verdict. You can leave it at every step.",
        on_click=_go_to,
        args=(0,),
    )


def end_tour() -> None:
    """Leave the tour."""
    st.session_state[_STEP] = None


def _go_to(step: int) -> None:
    st.session_state[_STEP] = step
    st.session_state[_MOVES] = True
