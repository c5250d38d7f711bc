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
from dr_core.study.digests import digest_of
from dr_core.study.folder import Study
from dr_ui.shell import studies

_FOLDER = Path(__file__).parent
_KINDS = ("PNG", "SVG", "CSV")
_HTML = (
    '<div class="lens-take" role="group"><span>Download this figure</span>'
    + "".join(f'<button type="button" data-kind="{kind.lower()}">{kind}</button>' for kind in _KINDS)
    + '<span class="lens-take-status" role="status"></span></div>'
)


def describe_origin(study: Study) -> dict[str, str]:
    """What a figure or a table is of: study, checkpoints by digest, version and date.

    Args:
        study: The study.
    """
    present = [name for name in study.setups if study.has_checkpoint(name)]
    checkpoints = ", ".join(f"{study.setups[name].label} {digest_of(study.checkpoint_path(name))}" for name in present)
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
    _component()(data=data, key=f"take_{key}")


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
def _component() -> Any:  # noqa: ANN401 - Streamlit's own mounting function
    style, script = ((_FOLDER / f"take_figure.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return st.components.v2.component("dr_lens_take_figure", html=_HTML, css=style, js=script)
