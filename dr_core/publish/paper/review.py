"""A study held against the paper: every claim with its verdict, every published number beside this study's."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dr_core.publish.paper import localization, performance, representations, robustness
from dr_core.publish.paper.claim import Claim
from dr_core.publish.paper.published import ALPHA, table3
from dr_core.publish.paper.verdicts import Comparison, Judgment, Verdict
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


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a study says of a claim on one data set.

    Attributes:
        claim: The claim.
        data: Key of the data set, or several; empty where nothing was measured.
        comparisons: The numbers that decide.
        judgment: The verdict and how it came about.
    """

    claim: Claim
    data: str
    comparisons: tuple[Comparison, ...]
    judgment: Judgment


def review_claims(study: Study) -> list[Finding]:
    """Check every claim on every data set of a study.

    Args:
        study: The study.

    Returns:
        The findings in the paper's order; a claim whose table is missing has one that says which command writes it.

    Raises:
        InputError: If a table is damaged.
    """
    tables: dict[str, pd.DataFrame] = {}
    findings = []
    for claim in CLAIMS:
        if not study.has_results(claim.table):
            findings.append(_unknown(claim, f"not measured yet: the study has no table of {claim.table}"))
            continue
        if claim.table not in tables:
            tables[claim.table] = study.read_checkpoint_results(claim.table)
        for data, comparisons in claim.compare(tables[claim.table]).items():
            if comparisons:
                judgment = claim.rule.judge(comparisons)
                findings.append(Finding(claim=claim, data=data, comparisons=tuple(comparisons), judgment=judgment))
            else:
                findings.append(_unknown(claim, _missing(claim), data))
    return findings


def _unknown(claim: Claim, reason: str, data: str = "") -> Finding:
    return Finding(claim=claim, data=data, comparisons=(), judgment=Judgment(verdict=Verdict.OPEN, reason=reason))


def _missing(claim: Claim) -> str:
    if claim.key == "same_ranking":
        return "needs two test sets; the study has one"
    return "the study lacks a set-up, a fraction or a corruption that the claim compares"


def compare_table2(study: Study) -> pd.DataFrame:
    """The paper's Table 2 beside this study's.

    Returns:
        A row for each data set and set-up: data, setup, paper, distfit (as the paper fitted it, without interval),
        alpha (by likelihood), low, high, nearest (the law with the smallest AIC). Empty where there are no fits.

    Raises:
        InputError: If the table is damaged.
    """
    columns = ["data", "setup", "paper", "distfit", "alpha", "low", "high", "nearest"]
    if not study.has_results("distributions"):
        return pd.DataFrame(columns=columns)
    rows = []
    fits = study.read_checkpoint_results("distributions")
    for (data, setup), part in fits.groupby(["data", "setup"], sort=False):
        first, likely = part.iloc[0], part.dropna(subset=["aic"]).sort_values("aic")
        alphas = (first["alpha_distfit"], first["alpha"], first["alpha_low"], first["alpha_high"])
        nearest = str(likely["distribution"].iloc[0]) if len(likely) else ""
        rows.append((data, setup, ALPHA.get(str(setup)), *alphas, nearest))
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
    mine = study.read_checkpoint_results("localization_summary")
    mine = mine[mine["protocol"] == "paper"]
    both = paper.merge(mine[[*keys, "value", "low", "high", "n"]], on=keys, how="inner")
    return both.assign(inside=both["paper"].between(both["low"], both["high"]))


def count_verdicts(findings: Sequence[Finding]) -> dict[Verdict, int]:
    """How many findings have each verdict."""
    return {verdict: sum(finding.judgment.verdict is verdict for finding in findings) for verdict in Verdict}
