"""Choosing an eye: the samples and the uploads that every page about single eyes offers."""

from html import escape

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.data.fundus import KINDS
from dr_core.study.folder import Study
from dr_ui.eyes import cache, case_list, uploads
from dr_ui.eyes.cache import Eye
from dr_ui.parts import style
from dr_ui.shell import result_tables, studies
from dr_ui.shell.navigation import kept_input

SAMPLES: dict[str, tuple[int, int]] = {
    "no DR": (0, 11),
    "mild": (1, 32),
    "moderate": (2, 63),
    "severe": (3, 54),
    "proliferative": (4, 55),
    "dim photo": (2, 37),
}
"""Name -> grade and seed of the phantom: six cameras, chosen by how the eyes look, before any model saw them."""

FIRST_SAMPLE = "severe"
"""The sample that a page opens with."""


def choose_eyes() -> list[Eye]:
    """Draw the uploader and the samples; give the eyes of the case list, or else the chosen sample."""
    upload, samples = st.columns([2.3, 4.4], gap="small")
    with upload:
        uploads.keep(upload_files("Your photographs", f"{KINDS}, one or many."))
    study = studies.open_chosen()
    case_list.take_link(study)
    with samples:
        sample = choose_sample(study)
    return case_list.list_cases(study) or [sample]


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


_FOLLOWING = ("study", "point", "threshold", "reading")
"""Inputs in a link that other pages share; a link inside a page takes them along."""


def link_query(study: Study, data: str, name: str) -> dict[str, str]:
    """What a link to a page about one eye carries, so that it opens with an eye that the study was measured on."""
    several = {"study": study.name} if len(studies.available_studies()) > 1 else {}
    return {case_list.LINKED: f"{data}/{name}"} | _following() | several


def _following() -> dict[str, str]:
    given = {name: st.query_params.get(name) for name in _FOLLOWING}
    return {name: value for name, value in given.items() if value}


def query_of(eye: Eye) -> dict[str, str] | None:
    """What a link to another page carries for an eye; None for an upload, which never goes into a link."""
    if eye.link:
        return {case_list.LINKED: eye.link} | _following()
    sample = next((name for name, drawn in SAMPLES.items() if eye.file is None and eye.sample == drawn), None)
    return None if sample is None else {"sample": sample} | _following()


def _show_listed_eye(study: Study, eye: Eye) -> None:
    """Name the eye that is looked at where it was not uploaded, with the way back to the samples."""
    title, back = st.columns([3.2, 1.3], vertical_alignment="center")
    back.button(
        "Samples",
        width="stretch",
        help="Removes all eyes that you have not uploaded from the case list.",
        on_click=case_list.remove_listed,
        args=(study,),
    )
    title.html(
        f'<p class="lens-small"><b>{escape(eye.name)}</b><br>'
        f"{'one of the eyes on which the study was measured: ' if eye.link else ''}"
        f"{escape(result_tables.data_title(study, eye.source))}</p>"
    )


def choose_sample(study: Study, *, disabled: bool = False) -> Eye:
    """Draw the samples, or name the study's eye that is looked at; `disabled` where another eye is looked at."""
    current = case_list.current_case(study)
    if current is not None and current.file is None:
        _show_listed_eye(study, current)
        return current
    disabled = disabled or current is not None
    pictures = [cache.phantom_thumbnail(grade, seed) for grade, seed in SAMPLES.values()]
    st.html(style.thumbnails_css(".st-key-sample", pictures))
    sample = st.segmented_control(
        "or a drawn eye (phantom), by its grade",
        list(SAMPLES),
        default=FIRST_SAMPLE,
        required=True,
        **kept_input("sample"),
        disabled=disabled,
        width="stretch",
        help="Drawn by DR Lens. The grade follows from the drawn lesions. Remove your photographs to "
        "return to the phantoms.",
    )
    return _sample(sample or FIRST_SAMPLE)


def first_sample() -> Eye:
    """The sample that a page opens with."""
    return _sample(FIRST_SAMPLE)


def _sample(name: str) -> Eye:
    return cache.phantom_eye(f"phantom, {name}", *SAMPLES[name])
