"""Parts of the Reproduction page: the paper's claims and numbers beside this study's, with verdicts."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
import streamlit as st

from dr_core.analysis.controls import CONTROLS
from dr_core.publish.paper.implied import disagreements, list_implications
from dr_core.publish.paper.published import FIGURE_2_POINTS, UNTRAINED_ALPHA
from dr_core.publish.paper.review import (
    CLAIMS,
    PHANTOMS,
    Finding,
    compare_table2,
    compare_table3,
    count_checkpoints,
    count_verdicts,
    review_claims,
)
from dr_core.publish.paper.verdicts import Comparison, Judgment, Verdict
from dr_core.publish.paper.wording import (
    CHECKPOINTS,
    describe_power,
    describe_rates,
    describe_scope,
    describe_study_rate,
)
from dr_core.publish.pdf import find_browser, html_to_pdf
from dr_core.publish.report.document import MARKS, make_report
from dr_core.publish.report.figures import describe_data
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.parts import tables
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input

_LISTED = 200
"""Comparisons that one claim lists at most."""

_EVERYTHING = "All"

_LESIONS = {"microaneurysms": "MA", "haemorrhages": "HE", "hard_exudates": "EX", "total": "total"}
_SCORES = {"mass accuracy": "RMA (eq. 2)", "recall": "RRA (eq. 3); here our recall"}


def show_page(study: Study) -> None:
    """Verdicts, then the numbers side by side."""
    findings = _review(result_tables.results_stamp(study), cache.study_stamp(study), study)
    st.html(_summary_html(study, findings))
    left, right = st.columns([3.2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        places = [_EVERYTHING, *dict.fromkeys(claim.exhibit for claim in CLAIMS)]
        exhibit = st.segmented_control(
            "Figure or table of the paper",
            places,
            default=_EVERYTHING,
            required=True,
            **kept_input("place"),
        )
    with right:
        _show_report(study)
    shown = [finding for finding in findings if exhibit in (_EVERYTHING, finding.claim.exhibit)]
    st.html(_findings_html(study, shown))
    _show_implied()
    _show_numbers(study, findings)


@st.cache_resource(max_entries=4, show_spinner="Holding the paper against this study ...")
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
    data = describe_data(study, finding.data) if finding.data else "nothing"
    at_hand = ""
    if finding.checkpoints is not None:
        at_hand = f"<small>{CHECKPOINTS}:</small> {_verdict_html(finding, finding.checkpoints)}"
    return (
        f'<tr><td>{escape(claim.exhibit)}<small>section {escape(claim.section)}</small></td><th scope="row">'
        f"{escape(claim.statement)}</th><td>{escape(claim.paper)}</td><td>{_evidence_html(study, finding)}</td>"
        f"<td>{_verdict_html(finding, finding.judgment)}{at_hand}</td><td>{escape(data)}</td></tr>"
    )


def _verdict_html(finding: Finding, judgment: Judgment) -> str:
    verdict = judgment.verdict
    return (
        f'<span class="lens-mark lens-{_style(verdict)}" title="{escape(finding.claim.rule.words)}">'
        f"{MARKS[verdict]} {verdict}</span>"
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
    scope = f"<small>{reason}</small>" if decisive is not finding.judgment else ""
    return (
        f"<details><summary>{escape(decisive.reason)}{single}</summary>{about}<ul "
        f"tabindex='0'>{rows}{rest}</ul></details>"
        f"{scope}{_numbers_html(finding)}"
    )


def _numbers_html(finding: Finding) -> str:
    """Detectable effect and error rates in one short line."""
    parts = []
    if finding.power is not None and math.isfinite(finding.power.detectable):
        parts.append(f"detectable: {finding.power.detectable:.2g}")
    if finding.power is not None and math.isfinite(finding.power.found):
        parts.append(f"power: {finding.power.found:.0%}")
    if finding.rates is not None:
        wrong = f"{finding.rates.false_holds.share:.1%} / {finding.rates.false_fails.share:.1%}"
        parts.append(f"false holds / does not hold: {wrong}")
    return f"<small>{escape(' · '.join(parts))}</small>" if parts else ""


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
        st.html(
            '<table class="lens-claims"><thead><tr><th scope="col">where</th><th scope="col">the paper says</th>'
            f'<th scope="col">its numbers say</th></tr></thead><tbody>{rows}</tbody></table>'
        )
        st.caption("Computed from the paper's Tables 2 and 3, without any study.")


def _show_numbers(study: Study, findings: Sequence[Finding]) -> None:
    second, third, points, rules = st.tabs(
        ["Table 2 by numbers", "Table 3 by numbers", "Figure 2's reference points", "How verdicts are made"]
    )
    with second:
        _show_table2(study)
    with third:
        _show_table3(study)
    with points:
        _show_points(study)
    with rules:
        words = dict.fromkeys(finding.claim.rule.words for finding in findings)
        st.markdown("\n".join(f"- {rule}" for rule in words))
        st.caption(
            "Each claim's own rule stands behind its verdict and in its list. Differences are signed so that above 0 "
            "speaks for the claim. Where the paper gives no limit (what is “equal”, “closely”, “marginal”, “initial”), "
            "the limit is ours and stands in the claim. Intervals hold two levels, training runs and patients within "
            "them, drawn together over all set-ups and cells; with one run of each set-up they hold patients alone. "
            "Error rates come from `benchmarks/verdicts.py`: studies of one recipe with other seeds, and stated "
            "effects."
        )


def _show_table2(study: Study) -> None:
    rows = compare_table2(study)
    if rows.empty:
        missing.show_missing_table(study, "distributions")
        return
    shown = pd.DataFrame(
        {
            "eyes": [result_tables.data_title(study, key) for key in rows["data"]],
            "set-up": [study.setups[setup].label for setup in rows["setup"]],
            "seed": rows["seed"],
            "the paper's α": rows["paper"],
            "α by distfit, as the paper": rows["distfit"].round(3),
            "α by likelihood": [
                f"{row.alpha:.3f} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples(index=False)
            ],
            "untrained, distfit": _span(UNTRAINED_ALPHA["distfit"]),
            "untrained, likelihood": _span(UNTRAINED_ALPHA["likelihood"]),
            "nearest law by AIC": rows["nearest"],
        }
    )
    tables.show(shown, "table2")
    st.caption(
        "Shape of a Pareto law fitted to the first layer's eigenvalues. The paper fitted by distfit (free location and "
        "scale), so only that column can be held against its numbers and 1.16. The untrained networks are the demo's "
        "architecture on drawn eyes; trained ones lie there as well. Source: results/distributions.parquet."
    )


def _span(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


def _show_table3(study: Study) -> None:
    rows = compare_table3(study)
    if rows.empty:
        missing.show_missing_table(study, "localization_summary")
        return
    inside, eyes = int(rows["inside"].sum()), int(rows["n"].max())
    lrp = rows[rows["method"] == "lrp"]
    st.markdown(
        f"The paper's number lies in this study's 95 % interval in **{inside} of {len(rows)}** cells "
        f"({int(lrp['inside'].sum())} of {len(lrp)} of the heatmaps, the others are random controls)."
    )
    shown = pd.DataFrame(
        {
            "lesion": rows["lesion"].map(_LESIONS),
            "set-up": [study.setups[setup].label for setup in rows["setup"]],
            "score": rows["score"].map(_SCORES),
            "pooling": rows["pooling"],
            "heatmap": rows["method"].map(lambda method: CONTROLS[method].title if method in CONTROLS else "LRP"),
            "over eyes": rows["statistic"],
            "paper": rows["paper"],
            "this study": rows["value"].round(4),
            "low": rows["low"].round(4),
            "high": rows["high"].round(4),
            "paper's inside": rows["inside"],
        }
    )
    tables.show(shown, "table3", height=330)
    st.caption(
        f"The paper has 80 eyes of IDRiD, this study {eyes}; the paper gives no intervals, and its own numbers would "
        "move with other eyes as well. Source: results/localization_summary.parquet, protocol “paper”."
    )


def _show_points(study: Study) -> None:
    rows = [
        {
            "published": point.name,
            "EyePACS": point.eyepacs,
            "Messidor-2": point.messidor2,
            "positive": point.positive,
            "what is different": point.note,
        }
        for point in FIGURE_2_POINTS
    ]
    tables.show(pd.DataFrame(rows), "figure2_published")
    measured = result_tables.load_table(study, "performance")
    if measured is not None:
        aucs = measured[(measured["measure"] == "auc") & (measured["reading"] == "grades 2-4 against 0-1")]
        text = pd.DataFrame(
            {
                "eyes": [result_tables.data_title(study, key) for key in aucs["data"]],
                "set-up": [study.setups[setup].label for setup in aucs["setup"]],
                "AUC, grades 2-4 against 0-1": [
                    f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in aucs.itertuples(index=False)
                ],
            }
        )
        tables.show(text, "figure2_study")
    st.caption("Only AUCs on EyePACS and Messidor-2 can be held against these points. Source: FIGURE_2_POINTS.")


def _show_report(study: Study) -> None:
    """Offer the report; it is made when somebody asks for it."""
    with st.popover("Report", icon=":material/description:", width="stretch"):
        st.caption("Figures, tables, verdicts, data sets, settings, versions and digests on one page.")
        name = f"{study.name}-report"
        st.download_button(
            "HTML", lambda: make_report(study), f"{name}.html", "text/html", key="report_html", on_click="ignore"
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
