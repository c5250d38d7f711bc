"""The case list on the screen, in the sidebar of every page: filters, order, search, and one eye after the other."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dr_core.study.folder import Study
from dr_ui.eyes import case_facts, case_list, case_sources, chosen, file_reader, session_form, truth
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.case_facts import CaseFacts
from dr_ui.parts.operating_point import OperatingPoint, current_point
from dr_ui.shell.navigation import unlinked_input

DISAGREE, REFERABLE, WARNED, NO_ANSWER = "models disagree", "referable", "quality warning", "no answer"
_FILTERS = (DISAGREE, REFERABLE, WARNED, NO_ANSWER)
_ADDED, _NAME, _PROBABILITY, _SPREAD = "as added", "name", "highest P first", "largest spread first"
_QUALITY = "warned first"
_ORDERS = (_ADDED, _NAME, _PROBABILITY, _SPREAD, _QUALITY)
_LARGEST_HEIGHT = 262
_NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""One transparent pixel: an empty cell would read "None"."""


@dataclass(frozen=True)
class Case:
    """An eye of the list, and what is known of it.

    Attributes:
        eye: The eye.
        facts: What the session has found of it; None before it was read.
        referable: How many models call it referable.
        models: How many models gave an answer.
        highest: Highest probability of a referable grade, 0..1; -1 without an answer.
        spread: Largest minus smallest probability, 0..1; -1 without an answer.
    """

    eye: Eye
    facts: CaseFacts | None
    referable: int = 0
    models: int = 0
    highest: float = -1.0
    spread: float = -1.0

    def passes(self, name: str) -> bool:
        """Whether a filter lets it through."""
        warned = self.facts is not None and bool(self.facts.warnings)
        silent = self.facts is not None and not self.models
        return {
            DISAGREE: 0 < self.referable < self.models,
            REFERABLE: self.referable > 0,
            WARNED: warned,
            NO_ANSWER: silent,
        }[name]

    @property
    def verdict(self) -> str:
        """What the models say, for the list."""
        if self.facts is None:
            return "not analyzed"
        return f"{self.referable} of {self.models}" if self.models else "no answer"

    @property
    def quality(self) -> str:
        """Its quality, for the list."""
        if self.facts is None or self.facts.error:
            return ""
        return "warning" if self.facts.warnings else "ok"


def show_strip(study: Study) -> None:
    """Draw the case list, and what fills it."""
    eyes = case_list.list_cases(study)
    with st.sidebar.container(key="case_list" if eyes else "empty_case_list"):
        count = f"{_count(len(eyes))}, on every page." if eyes else "Your uploads appear here on every page."
        st.html(f'<h2 class="lens-h2">Case list</h2><p class="lens-small">{count}</p>')
        file_reader.show_notes()
        session_form.show_awaited()
        if eyes:
            _show_eyes(study, eyes)
        with st.popover("Add eyes", width="stretch"):
            case_sources.offer_sources(study)
        with st.popover("Session file", width="stretch"):
            session_form.offer_session_file(study)


def _show_eyes(study: Study, eyes: Sequence[Eye]) -> None:
    point = current_point()
    known = case_facts.known_facts(eyes, study)
    cases = [_describe(eye, facts, point) for eye, facts in zip(eyes, known, strict=True)]
    steps, table, rest = st.container(), st.container(), st.container()
    with rest:
        shown = _choose_shown(cases) if len(cases) > 1 else cases
    at = eyes[chosen.chosen_row(eyes)].key
    row = next((number for number, case in enumerate(shown) if case.eye.key == at), None)
    with steps:
        _show_steps(shown, row)
    with table:
        _show_table(shown, row, _known_grades(eyes))
    _show_actions(study, cases, at)
    truth.offer_grade_table(eyes)


def _count(number: int) -> str:
    return "1 eye" if number == 1 else f"{number} eyes"


def _describe(eye: Eye, facts: CaseFacts | None, point: OperatingPoint) -> Case:
    answered = point.answered(facts.answers) if facts is not None else {}
    if facts is None or not answered:
        return Case(eye, facts)
    agreement = point.agree(answered)
    highest = max(float(point.score(softmax)) for softmax in answered.values())
    return Case(eye, facts, len(agreement.referable), len(answered), highest, agreement.spread)


