"""A study held against the paper: every claim with its verdict, every published number beside this study's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dr_core.experiments.table3 import keep_paper_method
from dr_core.publish.paper import localization, performance, representations, robustness
from dr_core.publish.paper.claim import FOUR, Claim, Tables
from dr_core.publish.paper.error_rates import ErrorRates, find_error_rates
from dr_core.publish.paper.evidence import Evidence
from dr_core.publish.paper.published import ALPHA, table3
from dr_core.publish.paper.verdicts import Comparison, Judgment, Power, Verdict, list_comparisons
from dr_core.study.folder import Study

CLAIMS: tuple[Claim, ...] = (
    *performance.CLAIMS,
    *representations.CLAIMS,
    *robustness.CLAIMS,
    *localization.CLAIMS,
)
"""The claims of section 4, in the paper's order."""

PHANTOMS = "Phantoms and procedural images are not EyePACS, Messidor-2 or ImageNet"
"""What a study on drawn eyes must say of itself beside every verdict."""

ONE_RUN = "one training run of each set-up: its seed and its pretraining cannot be told apart"
"""Why a claim about set-ups is open in a study with one run."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a study says of a claim on one data set.

    Attributes:
        claim: The claim.
        data: Key of the data set, or several; empty where nothing was measured.
        comparisons: The contrasts that decide, with 95 % intervals.
        judgment: The verdict on what the claim says of the set-ups.
        checkpoints: The verdict on the very checkpoints of this study, by errors over patients alone; None where the
            tables have none, or the study has several runs.
        power: Whether this study could have told; None where it is not known.
        runs: Training runs of each set-up; 0 where nothing was measured.
        missing: Table that would decide, where the study does not have it; empty otherwise.
    """

    claim: Claim
    data: str
    comparisons: tuple[Comparison, ...]
    judgment: Judgment
    checkpoints: Judgment | None = None
    power: Power | None = None
    runs: int = 0
    missing: str = ""

    @property
    def rates(self) -> ErrorRates | None:
        """How often a verdict like this one is wrong; None where it has no error rate."""
        return find_error_rates(self.claim.key, self.runs if self.claim.needs_runs else 1) if self.runs else None


def review_claims(study: Study) -> list[Finding]:
    """Check every claim on every data set of a study.

    Args:
        study: The study.

    Returns:
        The findings in the paper's order, those of a claim in the study's order of data sets; a claim whose table is
        missing has one that names the table.

    Raises:
        InputError: If a table is damaged.
    """
    if not set(FOUR) & {setup.name for setup in study.info.setups}:
        reason = "the study has none of the paper's set-ups"
        return [_open(claim, reason) for claim in CLAIMS]
    claims, data = [claim.key for claim in CLAIMS], [one.key for one in study.info.data]
    return sorted(
        judge_claims(Tables.of_study(study)),
        key=lambda one: (claims.index(one.claim.key), data.index(one.data) if one.data in data else -1),
    )


def judge_claims(tables: Tables, claims: Sequence[Claim] = CLAIMS, *, foresee: bool = True) -> list[Finding]:
    """Check claims on result tables, on every data set by itself.

    Args:
        tables: The tables.
        claims: Which claims.
        foresee: Whether the power is computed as well, which takes most of the time.
    """
    findings: list[Finding] = []
    for claim in claims:
        missing = [name for name in claim.tables if not tables.has(name)]
        if claim.undefined:
            findings.append(_open(claim, claim.undefined))
        elif missing:
            findings.append(_open(claim, "not measured yet", missing=missing[0]))
        else:
            findings += [_judge(claim, data, found, foresee) for data, found in claim.gather(tables).items()]
    return findings


def _judge(claim: Claim, data: str, found: Evidence | str, foresee: bool) -> Finding:
    if isinstance(found, str):
        return _open(claim, found, data)
    decisive = found if claim.needs_runs and found.runs > 1 else found.at_hand()
    judgment, checkpoints = claim.rule.judge(decisive), None
    if claim.needs_runs and found.runs < 2:
        checkpoints = judgment if found.of_patients.size else None
        judgment = Judgment(verdict=Verdict.OPEN, reason=ONE_RUN)
    known = foresee and claim.rule.foresee is not None and bool(np.isfinite(decisive.error).all())
    return Finding(
        claim=claim,
        data=data,
        comparisons=list_comparisons(decisive),
        judgment=judgment,
        checkpoints=checkpoints,
        power=claim.rule.foresee(decisive) if known and claim.rule.foresee else None,
        runs=found.runs,
    )


def _open(claim: Claim, reason: str, data: str = "", missing: str = "") -> Finding:
    judgment = Judgment(verdict=Verdict.OPEN, reason=reason)
    return Finding(claim=claim, data=data, comparisons=(), judgment=judgment, missing=missing)


def compare_table2(study: Study) -> pd.DataFrame:
    """The paper's Table 2 beside this study's.

    Returns:
        A row for each data set and training run: data, setup, seed, paper, distfit (as the paper fitted it, without
        interval), alpha (by likelihood), low, high, nearest (the law with the smallest AIC). Empty where there are no
        fits.

    Raises:
        InputError: If the table is damaged.
    """
    columns = ["data", "setup", "seed", "paper", "distfit", "alpha", "low", "high", "nearest"]
    if not study.has_results("distributions"):
        return pd.DataFrame(columns=columns)
    rows = []
    fits = Tables.of_study(study)["distributions"]
    fits = fits[fits["fraction"] == 100]
    for (data, setup, seed), part in fits.groupby(["data", "setup", "seed"], sort=False):
        first, likely = part.iloc[0], part.dropna(subset=["aic"]).sort_values("aic")
        alphas = (first["alpha_distfit"], first["alpha"], first["alpha_low"], first["alpha_high"])
        nearest = str(likely["distribution"].iloc[0]) if len(likely) else ""
        rows.append((data, setup, seed, ALPHA.get(str(setup)), *alphas, nearest))
    return pd.DataFrame(rows, columns=columns)


def compare_table3(study: Study) -> pd.DataFrame:
    """The paper's Table 3 beside this study's, by the paper's protocol.

    Returns:
        Rows as `published.table3` has them, with the columns paper, value, low, high, n and inside: whether the paper's
        number lies in this study's 95 % interval. Empty where the study has no heatmaps.

    Raises:
        InputError: If the table is damaged.
    """
    keys = ["lesion", "setup", "pooling", "score", "method", "statistic"]
    paper = table3().rename(columns={"value": "paper"})
    if not study.has_results("localization_summary"):
        return pd.DataFrame(columns=[*keys, "paper", "value", "low", "high", "n", "inside"])
    mine = keep_paper_method(study.read_checkpoint_results("localization_summary"))
    mine = mine[(mine["protocol"] == "paper") & (mine["n"] > 0)]
    both = paper.merge(mine[[*keys, "value", "low", "high", "n"]], on=keys, how="inner")
    return both.assign(inside=both["paper"].between(both["low"], both["high"]))


def count_verdicts(findings: Sequence[Finding]) -> dict[Verdict, int]:
    """How many findings have each verdict."""
    return {verdict: sum(finding.judgment.verdict is verdict for finding in findings) for verdict in Verdict}


def count_checkpoints(findings: Sequence[Finding]) -> dict[Verdict, int]:
    """How many findings have each verdict on the very checkpoints of a study with one run."""
    known = [finding.checkpoints.verdict for finding in findings if finding.checkpoints is not None]
    return {verdict: known.count(verdict) for verdict in Verdict}
