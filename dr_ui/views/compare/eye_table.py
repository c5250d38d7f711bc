"""Many eyes: a table to sort, of which one row is opened."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.data.grades import GRADES, tells_grades
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.eyes import case_facts, chosen
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.case_facts import CaseFacts
from dr_ui.parts import tables
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.parts.plain_text import plain

_PATIENCE = 0.3
"""Seconds after which progress is shown; answers that are known come sooner, and nothing should flash."""

_ROWS = "table_rows"

_SENTENCES = 3
"""Bad files that are named; more are counted."""


def can_be_shown(study: Study, eyes: Sequence[Eye], eye: Eye) -> bool:
    """Whether an eye can be shown: a single one always, one of several unless its file cannot be read.

    Args:
        study: The study.
        eyes: The eyes of the case list.
        eye: One of them.
    """
    return len(eyes) == 1 or not case_facts.find_facts(eye, study).error


def show_table(study: Study, eyes: Sequence[Eye], point: OperatingPoint) -> None:
    """Draw the table of the eyes that could be read, and name the others.

    Args:
        study: The study.
        eyes: The eyes of the case list.
        point: The operating point.
    """
    asked, unreadable = _ask(study, eyes)
    if unreadable:
        st.warning(_list(unreadable), icon=":material/warning:")
    if not asked:
        return
    table = pd.DataFrame([{"eye": eye.name} | _row(answers, point, study.setups) for eye, answers in asked])
    st.html(
        f'<p class="lens-small"><b>{len(table)} eyes.</b> A click on a row opens the eye below, on a heading sorts. '
        f"P: probability of grades {point.grades}, 0 to 1.</p>"
    )
    readable = [eye for eye, _ in asked]
    key = f"table_{chosen.turn()}"
    st.session_state[_ROWS] = readable
    st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 35 * len(table), 178),
        on_select=partial(_open_row, key),
        selection_mode="single-row-required",
        key=key,
        selection_default={"selection": {"rows": [chosen.chosen_row(readable)], "columns": []}},
        column_config=tables.pin_first(
            table,
            {name: st.column_config.NumberColumn(format="%.2f") for name in table.columns if name.startswith("P ")},
        ),
    )


def _open_row(key: str) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    eyes: list[Eye] = st.session_state.get(_ROWS, [])
    if rows and rows[0] < len(eyes):
        chosen.select_eye(eyes[rows[0]])


def _ask(study: Study, eyes: Sequence[Eye]) -> tuple[list[tuple[Eye, Mapping[str, np.ndarray]]], list[str]]:
    """Ask the models about each eye; a file that cannot be read becomes a sentence, and the others go on."""
    asked, unreadable = [], []
    for eye, facts in zip(eyes, _with_progress(case_facts.find_all_facts(eyes, study), len(eyes)), strict=True):
        if facts.error:
            unreadable.append(facts.error.replace("The photograph", eye.name, 1))
        else:
            asked.append((eye, facts.answers))
    return asked, unreadable


def _list(sentences: Sequence[str]) -> str:
    more = len(sentences) - _SENTENCES
    shown = [
        *map(plain, sentences[:_SENTENCES]),
        *([f"And {more} more files that cannot be read."] if more > 0 else []),
    ]
    return "  \n".join(shown)


def _with_progress(found: Iterable[CaseFacts], count: int) -> Iterator[CaseFacts]:
    bar, started = st.empty(), time.monotonic()
    for done, facts in enumerate(found, 1):
        if time.monotonic() - started > _PATIENCE:
            bar.progress(done / count, f"{done} of {count} eyes answered")
        yield facts
    bar.empty()


def _row(answers: Mapping[str, np.ndarray], point: OperatingPoint, setups: Mapping[str, Setup]) -> dict[str, object]:
    agreement = point.agree(answers)
    scores = {f"P {setups[setup].label}": float(point.score(softmax)) for setup, softmax in answers.items()}
    grades = {
        f"grade {setups[setup].label}": GRADES[int(softmax.argmax())] if tells_grades(softmax) else "no answer"
        for setup, softmax in answers.items()
    }
    count: dict[str, object] = {"say referable": f"{len(agreement.referable)} of {len(point.answered(answers))}"}
    return count | scores | grades
