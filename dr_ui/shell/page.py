"""The shell that every page stands in: its head, the open study, and what happens when something fails."""

import functools
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import ParamSpec, TypeVar

import streamlit as st

from dr_cli.commands import render_remedy
from dr_core.errors import InputError
from dr_core.study.folder import Study as Study
from dr_ui.parts import style
from dr_ui.parts.plain_text import plain_message
from dr_ui.shell import access, audit, navigation, request_queue, result_tables, studies, tour
from dr_ui.shell.app_files import find_app_folder
from dr_ui.shell.navigation import kept_input

_P = ParamSpec("_P")
_R = TypeVar("_R")
_LOG = logging.getLogger("dr_lens")
SHOWN = threading.Event()
"""Set once a page has been drawn since the server started."""

_PAGES, _ICON = find_app_folder() / "pages", find_app_folder() / "assets" / "icon.svg"


@dataclass(frozen=True)
class PageQuestion:
    """A question that one page answers.

    Attributes:
        page: File of the page.
        title: Name of the page.
        question: The question.
        promise: What one finds there.
    """

    page: str
    title: str
    question: str
    promise: str


_QUESTIONS = (
    PageQuestion(
        "1_Compare.py",
        "Compare",
        "What do the models say about this eye?",
        "Open a sample or your own photographs and see their answers side by side.",
    ),
    PageQuestion(
        "2_Robustness.py",
        "Robustness",
        "How much damage does each model take?",
        "Corruptions on a slider, the whole grid for one eye, and Figure 4 over many.",
    ),
    PageQuestion(
        "3_Explain.py",
        "Explain",
        "Did it look at the lesions?",
        "A heatmap of each model over the eye, and how much of it lies on the lesions compared with controls.",
    ),
    PageQuestion(
        "4_Representations.py",
        "Representations",
        "What did the models learn to see?",
        "How many directions each layer uses, and which distribution its eigenvalues follow.",
    ),
    PageQuestion(
        "5_Performance.py",
        "Performance",
        "How good are the models?",
        "ROC curves with an operating point, few labels, grades, and the eyes they disagree on.",
    ),
    PageQuestion(
        "6_Reproduction.py",
        "Reproduction",
        "Does the paper hold?",
        "Every claim and number of the paper beside this study's, with a verdict by a stated rule.",
    ),
)


def questions() -> list[PageQuestion]:
    """The questions that the app answers."""
    return [question for question in _QUESTIONS if (_PAGES / question.page).is_file()]


def show(title: str, question: str, render: Callable[[Study], None], *, is_long: bool = False) -> None:
    """Show a page.

    Args:
        title: Name of the page in the browser's tab.
        question: The question that stands at its top.
        render: Draws the page for the open study.
        is_long: Whether it computes for a second and more: such pages stand in a line of their own on a busy machine.
    """
    line = request_queue.LONG if is_long else request_queue.SHORT
    st.set_page_config(page_title=f"{title} · DR Lens", page_icon=str(_ICON), layout="wide")
    tour.follow_tour()
    st.html(style.page_css())
    st.html(
        f'<div class="lens-head"><h1>{escape(question)}</h1>'
        '<span class="lens-note" role="note">Research use only, not for diagnosis</span></div>'
    )
    navigation.enter_page(title)
    tour.show_step()
    _guard(lambda: _render(render, line))
    SHOWN.set()


def _render(render: Callable[[Study], None], line: request_queue.Line) -> None:
    if access.may_enter():
        with request_queue.take_turn(line):
            study = _choose_study()
            audit.note_study(study.name)
            st.html(style.setup_css(study.setups.values()))
            stale = st.container()  # filled when it is known on which tables the page rests
            try:
                with result_tables.noting_tables() as tables:
                    render(study)
                with stale:
                    result_tables.show_stale(study, tables)
            except InputError:
                _show_rest(study)  # the list removes an eye that the page cannot show
                raise
            _show_rest(study)


def _show_rest(study: Study) -> None:
    """The case list, and where the models run; what they need is imported when the page's text stands there."""
    from dr_ui.eyes import case_strip
    from dr_ui.shell.device import model_device

    case_strip.show_strip(study)
    if note := model_device().note:
        st.html(f'<p class="lens-warning" role="alert">{escape(note)}</p>')


def _choose_study() -> Study:
    names = [path.name for path in studies.available_studies()]
    if len(names) < 2:
        return studies.open_named(None)
    with st.sidebar:
        return studies.open_named(st.selectbox("Study", names, **kept_input("study")))


def guarded_fragment(run_every: float | None = None) -> Callable[[Callable[_P, _R]], Callable[_P, _R | None]]:
    """`st.fragment` in which an error that a user can mend is a sentence, as on the page around it.

    Streamlit hands whatever a fragment raises to the page as another exception, which would take the page for broken.

    Args:
        run_every: Seconds after which it is drawn again; None draws it when one of its inputs changes.

    Returns:
        Decorator; what it decorates gives None after an error.
    """

    def decorate(draw: Callable[_P, _R]) -> Callable[_P, _R | None]:
        @st.fragment(run_every=run_every)
        @functools.wraps(draw)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
            found: list[_R] = []
            _guard(lambda: found.append(draw(*args, **kwargs)))
            return found[0] if found else None

        return guarded

    return decorate


def _guard(draw: Callable[[], None]) -> None:
    """Turn what a user can mend into a sentence, and what nobody expected into a number for the log."""
    try:
        draw()
    except InputError as error:
        # A message can quote a stranger's file; an image in it would make the browser ask another host.
        command = f" The command: `{render_remedy(error.remedy)}`" if error.remedy else ""
        st.error(plain_message(str(error)) + command, icon=":material/error:")
    except Exception:  # noqa: BLE001 - the last door before the user; the traceback goes to the log
        number = uuid.uuid4().hex[:8]
        _LOG.exception("unexpected error %s", number)
        st.error(
            "An unexpected error occurred; your photographs and settings are still here. If it happens again, give "
            f"this server's administrator the number {number}.",
            icon=":material/error:",
        )
