"""The report's sections on heatmaps and representations: sanity, faithfulness, known lesions, similarity."""

from collections.abc import Sequence
from html import escape

import pandas as pd

from dr_core.analysis.controls import CONTROLS, MAP
from dr_core.analysis.probes import strongest_block
from dr_core.data.grades import lesion_label
from dr_core.experiments.faithfulness import BEYOND
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.experiments.sanity import arrange_sanity, describe_sanity
from dr_core.experiments.similarity import arrange_pairs
from dr_core.publish.report.tables import Section, label_rows, label_setups, take_columns
from dr_core.study.folder import Study


def list_explanations(study: Study) -> list[Section]:
    """The sections that the study has tables for.

    Raises:
        InputError: If a table is damaged.
    """
    found = (_faithfulness(study), _sanity(study), _concepts(study), _similarity(study))
    return [section for section in found if section is not None]


def _faithfulness(study: Study) -> Section | None:
    rows = _faithfulness_rows(study)
    if rows.empty:
        return None
    rows = label_rows(study, rows)
    names = {"setup": "set-up", "method": "order", "value": "area", "interval": "95 % interval", "n": "eyes"}
    caption = (
        "<p>Region perturbation with ROAD filling: mean area between the curves, -1 to 1; above its strongest control, "
        "the answers depend on what the heatmap marks.</p>"
    )
    table = take_columns("faithfulness", rows, names, 3)
    return Section(title=EXPERIMENTS["faithfulness"].label, html=caption + table.html(), tables=(table,))


def _sanity(study: Study) -> Section | None:
    rows, sentences = _sanity_rows(study)
    if rows.empty:
        return None
    names = {"method": "method", "late": "late layers randomized", "all": "all layers", "grades": "other grades"}
    listed = "".join(f"<li>{escape(one)}</li>" for one in sentences)
    caption = (
        "<p>Rank correlation inside the field of view with the trained network's map of the target grade, mean over "
        "eyes and set-ups; 1 = the same map.</p>"
    )
    table = take_columns("sanity", rows, {**names, "n": "eyes"}, 2)
    html = f"{caption}{table.html()}<ul>{listed}</ul>"
    return Section(title=EXPERIMENTS["sanity"].label, html=html, tables=(table,))


def _concepts(study: Study) -> Section | None:
    rows = _concept_rows(study)
    if rows.empty:
        return None
    rows = label_rows(study, rows, 2)
    names = {"lesion": "lesion", "setup": "set-up", "block": "known best in", "auc": "AUC", "untrained": "untrained"}
    names |= {"effect": "effect (points)", "interval": "shuffled directions", "n": "phantoms"}
    caption = (
        "<p>Highest AUC of a linear probe, beside an untrained network's; the effect is how far a step of one standard "
        "deviation along the lesion's direction in the last block moves P(severe), in percentage points, beside "
        "directions from shuffled labels.</p>"
    )
    table = take_columns("concepts", rows, names, 2)
    return Section(title=EXPERIMENTS["concepts"].label, html=caption + table.html(), tables=(table,))


def _similarity(study: Study) -> Section | None:
    rows = _similarity_rows(study)
    if rows.empty:
        return None
    rows = rows.assign(setup=label_setups(study, rows["setup"]), other=label_setups(study, rows["other"]))
    names = {
        "data": "eyes of",
        "setup": "set-up",
        "other": "with",
        "mean": "mean over blocks",
        "block": "least similar in",
    }
    caption = (
        "<p>Debiased linear CKA within minibatches, of the same blocks of two set-ups: 1 = equal up to rotation and "
        "scale, about 0 = nothing shared. It has no interval: it describes these checkpoints and is not a test.</p>"
    )
    table = take_columns("similarity", rows, names | {"least": "CKA there", "n": "number"}, 2)
    return Section(title=EXPERIMENTS["similarity"].label, html=caption + table.html(), tables=(table,))


def _sanity_rows(study: Study) -> tuple[pd.DataFrame, Sequence[str]]:
    """Rank correlations by method, and what they mean in words; empty where the study has no such table."""
    if not study.has_results("sanity_summary"):
        return pd.DataFrame(), ()
    summary = study.read_checkpoint_results("sanity_summary")
    return arrange_sanity(summary), [" ".join(sentences) for sentences in describe_sanity(summary).values()]


def _faithfulness_rows(study: Study) -> pd.DataFrame:
    """Areas between the perturbation curves by set-up and order; empty where the study has no such table."""
    if not study.has_results("faithfulness_summary"):
        return pd.DataFrame()
    rows = study.read_checkpoint_results("faithfulness_summary")
    titles = {MAP: "the heatmap", BEYOND: "heatmap minus its strongest control"}
    titles |= {name: control.label for name, control in CONTROLS.items()}
    return rows.assign(method=[titles.get(str(name), str(name)) for name in rows["method"]])


def _concept_rows(study: Study) -> pd.DataFrame:
    """The block in which each set-up knows each lesion best; empty where the study has no such table."""
    if not study.has_results("concepts"):
        return pd.DataFrame()
    found = []
    for (setup, lesion), part in study.read_checkpoint_results("concepts").groupby(["setup", "lesion"], sort=False):
        best = strongest_block(dict(zip(part["block"], part["auc"], strict=True)))
        if best is None:
            continue
        row, last = part[part["block"] == best].iloc[0], part.iloc[-1]
        found.append(
            {
                "setup": setup,
                "lesion": lesion_label(str(lesion)),
                "block": best,
                "auc": float(row["auc"]),
                "untrained": float(part["auc_untrained"].max()) if "auc_untrained" in part else float("nan"),
                "effect": 100 * float(last["effect"]),
                "low": 100 * float(last["effect_low"]),
                "high": 100 * float(last["effect_high"]),
                "n": int(row["n"]),
            }
        )
    return pd.DataFrame(found)


def _similarity_rows(study: Study) -> pd.DataFrame:
    """How alike each pair of set-ups is, and the block where it is least; empty where the study has no such table."""
    if not study.has_results("similarity"):
        return pd.DataFrame()
    found = []
    for data, part in study.read_checkpoint_results("similarity").groupby("data", sort=False):
        pairs = arrange_pairs(part, list(study.setups)).dropna(how="all")
        for (setup, other), (_, values) in zip(pairs.index, pairs.iterrows(), strict=True):
            about = {"data": data, "setup": setup, "other": other, "mean": float(values.mean())}
            least = {"block": str(values.idxmin()), "least": float(values.min()), "n": int(part["n"].max())}
            found.append(about | least)
    return pd.DataFrame(found)
