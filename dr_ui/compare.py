"""Parts of the Compare page: choosing eyes, four answers side by side, many eyes in a table."""

import base64
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.analysis.agreement import Agreement, find_agreement
from dr_core.data.grades import GRADES, ReferableFrom, referable_probability
from dr_core.errors import InputError
from dr_core.models.setups import SETUPS
from dr_core.study.folder import Study
from dr_ui import cache, style
from dr_ui.cache import Eye, Look

SAMPLES: dict[str, tuple[int, int]] = {
    "no DR": (0, 11),
    "mild": (1, 12),
    "moderate": (2, 13),
    "severe": (3, 14),
    "proliferative": (4, 15),
    "no DR, dim": (0, 26),
}
"""Name -> grade and seed of the phantom."""

READINGS: dict[str, ReferableFrom] = {"3-4 (paper)": 3, "2-4 (ICDR)": 2}


@dataclass(frozen=True)
class Choice:
    """What the user has set above the answers.

    Attributes:
        eyes: Uploaded eyes, or the chosen sample.
        threshold: Probability from which an eye is called referable.
        reading: Name of the reading.
    """

    eyes: list[Eye]
    threshold: float
    reading: str

    @property
    def referable_from(self) -> ReferableFrom:
        """Lowest referable grade of the reading."""
        return READINGS[self.reading]


def choose() -> Choice:
    """Draw the row of inputs."""
    upload, samples, threshold_place, reading_place = st.columns([2.1, 1.7, 1.4, 1.9], gap="medium")
    with upload:
        files = st.file_uploader(
            "Your photographs (JPEG, PNG, TIFF)",
            accept_multiple_files=True,
            key="photographs",
            help="They stay in memory while this tab is open; nothing is written to disk.",
        )
    with samples:
        sample = st.selectbox(
            "or a phantom (drawn eye)",
            list(SAMPLES),
            index=list(SAMPLES).index("severe"),
            key="sample",
            bind="query-params",
            disabled=bool(files),
            help="Drawn by DR Lens; its grade follows from the lesions that are drawn.",
        )
    with threshold_place:
        threshold = st.slider(
            "Referable from",
            0.05,
            0.95,
            0.5,
            0.05,
            key="threshold",
            bind="query-params",
            help="A model calls the eye referable when its probability reaches this value.",
        )
    with reading_place:
        reading = st.segmented_control(
            "Grades that count as referable",
            list(READINGS),
            default="3-4 (paper)",
            required=True,
            key="reading",
            bind="query-params",
            help="The paper counts severe and worse; the ICDR standard counts moderate and worse.",
        )
    eyes = [cache.upload(file.name, file.getvalue()) for file in files or []]
    return Choice(eyes or [cache.phantom_sample(*SAMPLES[sample or "severe"])], threshold, reading or "3-4 (paper)")


def show_answers(study: Study, choice: Choice) -> None:
    """Show one eye, or a table of many with the one that is opened."""
    if not cache.models(study):
        raise InputError(
            f"The study {study.name} has no trained model yet; "
            f"`python train_cli.py demo --out {study.path}` trains them."
        )
    eye = choice.eyes[0] if len(choice.eyes) == 1 else _choose_from_table(study, choice)
    if eye is not None:
        _show_eye(study, choice, eye)


def _show_eye(study: Study, choice: Choice, eye: Eye) -> None:
    answers = cache.answers(eye, study)
    look = cache.look(eye, study)
    photograph, models = st.columns([1.45, 3.1], gap="medium")
    with photograph:
        view = st.segmented_control(
            "The eye",
            ["as taken", "as the models see it"],
            default="as taken",
            required=True,
            key="view",
            label_visibility="collapsed",
        )
        st.html(_photograph_html(eye, look, view or "as taken"))
        st.html(_quality_html(look))
    with models:
        st.html(_cards_html(answers, choice))
        agreement = find_agreement(answers, choice.referable_from, choice.threshold)
        st.html(_agreement_html(agreement, choice) + _missing_html(study, answers))


def _photograph_html(eye: Eye, look: Look, view: str) -> str:
    source = base64.b64encode(look.taken if view == "as taken" else look.seen).decode()
    image = f'<img src="data:image/jpeg;base64,{source}" alt="{escape(eye.name)}, {view}">'
    return f'<div class="lens-photo">{image}</div>'


def _quality_html(look: Look) -> str:
    quality = look.quality
    width, height = look.pixels
    line = (
        f'<p class="lens-quality">{width} × {height} px · field of view '
        f"{100 * quality.field_of_view_share:.0f} % of the picture · sharpness {quality.sharpness:.2f} · "
        f"brightness {quality.luminance:.0f} of 255</p>"
    )
    warnings = "".join(f'<p class="lens-warning" role="alert">{escape(text)}</p>' for text in quality.warnings)
    return warnings + line


def _cards_html(answers: dict[str, np.ndarray], choice: Choice) -> str:
    return f'<div class="lens-cards">{"".join(_card_html(setup, p, choice) for setup, p in answers.items())}</div>'


