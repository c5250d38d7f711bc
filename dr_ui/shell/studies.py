"""Which study is open: named by the environment, never typed in the browser."""

import os
from pathlib import Path

import streamlit as st

from dr_core.errors import InputError
from dr_core.study.advice import advise_no_study
from dr_core.study.folder import Study, list_studies, open_study
from dr_ui.shell.app_files import find_app_folder

DEMO = find_app_folder() / "assets" / "demo_study"


def available_studies() -> list[Path]:
    """Folders that the app may open.

    `DR_STUDY` names one study; `DR_STUDIES` a folder of studies; without either there is the demo.

    Raises:
        InputError: If `DR_STUDIES` names no folder, or one without studies.
    """
    if one := os.environ.get("DR_STUDY"):
        return [Path(one)]
    if folder := os.environ.get("DR_STUDIES"):
        studies = list_studies(folder)
        if not studies:
            advice = advise_no_study(Path(folder) / "demo")
            raise InputError(f"The folder of studies {folder} holds no study. {advice.sentence}", advice.remedy)
        return studies
    return [DEMO]


def open_chosen() -> Study:
    """The study that is open in this session; raises as `open_named` does."""
    return open_named(st.session_state.get("study"))


def open_named(name: str | None) -> Study:
    """Open the available study of this name, or the first one.

    Args:
        name: Name of a study's folder; an unknown one falls back to the first, so that an old link still opens.

    Raises:
        InputError: If the study cannot be opened.
    """
    studies = available_studies()
    chosen = next((path for path in studies if path.name == name), studies[0])
    return open_study(chosen)
