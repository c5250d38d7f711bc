"""The eye on the screen: as taken, as the models see it, and whether the picture can be trusted."""

import base64
from html import escape

import streamlit as st

from dr_core.data.fundus.checks import BLURRED, DARK, FIELD_MISSING, OVEREXPOSED
from dr_core.data.fundus.quality import Quality
from dr_core.data.grades import GRADES
from dr_core.errors import InputError
from dr_core.experiments.judgement import Judgement
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.cache import Eye, Look
from dr_ui.eyes.case_facts import CaseFacts
from dr_ui.parts import take_figure, viewer
from dr_ui.parts.viewer import Scene
from dr_ui.shell.navigation import kept_input

VIEWS = ("as taken", "as the models see it")


_HEIGHT = 360
"""Most pixels that it is high on the page."""


def show(study: Study, eye: Eye, look: Look, judgement: Judgement) -> None:
    """Draw the picture, to zoom into, over its switch and its quality."""
    above = st.container()
    view = st.segmented_control(
        "The picture",
        VIEWS,
        default=VIEWS[0],
        required=True,
        **kept_input("view"),
        label_visibility="collapsed",
        width="stretch",
    )
    with above:
        viewer.show(_scene(study, eye, look, view or VIEWS[0]), "compare")
    st.html(quality_html(look, judgement, _told(eye, look, view or VIEWS[0])))


def _told(eye: Eye, look: Look, view: str) -> str:
    """What is shown, in a few words."""
    if view == VIEWS[0]:
        grade = eye.drawn_grade
        drawn = "" if grade is None else f"drawn with grade {grade}, {GRADES[grade]} · "
        return f"{drawn}{look.pixels[0]} × {look.pixels[1]} px"
    preprocessing = next(iter(look.views))
    cut = "cropped" if preprocessing.crop == "field_of_view" else "squashed"
    colors = ", colors relative to their surroundings" if preprocessing.contrast == "local" else ""
    return f"{cut} to {preprocessing.size} × {preprocessing.size} px{colors}"


def _scene(study: Study, eye: Eye, look: Look, view: str) -> Scene:
    taken = view == VIEWS[0]
    return Scene(
        eye=f"{eye.key} {view}",
        name=f"{eye.name}, {view}",
        photograph=look.close if taken else look.seen,
        ratio=look.pixels[1] / look.pixels[0] if taken else 1.0,
        origin={"figure": f"{eye.name}, {view}", **take_figure.describe_origin(study)},
        file=eye.name.rsplit(".", 1)[0],
        height=_HEIGHT,
    )


def box_html(study: Study, eye: Eye, facts: CaseFacts, name: str, instead: str = "") -> str:
    """The picture of a listed eye, called `name`, in its dark box; `instead`, HTML, where it cannot be had."""
    try:
        taken = b"" if facts.error else cache.look(eye, study).taken
    except InputError:
        taken = b""  # known from a table alone
    source = base64.b64encode(taken).decode()
    image = f'<img src="data:image/jpeg;base64,{source}" alt="{escape(name)}">' if taken else instead
    return f'<div class="lens-photo">{image}</div>'


def quality_html(look: Look, judgement: Judgement, note: str) -> str:
    """Say what is shown, and in words how good the picture is; the figures are in the hover."""
    quality = look.quality
    figures = (
        f"Field of view: {100 * quality.field_of_view_share:.0f} % of the picture. Sharpness {quality.sharpness:.2f}, "
        f"vessel contrast {quality.vessel_contrast:.2f} (higher is sharper). Brightness {quality.luminance:.0f} of 255."
    )
    words = " · ".join(f"{name} <b>{word}</b>" for name, word in _judge(quality).items())
    warnings = "".join(
        f'<p class="lens-warning" role="alert">{escape(reason.sentence)}</p>' for reason in judgement.reasons
    )
    warnings += "".join(f'<p class="lens-small">{escape(text)}</p>' for text in look.notes)
    return (
        f'<p class="lens-quality" title="{figures}">{words}<br>{note}<br>'
        f"checks of the picture: <b>{judgement.level.label}</b></p>{warnings}"
    )


def _judge(quality: Quality) -> dict[str, str]:
    warned = set(quality.warnings)
    exposure = "dark" if DARK in warned else "too bright" if OVEREXPOSED in warned else "ok"
    return {
        "field of view": "not found" if FIELD_MISSING in warned else "found",
        "sharpness": "low" if BLURRED in warned else "ok",
        "exposure": exposure,
    }
