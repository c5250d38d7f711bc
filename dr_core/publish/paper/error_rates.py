"""How often each verdict is wrong, measured by `benchmarks/verdicts.py` on simulated studies."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

RUNS = (1, 2, 5)
"""Training runs of each set-up that were simulated."""

PATH = Path(__file__).with_name("error_rates.csv")


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """Error rates of one claim's verdict.

    Attributes:
        runs: Training runs of each set-up in the simulation.
        studies: Simulated studies behind each rate.
        false_holds: Share of null studies (one recipe, other seeds) that say "holds".
        false_fails: Share of null studies that say "does not hold" where a claim of a difference is on its border; of
            planted studies where the claim is one of equality.
        power: Share of studies with the planted effect that say "holds".
        effect: The planted effect, for people.
    """

    runs: int
    studies: int
    false_holds: float
    false_fails: float
    power: float
    effect: str


@cache
def _read() -> dict[tuple[str, int], ErrorRates]:
    rows = pd.read_csv(PATH)
    return {
        (str(row["claim"]), int(row["runs"])): ErrorRates(
            runs=int(row["runs"]),
            studies=int(row["studies"]),
            false_holds=float(row["false_holds"]),
            false_fails=float(row["false_fails"]),
            power=float(row["power"]),
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
