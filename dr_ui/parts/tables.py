"""Tables to read, to sort and to take away."""

from typing import Any

import pandas as pd
import streamlit as st

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
