"""The report's sections of numbers: the paper's Tables 2 and 3, paired tests, all measures, knock-outs."""

from dr_core.analysis.controls import CONTROLS
from dr_core.publish.paper.review import compare_table2, compare_table3
from dr_core.publish.paper.wording import CHECKPOINTS, LEVEL, describe_paired_tests
from dr_core.publish.report.figures import describe_data
from dr_core.publish.report.tables import Section, label_rows, label_setups, take_columns
from dr_core.study.folder import Study


def show_table2(study: Study) -> Section | None:
    """Table 2 beside the paper's; None where the study has none."""
    rows = compare_table2(study)
    if rows.empty:
        return None
    rows = label_rows(study, rows).assign(data=[describe_data(study, key) for key in rows["data"]])
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
    table = take_columns("table2", rows, names, 3)
    return Section(title="Table 2: alpha of the first layer", html=table.html(), tables=(table,))


def show_table3(study: Study) -> Section | None:
    """Table 3 beside the paper's; None where the study has none."""
    rows = compare_table3(study)
    if rows.empty:
        return None
    eyes = int(rows["n"].max())
    rows = label_rows(study, rows, 4).assign(
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
    table = take_columns("table3", rows, names, 4)
    return Section(title="Table 3: relevance on the lesions", html=caption + table.html(), tables=(table,))


def show_tests(study: Study) -> Section | None:
    """The paired tests that stay below 5 % after Holm's correction over all of them; None without any."""
    if not study.has_results("localization_tests"):
        return None
    rows = study.read_checkpoint_results("localization_tests")
    clear = rows[rows["p_holm"] < LEVEL].sort_values("p", kind="stable")
    counts = (
        "<p>Wilcoxon's signed-rank test of each pair of set-ups on the same eyes: "
        f"{describe_paired_tests(study, rows)} They test {CHECKPOINTS}. results/localization_tests.parquet has all.</p>"
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
    table = take_columns("paired_tests", clear, names, 4)
    return Section(title="Paired tests", html=counts + (table.html() if len(clear) else ""), tables=(table,))


def show_measures(study: Study) -> Section | None:
    """All measures of the answers; None where the study has none."""
    if not study.has_results("performance"):
        return None
    rows = study.read_checkpoint_results("performance")
    rows = label_rows(study, rows).assign(
        data=[describe_data(study, key) for key in rows["data"]],
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
    table = take_columns("measures", rows, names, 3)
    return Section(title="All measures of the answers", html=table.html(), tables=(table,))


def show_knockouts(study: Study) -> Section | None:
    """What painting lesions out changes; None where the study has no such table."""
    if not study.has_results("knockout_summary"):
        return None
    rows = study.read_checkpoint_results("knockout_summary")
    rows = rows[(rows["kind"] == "beyond control") & (rows["measure"] == "severe")]
    rows = label_rows(study, rows).assign(lesion=rows["lesion"].str.replace("_", " "))
    names = {"lesion": "lesion", "setup": "set-up", "value": "change", "interval": "95 % interval", "n": "eyes"}
    names |= {"left_out": "eyes without a matched control, left out", "unlike": "dissimilarity of the controls"}
    table = take_columns("knockout", rows, names, 3)
    return Section(title="Knock-out: change of P(severe) beyond the control", html=table.html(), tables=(table,))
