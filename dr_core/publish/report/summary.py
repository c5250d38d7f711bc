"""The first two pages of the report: what was asked, what the study says, and how far that can be trusted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

import pandas as pd

from dr_core.data.grades import READINGS
from dr_core.publish.paper.review import PHANTOMS, Finding, count_checkpoints, count_verdicts
from dr_core.publish.paper.verdicts import Verdict
from dr_core.publish.paper.wording import (
    CHECKPOINTS,
    describe_other_setups,
    describe_scope,
    describe_study_rate,
)
from dr_core.publish.report.claims import MARKS, mark_verdict
from dr_core.publish.report.figures import describe_data
from dr_core.publish.report.tables import ReportTable, Section, label_setups, write_intervals
from dr_core.study.folder import Study

_DECIDED = 14
"""Decided claims that the summary lists; the appendix has all."""


def show_head(study: Study, findings: Sequence[Finding]) -> str:
    """Title, warnings and the count of the verdicts, HTML."""
    info, counts = study.info, count_verdicts(findings)
    listed = _count(counts)
    if any(finding.checkpoints for finding in findings):
        listed += f"<br>{CHECKPOINTS}: {_count(count_checkpoints(findings))}"
    warning = (
        f"<p class='warning'><b>Drawn, not photographed.</b> {PHANTOMS}; the verdicts below say nothing about the "
        "paper's own data.</p>"
    )
    return (
        f"<h1>{escape(info.title)}</h1><p>{escape(info.summary)}</p>"
        f"<p>Seed {info.seed}, protocol {escape(info.protocol)}, study written {escape(info.created)}, this report "
        f"{datetime.now(UTC).isoformat(timespec='seconds')}.</p>"
        f"{warning if study.info.rests_on_drawings else ''}<p class='counts'>{listed}</p>"
        f"<p>{escape(describe_other_setups(study))} {escape(describe_scope(findings))} "
        f"{escape(describe_study_rate(findings))}</p>"
    )


def show_summary(study: Study, findings: Sequence[Finding]) -> Section:
    """The verdicts by figure and table of the paper, what is decided, and how good the models are."""
    exhibits, aucs = _by_exhibit(findings), _aucs(study)
    html = f"<div class='brief'><h3>By figure and table of the paper</h3>{exhibits.html()}{_decided(study, findings)}"
    if aucs is not None:
        html += f"<h3>How good the models are: AUC with its 95 % interval</h3>{aucs.html()}"
    html += f"<h3>On which eyes</h3><ul>{_eyes(study)}</ul></div>"
    tables = (exhibits,) if aucs is None else (exhibits, aucs)
    return Section(title="Summary", html=html, tables=tables)


def _count(counts: Mapping[Verdict, int]) -> str:
    return " · ".join(f"{MARKS[verdict]} {count} {verdict}" for verdict, count in counts.items())


def _by_exhibit(findings: Sequence[Finding]) -> ReportTable:
    rows = []
    for exhibit in dict.fromkeys(finding.claim.exhibit for finding in findings):
        mine = [finding for finding in findings if finding.claim.exhibit == exhibit]
        row = {"where": exhibit, "verdicts": len(mine)}
        row |= {f"set-ups: {verdict}": count for verdict, count in count_verdicts(mine).items()}
        row |= {f"{CHECKPOINTS}: {verdict}": count for verdict, count in count_checkpoints(mine).items()}
        rows.append(row)
    return ReportTable(name="summary", rows=pd.DataFrame(rows))


def _decided(study: Study, findings: Sequence[Finding]) -> str:
    """The claims of which this study says anything, the set-ups' before the checkpoints'."""
    found = [
        (finding, verdict, about)
        for about, verdicts in (
            ("set-ups", [finding.judgment for finding in findings]),
            (CHECKPOINTS, [finding.checkpoints for finding in findings]),
        )
        for finding, verdict in zip(findings, verdicts, strict=True)
        if verdict is not None and verdict.verdict is not Verdict.OPEN
    ]
    if not found:
        return "<h3>What is decided</h3><p>Nothing: every verdict is open.</p>"
    lines = "".join(
        f"<li>{mark_verdict(judgment.verdict)} ({about}), {escape(finding.claim.exhibit)}: "
        f"{escape(finding.claim.statement)} {escape(judgment.reason)}, on {escape(describe_data(study, finding.data))}."
        "</li>"
        for finding, judgment, about in found[:_DECIDED]
    )
    more = len(found) - _DECIDED
    rest = f"<li>and {more} more in the appendix</li>" if more > 0 else ""
    return f"<h3>What is decided</h3><ul>{lines}{rest}</ul>"


def _aucs(study: Study) -> ReportTable | None:
    """AUC by set-up for the readings that refer eyes, or healthy against sick; None where it was not measured."""
    if not study.has_results("performance"):
        return None
    rows = study.read_checkpoint_results("performance")
    rows = rows[(rows["measure"] == "auc") & rows["reading"].isin(list(READINGS))]
    if rows.empty:
        return None
    interval = pd.Series(write_intervals(rows, 3), index=rows.index)
    shown = pd.DataFrame(
        {
            "eyes": rows["data"].map(lambda key: _short(study, str(key))),
            "reading": rows["reading"],
            "set-up": label_setups(study, rows["setup"]),
            "value": rows["value"].map("{:.3f}".format) + interval.map(lambda text: f" ({text})" if text else ""),
        }
    )
    wide = shown.pivot_table(index=["eyes", "reading"], columns="set-up", values="value", aggfunc="first", sort=False)
    return ReportTable(name="auc", rows=wide.reset_index())


def _short(study: Study, key: str) -> str:
    """The label of a data set, which is short; its title where it has none."""
    return next((data.label or data.title for data in study.info.data if data.key == key), key)


def _eyes(study: Study) -> str:
    return "".join(
        f"<li><b>{escape(source.role)}</b>: {escape(describe_data(study, source.key))}, {source.images} "
        f"{'photographs' if source.real else 'drawn images'}</li>"
        for source in study.info.data
    )
