"""The paper's numbers beside this study's: Tables 2 and 3, paired tests, reference points, how verdicts are made."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dr_core.analysis.controls import CONTROLS
from dr_core.publish.paper.published import FIGURE_2_POINTS, UNTRAINED_ALPHA
from dr_core.publish.paper.review import Finding, compare_table2, compare_table3
from dr_core.publish.paper.wording import CHECKPOINTS, describe_paired_tests
from dr_core.study.folder import Study
from dr_ui.parts import tables
from dr_ui.shell import missing, result_tables

_LESIONS = {"microaneurysms": "MA", "haemorrhages": "HE", "hard_exudates": "EX", "total": "total"}
_SCORES = {"mass accuracy": "RMA (eq. 2)", "recall": "RRA (eq. 3); here our recall"}


def show(study: Study, findings: Sequence[Finding]) -> None:
    """Show the tabs."""
    second, third, tests, points, rules = st.tabs(
        [
            "Table 2 by numbers",
            "Table 3 by numbers",
            "Paired tests",
            "Figure 2's reference points",
            "How verdicts are made",
        ]
    )
    with second:
        _show_table2(study)
    with third:
        _show_table3(study)
    with tests:
        _show_tests(study)
    with points:
        _show_points(study)
    with rules:
        words = dict.fromkeys(finding.claim.rule.words for finding in findings)
        st.markdown("\n".join(f"- {rule}" for rule in words))
        st.caption(
            "Each claim's rule is shown with its verdict and in its list. Differences are signed so that above 0 "
            "supports the claim. Where the paper gives no limit (what is “equal”, “closely”, “marginal”, “initial”), "
            "the limit is ours and is given in the claim. Intervals have two levels, training runs and patients within "
            "them, drawn together over all set-ups and cells; with one run of each set-up they cover only patients. "
            "Error rates come from `benchmarks/verdicts.py`: simulated studies of one recipe with other seeds, and "
            "with stated effects."
        )


def _show_absent(study: Study, table: str) -> None:
    """Why nothing can stand beside the paper's numbers: nothing was measured, or nothing that the paper has."""
    if study.has_results(table):
        st.info("No answer, because nothing was measured for the paper's set-ups with its method and protocol.")
    else:
        missing.show_missing_table(study, table)


def _show_table2(study: Study) -> None:
    rows = compare_table2(study)
    if rows.empty:
        _show_absent(study, "distributions")
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
        "scale), so only that column can be compared with its numbers and 1.16. The untrained networks have the demo's "
        "architecture, on drawn eyes. Source: results/distributions.parquet."
    )


def _span(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


def _show_table3(study: Study) -> None:
    rows = compare_table3(study)
    if rows.empty:
        _show_absent(study, "localization_summary")
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
        "also vary with other eyes. Source: results/localization_summary.parquet, protocol “paper”."
    )


def _show_tests(study: Study) -> None:
    """Every paired test of two set-ups on the same eyes, with Holm's correction over all of them."""
    rows = result_tables.load_table(study, "localization_tests")
    if rows is None:
        missing.show_missing_table(study, "localization_tests")
        return
    shown = pd.DataFrame(
        {
            "protocol": rows["protocol"],
            "lesion": rows["lesion"].map(_LESIONS).fillna(rows["lesion"].str.replace("_", " ")),
            "score": rows["score"],
            "pooling": rows["pooling"],
            "first": [study.setups[setup].label for setup in rows["setup"]],
            "second": [study.setups[setup].label for setup in rows["other"]],
            "median of first - second": rows["difference"].round(4),
            "p": [float(f"{p:.2g}") for p in rows["p"]],
            "p, Holm": [float(f"{p:.2g}") for p in rows["p_holm"]],
            "eyes": rows["n"],
        }
    )
    st.markdown(f"Of the paired tests {describe_paired_tests(study, rows)}")
    tables.show(shown.sort_values("p", kind="stable"), "paired_tests", height=330)
    st.caption(
        f"Wilcoxon's signed-rank test on the same eyes. They test {CHECKPOINTS} and say nothing about a pretraining. "
        "Source: results/localization_tests.parquet."
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
    st.caption("Only AUCs on EyePACS and Messidor-2 can be compared with these points. Source: FIGURE_2_POINTS.")
