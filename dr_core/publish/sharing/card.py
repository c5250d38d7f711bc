"""The model card of a study, Markdown: data, recipe, metrics with intervals, limits; each number is the study's own.

Source: Mitchell et al. 2019, FAT*, "Model cards for model reporting", for the parts.
"""

import html
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from dr_core.files import digest_file
from dr_core.models.checkpoint import CheckpointInfo
from dr_core.publish.paper.review import ONE_RUN, PHANTOMS
from dr_core.publish.report.figures import describe_data
from dr_core.publish.sharing.members import list_tables
from dr_core.publish.training_eyes import name_training_eyes
from dr_core.study.folder import Study
from dr_core.study.roles import certify_roles
from dr_core.study.runs import ALL_LABELS, LEFT_OUT, list_training_runs
from dr_core.study.staleness import of_other_weights, present_checkpoints

_LONGEST = 200
"""Characters of a setting that are printed; the checkpoint's header has all."""


def write_card(study: Study, left_out: int = 0) -> str:
    """Write the model card of a study; the same study gives the same text.

    Args:
        study: The study.
        left_out: Number of training runs whose weights the archive does not hold though the study does.

    Returns:
        Markdown in which a text of the study forms no markup of its own.

    Raises:
        InputError: If a table or the header of a checkpoint is damaged.
    """
    info, rows = study.info, _measured(study)
    lines = [
        f"# {_plain(info.title)}",
        "Research use only, not for diagnosis.",
        _plain(info.summary),
        f"Grades of diabetic retinopathy (0 to 4) from photographs of the fundus; protocol {_plain(info.protocol)}, "
        f"seed {info.seed}, study written {_plain(info.created)}.",
        "## Data",
        _list(_describe_data_sets(study)),
        "## Recipe",
        *_describe_setups(study),
        "## Metrics",
        *_tabulate(study, rows),
        "## Limits",
        _list(_find_limits(study, rows)),
        "## In this archive",
        _list(_list_contents(study, left_out)),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _plain(text: object) -> str:
    """A stranger's text on one line, without markup."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", line)


def _list(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _describe_data_sets(study: Study) -> Iterator[str]:
    for data in study.info.data:
        yield (
            f"**{_plain(data.role)}: {_plain(data.title)}** (`{_code(data.key)}`), {data.images} images, "
            f"{'photographs' if data.real else 'drawn, not photographed'}, fingerprint "
            f"{_plain(data.fingerprint or 'not recorded')}. {_plain(data.description)}"
        )
    if not study.info.data:
        yield "The study describes no data set."


def _code(text: object) -> str:
    return " ".join(str(text).replace("`", "'").split())


def _describe_setups(study: Study) -> Iterator[str]:
    for setup in study.info.setups:
        yield f"### {_plain(setup.label)}"
        start = f"First weights: {_plain(setup.initialization)}; pretraining: {_plain(setup.pretraining)}."
        yield f"{_plain(setup.summary)} {start}".strip()
        if not study.has_checkpoint(setup.name):
            yield "Not trained: the study holds no checkpoint of it."
            continue
        yield _list(_describe_checkpoint(study, setup.name))


def _describe_checkpoint(study: Study, setup: str) -> Iterator[str]:
    path, info = study.checkpoint_path(setup), study.read_checkpoint_info(setup)
    yield f"`checkpoints/{path.name}`, SHA-256 {digest_file(path)}"
    yield f"{_plain(info.arch)}, last layer: {info.outputs}; input: {_describe_input(info)}"
    eyes = name_training_eyes(study, info.training_data)
    yield f"trained on {_plain(eyes)}, fingerprint {_plain(info.data_fingerprint or 'not recorded')}"
    settings = [f"{_plain(name)} {_plain(value[:_LONGEST])}" for name, value in _flatten(info.training)]
    if settings:
        yield f"training: {', '.join(settings)}"


def _describe_input(info: CheckpointInfo) -> str:
    one = info.preprocessing
    crop = "the square around the field of view" if one.crop == "field_of_view" else "the whole photograph, squashed"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (one.mean, one.std))
    return f"{crop}, {one.size} x {one.size} pixels, contrast {one.contrast}, mean {mean}, standard deviation {std}"


def _flatten(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Settings by name, those of a table within behind its name; what is empty is left out."""
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{before}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value, default=str)


