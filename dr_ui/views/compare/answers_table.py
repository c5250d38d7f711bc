"""The answers about the eyes of this page as a table to take away: one row for each eye and set-up."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dr_core.data.grades import GRADES, TWO_OUTPUTS, referable_readings, tells_grades
from dr_core.study.digests import digest_checkpoints
from dr_core.study.folder import Study
from dr_ui.eyes import cache, case_facts
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.case_facts import CaseFacts
from dr_ui.parts.operating_point import OperatingPoint, referable_grades


def make_table(study: Study, eyes: Sequence[Eye], point: OperatingPoint) -> pd.DataFrame:
    """Probabilities, readings and quality of every eye.

    Args:
        study: The study.
        eyes: The eyes.
        point: The operating point that the page shows.

    Returns:
        `eye`, `setup`, `p0` to `p4` (0 to 1), `grade`, for each reading the probability and whether it reaches the
        threshold (where that was chosen for this reading), `threshold`, `operating point`, `quality`, `level`,
        `checkpoint` (digest) and `reason` (why there is no answer).
    """
    facts, silent = case_facts.find_all_facts(eyes, study), cache.unanswered(study, ())
    digests = digest_checkpoints(study)
    rows = [
        _row(study, eye, known, point, name) | {"checkpoint": digest} | _reason(known, name, silent)
        for eye, known in zip(eyes, facts, strict=True)
        for name, digest in digests.items()
    ]
    return pd.DataFrame(rows)


def _row(study: Study, eye: Eye, facts: CaseFacts, point: OperatingPoint, name: str) -> dict[str, object]:
    softmax = facts.answers.get(name)
    row: dict[str, object] = {"eye": eye.name, "setup": study.setups[name].label}
    graded = softmax if softmax is not None and tells_grades(softmax) else None
    row |= {f"p{grade}": None if graded is None else float(graded[grade]) for grade in range(len(GRADES))}
    row["grade"] = None if graded is None else int(graded.argmax())
    threshold = point.threshold_of(name)
    for reading in referable_readings():
        score = None if softmax is None or np.isnan(reading.score(softmax)) else float(reading.score(softmax))
        grades = referable_grades(reading)
        row[f"p {grades}"] = score
        applies = reading == point.reading or not point.chosen
        row[f"referable {grades}"] = score >= threshold if score is not None and applies else None
    row |= {"threshold": threshold, "operating point": point.label}
    return row | {"quality": "; ".join(facts.warnings) or "no warning", "level": facts.level}


def _reason(facts: CaseFacts, name: str, silent: Mapping[str, str]) -> dict[str, str]:
    softmax = facts.answers.get(name)
    if softmax is None:
        return {"reason": facts.error or silent.get(name, "no answer")}
    partly = "" if tells_grades(softmax) else f"single grades and other readings: {TWO_OUTPUTS}"
    return {"reason": facts.error or partly}
