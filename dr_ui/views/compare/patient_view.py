"""Both eyes of a patient side by side, and each model's answer about the patient: the worse eye counts."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.analysis.agreement import mean_answer
from dr_core.analysis.patient_level import PatientAnswer, answer_patient
from dr_core.data.intake.fellow_eyes import PatientEye
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.eyes import case_facts, truth
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.case_facts import CaseFacts
from dr_ui.parts import photograph, tables
from dr_ui.parts.operating_point import OperatingPoint

_WORDS = {True: "▲ referable", False: "▽ not referable", None: "○ no answer"}


def show(study: Study, eyes: Sequence[Eye], eye: Eye, point: OperatingPoint) -> None:
    """Draw the patient of the chosen eye; nothing where the case list has no other eye of the patient.

    Args:
        study: The study.
        eyes: The eyes of the case list.
        eye: The chosen eye.
        point: The operating point.
    """
    fellows = truth.patient_eyes(eyes, eye)
    if not fellows:
        return
    names, known = _name_eyes(fellows), case_facts.find_all_facts([one for one, _ in fellows], study)
    facts = dict(zip(names, known, strict=True))
    silent = {name: _why_silent(one) for name, one in facts.items()}
    patient = fellows[0][1].patient
    with st.container(key="patient_view"):
        st.html(f'<h2 class="lens-h2">Patient {escape(patient)}: the worse eye counts</h2>')
        pictures, answers = st.columns([1.8, 3.2], gap="small")
        with pictures:
            shown = zip(fellows, facts.items(), strict=True)
            figures = "".join(_figure_html(study, one, name, known) for (one, _), (name, known) in shown)
            st.html(f'<div class="lens-patient">{figures}</div>')
        with answers:
            tables.show(_table(study.setups, facts, silent, point), "patient")
            st.caption(_sentence(silent, point))


def _name_eyes(fellows: Sequence[tuple[Eye, PatientEye]]) -> list[str]:
    """Each photograph by its side; by its name, where the side is not known or is there twice."""
    sides = [owner.side for _, owner in fellows]
    return [
        f"{owner.side} eye" if owner.side and sides.count(owner.side) == 1 else f"{owner.side} {eye.name}".strip()
        for eye, owner in fellows
    ]


def _why_silent(facts: CaseFacts) -> str:
    """Why an eye cannot be judged; empty where it can."""
    return facts.error or (f"it is {facts.level}" if facts.is_outside else "")


def _figure_html(study: Study, eye: Eye, name: str, facts: CaseFacts) -> str:
    """One photograph; those of a patient stand as one faces the patient: the right eye on the left."""
    unjudged = " · cannot be judged" if _why_silent(facts) else ""
    picture = photograph.box_html(study, eye, facts, name)
    return f"<figure>{picture}<figcaption>{escape(name)}{unjudged}</figcaption></figure>"


def _table(
    setups: Mapping[str, Setup], facts: Mapping[str, CaseFacts], silent: Mapping[str, str], point: OperatingPoint
) -> pd.DataFrame:
    """A row for each model and one for their mean: the probability of each eye, and the patient's answer."""
    answers = {name: {} if silent[name] else dict(known.answers) for name, known in facts.items()}
    rows = [
        _row(
            setup.label,
            {name: _score(found.get(key), point) for name, found in answers.items()},
            point.threshold_of(key),
        )
        for key, setup in setups.items()
        if any(key in found for found in answers.values())
    ]
    means = {name: mean_answer(found) for name, found in answers.items()}
    if any(means.values()):
        scores = {name: _score(mean[0] if mean else None, point) for name, mean in means.items()}
        rows.append(_row("mean of the models", scores, None if point.chosen else point.threshold))
    return pd.DataFrame(rows)


def _score(softmax: np.ndarray | None, point: OperatingPoint) -> float:
    return math.nan if softmax is None else float(point.score(softmax))


def _row(label: str, scores: Mapping[str, float], threshold: float | None) -> dict[str, str]:
    answer = answer_patient(scores, math.inf if threshold is None else threshold)
    eyes = {name: "no answer" if math.isnan(score) else f"{score:.2f}" for name, score in scores.items()}
    return {"set-up": label, "patient": _patient(answer, threshold), **eyes}


def _patient(answer: PatientAnswer, threshold: float | None) -> str:
    if math.isnan(answer.score):
        return _WORDS[None]
    if threshold is None:
        return f"{answer.score:.2f}, no threshold was chosen for the mean"
    unsure = f" ({', '.join(answer.unjudged)}: no answer)" if answer.unjudged else ""
    word = "○ not cleared" if answer.referable is None else _WORDS[answer.referable]
    return f"{word}, {answer.score:.2f}{unsure}"


def _sentence(silent: Mapping[str, str], point: OperatingPoint) -> str:
    """What the numbers are, and which eye cannot be judged."""
    reasons = "".join(
        f" The {name} cannot be judged: {reason.rstrip('.')}." for name, reason in silent.items() if reason
    )
    cleared = " The patient is referable if the other eye is, and otherwise not cleared." if reasons else ""
    return (
        f"Probability of grades {point.grades}, 0 to 1; the patient's is that of the worse eye, referable from the "
        f"{point.range}. The eyes of a patient are matched by the names of the photographs or by your table."
        f"{reasons}{cleared}"
    )
