"""The report itself: verdicts, figures, tables, and everything that a reader needs to check them."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from dr_core.analysis.controls import CONTROLS
from dr_core.publish.paper.implied import list_implications
from dr_core.publish.paper.review import (
    ONE_RUN,
    PHANTOMS,
    Finding,
    compare_table2,
    compare_table3,
    count_checkpoints,
    count_verdicts,
    review_claims,
)
from dr_core.publish.paper.verdicts import Comparison, Verdict
from dr_core.publish.paper.wording import (
    CHECKPOINTS,
    describe_other_setups,
    describe_power,
    describe_rates,
    describe_scope,
    describe_study_rate,
)
from dr_core.publish.report.explanations import describe_explanations
from dr_core.publish.report.figures import Drawing, describe_data, draw_figures
from dr_core.publish.report.sources import show_sources
from dr_core.publish.report.tables import label_setups, write_intervals, write_table
from dr_core.study.folder import Study

PAGE_MARK = '<meta name="viewport" content="width=device-width">'
"""What every page has near its beginning that this module made."""

MARKS = {Verdict.HOLDS: "✓", Verdict.FAILS: "✗", Verdict.OPEN: "○"}
"""Shape of each verdict; the word always stands beside it."""

_AT_MOST = 12
"""Comparisons of a claim that the report prints; the tables have all."""


def make_report(study: Study) -> str:
    """Write the report of a study.

    Args:
        study: The study.

    Returns:
        A page of HTML that needs no other file and no network: claims with verdicts, figures, Tables 2 and 3, all
        measures, data sets, checkpoints, settings, versions, and the digest of every table.

    Raises:
        InputError: If a table or a checkpoint is damaged.
    """
    findings = review_claims(study)
    parts = [
        _head(study, findings),
        _claims(study, findings),
        _implied(),
        *map(_figure, draw_figures(study)),
        _table2(study),
        _table3(study),
        _tests(study),
        _measures(study),
        _knockouts(study),
        describe_explanations(study),
        show_sources(study),
    ]
    return page(f"{study.info.title}: report", "".join(parts))


def page(title: str, body: str) -> str:
    """A self-contained page of HTML in the project's print style, with the note that must stand on every page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"{PAGE_MARK}<style>" + _CSS + "</style></head><body>"
        '<p class="note">DR Lens · research use only, not for diagnosis</p>' + body + "</body></html>"
    )


def _head(study: Study, findings: Sequence[Finding]) -> str:
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


def _count(counts: Mapping[Verdict, int]) -> str:
    return " · ".join(f"{MARKS[verdict]} {count} {verdict}" for verdict, count in counts.items())


def _claims(study: Study, findings: Sequence[Finding]) -> str:
    rows = "".join(_claim(study, finding) for finding in findings)
    return (
        "<h2>The paper's claims on this study</h2><table><thead><tr><th>where</th><th>claim</th><th>paper</th>"
        f"<th>this study (95 % interval)</th><th>verdict</th><th>on</th></tr></thead><tbody>{rows}</tbody></table>"
        f"<h3>Rules</h3><ul>{''.join(f'<li>{escape(rule)}</li>' for rule in _rules(findings))}</ul>"
        "<p>Differences are signed so that above 0 supports the claim; docs/methods.md has the rules with their "
        "reasons.</p>"
    )


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


def _mark(verdict: Verdict) -> str:
    return f"<b>{MARKS[verdict]}\N{NO-BREAK SPACE}{verdict}</b>"


def _verdicts(finding: Finding) -> str:
    """The verdict about the set-ups, and about the very checkpoints where there is one run of each set-up."""
    own = _mark(finding.judgment.verdict)
    if finding.judgment.reason == ONE_RUN:
        own += " (one training run)"
    if finding.checkpoints is None:
        return own
    return f"set-ups: {own}<br>{CHECKPOINTS}: {_mark(finding.checkpoints.verdict)}"


def _implied() -> str:
    rows = "".join(
        f"<tr><td>{escape(one.exhibit)}</td><td>{escape(one.claim)}</td><td>{escape(one.implied)}</td></tr>"
        for one in list_implications()
    )
    return (
        "<h2>What the paper's own numbers imply</h2><p>Computed from its Tables 2 and 3, without any study.</p>"
        f"<table><thead><tr><th>where</th><th>the paper says</th><th>its numbers say</th></tr></thead><tbody>{rows}"
        "</tbody></table>"
    )


def write_comparison(one: Comparison) -> str:
    """A comparison's number with its interval and the paper's own."""
    text = f"{one.value:+.3f}"
    if not math.isnan(one.low + one.high):
        text += f" ({one.low:+.3f} to {one.high:+.3f})"
    return text if math.isnan(one.published) else f"{text}; paper {one.published:+.3f}"


def _figure(drawing: Drawing) -> str:
    source = base64.b64encode(drawing.svg.encode()).decode()
    return (
        f'<figure><h2>{escape(drawing.title)}</h2><img alt="{escape(drawing.title)}" '
        f'src="data:image/svg+xml;base64,{source}"><figcaption>{escape(drawing.caption)}</figcaption></figure>'
    )


def _table2(study: Study) -> str:
    rows = compare_table2(study)
    if rows.empty:
        return ""
    rows = rows.assign(
        data=[describe_data(study, key) for key in rows["data"]],
        setup=label_setups(study, rows["setup"]),
        interval=write_intervals(rows, 3),
    )
    names = {
        "data": "eyes",
        "setup": "set-up",
        "seed": "seed",
        "paper": "paper",
        "distfit": "by distfit",
        "alpha": "by likelihood",
        "interval": "95 % interval",
        "nearest": "nearest law (AIC)",
    }
    return "<h2>Table 2: alpha of the first layer</h2>" + write_table(rows, names, 3)