def _card_html(name: str, softmax: np.ndarray, choice: Choice) -> str:
    setup = SETUPS[name]
    best = int(softmax.argmax())
    bars = "".join(
        f'<div style="height:{max(1.0, 100 * share):.1f}%;background:{color}" '
        f'title="{grade}: {100 * share:.0f} %"></div>'
        for share, color, grade in zip(softmax, style.GRADE_RAMP, GRADES, strict=True)
    )
    shares = ", ".join(f"{grade} {100 * share:.0f} %" for grade, share in zip(GRADES, softmax, strict=True))
    axis = "".join(f"<span>{number}</span>" for number in range(len(GRADES)))
    verdicts = "".join(_verdict_html(softmax, reading, choice) for reading in READINGS)
    return (
        f'<section class="lens-card lens-{name}" aria-label="{setup.label}">'
        f'<h2 title="{setup.summary}">{setup.label}</h2>'
        f'<p class="lens-answer">{GRADES[best]} <small>{100 * softmax[best]:.0f} %</small></p>'
        f'<div class="lens-bars" role="img" aria-label="{shares}">{bars}</div><div class="lens-axis">{axis}</div>'
        f"{verdicts}</section>"
    )


def _verdict_html(softmax: np.ndarray, reading: str, choice: Choice) -> str:
    score = float(referable_probability(softmax, READINGS[reading]))
    if reading != choice.reading:
        return f'<div class="lens-verdict lens-small"><span>grades {reading}</span><span>{score:.2f}</span></div>'
    yes = score >= choice.threshold
    word = '<span class="lens-yes">▲ referable</span>' if yes else '<span class="lens-no">▽ not referable</span>'
    return (
        f'<div class="lens-verdict"><span>{word}</span><b title="probability of grades {reading}">{score:.2f}</b></div>'
    )


def _agreement_html(agreement: Agreement, choice: Choice) -> str:
    names = {setup: SETUPS[setup].label for setup in (*agreement.referable, *agreement.not_referable)}
    count = len(names)
    if agreement.unanimous:
        said = "referable" if agreement.referable else "not referable"
        sentence = f"<b>All {count} models agree: {said}.</b>" if count > 1 else f"<b>The model says {said}.</b>"
    else:
        ayes = ", ".join(names[setup] for setup in agreement.referable)
        noes = ", ".join(names[setup] for setup in agreement.not_referable)
        sides = f"{len(agreement.referable)} say referable, {len(agreement.not_referable)} do not"
        sentence = f"<b>The models disagree: {sides}.</b> Referable: {ayes}. Not referable: {noes}."
    return (
        f'<p class="lens-agree" role="status">{sentence}</p><p class="lens-small">The number is each model\'s '
        f"probability (0 to 1) that the eye has grade {choice.reading.split()[0]}; from {choice.threshold:.2f} on it "
        f"counts as referable. The four lie {agreement.spread:.2f} apart. Bars: probability of the grades "
        "0 (no DR) to 4 (proliferative).</p>"
    )


def _missing_html(study: Study, answers: dict[str, np.ndarray]) -> str:
    missing = [SETUPS[setup].label for setup in study.info.setups if setup not in answers]
    if not missing:
        return ""
    names = ", ".join(missing)
    return f'<p class="lens-warning">No checkpoint in this study: {names}. Its training has not finished.</p>'


def _choose_from_table(study: Study, choice: Choice) -> Eye | None:
    """The table of many eyes; gives the one whose row is chosen, or the first."""
    table, opened, unreadable = _tabulate(study, choice)
    for sentence in unreadable:
        st.warning(sentence, icon=":material/warning:")
    if table.empty:
        return None
    event = st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 35 * len(table), 213),
        on_select="rerun",
        selection_mode="single-row",
        key="table",
        column_config={
            column: st.column_config.NumberColumn(format="%.2f") for column in table.columns if column.startswith("P ")
        },
    )
    st.download_button("Download the table (CSV)", table.to_csv(index=False), "dr_lens.csv", "text/csv")
    rows = event.selection.rows
    return opened[rows[0] if rows else 0]


def _tabulate(study: Study, choice: Choice) -> tuple[pd.DataFrame, list[Eye], list[str]]:
    rows, opened, unreadable = [], [], []
    bar = st.progress(0.0, "Asking the models")
    for number, eye in enumerate(choice.eyes, start=1):
        try:
            rows.append({"eye": eye.name} | _row(cache.answers(eye, study), choice))
            opened.append(eye)
        except InputError as error:
            unreadable.append(str(error).replace("The photograph", eye.name, 1))
        bar.progress(number / len(choice.eyes), f"{number} of {len(choice.eyes)} eyes")
    bar.empty()
    return pd.DataFrame(rows), opened, unreadable


def _row(answers: dict[str, np.ndarray], choice: Choice) -> dict[str, object]:
    agreement = find_agreement(answers, choice.referable_from, choice.threshold)
    scores = {
        f"P {SETUPS[setup].label}": float(referable_probability(softmax, choice.referable_from))
        for setup, softmax in answers.items()
    }
    grades = {f"grade {SETUPS[setup].label}": GRADES[int(softmax.argmax())] for setup, softmax in answers.items()}
    count: dict[str, object] = {"say referable": f"{len(agreement.referable)} of {len(answers)}"}
    return count | scores | grades
