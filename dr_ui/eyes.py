"""Choosing an eye: the samples and the uploads that every page about single eyes offers."""

import base64

import streamlit as st

from dr_ui import cache
from dr_ui.cache import Eye

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
        files = st.file_uploader(
            "Your photographs",
            accept_multiple_files=True,
            key="photographs",
            help="JPEG, PNG or TIFF, one or many. They stay in memory while this tab is open; "
            "nothing is written to disk.",
        )
    with samples:
        st.html(_thumbnails_css())
        sample = st.segmented_control(
            "or a drawn eye (phantom), by its grade",
            list(SAMPLES),
            default=FIRST_SAMPLE,
            required=True,
            key="sample",
            bind="query-params",
            disabled=bool(files),
            width="stretch",
            help="Drawn by DR Lens. The grade follows from the lesions that are drawn. Remove your photographs to "
            "return to the phantoms.",
        )
    if files:
        return [cache.uploaded_eye(file) for file in files]
    name = sample or FIRST_SAMPLE
    return [cache.phantom_eye(f"phantom, {name}", *SAMPLES[name])]


def _thumbnails_css() -> str:
    """A small picture of the phantom over the name of each sample."""
    rules = []
    for place, (grade, seed) in enumerate(SAMPLES.values(), start=1):
        picture = base64.b64encode(cache.phantom_thumbnail(grade, seed)).decode()
        rules.append(
            f'.st-key-sample [role="radio"]:nth-of-type({place})::before '
            f"{{ background-image: url(data:image/jpeg;base64,{picture}); }}"
        )
    return f"<style>{''.join(rules)}</style>"
