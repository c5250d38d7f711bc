"""Parts of the Reproduction page: the paper's claims and numbers beside this study's, with verdicts."""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from dr_core.publish.paper.implied import disagreements, list_implications
from dr_core.publish.paper.review import (
    CLAIMS,
    ONE_RUN,
    PHANTOMS,
    Finding,
    count_checkpoints,
    count_verdicts,
    review_claims,
)
from dr_core.publish.paper.verdicts import Comparison, Judgment, Verdict
from dr_core.publish.paper.wording import (
    CHECKPOINTS,
    describe_other_setups,
    describe_power,
    describe_rates,
    describe_scope,
    describe_study_rate,
    write_share,
)
from dr_core.publish.pdf import find_browser, html_to_pdf
from dr_core.publish.report.claims import MARKS
from dr_core.publish.report.document import make_report, write_tables
from dr_core.publish.report.figures import describe_data
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.parts import tables
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input
from dr_ui.views.reproduction import numbers

_LISTED = 200
"""Comparisons that one claim lists at most."""

_EVERYTHING = "All"


def show_page(study: Study) -> None:
    """Verdicts, then the numbers side by side."""
    result_tables.rest_on_all_tables()
    findings, summary = find_verdicts(study), st.container()
    places_column, data_column, report_column = st.columns([2.5, 1, 1], gap="medium", vertical_alignment="bottom")
    with places_column:
        places = [_EVERYTHING, *dict.fromkeys(claim.exhibit for claim in CLAIMS)]
        exhibit = st.segmented_control(
            "Figure or table of the paper",
            places,
            default=_EVERYTHING,
            required=True,
            **kept_input("place"),
        )
    with data_column:
        chosen = _choose_data(study, findings)
    with report_column:
        _show_report(study)
    with summary:
        st.html(_summary_html(study, chosen))
    shown = [finding for finding in chosen if exhibit in (_EVERYTHING, finding.claim.exhibit)]
    tables.show_html(_findings_html(study, shown), "claims", "about")
    _show_implied()
    numbers.show(study, findings)


def _choose_data(study: Study, findings: Sequence[Finding]) -> list[Finding]:
    """The verdicts on one data set, where the same claim is judged on several; those on none of them always stay."""
    judged: dict[str, list[str]] = {}
    for finding in findings:
        judged.setdefault(finding.claim.key, []).append(finding.data)
    several = {data: None for keys in judged.values() if len(keys) > 1 for data in keys}
    options = [data.key for data in study.info.data if data.key in several]
    if len(options) < 2:
        return list(findings)
    on = st.selectbox(
        "Claims about graded eyes, on",
        [*options, _EVERYTHING],
        format_func=lambda key: "all data sets" if key == _EVERYTHING else describe_data(study, key),
        **kept_input("on"),
    )
    if on == _EVERYTHING:
        return list(findings)
    return [one for one in findings if on in (keys := one.data.split(", ")) or not several.keys() & set(keys)]


def find_verdicts(study: Study) -> list[Finding]:
    """Every claim's verdict; found once for each state of the study."""
    return _review(result_tables.results_stamp(study), cache.study_stamp(study), study)


@st.cache_resource(max_entries=4, show_spinner="Comparing the paper with this study ...")
def _review(stamp: result_tables.ResultsStamp, head: cache.Stamp, _study: Study) -> list[Finding]:
    return review_claims(_study)


def _summary_html(study: Study, findings: Sequence[Finding]) -> str:
    warning = ""
    if study.info.rests_on_drawings:
        warning = (
            f'<p class="lens-warning"><b>This study cannot confirm or refute the paper.</b> {PHANTOMS}: the verdicts '
            "say what these models do on drawn eyes, and show how the page works. A study on the paper's data gives "
            "the real ones.</p>"
        )
    if other := describe_other_setups(study):
        warning += f'<p class="lens-warning">{escape(other)}</p>'
    head = f"<span>On the data of <b>{escape(study.info.title)}</b>, about the set-ups:</span>"
    counts = f'<p class="lens-counts" role="status">{head} {_counts_html(count_verdicts(findings))}</p>'
    if any(finding.checkpoints for finding in findings):
        at_hand = _counts_html(count_checkpoints(findings))
        counts += f'<p class="lens-counts" role="status"><span>About <b>{CHECKPOINTS}</b>:</span> {at_hand}</p>'
    about = f'<p class="lens-small">{escape(describe_scope(findings))} {escape(describe_study_rate(findings))}</p>'
    return f"{warning}{counts}{about}"


def _counts_html(counts: Mapping[Verdict, int]) -> str:
    return " ".join(
        f'<span class="lens-mark lens-{_style(verdict)}">{MARKS[verdict]} {count} {verdict}</span>'
        for verdict, count in counts.items()
    )


def _style(verdict: Verdict) -> str:
    return verdict.name.lower()


def _findings_html(study: Study, findings: Sequence[Finding]) -> str:
    body = "".join(_finding_html(study, finding) for finding in findings)
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Claims and verdicts">'
        '<table class="lens-claims"><thead><tr><th scope="col">where</th><th scope="col">the paper claims</th>'
        '<th scope="col">the paper gives</th><th scope="col">this study (95 % interval)</th>'
        f'<th scope="col">verdict</th><th scope="col">on</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _finding_html(study: Study, finding: Finding) -> str:
    claim = finding.claim
    data = escape(describe_data(study, finding.data)) if finding.data else "–"
    return (
        f'<tr><td>{escape(claim.exhibit)}<small>section {escape(claim.section)}</small></td><th scope="row">'
        f'{escape(claim.statement)}</th><td data-head="the paper">{escape(claim.paper)}</td>'
        f'<td data-head="this study">{_evidence_html(study, finding)}</td>'
        f'<td class="lens-verdict">{_verdicts_html(finding)}</td><td data-head="on">{data}</td></tr>'
    )


