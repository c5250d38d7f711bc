"""Two to four eyes of the case list beside each other, each with its photograph and what every model answers."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from dr_core.data.grades import GRADES, tells_grades
from dr_core.study.folder import Study
from dr_ui.eyes import case_facts, truth
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.case_facts import CaseFacts
from dr_ui.parts import photograph
from dr_ui.parts.answer_cards import agreement_sentence
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.parts.style import setup_class
from dr_ui.shell.navigation import unlinked_input

_CHOSEN, MOST = "side_by_side", 4


def choose_eyes_beside(eyes: Sequence[Eye]) -> list[Eye]:
    """Draw the choice; give two to four eyes, or none where fewer are chosen.

    Args:
        eyes: The eyes of the case list.
    """
    known = {eye.key: eye for eye in eyes}
    kept: list[str] = st.session_state.get(_CHOSEN, [])
    if not set(kept) <= known.keys():
        st.session_state[_CHOSEN] = [key for key in kept if key in known]  # some have left the list
    keys = st.multiselect(
        "Side by side",
        list(known),
        format_func=lambda key: known[key].name if key in known else "",
        max_selections=MOST,
        **unlinked_input(_CHOSEN),
        placeholder=f"choose two to {MOST} eyes",
        help="Shows these eyes side by side instead of the single one.",
    )
    return [known[key] for key in keys] if len(keys) > 1 else []


def show(study: Study, eyes: Sequence[Eye], point: OperatingPoint) -> None:
    """Draw the eyes.

    Args:
        study: The study.
        eyes: Two to four eyes.
        point: The operating point.
    """
    grades = truth.known_grades(eyes)
    columns = "".join(_eye_html(study, eye, grade, point) for eye, grade in zip(eyes, grades, strict=True))
    st.html(
        f'<div class="lens-beside">{columns}</div><p class="lens-small">The number is the probability of grades '
        f"{point.grades}, 0 to 1; ▲ referable from the {point.range}.</p>"
    )


def _eye_html(study: Study, eye: Eye, grade: int, point: OperatingPoint) -> str:
    facts = case_facts.find_facts(eye, study)
    known = f" · known grade {grade}, {GRADES[grade]}" if grade >= 0 else ""
    gray = ' class="lens-grayed"' if facts.is_outside else ""
    picture = photograph.box_html(study, eye, facts, eye.name, instead="<p>no picture here</p>")
    return (
        f"<figure{gray}>{picture}"
        f"<figcaption><b>{escape(eye.name)}</b>{known}</figcaption>{_answers_html(study, facts, point)}</figure>"
    )


def _answers_html(study: Study, facts: CaseFacts, point: OperatingPoint) -> str:
    if facts.error:
        return f'<p class="lens-warning">No answer, because: {escape(facts.error)}</p>'
    warnings = "".join(f'<p class="lens-warning">{escape(warning)}</p>' for warning in facts.warnings)
    rows = "".join(
        f'<tr><th scope="row" class="{setup_class(name)}"><i></i>{escape(setup.label)}</th>'
        f"{_cells_html(facts, point, name)}</tr>"
        for name, setup in study.setups.items()
        if study.has_checkpoint(name)
    )
    sentence = agreement_sentence(point.agree(facts.answers), study.setups)
    return f'<table><tbody>{rows}</tbody></table><p class="lens-small">{sentence}</p>{warnings}'


def _cells_html(facts: CaseFacts, point: OperatingPoint, setup: str) -> str:
    softmax = facts.answers.get(setup)
    if softmax is None or setup not in point.answered({setup: softmax}):
        return '<td colspan="2">no answer</td>'
    score = float(point.score(softmax))
    grade = GRADES[int(softmax.argmax())] if tells_grades(softmax) else "–"
    return f"<td>{grade}</td><td>{'▲' if score >= point.threshold_of(setup) else '▽'} {score:.2f}</td>"
