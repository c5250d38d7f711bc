"""The demo's tables in the pages here, from the demo study's own: python docs/demo_tables.py [STUDY] [--write].

Each stands behind a line `<!-- table: NAME -->`; `--write` puts the numbers in, and a test compares them.
Without other words a cell is the mean over the seeds, in brackets the lowest and the highest seed.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

import dr_core.experiments.registry  # noqa: F401 - it brings the tables of all experiments along
from dr_core.analysis.attribution import RULES
from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.controls import MAP
from dr_core.analysis.discrimination import measure_auc
from dr_core.data.grades import LESIONS, PAPER_READING
from dr_core.models.setups import PRETRAINING_LABELS
from dr_core.publish.paper.review import count_verdicts, review_claims
from dr_core.study.folder import Study, open_study
from dr_core.study.runs import ALL_LABELS

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "assets" / "demo_study"
PAGES = (ROOT / "README.md", ROOT / "docs" / "demo.md", ROOT / "docs" / "explain.md")

MARK = re.compile(r"(<!-- table: (?P<name>\w+) -->\n\n)(?P<table>(?:\|[^\n]*\n)*)")


_REFERABLE = "grades 2-4 against 0-1"


def write_row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"


def write_table(study: Study, heads: Sequence[str], rows: pd.DataFrame, keys: Sequence[str], digits: int = 3) -> str:
    """A table with a column for each set-up and a row for each combination of keys, in the order of the rows."""
    lines = [write_row([*heads, *(setup.label for setup in study.setups.values())])]
    lines.append(write_row(["---"] * (len(heads) + len(study.setups))))
    for names, part in rows.groupby(list(keys), sort=False):
        cells = [join_seeds(part.loc[part["setup"] == setup, "value"], digits) for setup in study.setups]
        lines.append(write_row([*map(str, names), *cells]))
    return "".join(lines)


def join_seeds(values: pd.Series, digits: int) -> str:
    """Mean, lowest and highest."""
    if values.empty:
        return ""
    figures = (values.mean(), values.min(), values.max())
    mean, low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in figures)  # no minus before zero
    return mean if len(values) == 1 else f"{mean} ({low} to {high})"


def tabulate_aucs(study: Study) -> str:
    """AUC of every training with all labels on each set of eyes."""
    rows = study.read_results("performance")
    rows = rows[(rows["measure"] == "auc") & rows["reading"].isin([PAPER_READING, _REFERABLE, "any DR"])]
    titles = {data.key: f"{data.title} ({data.images:,})" for data in study.info.data}
    order = {data.key: place for place, data in enumerate(study.info.data)}
    rows = rows.assign(eyes=rows["data"].map(titles), place=rows["data"].map(order))
    rows = rows.sort_values(["place", "reading"], ascending=[True, False], kind="stable")
    return write_table(study, ["measured on", "score"], rows, ["eyes", "reading"])


def tabulate_overview(study: Study) -> str:
    """AUC of grades 2-4 against 0-1 on each set of eyes whose grades are known."""
    heads, rule, *rows = tabulate_aucs(study).splitlines(keepends=True)
    return "".join([heads, rule, *(row for row in rows if f"| {_REFERABLE} |" in row)])


def tabulate_fractions(study: Study) -> str:
    """AUC by the share of the labels, on each set of eyes whose grades are known."""
    rows = study.read_results("fractions")
    titles = {data.key: data.title for data in study.info.data}
    rows = rows[rows["reading"].isin([PAPER_READING, _REFERABLE])].sort_values("fraction", kind="stable")
    rows = rows.assign(
        eyes=rows["data"].map(titles),
        labels=[f"{fraction} %" for fraction in rows["fraction"]],
        place=[list(titles).index(key) for key in rows["data"]],
    )
    rows = rows.sort_values(["place", "reading", "fraction"], ascending=[True, False, True], kind="stable")
    return write_table(study, ["measured on", "score", "labels"], rows, ["eyes", "reading", "labels"])


def tabulate_pretrainings(study: Study) -> str:
    """AUC of probes on features that have seen no grade: last epoch of each pretraining, beside random weights."""
    rows = study.read_results("probes")
    own = rows["features"] == "pretraining"
    last = rows[own & (rows["epoch"] == rows.groupby("run")["epoch"].transform("max"))]
    readings = [PAPER_READING, _REFERABLE, "any DR"]
    lines = [write_row(["features", "probe", *readings]), write_row(["---"] * 5)]
    for run, part in [
        *last.groupby("run", sort=False),
        ("random weights", rows[~own].drop_duplicates(["probe", "reading"])),
    ]:
        method = PRETRAINING_LABELS.get(str(part["method"].iloc[0]))
        for probe, name in {"linear": "linear", "neighbors": "20 nearest neighbors"}.items():
            found = part[part["probe"] == probe].set_index("reading").loc[readings]
            cells = [f"{row.value:.2f} ({row.low:.2f} to {row.high:.2f})" for row in found.itertuples()]
            lines.append(write_row([f"{method} ({run})" if method else str(run), name, *cells]))
    return "".join(lines)


def tabulate_mass(study: Study) -> str:
    """Relevance mass on the lesions, beside chance."""
    rows = study.read_results("localization_summary")
    chosen = {"protocol": "paper", "pooling": "sum_pos", "score": "mass accuracy", "statistic": "mean", "method": MAP}
    for column, value in chosen.items():
        rows = rows[rows[column] == value]
    codes = {lesion.name: lesion.code for lesion in LESIONS.values()} | {"total": "MA, HE and EX"}
    rows = rows[rows["lesion"].isin(codes)]
    chance = rows.groupby("lesion")["chance"].transform("mean")  # of the same eyes, drawn anew for each training
    rows = rows.assign(mass=rows["lesion"].map(codes), chance=[f"{value:.3f}" for value in chance])
    return write_table(study, ["mass on", "eyes", "random heatmap"], rows, ["mass", "n", "chance"])


def tabulate_knockouts(study: Study) -> str:
    """How much further P(severe) falls without a lesion than in its controls."""
    rows = study.read_results("knockout_summary")
    rows = rows[(rows["measure"] == "severe") & (rows["kind"] == "beyond control")]
    codes = {lesion.name: lesion.code for lesion in LESIONS.values()} | {"total": "all lesions"}
    rows = rows.assign(lesion=rows["lesion"].map(codes))
    return write_table(study, ["painted out", "eyes"], rows, ["lesion", "n"], digits=2)


def tabulate_damage(study: Study) -> str:
    """AUC and flips by severity, means over the corruptions."""
    rows = study.read_results("robustness_summary")
    wanted = (rows["measure"] == "auc") & (rows["reading"] == PAPER_READING) | (rows["measure"] == "flip rate")
    rows = rows[wanted & rows["severity"].notna()]
    names = {"auc": "AUC", "flip rate": "flips"}
    groups = rows.groupby(["measure", "severity", "setup", "seed"], sort=True)["value"].mean().reset_index()
    groups = groups.assign(
        measure=groups["measure"].map(names),
        severity=["clean" if not severity else f"{severity:.0f}" for severity in groups["severity"]],
    )
    return write_table(study, ["measure", "severity"], groups, ["measure", "severity"])


def tabulate_first_lesions(study: Study) -> str:
    """AUC of grade 1, microaneurysms alone, against grade 0 on phantoms."""
    rows = study.read_results("predictions")
    rows = rows[(rows["data"] == "phantoms_test") & (rows["fraction"] == ALL_LABELS) & (rows["grade"] <= 1)]
    found = []
    for (setup, seed), part in rows.groupby(["setup", "seed"], sort=False):
        alone = sample_patients(part["patient"].astype(str).to_numpy(), draws=0)
        auc = measure_auc(1 - part["p0"].to_numpy(float), part["grade"].to_numpy() == 1, alone)[0]
        found.append({"setup": setup, "seed": seed, "n": len(part), "value": float(auc)})
    table = pd.DataFrame(found).assign(score="grade 1 against 0")
    return write_table(study, ["score", "eyes"], table, ["score", "n"])


def tabulate_lesion_shares(study: Study) -> str:
    """Mass on the lesions of the heatmap and its controls: lowest and highest set-up, means over the seeds."""
    rows = study.read_results("localization_summary")
    for column, value in {"pooling": "sum_pos", "score": "mass accuracy", "statistic": "mean"}.items():
        rows = rows[rows[column] == value]
    rows = rows[rows["protocol"] == "paper"].assign(method=rows["method"].str.replace(r"-\d$", "", regex=True))
    rows.loc[rows["method"] == "class", "method"] = "class-0"
    means = rows.groupby(["method", "lesion", "setup"])["value"].mean()
    found = means.groupby(["method", "lesion"]).agg(["min", "max"])
    lesions = {"hard_exudates": "hard exudates", "haemorrhages": "haemorrhages", "total": "MA, HE and EX"}
    lines = [write_row(["map", *lesions.values()]), write_row(["---"] * (1 + len(lesions)))]
    for method, label in _MAPS.items():
        cells = [join_range(*found.loc[(method, lesion)]) for lesion in lesions]
        lines.append(write_row([label, *cells]))
    return "".join(lines)


_MAPS = {
    "random": "random",
    "edges": "edges of the picture",
    "untrained": "untrained networks (3)",
    "class-0": 'demo, maps of "no DR"',
    "class-others": "demo, mean of the other grades",
    MAP: 'demo, maps of "severe"',
}


def join_range(low: float, high: float) -> str:
    """Two shares in percent; one where they are written alike."""
    first, last = f"{100 * low:.1f}", f"{100 * high:.1f}"
    return f"{first} %" if first == last else f"{first} to {last} %"


def tabulate_sanity(study: Study) -> str:
    """Rank correlation with the trained network's map, means over eyes, set-ups and seeds."""
    rows = study.read_results("sanity_summary")
    rows = rows[rows["measure"] == "spearman"]
    heads = ["method", "last layer and stage randomized", "all layers", "another target grade"]
    lines = [write_row(heads), write_row(["---"] * len(heads))]
    for rule, part in rows.groupby("rule", sort=False):
        cascade, other = part[part["check"] == "cascade"], part[part["check"] == "class"]
        values = [cascade.loc[cascade["step"] == step, "value"].mean() for step in ("layer4", "conv1")]
        cells = [f"{value:.2f}" for value in (*values, other["value"].mean())]
        lines.append(write_row([RULES[str(rule)].label, *cells]))
    return "".join(lines)