def _verdicts_html(finding: Finding) -> str:
    """The verdict about the set-ups, and about the very checkpoints where each set-up was trained once."""
    if finding.checkpoints is None:
        return _verdict_html(finding, finding.judgment)
    return (
        f'<div><small class="lens-about">set-ups:</small>{_verdict_html(finding, finding.judgment)}</div>'
        f'<div><small class="lens-about">{CHECKPOINTS}:</small>{_verdict_html(finding, finding.checkpoints)}</div>'
    )


def _verdict_html(finding: Finding, judgment: Judgment) -> str:
    verdict = judgment.verdict
    runs = " (one training run)" if judgment.reason == ONE_RUN else ""
    return (
        f'<span class="lens-mark lens-{_style(verdict)}" title="{escape(finding.claim.rule.words)}">'
        f"{MARKS[verdict]} {verdict}</span>{runs}"
    )


def _evidence_html(study: Study, finding: Finding) -> str:
    reason = escape(finding.judgment.reason)
    if finding.missing:
        return f"{reason}<small>{escape(missing.missing_command(study, finding.missing))}</small>"
    if not finding.comparisons:
        return reason
    decisive = finding.checkpoints or finding.judgment
    single = f": {_number(finding.comparisons[0])}" if len(finding.comparisons) == 1 else ""
    listed = finding.comparisons[:_LISTED]
    rows = "".join(f"<li><span>{escape(one.name)}</span> {_number(one)}{_published(one)}</li>" for one in listed)
    more = len(finding.comparisons) - len(listed)
    rest = f"<li>and {more} more in results/{finding.claim.tables[0]}.parquet</li>" if more else ""
    texts = (finding.claim.rule.words, describe_power(finding), describe_rates(finding))
    about = "".join(f"<p>{escape(text)}</p>" for text in texts if text)
    return (
        f"<details><summary>{escape(decisive.reason)}{single}</summary>{about}<ul "
        f"tabindex='0'>{rows}{rest}</ul></details>{_numbers_html(finding)}"
    )


def _numbers_html(finding: Finding) -> str:
    """Detectable effect and error rates in one short line."""
    parts = []
    if finding.power is not None and math.isfinite(finding.power.detectable):
        parts.append(f"could find {finding.power.detectable:.2g} ({finding.claim.unit})")
    if finding.power is not None and math.isfinite(finding.power.found):
        parts.append(f"power {write_share(finding.power.found, 0)}")
    if finding.rates is not None:
        wrong = write_share(finding.rates.false_holds.share), write_share(finding.rates.false_fails.share)
        parts.append(f"wrong in simulations: “holds” {wrong[0]}, “does not hold” {wrong[1]}")
    return f"<small>{escape('; '.join(parts))}</small>" if parts else ""


def _number(one: Comparison) -> str:
    if math.isnan(one.low + one.high):
        return f"<b>{one.value:+.3f}</b>"
    return f"<b>{one.value:+.3f}</b> ({one.low:+.3f} to {one.high:+.3f})"


def _published(one: Comparison) -> str:
    return "" if math.isnan(one.published) else f" <i>paper {one.published:+.3f}</i>"


def _show_implied() -> None:
    """The audit of the paper by its own numbers, folded."""
    found = list_implications()
    title = f"What the paper's own numbers imply: {disagreements(found)} of {len(found)} points differ from its words"
    with st.expander(title, icon=":material/rule:"):
        rows = "".join(
            f"<tr><td>{escape(one.exhibit)}</td><td>{escape(one.claim)}</td>"
            f'<th scope="row">{escape(one.implied)}</th></tr>'
            for one in found
        )
        tables.show_html(
            '<table class="lens-claims"><thead><tr><th scope="col">where</th><th scope="col">the paper says</th>'
            f'<th scope="col">its numbers say</th></tr></thead><tbody>{rows}</tbody></table>',
            "implications",
        )
        st.caption("Computed from the paper's Tables 2 and 3, without any study.")


def _zip(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        for name, content in files.items():
            members.writestr(name, content)
    return archive.getvalue()


def _show_report(study: Study) -> None:
    """Offer the report; it is made when somebody asks for it."""
    with st.popover("Report", icon=":material/description:", width="stretch"):
        st.caption("A summary of two pages, then figures, tables, verdicts, data sets, settings, versions and digests.")
        name = f"{study.name}-report"
        st.download_button(
            "HTML", lambda: make_report(study), f"{name}.html", "text/html", key="report_html", on_click="ignore"
        )
        st.download_button(
            "Tables (CSV and LaTeX)",
            lambda: _zip(write_tables(study)),
            f"{name}-tables.zip",
            "application/zip",
            key="report_tables",
            on_click="ignore",
        )
        if find_browser() is None:
            st.caption("A PDF needs Chromium on the server; the HTML prints from your browser.")
        else:
            st.download_button(
                "PDF",
                lambda: html_to_pdf(make_report(study)),
                f"{name}.pdf",
                "application/pdf",
                key="report_pdf",
                on_click="ignore",
            )
