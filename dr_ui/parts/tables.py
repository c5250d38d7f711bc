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
    st.dataframe(table, hide_index=True, key=key, **options)
    take_figure.offer_table(table, key)
