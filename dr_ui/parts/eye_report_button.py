"""The button under an eye that writes it on one sheet of paper."""

import streamlit as st

from dr_core.errors import InputError
from dr_core.publish.pdf import html_to_pdf
from dr_core.study.folder import Study
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts.answer_cards import Verdict


def show(study: Study, specimen: Specimen, verdict: Verdict) -> None:
    """Offer the sheet; it is made when somebody asks for it, in memory alone."""
    told = "Answers, heatmaps, scores and a scan of 19 corruptions of this eye on one sheet; takes a few seconds."
    if not st.button("One-page PDF", key="sheet", icon=":material/print:", help=told):
        return
    with st.spinner("Writing the sheet ..."):
        from dr_ui.parts.eye_report import make_sheet

        content, suffix, kind = _print(make_sheet(study, specimen, verdict))
    name = f"{specimen.eye.name.rsplit('.', 1)[0]}-dr-lens.{suffix}"
    st.download_button(f"Save {name}", content, name, kind, key="save_sheet", on_click="ignore")


def _print(html: str) -> tuple[str | bytes, str, str]:
    """What is saved, its suffix and its type; the page itself where the server cannot print, and why it cannot."""
    try:
        return html_to_pdf(html), "pdf", "application/pdf"
    except InputError as error:
        st.caption(str(error))
        return html, "html", "text/html"
