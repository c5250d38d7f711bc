"""The button under an eye that writes a report about it on one page."""

import streamlit as st

from dr_core.errors import InputError
from dr_core.publish.pdf import html_to_pdf
from dr_core.study.folder import Study
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.parts.plain_text import plain


def show(study: Study, specimen: Specimen, point: OperatingPoint) -> None:
    """Offer the report; it is made when somebody asks for it, in memory alone."""
    contents = "Answers, heatmaps, scores and a scan of all corruptions of this eye on one page; takes a few seconds."
    if not st.button("One-page PDF", key="eye_report", icon=":material/print:", help=contents):
        return
    with st.spinner("Writing the report ..."):
        from dr_ui.parts.eye_report import write_eye_report

        content, suffix, kind = _print(write_eye_report(study, specimen, point))
    name = f"{specimen.eye.name.rsplit('.', 1)[0]}-dr-lens.{suffix}"
    st.download_button(f"Save {plain(name)}", content, name, kind, key="save_eye_report", on_click="ignore")


def _print(html: str) -> tuple[str | bytes, str, str]:
    """What is saved, its suffix and its type; the page itself where the server cannot print, and why it cannot."""
    try:
        return html_to_pdf(html), "pdf", "application/pdf"
    except InputError as error:
        st.caption(str(error))
        return html, "html", "text/html"
