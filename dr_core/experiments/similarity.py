"""How alike are the representations of a study's set-ups? Debiased linear CKA of every block with every other's."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.analysis.similarity import FEWEST_EYES, BlockGrams, SimilaritySums, split_minibatches
from dr_core.data.contract import check_preparation
from dr_core.data.store import Store, open_store
from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.origins import join_rows
from dr_core.experiments.settings import describe
from dr_core.experiments.starts import FoundStart, find_start, load_start
from dr_core.experiments.step import Report, Step
from dr_core.models.checkpoint import LoadedModel, read_info
from dr_core.models.prediction import pass_views
from dr_core.study.digests import digest_store
from dr_core.study.folder import Study
from dr_core.study.runs import TrainingRun, load_runs, name_runs, runs_with_all_labels
from dr_core.study.schemas import RUN_COLUMNS

TABLES: dict[str, dict[str, str]] = {
    "similarity": {
        "data": "key of the data set, as in study.json",
        **RUN_COLUMNS,
        "block": "block of its network, from the input to the output; empty where it has none that can be compared",
        "other": "set-up that it is compared with, of the same seed and fraction; its own as well",
        "other_block": "block of that network",
        "value": "debiased linear CKA within minibatches, -1..1; 1: alike up to rotation and scale, 0: nothing shared",
        "n": "number of eyes",
        "reason": "why there is no value; empty where there is one",
    },
    "similarity_starts": {
        "data": "key of the data set, as in study.json",
        **RUN_COLUMNS,
        "block": "block of its network; empty where there is no value for any",
        "value": "as in similarity, with the same block of the network that the finetuning started from",
        "n": "number of eyes",
        "reason": "why there is no value; empty where there is one",
    },
}
"""Columns of the tables."""


@dataclass(frozen=True, kw_only=True)
class SimilarityConfig:
    """How representations are compared.

    Attributes:
        batch_size: Eyes in a minibatch, which pass every network at once; the similarity is that within minibatches.
        pooled: Whether activations are averaged over the picture before they are compared.
        seed: Seed of the dealing of eyes into minibatches.
        limit: Largest number of eyes, drawn at random; 0 takes all.
    """

    batch_size: int = describe(32, "eyes in a minibatch", least=FEWEST_EYES)
    pooled: bool = describe(False, "compare means over the picture, not every position")
    seed: int = describe(0, "seed of the assignment of eyes to minibatches", least=0)
    limit: int = describe(512, "largest number of eyes, drawn at random; 0 takes all", least=0)


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """What is compared, and on which eyes."""

    study: Study
    runs: Sequence[TrainingRun]
    starts: Mapping[str, FoundStart]
    store: Store
    minibatches: Sequence[np.ndarray]
    pooled: bool
    device: str

    @property
    def eyes(self) -> int:
        """Number of eyes."""
        return sum(len(chunk) for chunk in self.minibatches)


def _plan(study: Study, inputs: Inputs, config: SimilarityConfig, device: str) -> list[Step]:
    data = inputs.data or Path()
    store, runs = open_store(data), runs_with_all_labels(study)
    check_preparation(data, store, ((run.name, read_info(run.path).preprocessing) for run in runs))
    minibatches = split_minibatches(len(store), config.batch_size, config.seed, config.limit)
    key, starts = inputs.data_key, {run.name: find_start(study, run) for run in runs}
    compared = _Comparison(
        study=study,
        runs=runs,
        starts=starts,
        store=store,
        minibatches=minibatches,
        pooled=config.pooled,
        device=device,
    )
    known = [(found.record, found.reason) for found in starts.values()]
    step = Step(
        name="similarity",
        tables=("similarity", "similarity_starts"),
        units=tuple(run.name for run in runs),
        unit="setup",
        facts=(config, key, digest_store(data), [run.stamp for run in runs], known),
        measure=partial(_measure_runs, compared),
        summarize=partial(_join, study, key, runs),
        unanswered=_list_reasons,
    )
    return [step]


def _measure_runs(compared: _Comparison, units: Sequence[str]) -> Iterator[Report]:
    """Training runs of one seed pass the same minibatches together; each wanted one is compared with all of them."""
    chosen = set(units)
    seeds = list(dict.fromkeys(run.seed for run in compared.runs if run.name in chosen))
    total = len(seeds) * len(compared.minibatches)
    for number, seed in enumerate(seeds):
        group = [run for run in compared.runs if run.seed == seed]
        models, before = _load(compared, group)
        sums, first = SimilaritySums(), number * len(compared.minibatches)
        with ExitStack() as stack:
            opened = _open_blocks(stack, models, compared.pooled)
            known = {name: blocks for name, blocks in opened.items() if isinstance(blocks, BlockGrams)}
            for done, chunk in enumerate(compared.minibatches if known else (), start=1):
                for name in known:
                    views = compared.store.images[chunk].transpose(0, 2, 3, 1)
                    pass_views(models[name], views, compared.device)
                sums.add([gram for blocks in known.values() for gram in blocks.grams])
                yield Report(done=first + done, total=total)
        found = _Found.collect(known, sums)
        tables = {
            "similarity": _list_pairs(group, opened, found, compared.eyes),
            "similarity_starts": _list_starts(group, opened, before, found, compared.eyes),
        }
        names = tuple(run.name for run in group if run.name in chosen)
        finished = {name: rows[rows["setup"].isin(names)] for name, rows in tables.items()}
        yield Report(done=first + len(compared.minibatches), total=total, units=names, tables=finished)


_START = " at its start"
"""Behind the name of a training run: the network that it started from."""


def _load(compared: _Comparison, group: Sequence[TrainingRun]) -> tuple[dict[str, LoadedModel], dict[str, str]]:
    """The networks of training runs and of their starts, and for each run why its start is not among them."""
    models, reasons = load_runs(group, compared.device), {}
    for run in group:
        found = compared.starts[run.name]
        reasons[run.name] = found.reason
        if found.start is None:
            continue
        try:
            models[run.name + _START] = load_start(compared.study, run, found.start, compared.device)
        except InputError as error:
            reasons[run.name] = str(error)
    return models, reasons


def _open_blocks(stack: ExitStack, models: Mapping[str, LoadedModel], pooled: bool) -> dict[str, BlockGrams | str]:
    """The blocks of every network, or why it has none that could be compared."""
    opened: dict[str, BlockGrams | str] = {}
    for name, model in models.items():
        try:
            opened[name] = stack.enter_context(BlockGrams(model.model, pooled=pooled))
        except InputError as error:
            opened[name] = str(error)
    return opened


@dataclass(frozen=True)
class _Found:
    """Similarity of every layer, which is a block of a network, with every other one; float64 (L, L)."""

    layers: Mapping[tuple[str, str], int]
    values: np.ndarray

    @classmethod
    def collect(cls, known: Mapping[str, BlockGrams], sums: SimilaritySums) -> "_Found":
        layers = [(name, block) for name, blocks in known.items() for block in blocks.names]
        return cls({layer: number for number, layer in enumerate(layers)}, sums.similarity() if known else np.empty(0))

    def describe(self, layer: tuple[str, str], other: tuple[str, str], eyes: int) -> dict[str, object]:
        """The value of a row, its number of eyes, and why it has no value."""
        value = float(self.values[self.layers[layer], self.layers[other]])
        return {"value": value, "n": eyes, "reason": "" if np.isfinite(value) else _CONSTANT}


_CONSTANT = "The activations of one of the blocks are constant."


def _list_pairs(
    group: Sequence[TrainingRun], opened: Mapping[str, BlockGrams | str], found: _Found, eyes: int
) -> pd.DataFrame:
    """A row for every block of every training run with every block of every other one and its own."""
    setups = {run.name: run.setup for run in group}
    layers = [layer for layer in found.layers if layer[0] in setups]
    rows: list[dict[str, object]] = [
        {"setup": layer[0], "block": layer[1], "other": setups[other[0]], "other_block": other[1]}
        | found.describe(layer, other, eyes)
        for layer, other in product(layers, layers)
    ]
    for name in setups:
        reason = opened[name]
        if isinstance(reason, str):
            rows.append({"setup": name, "block": "", "other": "", "other_block": "", **_no_value(reason)})
    return pd.DataFrame(rows)


def _list_starts(
    group: Sequence[TrainingRun],
    opened: Mapping[str, BlockGrams | str],
    before: Mapping[str, str],
    found: _Found,
    eyes: int,
) -> pd.DataFrame:
    """A row for every block of every training run with the same block before the finetuning."""
    rows: list[dict[str, object]] = []
    for run in group:
        blocks, start = opened[run.name], opened.get(run.name + _START, before[run.name])
        reason = next((one for one in (blocks, start) if isinstance(one, str)), None)
        if reason is not None or isinstance(blocks, str):
            rows.append({"setup": run.name, "block": "", **_no_value(str(reason))})
            continue
        for block in blocks.names:
            described = found.describe((run.name, block), (run.name + _START, block), eyes)
            rows.append({"setup": run.name, "block": block} | described)
    return pd.DataFrame(rows)


def _no_value(reason: str) -> dict[str, object]:
    return {"value": float("nan"), "n": 0, "reason": reason}


def _list_reasons(measured: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    rows = measured["similarity"]
    silent = rows[rows["block"] == ""]
    return tuple(f"{row['setup']}: {row['reason']}" for _, row in silent.iterrows())


def _join(
    study: Study, key: str, runs: Sequence[TrainingRun], measured: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    return {
        name: join_rows(study, name, key, name_runs(rows, runs).assign(data=key)) for name, rows in measured.items()
    }


def arrange_pairs(rows: pd.DataFrame, setups: Sequence[str]) -> pd.DataFrame:
    """Similarity of each block to the same block of another set-up.

    Args:
        rows: Rows of `similarity` of one data set and one seed.
        setups: Names of set-ups, in the order of the pairs.

    Returns:
        A row for each pair that was measured, its index the two names, and a column for each block, from the input to
        the output; NaN where the networks do not share a block.
    """
    measured = rows[rows["value"].notna() & (rows["block"] == rows["other_block"])]
    blocks = list(dict.fromkeys(measured["block"]))
    values = measured.set_index(["setup", "other", "block"])["value"].unstack()
    pairs = [pair for pair in combinations(setups, 2) if pair in values.index]
    return values.reindex(index=pd.MultiIndex.from_tuples(pairs, names=["setup", "other"]), columns=blocks)


def _estimate(work: Workload, config: SimilarityConfig) -> Cost:
    eyes = min(work.eyes, config.limit or work.eyes)
    return Cost(seconds=3 * eyes * work.models / work.forward + 10, disk=2e4 * work.models**2)


SIMILARITY = Experiment(
    name="similarity",
    label="Similarity of the representations",
    question="How similarly do the set-ups represent the same eyes, block by block?",
    tables=TABLES,
    needs=(Need(kind="eyes"),),
    config=SimilarityConfig,
    plan=_plan,
    estimate=_estimate,
)
"""Debiased linear CKA between set-ups and between blocks."""
