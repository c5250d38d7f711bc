"""Result tables of the open study, read once as long as the files stay."""

import importlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape

import pandas as pd
import streamlit as st

from dr_core.study.digests import Stamp, stamp_of
from dr_core.study.folder import Study, open_study
from dr_core.study.runs import list_training_runs
from dr_core.study.staleness import Stale, find_stale
from dr_core.study.tables import TABLES
from dr_ui.shell.navigation import kept_input


def _know_all_tables() -> None:
    """Register the tables of every experiment; not while this module is imported, since it takes seconds."""
    importlib.import_module("dr_core.experiments.registry")


@st.cache_data(max_entries=24, show_spinner=False)
def _read(path: str, table: str, stamp: tuple[int, int]) -> pd.DataFrame:
    return open_study(path).read_checkpoint_results(table)


_RESTS_ON: ContextVar[set[str] | None] = ContextVar("rests_on", default=None)


@contextmanager
def noting_tables() -> Iterator[set[str]]:
    """Collect the names of the tables that are loaded in the block: what a page rests on."""
    names: set[str] = set()
    token = _RESTS_ON.set(names)
    try:
        yield names
    finally:
        _RESTS_ON.reset(token)


def rest_on_all_tables() -> None:
    """Note that a page rests on every table, as one that concludes something from all of them does."""
    _know_all_tables()
    _note(*TABLES)


def _note(*tables: str) -> None:
    names = _RESTS_ON.get()
    if names is not None:
        names.update(tables)


def load_table(study: Study, table: str) -> pd.DataFrame | None:
    """The table's rows of the models in `checkpoints/`, or None; raises as `Study.read_checkpoint_results` does."""
    _know_all_tables()
    _note(table)
    if not study.has_results(table):
        return None
    status = (study.path / "results" / f"{table}.parquet").stat()
    return _read(str(study.path), table, (status.st_mtime_ns, status.st_size))


ResultsStamp = tuple[tuple[str, int, int], ...]


def results_stamp(study: Study) -> ResultsStamp:
    """What changes when a result table is written: names, times and sizes."""
    files = sorted((study.path / "results").glob("*.parquet"))
    return tuple((path.name, (status := path.stat()).st_mtime_ns, status.st_size) for path in files)


def data_title(study: Study, key: str) -> str:
    """Name of a data set for people; its key where the study does not describe it."""
    return next((data.label or data.title for data in study.info.data if data.key == key), key)


def choose_data(study: Study, keys: list[str]) -> str:
    """Let the user choose among data sets; one alone is chosen without asking."""
    known = [data.key for data in study.info.data]
    keys = sorted(keys, key=lambda key: known.index(key) if key in known else len(known))
    if len(keys) == 1:
        return keys[0]
    chosen = st.selectbox("Eyes", keys, format_func=lambda key: data_title(study, key), **kept_input("data"))
    return chosen or keys[0]


def of_shown_data(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the eyes that the page shows, or of the table's first ones where it has none of those."""
    keys = list(dict.fromkeys(table["data"]))
    data = st.session_state.get("data")
    return table[table["data"] == (data if data in keys else keys[0])]


_SHOWN = 2
"""Stale results of one table that are listed on a page; the others are counted."""


@st.cache_data(max_entries=8, show_spinner="Comparing the tables with the models they were measured on")
def _find_stale(path: str, stamp: tuple[object, ...]) -> tuple[Stale, ...]:
    del stamp
    return find_stale(open_study(path))


def stale_results(study: Study) -> tuple[Stale, ...]:
    """What of the study's tables no longer follows from its models and eyes; looked for once as long as both stay."""
    runs: list[tuple[str, Stamp]] = [(run.name, stamp_of(run.path)) for run in list_training_runs(study)]
    return _find_stale(str(study.path), (results_stamp(study), tuple(runs), stamp_of(study.path / "study.json")))


def show_stale(study: Study, tables: Collection[str]) -> None:
    """Draw stale results struck through, each with the reason; nothing where all is well.

    Args:
        study: The study.
        tables: The tables on which the page rests.
    """
    stale = [one for one in stale_results(study) if one.table in tables] if tables else []
    if not stale:
        return
    lines = "".join(_list_stale([one for one in stale if one.table == table]) for table in TABLES if table in tables)
    with st.container(key="stale_results"):
        st.warning("Some numbers no longer follow from the study's models and eyes. Measure them again.")
        st.html(f'<ul class="lens-small">{lines}</ul>')


def _list_stale(stale: Sequence[Stale]) -> str:
    """The stale results of one table; the first ones by name."""
    lines = "".join(f"<li><s>{escape(one.describe())}</s>: {escape(one.reason)}</li>" for one in stale[:_SHOWN])
    more = len(stale) - _SHOWN
    return lines + (f"<li>and {more} more of {escape(stale[0].table.replace('_', ' '))}</li>" if more > 0 else "")
