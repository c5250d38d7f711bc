"""Two pictures over each other with a line between them that the hand or the arrow keys move."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent
_HTML = """<div class="lens-swipe"><img class="second"><img class="first"><i></i><span class="first-name"></span>
<span class="second-name"></span>
<input type="range" min="0" max="100" value="50" aria-label="Position of the line between the pictures"></div>"""


def show(first: bytes, second: bytes, names: tuple[str, str], key: str) -> None:
    """Show the pictures.

    Args:
        first: JPEG left of the line.
        second: JPEG right of it, of the same size.
        names: What they are.
        key: Name of this place on the page.
    """
    sources = {"first": _source(first), "second": _source(second), "firstName": names[0], "secondName": names[1]}
    _component()(data=sources, key=key)


def _source(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"


@cache
def _component() -> Any:  # noqa: ANN401 - Streamlit's own mounting function
    style, script = ((_FOLDER / f"swipe.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return st.components.v2.component("dr_lens_swipe", html=_HTML, css=style, js=script)
