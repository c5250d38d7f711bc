"""How often each verdict is wrong, measured by `benchmarks/verdicts.py` on simulated studies."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

RUNS = (1, 2, 5)
"""Training runs of each set-up that were simulated."""

PATH = Path(__file__).with_name("error_rates.csv")


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share of simulated verdicts.

    Attributes:
        count: How many.
        studies: Of how many.
    """

    count: int
    studies: int

    @property
    def share(self) -> float:
        """The share, 0..1; NaN where nothing was simulated."""
        return self.count / self.studies if self.studies else float("nan")


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """Error rates of one claim's verdict.

    Attributes:
        runs: Training runs of each set-up in the simulation.
        false_holds: "Holds" where there is no such difference (one recipe, other seeds), or where the difference is
            just as large as the margin of a claim of equality.
        false_fails: "Does not hold" where a claim is true or on its border.
        power: "Holds" where the truth is `effect`.
        effect: The planted effect, for people.
    """

    runs: int
    false_holds: Rate
    false_fails: Rate
    power: Rate
    effect: str


@cache
def _read() -> dict[tuple[str, int], ErrorRates]:
    rows = pd.read_csv(PATH, keep_default_na=False)
    return {
        (str(row["claim"]), int(row["runs"])): ErrorRates(
            runs=int(row["runs"]),
            false_holds=Rate(count=int(row["false_holds"]), studies=int(row["of_false"])),
            false_fails=Rate(count=int(row["false_fails"]), studies=int(row["of_true"])),
            power=Rate(count=int(row["found"]), studies=int(row["of_planted"])),
            effect=str(row["effect"]),
        )
        for row in rows.to_dict("records")
    }


def find_error_rates(claim: str, runs: int) -> ErrorRates | None:
    """The rates of a claim at the largest simulated number of runs that a study has at least.

    Args:
        claim: Key of the claim, or `"any"`: a false "holds" of any claim in a study.
        runs: Training runs of each set-up.

    Returns:
        None where the claim was not simulated: a description has no error rate, an undecided claim none either.
    """
    simulated = max((number for number in RUNS if number <= runs), default=RUNS[0])
    return _read().get((claim, simulated))
