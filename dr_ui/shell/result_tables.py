"""Result tables of the open study, read once as long as the files stay."""

import pandas as pd
import streamlit as st

from dr_core.study.folder import Study, open_study


@st.cache_data(max_entries=24, show_spinner=False)
def _read(path: str, table: str, stamp: tuple[int, int]) -> pd.DataFrame:
    return open_study(path).read_checkpoint_results(table)


def load_table(study: Study, table: str) -> pd.DataFrame | None:
    """The table's rows of the models in `checkpoints/`, or None; raises as `Study.read_checkpoint_results` does."""
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
    chosen = st.selectbox("Eyes", keys, format_func=lambda key: data_title(study, key), key="data", bind="query-params")
    return chosen or keys[0]
