"""The result tables of a study: what their columns hold, and how a file of a stranger is read."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

_MAX_ROWS, _MAX_TEXT = 20_000_000, 10_000
"""Rows of a table and characters of a value that are read at most."""

RESULT_COLUMNS: dict[str, dict[str, str]] = {
    "predictions": {
        "data": "key of the data set, as in study.json",
        "eye": "name of the eye",
        "patient": "name of the patient; the eyes of one patient are resampled together",
        "setup": "set-up that answers",
        "grade": "true grade 0..4; -1 where only the presence of DR is known",
        "has_dr": "whether the eye has DR",
        "p0": "softmax of grade 0",
        "p1": "softmax of grade 1",
        "p2": "softmax of grade 2",
        "p3": "softmax of grade 3",
        "p4": "softmax of grade 4",
    },
    "eyes": {
        "data": "key of the data set, as in study.json",
        "eye": "name of the eye, as in predictions",
        "side": "right, left, or empty where it is not known",
        "sharpness": "0..1, high where edges are fine; NaN where it was not measured",
        "luminance": "median luminance, 0..255; NaN where it was not measured",
        "warnings": "what is wrong with the photograph, in words; empty for a good one, none where not measured",
        "store": "folder of the prepared eyes on the machine that measured them; empty where they can be drawn again",
        "row": "row of the eye in the store",
    },
    "performance": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up that answers",
        "measure": "what is measured, such as auc",
        "reading": "which eyes count as positive",
        "value": "the value on all eyes",
        "low": "lower end of the 95 % interval by patients (docs/methods.md says which)",
        "high": "upper end",
        "n": "number of eyes",
        "positives": "number of positive eyes; -1 where a measure has none",
        "warning": "why the interval deserves caution: few eyes of a class, or dropped draws; empty otherwise",
    },
    "comparisons": {
        "data": "key of the data set, as in study.json",
        "setup": "first set-up",
        "other": "second set-up",
        "reading": "which eyes count as positive",
        "difference": "AUC of the first minus that of the second",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "p": "DeLong's two-sided p-value of no difference, eyes taken as independent",
    },
    "spectrum": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose activations these are",
        "layer": "name of the convolution",
        "place": "place of the layer in the forward pass, from 0",
        "stage": "part of the network: stem, layer1 to layer4",
        "channels": "number of channels",
        "samples": "number of positions that the covariance rests on",
        "rank": "eigenvalues above rounding",
        "condition": "eq. 1: |99.9th percentile| / |90th percentile|, numpy's linear percentile; NaN for rank 0",
    },
    "eigenvalues": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose activations these are",
        "layer": "name of the convolution",
        "rank": "place of the eigenvalue, from 0, falling",
        "eigenvalue": "eigenvalue of the covariance of the channels",
    },
    "image_spectra": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose first convolution this is",
        "eye": "name of the eye",
        "rank": "place of the eigenvalue, from 0, falling",
        "eigenvalue": "eigenvalue of the covariance of the channels over the positions of this one eye",
    },
    "distributions": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose first layer this is",
        "distribution": "name of the distribution, as in scipy.stats",
        "rss": "distfit's residual sum of squares on a histogram; lower is better",
        "aic": "Akaike's criterion of the maximum-likelihood fit; lower is better",
        "bic": "Bayes criterion; lower is better",
        "ks": "Kolmogorov-Smirnov distance, 0..1; lower is better",
        "vuong": "Vuong's z of Pareto against this; above 1.96 Pareto is the better",
        "p": "two-sided p-value of Vuong's test",
        "alpha": "shape of the Pareto fit",
        "alpha_low": "lower end of the 95 % bootstrap interval",
        "alpha_high": "upper end",
        "alpha_distfit": "shape that distfit finds with its free location, as in the paper's Table 2",
        "verdict": "what the evidence says, in words",
    },
    "image_distributions": {
        "data": "as in distributions; here of the eigenvalues of single eyes, all together",
        "setup": "as in distributions",
        "distribution": "as in distributions",
        "rss": "as in distributions",
        "aic": "as in distributions, the values taken as independent",
        "bic": "as in distributions, the values taken as independent",
        "ks": "as in distributions",
        "vuong": "as in distributions; the values of one eye count together",
        "p": "two-sided p-value of Vuong's test",
        "alpha": "shape of the Pareto fit",
        "alpha_low": "lower end of the 95 % interval from drawing eyes",
        "alpha_high": "upper end",
        "alpha_distfit": "as in distributions",
        "verdict": "what the evidence says, in words",
    },
    "localization": {
        "eye": "name of the eye",
        "setup": "set-up whose heatmap this is",
        "protocol": "how eye and mask were brought to model size",
        "method": "lrp (alpha1-beta0 from the severe neuron), or random: the Gaussian control",
        "pooling": "how the channels were pooled",
        "lesion": "lesion of the mask; eyes without it have no row",
        "score": "mass accuracy (eq. 2), rank accuracy (CLEVR-XAI) or recall (eq. 3 as its controls imply)",
        "value": "the score, 0..1, higher is better; NaN where there is no positive relevance",
        "share": "share of the image that the mask covers: chance for mass and rank accuracy",
    },
    "localization_summary": {
        "protocol": "as in localization",
        "lesion": "as in localization",
        "setup": "as in localization",
        "method": "as in localization",
        "pooling": "as in localization",
        "score": "as in localization",
        "statistic": "mean or median over the eyes that have the lesion",
        "value": "its value",
        "low": "lower end of the 95 % bootstrap interval over eyes",
        "high": "upper end",
        "n": "number of eyes",
        "chance": "mean of the random heatmaps, measured on the same eyes by the same pooling and score",
    },
    "localization_tests": {
        "protocol": "as in localization",
        "lesion": "as in localization",
        "pooling": "as in localization",
        "score": "as in localization",
        "setup": "first set-up",
        "other": "second set-up",
        "difference": "median over eyes of the first minus the second",
        "p": "two-sided p of Wilcoxon's signed-rank test on the same eyes",
        "p_holm": "p after Holm's correction for all tests of the table",
        "n": "number of eyes",
    },
    "knockout": {
        "eye": "name of the eye",
        "setup": "set-up that answers",
        "lesion": "lesion that was knocked out, or total",
        "kind": "removed, kept_only (every other lesion removed) or control (healthy regions of the same sizes)",
        "painted": "share of the picture that was painted over",
        "placed": "share of the control's regions for which healthy retina was found",
        "measure": "severe, referable_3 (grades 3-4) or referable_2 (grades 2-4)",
        "before": "probability before",
        "after": "probability after",
    },
    "knockout_summary": {
        "lesion": "as in knockout",
        "setup": "as in knockout",
        "measure": "as in knockout",
        "kind": "as in knockout; beyond control: removed minus the mean of the eye's controls",
        "value": "mean change of the probability over the eyes that have the lesion, -1..1",
        "low": "lower end of the 95 % bootstrap interval over eyes",
        "high": "upper end",
        "n": "number of eyes",
    },
    "robustness": {
        "data": "key of the data set",
        "eye": "name of the eye",
        "patient": "name of the patient; the eyes of one patient are resampled together",
        "grade": "true grade 0..4",
        "setup": "set-up that answers",
        "corruption": "name of the corruption, or clean",
        "severity": "0 (clean) to 5",
        "p0": "softmax of grade 0",
        "p1": "softmax of grade 1",
        "p2": "softmax of grade 2",
        "p3": "softmax of grade 3",
        "p4": "softmax of grade 4",
    },
    "robustness_summary": {
        "data": "as in robustness",
        "setup": "as in robustness",
        "corruption": "as in robustness; all: the mean over corruptions",
        "severity": "as in robustness; NaN where severities are taken together",
        "measure": "score of the true grade, flip rate, auc, quadratic_kappa, calibration_error, corruption error",
        "reading": "which eyes count as positive",
        "value": "the value on all eyes",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "n": "number of eyes",
    },
    "robustness_differences": {
        "data": "as in robustness",
        "initialization": "iwne or ifi: Figure 4's rows",
        "corruption": "as in robustness",
        "severity": "as in robustness",
        "value": "mean score of the true grade, contrastive minus supervised, -1..1",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "n": "number of eyes",
    },
    "robustness_heatmaps": {
        "data": "key of the data set",
        "eye": "name of the eye",
        "setup": "set-up whose LRP heatmap from the severe neuron this is, pooled by its positive sum",
        "corruption": "as in robustness",
        "severity": "as in robustness",
        "rank_correlation": "Spearman's, of the heatmap with the clean eye's; NaN where one is constant",
        "mass": "mass accuracy (eq. 2) on microaneurysms, haemorrhages and hard exudates",
    },
    "fractions": {
        "percent": "share of the training patients whose labels were used, in percent",
        "seed": "seed of the training",
        "setup": "set-up that answers",
        "data": "key of the data set on which it was measured",
        "reading": "which eyes count as positive",
        "value": "AUC on all eyes",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "n": "number of eyes",
        "positives": "number of positive eyes",
        "warning": "as in performance",
    },
}
"""Columns of each table in `results/`, with what they hold."""


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read the columns of a table that are known; texts stay shared until their lengths are known.

    Args:
        path: The parquet file, perhaps a stranger's.
        columns: Names that are read where the file has them; it may have others.

    Raises:
        OSError, ValueError, pyarrow.lib.ArrowException: The file is damaged, or has more rows, longer texts or other
            values than any table of a study.
    """
    with pa.parquet.ParquetFile(path) as file:
        types = {field.name: field.type for field in file.schema_arrow if field.name in columns}
        rows = file.metadata.num_rows
    empty = pa.types.is_null  # a column in which nothing is known
    strange = [name for name, kind in types.items() if not (_is_text(kind) or _is_number(kind) or empty(kind))]
    if rows > _MAX_ROWS or strange:
        raise ValueError("too many rows, or values that are neither texts nor numbers")
    texts = [name for name, kind in types.items() if _is_text(kind)]
    table = pa.parquet.read_table(path, columns=list(types), read_dictionary=texts)
    for name in texts:
        column = table[name]
        if any(_longest(chunk.dictionary) > _MAX_TEXT for chunk in column.chunks):
            raise ValueError("too long a text")
        table = table.set_column(table.column_names.index(name), name, column.cast(column.type.value_type))
    return table.to_pandas(ignore_metadata=True)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _longest(texts: pa.Array) -> int:
    return pa.compute.max(pa.compute.binary_length(texts)).as_py() or 0
