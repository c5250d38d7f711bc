"""The report's sections on the paper's claims: each with its verdict, and what the paper's own numbers imply."""

import math
from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

from dr_core.publish.paper.implied import list_implications
from dr_core.publish.paper.review import ONE_RUN, Finding
from dr_core.publish.paper.verdicts import Comparison, Verdict
from dr_core.publish.paper.wording import CHECKPOINTS, describe_power, describe_rates
from dr_core.publish.report.figures import describe_data
from dr_core.publish.report.tables import ReportTable, Section
from dr_core.study.folder import Study

MARKS = {Verdict.HOLDS: "✓", Verdict.FAILS: "✗", Verdict.OPEN: "○"}
"""Shape of each verdict; the word always stands beside it."""

_AT_MOST = 12
"""Comparisons of a claim that the report prints; the tables have all."""


def show_claims(study: Study, findings: Sequence[Finding]) -> Section:
    """Every claim of the paper with its verdict and what it rests on."""
    rows = "".join(_claim(study, finding) for finding in findings)
    html = (
        "<table><thead><tr><th>where</th><th>claim</th><th>paper</th>"
        f"<th>this study (95 % interval)</th><th>verdict</th><th>on</th></tr></thead><tbody>{rows}</tbody></table>"
        f"<h3>Rules</h3><ul>{''.join(f'<li>{escape(rule)}</li>' for rule in _rules(findings))}</ul>"
        "<p>Differences are signed so that above 0 supports the claim; docs/methods.md has the rules with their "
        "reasons.</p>"
    )
    return Section(title="The paper's claims on this study", html=html, tables=(_claims_table(study, findings),))


def _claims_table(study: Study, findings: Sequence[Finding]) -> ReportTable:
    rows = [
        {
            "where": finding.claim.exhibit,
            "section": finding.claim.section,
            "claim": finding.claim.statement,
            "paper": finding.claim.paper,
            "this study": (finding.checkpoints or finding.judgment).reason,
            "set-ups": str(finding.judgment.verdict),
            CHECKPOINTS: "" if finding.checkpoints is None else str(finding.checkpoints.verdict),
            "on": describe_data(study, finding.data) if finding.data else "",
        }
        for finding in findings
    ]
    return ReportTable(name="claims", rows=pd.DataFrame(rows))


def _rules(findings: Iterable[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.claim.rule.words for finding in findings))


def _claim(study: Study, finding: Finding) -> str:
    claim, judgment = finding.claim, finding.judgment
    listed = "".join(f"<li>{escape(one.name)}: {write_comparison(one)}</li>" for one in finding.comparisons[:_AT_MOST])
    more = len(finding.comparisons) - _AT_MOST
    rest = f"<li>and {more} more in results/{claim.tables[0]}.parquet</li>" if more > 0 else ""
    data = describe_data(study, finding.data) if finding.data else "–"
    about = "".join(f"<p>{escape(text)}</p>" for text in (describe_power(finding), describe_rates(finding)) if text)
    return (
        f"<tr class='claim'><td>{escape(claim.exhibit)}, {escape(claim.section)}</td><td>{escape(claim.statement)}</td>"
        f"<td>{escape(claim.paper)}</td><td>{escape((finding.checkpoints or judgment).reason)}</td>"
        f"<td>{_verdicts(finding)}</td><td>{escape(data)}</td></tr>"
        f"<tr><td></td><td colspan='5'><ul class='told'>{listed}{rest}</ul>{about}</td></tr>"
    )


def mark_verdict(verdict: Verdict) -> str:
    """A verdict by shape and word, HTML."""
    return f"<b>{MARKS[verdict]}\N{NO-BREAK SPACE}{verdict}</b>"


def _verdicts(finding: Finding) -> str:
    """The verdict about the set-ups, and about the very checkpoints where there is one run of each set-up."""
    own = mark_verdict(finding.judgment.verdict)
    if finding.judgment.reason == ONE_RUN:
        own += " (one training run)"
    if finding.checkpoints is None:
        return own
    return f"set-ups: {own}<br>{CHECKPOINTS}: {mark_verdict(finding.checkpoints.verdict)}"


def show_implications() -> Section:
    """What the paper's own numbers say of its words."""
    rows = [
        {"where": one.exhibit, "the paper says": one.claim, "its numbers say": one.implied}
        for one in list_implications()
    ]
    table = ReportTable(name="implications", rows=pd.DataFrame(rows))
    caption = "<p>Computed from its Tables 2 and 3, without any study.</p>"
    html = caption + table.html().replace(" class='numbers'", "")
    return Section(title="What the paper's own numbers imply", html=html, tables=(table,))


def write_comparison(one: Comparison) -> str:
    """A comparison's number with its interval and the paper's own."""
    text = f"{one.value:+.3f}"
    if not math.isnan(one.low + one.high):
        text += f" ({one.low:+.3f} to {one.high:+.3f})"
    return text if math.isnan(one.published) else f"{text}; paper {one.published:+.3f}"
