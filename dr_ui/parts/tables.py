"""Tables to read, to sort and to take away."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dr_core.models.setups import Setup
from dr_ui.parts import take_figure


def show(table: pd.DataFrame, key: str, **options: Any) -> None:  # noqa: ANN401 - whatever `st.dataframe` takes
    """Draw a table, and the button that takes it away.

    Args:
        table: The table.
        key: Name of the table on its page, and in the file's name.
        **options: Further arguments of `st.dataframe`.
    """
    columns = pin_first(table, options.pop("column_config", {}))
    st.dataframe(table, hide_index=True, key=key, column_config=columns, **options)
    take_figure.offer_table(table, key)


def show_html(html: str, key: str, small: str = "small figure") -> None:
    """Draw tables of one's own making, and the button that takes them away.

    Args:
        html: The tables, with what stands beside them.
        key: Name of the tables on their page, and in the file's name.
        small: What the small figures beside the numbers are.
    """
    with st.container(key=key):
        st.html(html)
    take_figure.offer_shown_table(key, small)


def by_setup(rows: pd.DataFrame, setups: Mapping[str, Setup], index: Sequence[str], values: str) -> pd.DataFrame:
    """Lay long rows out with a column for each declared set-up, named by its label.

    Args:
        rows: Rows with the column `setup`.
        setups: The study's set-ups by name, in the order of the columns.
        index: Columns that stay as columns, before those of the set-ups.
        values: Column of what is shown.
    """
    declared = rows[rows["setup"].isin(list(setups))]
    wide = declared.pivot_table(index=list(index), columns="setup", values=values, aggfunc="first", sort=False)
    wide = wide[[name for name in setups if name in wide]]
    return wide.rename(columns={name: setup.label for name, setup in setups.items()}).reset_index()


def pin_first(table: pd.DataFrame, columns: dict[str, Any]) -> dict[str, Any]:
    """How the columns of a table are shown, the first one in place while the others are scrolled.

    Args:
        table: The table.
        columns: How they are shown otherwise, as `st.dataframe` takes it.
    """
    if table.columns.empty:
        return columns
    first = str(table.columns[0])
    return columns | {first: {**columns.get(first, st.column_config.Column()), "pinned": True}}
