"""How often healthy eyes are referred, by what speaks against the picture: what a warning means for the answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.intervals import proportion_interval
from dr_core.analysis.operating_points import CRITERIA, reach_points
from dr_core.data.fundus.checks import INPUT_CHECKS, LEVELS, worst_level
from dr_core.experiments.answers import MeasureConfig, each_model, read_answers, readings_of
from dr_core.study.schemas import RUN_COLUMNS

TABLE = "false_referrals"

CRITERION = "specificity 0.9"
"""What each model's threshold is chosen for, on the eyes without a warning."""

FEWEST_EYES = 10
"""Healthy eyes of a finding under which no share is given."""

TABLES: dict[str, dict[str, str]] = {
    TABLE: {
        "data": "key of the data set, as in study.json",
        **RUN_COLUMNS,
        "reading": "which eyes count as positive, hence what is referred",
        "finding": "warning level (within, doubtful, outside), or name of the check whose warning they have",
        "threshold": "score from which an eye is referred: that of 90 % specificity on healthy eyes without a warning",
        "value": "share of the healthy eyes with this finding that are referred",
        "low": "lower end of its 95 % interval by patients",
        "high": "upper end",
        "n": "number of healthy eyes",
        "warning": "why the interval deserves caution; empty where it does not",
    },
}
"""Columns of the table."""


def read_findings(warnings: str) -> tuple[str, ...]:
    """Names of the checks whose sentences a text of warnings holds, and the level that they lead to."""
    names = [check.name for check in INPUT_CHECKS.values() if check.sentence in warnings]
    return worst_level([INPUT_CHECKS[name].level for name in names]).name, *names


def measure_false_referrals(
    predictions: pd.DataFrame, warnings: pd.Series, config: MeasureConfig | None = None
) -> pd.DataFrame:
    """Measure every model on healthy eyes, by level and by check.

    Args:
        predictions: Rows of `predictions`.
        warnings: Name of an eye -> its warnings, as the table `eyes` has them; eyes that were not measured are left
            out.
        config: Seed of the intervals.

    Returns:
        Rows of `false_referrals`; none where quality was not measured or too few healthy eyes have no warning.
    """
    config = config or MeasureConfig()
    known = warnings[warnings.notna()]
    found = {eye: read_findings(str(text)) for eye, text in known.items()}
    healthy = predictions[predictions["eye"].isin(list(found)) & ~predictions["has_dr"].astype(bool)]
    rows: list[dict[str, object]] = []
    for model, answers, _ in each_model(healthy, config):
        of_eyes = [found[eye] for eye in answers["eye"]]
        for reading in readings_of(answers):
            _, scores = read_answers(answers, reading.name)
            about = model | {"reading": reading.name}
            rows += [about | row for row in _measure(scores, answers["patient"].astype(str).to_numpy(), of_eyes)]
    return pd.DataFrame(rows, columns=[*TABLES[TABLE]] if not rows else None)


def _measure(
    scores: np.ndarray, patients: np.ndarray, findings: Sequence[tuple[str, ...]]
) -> Iterator[dict[str, object]]:
    within = np.array(["within" in names for names in findings])
    if within.sum() < FEWEST_EYES:
        return
    # a threshold for a specificity looks at negatives alone; one certain positive lets the same rule choose it
    given = np.append(scores[within], 1.0), np.append(np.zeros(within.sum(), bool), True)
    draws = sample_patients(np.append(patients[within], "positive"), draws=0)
    threshold = reach_points(*given, draws, [CRITERIA[CRITERION]])[0].threshold
    for name in [*LEVELS, *INPUT_CHECKS]:
        mine = np.array([name in names for names in findings])
        if mine.sum() < FEWEST_EYES:
            continue
        share = proportion_interval(scores[mine] >= threshold, patients[mine])
        yield {
            "finding": name,
            "threshold": threshold,
            "value": share.value,
            "low": share.low,
            "high": share.high,
            "n": int(mine.sum()),
            "warning": share.warning,
        }


@dataclass(frozen=True, kw_only=True)
class FalseReferrals:
    """What was measured of one finding.

    Attributes:
        data: Key of the eyes.
        label: The finding in words.
        lowest: Share of healthy eyes that the best set-up refers, 0..1.
        highest: The same of the worst one.
        eyes: Number of healthy eyes.
    """

    data: str
    label: str
    lowest: float
    highest: float
    eyes: int

    @property
    def text(self) -> str:
        """Such as "10 to 14 % (of 350)"; number and sign stay on one line."""
        low, high = f"{100 * self.lowest:.0f}", f"{100 * self.highest:.0f}"
        shares = low if low == high else f"{low} to {high}"
        return f"{shares}\N{NO-BREAK SPACE}% (of {self.eyes})"


def find_rates(table: pd.DataFrame, reading: str, findings: Sequence[str]) -> dict[str, FalseReferrals]:
    """Look up what was measured, on the data set with the most healthy eyes.

    Args:
        table: Rows of `false_referrals` of one training run for each set-up.
        reading: Name of a reading.
        findings: Levels and names of checks.

    Returns:
        Finding -> shares over the set-ups; a finding that was not measured is left out.
    """
    rows = table[table["reading"] == reading]
    if rows.empty:
        return {}
    rows = rows[rows["data"] == rows.sort_values("n")["data"].iloc[-1]]
    found = {}
    for name in dict.fromkeys(findings):
        mine = rows[rows["finding"] == name]
        if len(mine):
            label = LEVELS[name].label if name in LEVELS else INPUT_CHECKS[name].label
            shares = float(mine["value"].min()), float(mine["value"].max())
            about = {"data": str(mine["data"].iloc[0]), "label": label}
            found[name] = FalseReferrals(**about, lowest=shares[0], highest=shares[1], eyes=int(mine["n"].iloc[0]))
    return found
