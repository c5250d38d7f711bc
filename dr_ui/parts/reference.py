"""The reference set-up: what differences are taken from, one choice for the whole visit."""

from collections.abc import Collection

import streamlit as st

from dr_core.models.setups import default_reference
from dr_core.study.folder import Study
from dr_ui.shell.navigation import kept_input


def choose_reference(study: Study, present: Collection[str]) -> str:
    """Let the user choose the set-up from whose values the others' differ; the choice follows from page to page.

    Args:
        study: The study.
        present: Names of the set-ups that have values here; at least one.

    Returns:
        Name of the reference, by default the one that the study declares as a partner, or its first.
    """
    setups = {name: setup for name, setup in study.setups.items() if name in present}
    names = list(setups)
    chosen = st.selectbox(
        "Reference set-up",
        names,
        index=names.index(default_reference(setups)),
        format_func=lambda name: setups[name].label,
        **kept_input("reference"),
        help="Differences are the other set-ups' values minus this one's.",
    )
    return chosen or names[0]