def tabulate_faithfulness(study: Study) -> str:
    """Area between the curves of the heatmap and of each control."""
    rows = study.read_results("faithfulness_summary")
    names = {
        MAP: "the heatmap",
        "random": "a random map",
        "untrained-0": "an untrained network",
        "edges": "the edges of the picture",
        "beyond control": "the heatmap minus its strongest control",
    }
    rows = rows.assign(order=rows["method"].map(names)).dropna(subset="order")
    return write_table(study, ["order"], rows, ["order"], digits=2)


def tabulate_concepts(study: Study) -> str:
    """The best AUC of a probe with its block, and the effect in the last block in points: of the first seed."""
    rows = study.read_results("concepts")
    rows = rows[(rows["seed"] == rows["seed"].min()) & (rows["fraction"] == ALL_LABELS)]
    codes = {lesion.name: lesion.code for lesion in LESIONS.values()}
    lines = [write_row(["lesion", "untrained", *(setup.label for setup in study.setups.values())])]
    lines.append(write_row(["---"] * (2 + len(study.setups))))
    for lesion, part in rows.groupby("lesion", sort=False):
        cells = [f"{part.groupby('setup')['auc_untrained'].max().mean():.2f}"]
        for setup in study.setups:
            own = part[part["setup"] == setup]
            best, last = own.loc[own["auc"].idxmax()], own.iloc[-1]
            beyond = " ▼" if not last["effect_low"] <= last["effect"] <= last["effect_high"] else ""
            cells.append(f"{best['auc']:.2f} {best['block']}; {round(100 * last['effect'], 2) + 0.0:+.2f}{beyond}")
        lines.append(write_row([codes[str(lesion)], *cells]))
    return "".join(lines)


