"""What page and report say beside a verdict: its scope, whether the study could have told, how often it is wrong."""

import math
from collections.abc import Sequence

import pandas as pd

from dr_core.publish.paper.claim import FOUR, label
from dr_core.publish.paper.error_rates import Rate, find_error_rates
from dr_core.publish.paper.review import Finding
from dr_core.study.folder import Study

CHECKPOINTS = "these very checkpoints"
"""What a verdict is about where each set-up was trained once."""


LEVEL = 0.05
"""Below it a p-value counts as a difference."""


def describe_other_setups(study: Study) -> str:
    """Why the paper's claims, or some of them, have no answer in a study of other set-ups; empty where all can have.

    Args:
        study: The study.
    """
    lacking = [label(setup) for setup in FOUR if setup not in study.setups]
    if not lacking:
        return ""
    if len(lacking) < len(FOUR):
        return f"The study lacks {', '.join(lacking)}: claims of the paper that compare them have no answer here."
    own = ", ".join(setup.label for setup in study.setups.values()) or "no set-ups yet"
    return (
        f"The paper's claims are about {', '.join(lacking)}. This study compares {own}, so that none of the claims has "
        "an answer here."
    )


def write_share(share: float, digits: int = 1) -> str:
    """A share as a percentage, with a space before its sign as everywhere in texts."""
    return f"{100 * share:.{digits}f} %"


def describe_scope(findings: Sequence[Finding]) -> str:
    """One sentence on what the verdicts of a study are about; empty where nothing was measured."""
    runs = {finding.runs for finding in findings if finding.runs and finding.claim.needs_runs}
    if not runs:
        return ""
    if min(runs) > 1:
        return (
            f"Verdicts are about the set-ups, with {min(runs)} training runs of each; patients are drawn within runs."
        )
    return (
        f"One training run of each set-up: what is found here holds for {CHECKPOINTS}, and does not separate a "
        "pretraining from the chance of one training. A second seed makes verdicts about set-ups possible, a fifth "
        "makes them useful."
    )


def describe_paired_tests(study: Study, shown: pd.DataFrame) -> str:
    """One sentence on the paired tests of the models in `checkpoints/`; their correction is over those of all runs.

    Args:
        study: A study with the table `localization_tests`.
        shown: The table's rows of the models in `checkpoints/`.
    """
    total = len(study.read_columns("localization_tests", ["p"]))
    alone, corrected = (int((shown[column] < LEVEL).sum()) for column in ("p", "p_holm"))
    others = " of all training runs" if total > len(shown) else ""
    return (
        f"{corrected} of {len(shown)} are below {LEVEL:g} after Holm's correction over all {total} tests{others}, "
        f"{alone} without it; {LEVEL * len(shown):.0f} would be by chance alone."
    )


def describe_power(finding: Finding) -> str:
    """Whether this study could have told; empty where it is not known."""
    power, parts = finding.power, []
    if power is None:
        return ""
    if math.isfinite(power.detectable):
        parts.append(
            f"a common effect of {power.detectable:.2g} ({finding.claim.unit}) is found in 80 % of such studies"
        )
    if math.isfinite(power.found):
        truth = "exact equality" if finding.claim.rule.equality else "the paper's own numbers"
        parts.append(f"{truth} would be found in {write_share(power.found, 0)}")
    return "; ".join(parts)


def describe_rates(finding: Finding) -> str:
    """How often a verdict by this rule was wrong in simulated studies; empty where it has no error rate."""
    rates = finding.rates
    if rates is None or not finding.comparisons:
        return ""
    runs = "on the checkpoints" if rates.runs == 1 else f"{rates.runs} runs of each set-up"
    return (
        f"simulated, {runs}: false “holds” {_rate(rates.false_holds)}, false “does not hold” "
        f"{_rate(rates.false_fails)}; “holds” in {_rate(rates.power)} where the truth is {rates.effect}"
    )


def _rate(rate: Rate) -> str:
    return f"{write_share(rate.share)} ({rate.count} of {rate.studies})"


def describe_study_rate(findings: Sequence[Finding]) -> str:
    """How often a study without any effect has a false "holds"; empty where it was not simulated."""
    runs = min((finding.runs for finding in findings if finding.runs and finding.claim.needs_runs), default=0)
    rates = find_error_rates("any", runs) if runs else None
    if rates is None:
        return ""
    return (
        f"In {write_share(rates.false_holds.share)} of {rates.false_holds.studies} simulated studies without any "
        "effect one or more verdicts were a false “holds”."
    )