def _table3(study: Study) -> str:
    rows = compare_table3(study)
    if rows.empty:
        return ""
    eyes = int(rows["n"].max())
    rows = rows.assign(
        setup=label_setups(study, rows["setup"]),
        interval=write_intervals(rows, 4),
        inside=rows["inside"].map({True: "yes", False: "no"}),
        lesion=rows["lesion"].str.replace("_", " "),
        method=rows["method"].map(lambda method: CONTROLS[method].title if method in CONTROLS else "LRP"),
        score=rows["score"].map({"recall": "recall, for RRA (eq. 3)"}).fillna(rows["score"]),
    )
    names = {
        "lesion": "lesion",
        "setup": "set-up",
        "score": "score",
        "pooling": "pooling",
        "method": "heatmap",
        "statistic": "over eyes",
        "paper": "paper",
        "value": "this study",
        "interval": "95 % interval",
        "inside": "paper's inside",
    }
    caption = (
        f"<p>The paper: 80 eyes of IDRiD; this study: {eyes} eyes, protocol paper. What the paper calls relevance "
        "rank accuracy (eq. 3) cannot be reconstructed; our recall is shown beside it and decides nothing "
        "(docs/methods.md).</p>"
    )
    return "<h2>Table 3: relevance on the lesions</h2>" + caption + write_table(rows, names, 4)


def _tests(study: Study) -> str:
    """The paired tests that stay below 5 % after Holm's correction over all of them."""
    if not study.has_results("localization_tests"):
        return ""
    rows = study.read_checkpoint_results("localization_tests")
    clear = rows[rows["p_holm"] < _LEVEL].sort_values("p", kind="stable")
    counts = (
        f"<p>Wilcoxon's signed-rank test of each pair of set-ups on the same eyes: {len(clear)} of {len(rows)} are "
        f"below {_LEVEL:g} after Holm's correction over all, {int((rows['p'] < _LEVEL).sum())} without it. They test "
        "these very checkpoints. results/localization_tests.parquet has all.</p>"
    )
    clear = clear.assign(
        lesion=clear["lesion"].str.replace("_", " "),
        setup=label_setups(study, clear["setup"]),
        other=label_setups(study, clear["other"]),
        p=[f"{p:.2g}" for p in clear["p"]],
        p_holm=[f"{p:.2g}" for p in clear["p_holm"]],
    )
    names = {"protocol": "protocol", "lesion": "lesion", "score": "score", "pooling": "pooling", "setup": "first"}
    names |= {"other": "second", "difference": "median difference", "p": "p", "p_holm": "p, Holm", "n": "eyes"}
    return "<h2>Paired tests</h2>" + counts + (write_table(clear, names, 4) if len(clear) else "")


_LEVEL = 0.05


def _measures(study: Study) -> str:
    if not study.has_results("performance"):
        return ""
    rows = study.read_checkpoint_results("performance")
    rows = rows.assign(
        data=[describe_data(study, key) for key in rows["data"]],
        setup=label_setups(study, rows["setup"]),
        interval=write_intervals(rows, 3),
        measure=rows["measure"].str.replace("_", " "),
    )
    names = {
        "data": "eyes",
        "setup": "set-up",
        "measure": "measure",
        "reading": "reading",
        "value": "value",
        "interval": "95 % interval",
        "n": "eyes",
        "positives": "positive",
        "warning": "caution",
    }
    return "<h2>All measures of the answers</h2>" + write_table(rows, names, 3)


def _knockouts(study: Study) -> str:
    if not study.has_results("knockout_summary"):
        return ""
    rows = study.read_checkpoint_results("knockout_summary")
    rows = rows[(rows["kind"] == "beyond control") & (rows["measure"] == "severe")]
    rows = rows.assign(
        setup=label_setups(study, rows["setup"]),
        interval=write_intervals(rows, 3),
        lesion=rows["lesion"].str.replace("_", " "),
    )
    names = {"lesion": "lesion", "setup": "set-up", "value": "change", "interval": "95 % interval", "n": "eyes"}
    names |= {"left_out": "eyes without a matched control, left out", "unlike": "dissimilarity of the controls"}
    return "<h2>Knock-out: change of P(severe) beyond the control</h2>" + write_table(rows, names, 3)


_CSS = """
@page { size: A4; margin: 14mm 12mm; }
body { font: 10pt/1.4 system-ui, sans-serif; color: #111; background: #fff; max-width: 190mm; margin: 1rem auto;
  padding: 0 1rem; font-variant-numeric: tabular-nums; }
h1 { font-size: 18pt; margin: .3em 0; } h2 { font-size: 13pt; margin: 1.2em 0 .4em; } h3 { font-size: 11pt; }
.note { border: 1px solid #111; border-radius: 1em; padding: .1em .8em; display: inline-block; font-size: 9pt; }
.warning { border-left: 4px solid #E69F00; padding-left: .7em; } .counts { font-size: 12pt; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: 8.2pt; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; border-bottom: 1px solid #ccc; }
thead { display: table-header-group; } tr { break-inside: avoid; }
.claim td { border-bottom: 0; padding-bottom: 0; } .told { columns: 2; list-style: none; font-size: 7.6pt; }
td ul { margin: .2em 0; padding-left: 1em; }
.numbers td { white-space: nowrap; padding-top: .1em; padding-bottom: .1em; }
.numbers td:first-child { white-space: normal; }
figure { margin: 0; break-inside: avoid; } figure img { width: 100%; } figcaption { font-size: 9pt; color: #333; }
li { overflow-wrap: anywhere; } pre { font-size: 7.5pt; white-space: pre-wrap; } .settings { columns: 3; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""
