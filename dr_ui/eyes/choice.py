"""Choosing an eye: the samples and the uploads that every page about single eyes offers."""

import base64
from html import escape

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.data.fundus import KINDS
from dr_core.data.intake.lesion_mask import split_name
from dr_core.study.folder import Study
from dr_ui.eyes import cache, uploads
from dr_ui.eyes.cache import Eye
from dr_ui.shell import result_tables, studies

SAMPLES: dict[str, tuple[int, int]] = {
    "no DR": (0, 11),
    "mild": (1, 12),
    "moderate": (2, 13),
    "severe": (3, 14),
    "proliferative": (4, 15),
    "dim photo": (2, 27),
}
"""Name -> grade and seed of the phantom."""

FIRST_SAMPLE = "severe"
"""The sample that a page opens with."""


def choose_eyes() -> list[Eye]:
    """Draw the uploader and the samples; give the uploaded eyes, or else the chosen sample."""
    upload, samples = st.columns([2.3, 4.4], gap="small")
    with upload:
        files = uploads.keep(upload_files("Your photographs", f"{KINDS}, one or many."))
        files = [file for file in files if split_name(file.name)[1] is None]
    with samples:
        sample = choose_sample(disabled=bool(files))
    return [cache.uploaded_eye(file) for file in files] or [sample]


def upload_files(label: str, kinds: str) -> list[UploadedFile]:
    """Draw the uploader.

    Args:
        label: What to upload.
        kinds: Which files are taken, a sentence.
    """
    return st.file_uploader(
        label,
        accept_multiple_files=True,
        key="photographs",
        help=f"{kinds} They stay in memory on every page until you remove them or close this tab; nothing is written "
        "to disk.",
    )


_LINKED = "eye"
"""Name in a link of an eye that the study was measured on: its data set and its name, with a slash between."""


_FOLLOWING = ("study", "threshold", "reading")
"""Inputs in a link that other pages share; a link inside a page takes them along."""


def link_query(study: Study, data: str, name: str) -> dict[str, str]:
    """What a link to a page about one eye carries, so that it opens with an eye that the study was measured on."""
    several = {"study": study.name} if len(studies.available_studies()) > 1 else {}
    return {_LINKED: f"{data}/{name}"} | _following() | several


def _following() -> dict[str, str]:
    given = {name: st.query_params.get(name) for name in _FOLLOWING}
    return {name: value for name, value in given.items() if value}


def query_of(eye: Eye) -> dict[str, str] | None:
    """What a link to another page carries for an eye; None for an upload, which never goes into a link."""
    if eye.picture is not None:
        return {_LINKED: st.query_params[_LINKED]} | _following()
    sample = next((name for name, drawn in SAMPLES.items() if eye.file is None and eye.sample == drawn), None)
    return None if sample is None else {"sample": sample} | _following()


def _linked_eye(disabled: bool) -> Eye | None:
    """Show the eye that the link names, with the way back to the samples."""
    data, found, name = st.query_params.get(_LINKED, "").partition("/")
    if not found:
        return None
    study = studies.open_named(st.session_state.get("study"))
    title, back = st.columns([3.2, 1.3], vertical_alignment="center")
    if back.button("Samples", disabled=disabled, width="stretch", help="Back to the samples."):
        del st.query_params[_LINKED]
        st.rerun()
    title.html(
        f'<p class="lens-small"><b>{escape(name)}</b><br>one of the eyes that the study was measured on: '
        f"{escape(result_tables.data_title(study, data))}</p>"
    )
    return cache.study_eye(study, data, name, result_tables.read_table(study, "eyes"))


def choose_sample(*, disabled: bool) -> Eye:
    """Draw the samples, or the eye that the link names; `disabled` where another eye is looked at."""
    if linked := _linked_eye(disabled):
        return linked
    st.html(_thumbnails_css())
    sample = st.segmented_control(
        "or a drawn eye (phantom), by its grade",
        list(SAMPLES),
        default=FIRST_SAMPLE,
        required=True,
        key="sample",
        bind="query-params",
        disabled=disabled,
        width="stretch",
        help="Drawn by DR Lens. The grade follows from the lesions that are drawn. Remove your photographs to "
        "return to the phantoms.",
    )
    name = sample or FIRST_SAMPLE
    return cache.phantom_eye(f"phantom, {name}", *SAMPLES[name])


def _thumbnails_css() -> str:
    """A small picture of the phantom over the name of each sample."""
    rules = []
    for number, (grade, seed) in enumerate(SAMPLES.values(), start=1):
        picture = base64.b64encode(cache.phantom_thumbnail(grade, seed)).decode()
        rules.append(
            f'.st-key-sample [role="radio"]:nth-of-type({number})::before '
            f"{{ background-image: url(data:image/jpeg;base64,{picture}); }}"
        )
    return f"<style>{''.join(rules)}</style>"
