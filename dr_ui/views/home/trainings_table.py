"""All trainings of the open study, sortable, with mean and spread over the seeds."""

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from dr_core.study.digests import stamp_of
from dr_core.study.folder import Study, open_study
from dr_core.study.runs import list_training_runs
from dr_core.study.trainings import find_test_data, list_trainings, summarize_trainings
from dr_ui.parts import tables
from dr_ui.shell import result_tables


@st.cache_data(max_entries=8, show_spinner=False)
def _list(path: str, data: str, stamp: tuple[object, ...]) -> pd.DataFrame:
    del stamp
    return list_trainings(open_study(path), data)


def show_trainings(study: Study) -> None:
    """Every training run in a row, folded away; nothing where the study has none."""
    runs = list_training_runs(study, without_weights=True)
    if not runs:
        return
    with st.expander(f"All {len(runs)} trainings of this study" if len(runs) > 1 else "The training of this study"):
        keys = find_test_data(study)
        data = keys[0] if keys else ""
        stamp = (result_tables.results_stamp(study), tuple((run.name, stamp_of(run.path)) for run in runs))
        trainings = _list(str(study.path), data, stamp)
        labels = {name: setup.label for name, setup in study.setups.items()}
        title = result_tables.data_title(study, data) if data else "test eyes"
        named = trainings.assign(setup=trainings["setup"].map(labels))
        shown = named.dropna(axis="columns", how="all")  # such as times of an earlier version's runs
        tables.show(shown, "trainings", column_config=_columns(title), width="stretch")
        _show_spread(trainings, labels)


def _columns(title: str) -> dict[str, ColumnConfig]:
    number = st.column_config.NumberColumn
    return {
        "setup": st.column_config.TextColumn("set-up"),
        "fraction": number("labels, %", help="Share of the training patients whose labels were used."),
        "seed": number("seed"),
        "epochs": number("epochs", help="Epochs completed; 0 if the run folder is missing."),
        "asked": number("epochs asked for"),
        "best_epoch": number("best epoch", help="The epoch that was kept: the one with the best validation AUC."),
        "validation_auc": number(
            "validation AUC",
            format="%.3f",
            help="Grades 3-4 against 0-2; slightly optimistic, since the epoch was chosen by it.",
        ),
        "test_auc": number("test AUC", format="%.3f", help=f"Grades 3-4 against 0-2 on {title}."),
        "seconds": number("seconds", format="%.0f", help="Time of all its epochs."),
        "digest": st.column_config.TextColumn("digest", help="First 16 digits of the weights' SHA-256."),
    }


def _show_spread(trainings: pd.DataFrame, labels: dict[str, str]) -> None:
    """Mean and standard deviation over the seeds, where any set-up was trained more than once."""
    spread = summarize_trainings(trainings)
    several = spread[spread["runs"] > 1]
    if several.empty:
        st.caption("One training of each set-up: these are statements about these checkpoints, not about the set-ups.")
        return
    words = "test AUC" if several["measure"].iloc[0] == "test_auc" else "validation AUC"
    lines = [
        f"{labels[str(row['setup'])]}, {row['fraction']} % of the labels: {row['mean']:.3f} ± {row['spread']:.3f} "
        f"({row['runs']} seeds)"
        for row in several.to_dict("records")
    ]
    st.caption(f"Mean and standard deviation of the {words} over seeds. " + "; ".join(lines) + ".")
