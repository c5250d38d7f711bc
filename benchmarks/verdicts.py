"""How often is a verdict about the paper wrong? Simulated studies: one recipe for all set-ups, and stated effects.

Each simulated study (`simulated_study.py`) is judged by the same code as a real one, from what is measured on (the
tables themselves are read by tests alone, which show that both give the same contrasts).

A thousand null studies of each number of runs, as many of margins and half as many planted ones take some six minutes
of one idle core.

Usage: python benchmarks/verdicts.py [studies] [--write] [--processes=N]
"""

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd
from scipy.stats import binom

from benchmarks.simulated_study import KINDS, Simulation
from dr_core.publish.paper.claim import Claim
from dr_core.publish.paper.error_rates import PATH, RUNS
from dr_core.publish.paper.review import CLAIMS, Finding, judge_claims
from dr_core.publish.paper.verdicts import OUTLIER, Verdict

EFFECTS = {
    "AUC": "IFI +.10, CL +.05, another -.08 for IWNE with a tenth of the labels",
    "log10": "a factor of 1.4",
    "alpha": ".30 for each step",
    "probability of the true grade": "+.15 for IWNE-CL, +.08 for IFI-CL; JPEG -.3",
    "RMA": "a factor of 1.8",
    "ln of the ratio": "a factor of 1.8",
    "rank accuracy": "a factor of 1.8",
    "entropy, 0..1": "+.06",
}
"""Unit of a claim -> what is planted, for people."""


def judge_study(kind: str, runs: int, seed: int) -> dict[str, list[Verdict]]:
    """Verdicts of one simulated study by claim, on each data set; those on the checkpoints with one run."""
    verdicts: dict[str, list[Verdict]] = {}
    claims = [claim for claim in list_claims(runs) if kind != "margin" or claim.rule.equality]
    for finding in judge_claims(Simulation(kind, runs, seed).measure(), claims, foresee=False):
        verdicts.setdefault(finding.claim.key, []).append(_decisive(finding, runs))
    return verdicts


def list_claims(runs: int) -> list[Claim]:
    """The claims whose verdicts have an error rate with a number of training runs."""
    return [
        claim for claim in CLAIMS if not claim.undefined and claim.rule.name != "description" and _fits(claim, runs)
    ]


def _fits(claim: Claim, runs: int) -> bool:
    if not claim.needs_runs:
        return runs == 1  # its truth is that of the very checkpoints, which no recipe sets
    return runs > 1 or claim.tables[0] not in ("spectrum", "eigenvalues", "distributions")  # one spectrum has no error


def _decisive(finding: Finding, runs: int) -> Verdict:
    if runs == 1 and finding.claim.needs_runs:
        return finding.checkpoints.verdict if finding.checkpoints else Verdict.OPEN
    return finding.judgment.verdict


Verdicts = Mapping[str, list[dict[str, list[Verdict]]]]
"""Kind of studies -> the verdicts of each study."""


def measure_rates(runs: int, studies: int) -> pd.DataFrame:
    """Simulate studies and tabulate their error rates.

    Args:
        runs: Training runs of each set-up.
        studies: Simulated null studies, and studies at the margin; half as many planted ones.
    """
    number = {kind: max(studies // 2, 1) if kind == "planted" else studies for kind in KINDS}
    return tabulate_rates(
        {kind: [judge_study(kind, runs, seed) for seed in range(number[kind])] for kind in KINDS}, runs
    )


Count = tuple[int, int]
"""How many verdicts, of how many."""


def tabulate_rates(found: Verdicts, runs: int) -> pd.DataFrame:
    """Count false "holds", false "does not hold" and found effects of every claim, and of any claim in a study.

    Args:
        found: Verdicts of simulated studies.
        runs: Training runs of each set-up.

    Returns:
        Rows as the columns of `error_rates.csv`; a claim on two data sets has a verdict on each.
    """

    def count(kind: str, key: str, verdict: Verdict) -> Count:
        verdicts = [one is verdict for study in found[kind] for one in study[key]]
        return sum(verdicts), len(verdicts)

    rows: list[dict[str, object]] = []
    for claim in list_claims(runs):
        equal = claim.rule.equality
        holds = count("margin" if equal else "null", claim.key, Verdict.HOLDS)
        fails = [count(kind, claim.key, Verdict.FAILS) for kind in _true_kinds(claim)]
        power = count("null" if equal else "planted", claim.key, Verdict.HOLDS)
        worst = max(fails, key=lambda one: one[0] / one[1])
        effect = "exactly equal" if equal else EFFECTS.get(claim.unit, "five standard errors")
        rows.append(_row(claim.key, runs, holds, worst, power) | {"effect": effect})
    differences = [claim.key for claim in list_claims(runs) if not claim.rule.equality]
    anyone = [
        sum(any(verdict in study[key] for key in differences) for study in found["null"])
        for verdict in (Verdict.HOLDS, Verdict.FAILS)
    ]
    studies = len(found["null"])
    rows.append(_row("any", runs, (anyone[0], studies), (anyone[1], studies), (0, 0)) | {"effect": ""})
    return pd.DataFrame(rows)


def _row(claim: str, runs: int, holds: Count, fails: Count, power: Count) -> dict[str, object]:
    return {
        "claim": claim,
        "runs": runs,
        "false_holds": holds[0],
        "of_false": holds[1],
        "false_fails": fails[0],
        "of_true": fails[1],
        "found": power[0],
        "of_planted": power[1],
    }


def _true_kinds(claim: Claim) -> tuple[str, ...]:
    """Kinds of studies in which "does not hold" is wrong, or on its border; without an outlier it is right."""
    if claim.rule.equality:
        return ("margin", "null")
    return ("planted",) if claim.rule is OUTLIER else ("null", "planted")


def find_excess(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of false rates above 5 % (10 % for any false "holds" in a study) beyond what chance does in one of 1,000."""
    excess = []
    for row in table.to_dict("records"):
        limit = 0.10 if row["claim"] == "any" else 0.05
        counts = [("false_holds", "of_false"), *([] if row["claim"] == "any" else [("false_fails", "of_true")])]
        excess.append(any(binom.sf(row[wrong] - 1, row[of], limit) < 0.001 for wrong, of in counts))
    return table[excess]


def main() -> None:
    """Print the rates, and write them where asked to."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    processes = next((int(word.partition("=")[2]) for word in sys.argv if word.startswith("--processes=")), 1)
    studies = numbers[0] if numbers else 20
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(partial(measure_rates, studies=studies), RUNS):
            print(part.to_string(), flush=True)
            rows.append(part)
    table = pd.concat(rows, ignore_index=True)
    if "--write" in sys.argv:
        table.to_csv(Path(PATH), index=False, lineterminator="\n")
    print(f"above the limit beyond chance: {find_excess(table).to_dict('records')}")
    for row in table[table["claim"] == "any"].to_dict("records"):
        rate = row["false_holds"] / row["of_false"]
        line = {"name": f"any_false_holds_{row['runs']}_runs", "ours": round(rate, 4), "unit": "share of null studies"}
        peer = {"peer": 0.39, "peer_name": "the rules before: combined intervals, one run"}
        print(json.dumps(line | peer | {"ratio": round(0.39 / max(rate, 1 / studies), 1), "limit": 0.1}))


if __name__ == "__main__":
    main()
