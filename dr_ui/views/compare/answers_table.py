"""The answers about the eyes of this page as a table to take away: one row for each eye and set-up."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dr_core.data.grades import GRADES, TWO_OUTPUTS, referable_readings, tells_grades
from dr_core.study.digests import digest_of
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
    facts = ((eye, case_facts.find_facts(eye, study)) for eye in eyes)
    return pd.DataFrame([row for eye, known in facts for row in _rows(study, eye, known, point)])


def _rows(study: Study, eye: Eye, facts: CaseFacts, point: OperatingPoint) -> Iterator[dict[str, object]]:
    silent = cache.unanswered(study, set(facts.answers))
    for name, setup in study.setups.items():
        if not study.has_checkpoint(name):
            continue
        softmax = facts.answers.get(name)
        row: dict[str, object] = {"eye": eye.name, "setup": setup.label}
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
        row |= {"quality": "; ".join(facts.warnings) or "no warning", "level": facts.level}
        row["checkpoint"] = digest_of(study.checkpoint_path(name))
        partly = "" if graded is not None or softmax is None else f"single grades and other readings: {TWO_OUTPUTS}"
        yield row | {"reason": facts.error or (partly if softmax is not None else silent.get(name, "no answer"))}
