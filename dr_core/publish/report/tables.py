"""Tables of the report."""

import math
from html import escape

import pandas as pd

from dr_core.study.folder import Study


def label_setups(study: Study, setups: pd.Series) -> list[str]:
    """Names of a study's set-ups for people; the name itself where the study does not declare it."""
    labels = {name: setup.label for name, setup in study.setups.items()}
    return [labels.get(str(setup), str(setup)) for setup in setups]


def write_intervals(rows: pd.DataFrame, digits: int) -> list[str]:
    """Ends of each row's interval; nothing where it has none."""
    return [
        "" if math.isnan(low + high) else f"{low:.{digits}f} to {high:.{digits}f}"
        for low, high in zip(rows["low"], rows["high"], strict=True)
    ]


def write_table(rows: pd.DataFrame, names: dict[str, str], digits: int) -> str:
    """A table of HTML: the columns that `names` has, by their headings, numbers to some digits."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in names.values())
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(value, digits)}</td>" for value in row) + "</tr>"
        for row in rows[list(names)].itertuples(index=False)
    )
    return f"<table class='numbers'><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.{digits}f}"
    return escape(str(value))
