"""How good the answers are about patients: two eyes, of which the worse one counts."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dr_core.analysis.intervals import Interval, auc_interval, warn_few
from dr_core.analysis.patient_level import PatientScores, join_eyes
from dr_core.experiments.answers import MeasureConfig, each_model, read_answers, readings_of
from dr_core.experiments.false_referrals import read_findings

PATIENT_AUC = "patient AUC"
"""Name of the measure in the table `performance`."""


def find_unjudged(eyes: pd.DataFrame) -> frozenset[str]:
    """Names of the eyes that cannot be judged: their photographs are outside of what the models know.

    Args:
        eyes: Rows of `eyes` on one data set; an eye whose quality was not measured counts as judged.
    """
    warned = eyes[eyes["warnings"].notna()]
    outside = [read_findings(str(text))[0] == "outside" for text in warned["warnings"]]
    return frozenset(warned["eye"].astype(str)[outside])


def join_answers(answers: pd.DataFrame, reading: str, unjudged: Collection[str] = ()) -> PatientScores:
    """The answers of one model on one data set, by patient.

    Args:
        answers: Rows of `predictions` of one model on one data set.
        reading: Key of `READINGS`.
        unjudged: Names of eyes that are left out; the patient's other eye decides alone.

    Raises:
        InputError: If the labels do not support the reading.
    """
    labels, scores = read_answers(answers, reading)
    judged = ~np.isnan(scores) & ~answers["eye"].astype(str).isin(list(unjudged)).to_numpy()
    return join_eyes(scores, labels, answers["patient"].astype(str).to_numpy(), judged)


def patient_auc(joined: PatientScores) -> Interval:
    """AUC of the patients who have an answer, with its 95 % interval, each patient independent of the others."""
    labels = joined.labels[joined.known]
    found = auc_interval(joined.scores[joined.known], labels, joined.patients[joined.known])
    return found if np.isnan(found.value) else replace(found, warning=warn_few(labels, "patients"))


def summarize_patients(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """Measure every model on the patients of every data set of whom some have several eyes.

    Args:
        predictions: Rows of `predictions`.
        config: As in `dr_core.experiments.answers.summarize`; nothing is drawn.

    Returns:
        Rows of `performance`: `n` and `positives` count patients. None of a data set that has one eye of each patient,
        whose patients are its eyes.

    Raises:
        InputError: If a probability is not a number, or a model answers an eye twice.
    """
    config, rows = replace(config or MeasureConfig(), draws=1), []
    for model, answers, _ in each_model(predictions, config):
        for reading in readings_of(answers):
            joined = join_answers(answers, reading.name)
            if (joined.eyes > 1).any():
                rows.append(model | {"measure": PATIENT_AUC, "reading": reading.name} | _describe(joined))
    return pd.DataFrame(rows)


def _describe(joined: PatientScores) -> dict[str, object]:
    found = patient_auc(joined)
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": int(joined.known.sum()),
        "positives": int(joined.labels[joined.known].sum()),
        "warning": found.warning,
    }


@dataclass(frozen=True, kw_only=True)
class PatientCounts:
    """How complete the patients of a data set are.

    Attributes:
        patients: Number of patients.
        several_eyes: Those with several eyes.
        partly_judged: Those of whom some eyes cannot be judged, so that the others decide.
        without_answer: Those of whom no eye can be judged.
    """

    patients: int
    several_eyes: int
    partly_judged: int
    without_answer: int


def count_patients(joined: PatientScores) -> PatientCounts:
    """Count patients by how many of their eyes are there and can be judged."""
    return PatientCounts(
        patients=len(joined.patients),
        several_eyes=int((joined.eyes > 1).sum()),
        partly_judged=int((joined.known & (joined.judged < joined.eyes)).sum()),
        without_answer=int((~joined.known).sum()),
    )