def _measured(study: Study) -> pd.DataFrame:
    """Rows of the table of performance that are of the checkpoints which the study holds now."""
    if not study.has_results("performance"):
        return pd.DataFrame({"warning": []})
    rows = study.read_checkpoint_results("performance")
    return rows[~of_other_weights(rows, present_checkpoints(study))].reset_index(drop=True)


def _tabulate(study: Study, rows: pd.DataFrame) -> Iterator[str]:
    """A table for each data set: value with its 95 % interval by patients, as the study's own table has them."""
    if rows.empty:
        yield "Nothing was measured."
        return
    yield "From `results/performance.parquet`; intervals are of 95 %, by patients."
    for key, part in rows.groupby("data", sort=False):
        yield f"### On {_plain(describe_data(study, str(key)))}"
        heads = ("set-up", "measure", "reading", "value", "95 % interval", "eyes", "positive", "caution")
        lines = [_row(heads), _row(["---"] * len(heads))]
        lines += [_row(_cells(study, row)) for _, row in part.iterrows()]
        yield "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(study: Study, row: pd.Series) -> list[str]:
    name = str(row["setup"])
    label = study.setups[name].label if name in study.setups else name
    low, high = float(row["low"]), float(row["high"])
    interval = "none" if math.isnan(low + high) else f"{low:.3f} to {high:.3f}"
    value = "not defined" if math.isnan(row["value"]) else f"{row['value']:.3f}"
    texts = [_plain(text).replace("\\_", " ") for text in (label, row["measure"], row["reading"])]
    positives = str(int(row["positives"])) if row["positives"] >= 0 else ""
    return [*texts, value, interval, str(int(row["n"])), positives, _plain(row["warning"])]


def _find_limits(study: Study, rows: pd.DataFrame) -> Iterator[str]:
    yield "For research only: nothing here has been tested for, or may be used in, patient care."
    if study.info.rests_on_drawings:
        yield f"{PHANTOMS}: the models were trained on drawn images."
    yield ("Intervals cover other patients from the same source, not another camera, clinic or training.")
    runs = list_training_runs(study, without_weights=True)
    counts = Counter(run.setup for run in runs if run.fraction == ALL_LABELS)
    if counts and max(counts.values()) == 1:
        yield f"{ONE_RUN[0].upper()}{ONE_RUN[1:]}."
    else:
        yield from (f"{_plain(study.setups[name].label)}: {count} training runs." for name, count in counts.items())
    tested = {data.key: data for data in study.info.data if data.role == "test"}
    yield from (
        f"No answer about {_plain(one.title)} was measured." for key, one in tested.items() if key not in _keys(rows)
    )
    yield from (
        f"{count} of {len(rows)} rows above, caution: {_plain(text)}."
        for text, count in sorted(Counter(rows["warning"]).items())
        if text
    )
    yield from (f"Not independent: {_plain(one.describe())}." for one in certify_roles(study.path) if one.leaks)
    yield from _missing_answers(study)


def _keys(rows: pd.DataFrame) -> set[str]:
    return set(rows["data"].astype(str)) if "data" in rows else set()


def _missing_answers(study: Study) -> Iterator[str]:
    if study.has_results("missing_answers"):
        for _, row in study.read_results("missing_answers").iterrows():
            yield f"{_plain(row['setup'])} gives no answer on {_plain(row['data'])}: {_plain(row['reason'])}"


def _list_contents(study: Study, left_out: int) -> Iterator[str]:
    yield "`manifest.json`: every file with its SHA-256"
    yield "`study.json`, `checkpoints/`, `runs/`: the study's head, its weights, what each training was and measured"
    runs = list_training_runs(study, without_weights=True)
    if missing := left_out + sum(not run.has_weights for run in runs):
        yield f"`runs/*/{LEFT_OUT}`: of {missing} of {len(runs)} training runs the digest, without the weights"
    yield from (f"`results/{name}.parquet`" for name in list_tables(study))
