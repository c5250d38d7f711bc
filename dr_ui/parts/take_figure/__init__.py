"""Take a chart away: as PNG, SVG or CSV, each with study, checkpoints, settings, date and link in it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dr_core import __version__
from dr_core.files import csv_of
from dr_core.study.digests import digest_checkpoints
from dr_core.study.folder import Study
from dr_ui.shell import studies

_FOLDER = Path(__file__).parent


def buttons_html(title: str, *kinds: str) -> str:
    """The row of buttons below a figure or a table, one for each kind of file."""
    buttons = "".join(f'<button type="button" data-kind="{kind.lower()}">{kind}</button>' for kind in kinds)
    status = '<span class="lens-take-status" role="status"></span>'
    return f'<div class="lens-take" role="group"><span>{title}</span>{buttons}{status}</div>'


FIGURE_BUTTONS = buttons_html("Download this figure", "PNG", "SVG", "CSV")


def describe_origin(study: Study) -> dict[str, str]:
    """What a figure or a table is of: study, checkpoints by digest, version and date.

    Args:
        study: The study.
    """
    digests = digest_checkpoints(study)
    checkpoints = ", ".join(f"{study.setups[name].label} {digest}" for name, digest in digests.items())
    return {
        "study": f"{study.info.title} ({study.name})",
        "checkpoints": checkpoints or "none",
        "program": f"DR Lens {__version__}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def offer_chart(key: str) -> None:
    """Draw the buttons below a chart; the browser makes the files from what it shows.

    Args:
        key: Key of the Plotly chart.
    """
    study = studies.open_chosen()
    data = {"chart": key, "file": f"{study.name}-{key}", "origin": describe_origin(study)}
    _component("figure", FIGURE_BUTTONS)(data=data, key=f"take_{key}")


def offer_shown_table(key: str, small: str) -> None:
    """Draw the button below tables that are drawn as HTML; the browser makes the file from what it shows.

    Args:
        key: Key of the container around them, and name of the file.
        small: What the small figures beside the numbers are, a column's name.
    """
    study = studies.open_chosen()
    data = {"table": key, "file": f"{study.name}-{key}", "small": small, "origin": describe_origin(study)}
    _component("table", buttons_html("Download this table", "CSV"))(data=data, key=f"take_{key}")


def offer_table(table: pd.DataFrame, key: str) -> None:
    """Draw the button below a table.

    Args:
        table: What is taken: all its rows and columns.
        key: Name of the table, of which the file's name is made.
    """
    study = studies.open_chosen()
    origin = describe_origin(study) | _describe_view()  # Streamlit knows the address only while the page is drawn
    st.download_button(
        "Download this table (CSV)",
        lambda: csv_of(with_origin(table, origin)),
        f"{study.name}-{key}.csv",
        "text/csv",
        key=f"take_{key}",
        type="tertiary",
        on_click="ignore",
    )


def _describe_view() -> dict[str, str]:
    settings = "; ".join(f"{key}: {', '.join(st.query_params.get_all(key))}" for key in st.query_params)
    return {"settings": settings or "as when the page opens", "link": str(st.context.url or "")}


def with_origin(table: pd.DataFrame, origin: Mapping[str, str]) -> pd.DataFrame:
    """A table with where it comes from, one column for each fact; its own columns of such a name stay.

    Args:
        table: The table.
        origin: Fact -> text.
    """
    return table.assign(**{name: value for name, value in origin.items() if name not in table})


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def files_script() -> str:
    """JavaScript with which other components make files of their own figures."""
    return _read("files.js")


def buttons_css() -> str:
    """Style sheet of the buttons."""
    return _read("take_figure.css")


@cache
def _component(kind: str, html: str) -> Any:  # noqa: ANN401 - Streamlit's own mounting function
    script = f"{files_script()}\n{_read(f'take_{kind}.js')}"
    return st.components.v2.component(f"dr_lens_take_{kind}", html=html, css=buttons_css(), js=script)