def select_cases(cases: Sequence[Case], filters: Sequence[str], text: str, order: str) -> list[Case]:
    """Filter and sort cases.

    Args:
        cases: The cases, in the order in which they were added.
        filters: Names of filters, all of which a case must pass.
        text: Part of the name, in any case of letters.
        order: Name of an order.
    """
    found = [
        case for case in cases if text.lower() in case.eye.name.lower() and all(case.passes(name) for name in filters)
    ]
    keys = {
        _NAME: lambda case: case.eye.name.lower(),
        _PROBABILITY: lambda case: -case.highest,
        _SPREAD: lambda case: -case.spread,
        _QUALITY: lambda case: not (case.facts and case.facts.warnings),
    }
    return sorted(found, key=keys[order]) if order in keys else found


def _choose_shown(cases: Sequence[Case]) -> list[Case]:
    with st.expander("Filter, search, sort"):
        filters = st.pills("Only", _FILTERS, selection_mode="multi", **unlinked_input("case_filters"))
        searched = st.text_input("Search", **unlinked_input("case_search"), placeholder="part of a name")
        sorted_by = st.selectbox("Order", _ORDERS, **unlinked_input("case_order"))
    return select_cases(cases, filters, searched, sorted_by)


def _show_steps(shown: Sequence[Case], row: int | None) -> None:
    """Buttons to the previous and the next eye; the keys P and N press them."""
    before = shown[row - 1] if row else None
    after = shown[0] if row is None and shown else shown[row + 1] if row is not None and row + 1 < len(shown) else None
    for column, label, case, key in zip(st.columns(2), ("Previous", "Next"), (before, after), "PN", strict=True):
        column.button(
            label,
            key=f"case_{label.lower()}",
            shortcut=key,
            disabled=case is None,
            width="stretch",
            on_click=chosen.look_at,
            args=(case.eye if case else shown[0].eye,) if shown else None,
        )


def _known_grades(eyes: Sequence[Eye]) -> dict[str, str]:
    """Key of each eye -> its grade where it is known, for the list."""
    known = zip(eyes, truth.known_grades(eyes), strict=True)
    return {eye.key: str(grade) if grade >= 0 else "" for eye, grade in known}


def _show_table(shown: Sequence[Case], row: int | None, grades: Mapping[str, str]) -> None:
    if not shown:
        st.caption("No eye matches these filters.")
        return
    table = pd.DataFrame(
        {
            "": [_data_url(case.facts.thumbnail if case.facts else b"") for case in shown],
            "eye": [("▸ " if number == row else "") + case.eye.name for number, case in enumerate(shown)],
            "referable": [case.verdict for case in shown],
            "quality": [case.quality for case in shown],
            "grade": [grades[case.eye.key] for case in shown],
        }
    )
    if not table["grade"].any():
        table = table.drop(columns="grade")
    st.session_state["case_rows"] = [case.eye for case in shown]
    st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 44 * len(shown), _LARGEST_HEIGHT),
        row_height=44,
        key="case_table",
        on_select=_open_row,
        selection_mode="single-row",
        column_config={"": st.column_config.ImageColumn(width=44), "eye": st.column_config.TextColumn(width=92)},
    )


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else _NO_PICTURE


def _open_row() -> None:
    rows = st.session_state["case_table"]["selection"]["rows"]
    eyes: list[Eye] = st.session_state.get("case_rows", [])
    if rows and rows[0] < len(eyes):
        chosen.look_at(eyes[rows[0]])


def _show_actions(study: Study, cases: Sequence[Case], at: str) -> None:
    unread = [case.eye for case in cases if case.facts is None]
    if unread and st.button(
        f"Analyze {_count(len(unread))}", key="case_ask", width="stretch", help="Reads them and runs every model."
    ):
        bar = st.progress(0.0)
        for done, eye in enumerate(unread):
            bar.progress(done / len(unread), f"{done} of {len(unread)}")
            case_facts.read_facts(eye, study)
        st.rerun()
    listed = [case for case in cases if case.eye.file is None]
    if len(listed) > 1:
        st.button(
            f"Remove the {len(listed)} not uploaded",
            key="case_remove_listed",
            width="stretch",
            on_click=case_list.remove_listed,
            args=(study,),
        )
    eye = next(case.eye for case in cases if case.eye.key == at)
    st.button("Remove this eye", key="case_remove", width="stretch", on_click=case_list.remove_case, args=(study, eye))
