"""How the models do on the eyes of this list whose grade is known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.analysis.intervals import auc_interval, warn_few
from dr_core.study.folder import Study
from dr_ui.eyes import case_facts, truth
from dr_ui.eyes.cache import Eye
from dr_ui.parts import tables
from dr_ui.parts.operating_point import OperatingPoint


def show(study: Study, eyes: Sequence[Eye], point: OperatingPoint) -> None:
    """Draw the confusion and the AUC of every set-up, marked as those of this list.

    Args:
        study: The study.
        eyes: The eyes of the list.
        point: The operating point.
    """
    graded = [(eye, grade) for eye, grade in zip(eyes, truth.known_grades(eyes), strict=True) if grade >= 0]
    if len(graded) < 2:
        return
    rows = measure(study, graded, point)
    if rows.empty:
        return
    st.html(
        f'<p class="lens-small"><b>On the {len(graded)} eyes of this list whose grade is known</b> '
        f"(grades {point.grades} against the rest). These numbers describe this selected list and no other eyes.</p>"
    )
    tables.show(rows, "list")


def measure(study: Study, graded: Sequence[tuple[Eye, int]], point: OperatingPoint) -> pd.DataFrame:
    """Count right and wrong answers about eyes of known grade.

    Args:
        study: The study.
        graded: Eyes and their grades.
        point: The operating point.

    Returns:
        One row for each set-up that answered: counts at the operating point, AUC with its 95 % interval, each eye its
        own patient, and what to be careful about.
    """
    rows = []
    found = case_facts.find_all_facts([eye for eye, _ in graded], study)
    facts = [(point.answered(known.answers), grade) for known, (_, grade) in zip(found, graded, strict=True)]
    for name, setup in study.setups.items():
        answered = [(answers[name], grade) for answers, grade in facts if name in answers]
        if not answered:
            continue
        scores = np.array([float(point.score(softmax)) for softmax, _ in answered])
        labels = np.array([grade for _, grade in answered]) >= point.reading.positive_from
        flagged = scores >= point.threshold_of(name)
        auc = auc_interval(scores, labels, np.arange(len(scores)))
        rows.append(
            {
                "set-up": setup.label,
                "eyes": len(scores),
                "true positives": int((flagged & labels).sum()),
                "false negatives": int((~flagged & labels).sum()),
                "false positives": int((flagged & ~labels).sum()),
                "true negatives": int((~flagged & ~labels).sum()),
                "AUC": "no answer, because one class is missing"
                if np.isnan(auc.value)
                else f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})",
                "caution": auc.warning or warn_few(labels),
            }
        )
    return pd.DataFrame(rows)