def tabulate_verdicts(study: Study) -> str:
    """How many claims of the paper have each verdict."""
    counts = count_verdicts(review_claims(study))
    heads = write_row([verdict.value for verdict in counts]) + write_row(["---"] * len(counts))
    return heads + write_row([str(count) for count in counts.values()])


TABLES: dict[str, Callable[[Study], str]] = {
    "overview": tabulate_overview,
    "aucs": tabulate_aucs,
    "first_lesions": tabulate_first_lesions,
    "fractions": tabulate_fractions,
    "pretrainings": tabulate_pretrainings,
    "mass": tabulate_mass,
    "knockouts": tabulate_knockouts,
    "damage": tabulate_damage,
    "lesion_shares": tabulate_lesion_shares,
    "sanity": tabulate_sanity,
    "faithfulness": tabulate_faithfulness,
    "concepts": tabulate_concepts,
    "verdicts": tabulate_verdicts,
}
"""Name -> table."""


def fill(text: str, study: Study) -> str:
    """The page with every table as the study has it now."""
    return MARK.sub(lambda found: found[1] + TABLES[found["name"]](study), text)


def main() -> None:
    """Print the tables, or put them into the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?", default=DEMO)
    parser.add_argument("--write", action="store_true", help="put them into the pages")
    options = parser.parse_args()
    study = open_study(options.study)
    if options.write:
        for page in PAGES:
            page.write_text(fill(page.read_text(encoding="utf-8"), study), encoding="utf-8")
        return
    for name, tabulate in TABLES.items():
        sys.stdout.write(f"{name}\n\n{tabulate(study)}\n")


if __name__ == "__main__":
    main()
