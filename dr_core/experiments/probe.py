"""What did a pretraining learn about DR before any grade was seen? Probes of its encoder, epoch by epoch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor, nn

from dr_core.analysis.feature_probes import PENALTIES, score_by_neighbors, score_linearly
from dr_core.analysis.intervals import Interval, auc_interval, warn_few
from dr_core.data.grades import Reading, supported_readings
from dr_core.data.splits import split_validation
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.origins import join_rows
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Report, Step
from dr_core.models.architectures import find_architecture
from dr_core.models.imagenet_weights import EXTERNAL, cache_folder, read_weights, start_from
from dr_core.models.projection import record_input
from dr_core.study.digests import digest_of, digest_store
from dr_core.study.eyes import open_graded
from dr_core.study.folder import Study
from dr_core.study.run_history import CONFIG, read_object
from dr_core.training.jobs.snapshots import find_pretrainings, list_snapshots, read_snapshot
from dr_core.training.jobs.stores import describe_preprocessing
from dr_core.training.pretraining.features import read_features, settled_norm
from dr_core.training.pretraining.method import build_encoder
from dr_core.training.pretraining.registry import recognize_method

TABLE = "probes"

TABLES: dict[str, dict[str, str]] = {
    TABLE: {
        "data": "key of the data set, as in study.json",
        "run": "run folder of the pretraining; of the control of its architecture, too",
        "method": "method of the pretraining; empty for a control",
        "features": "pretraining, or the control: random weights, or the title of published ImageNet weights",
        "epoch": "epochs that the pretraining had done; 0 for a control",
        "probe": "linear (logistic regression) or neighbors (the 20 nearest)",
        "reading": "which eyes count as positive",
        "value": "AUC on the eyes of the patients who were not fitted; 0.5 knows nothing",
        "low": "lower end of its 95 % interval by patients",
        "high": "upper end",
        "n": "number of eyes that were scored",
        "positives": "number of positive ones",
        "weights": "digest of the file of the encoder; empty for random weights",
        "warning": "why the value deserves caution, or why there is none; empty where neither",
    }
}
"""Columns of the table."""

_RANDOM = "random weights"


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """How encoders are probed.

    Attributes:
        seed: Seed of the split of the patients into those that are fitted and those that are scored.
        limit: Largest number of eyes, spread evenly over the data; 0 takes all.
    """

    seed: int = describe(0, "seed of the split of the patients", least=0)
    limit: int = describe(4000, "largest number of eyes, spread evenly; 0 takes all", least=0)


@dataclass(frozen=True, kw_only=True)
class _Encoder:
    """One encoder that is probed."""

    features: str
    epoch: int
    path: Path | None = None

    @property
    def digest(self) -> str:
        return "" if self.path is None else digest_of(self.path)


@dataclass(frozen=True, kw_only=True)
class _Eyes:
    """The eyes, and the rows of both halves."""

    store: Store
    folder: Path
    fitted: np.ndarray
    scored: np.ndarray
    seed: int


def _plan(study: Study, inputs: Inputs, config: ProbeConfig, device: str) -> list[Step]:
    data = inputs.data or Path()
    runs = find_pretrainings(study.path / "runs")
    if not runs:
        raise InputError("The study has no pretraining in its folder runs; pretrain there first.")
    opened, key = open_graded(data), inputs.data_key
    eyes = _choose_eyes(opened.store, data, config)
    encoders = {run.name: _list_encoders(run) for run in runs}
    known = [(name, [(one.features, one.epoch, one.digest) for one in found]) for name, found in encoders.items()]
    step = Step(
        name="probe",
        tables=(TABLE,),
        units=tuple(encoders),
        unit="run",
        facts=(config, key, digest_store(data), known),
        measure=partial(_measure_runs, {run.name: run for run in runs}, encoders, eyes, device),
        summarize=partial(_join, study, key),
        notes=(opened.note,) if opened.note else (),
        unanswered=_list_reasons,
    )
    return [step]


def _choose_eyes(store: Store, folder: Path, config: ProbeConfig) -> _Eyes:
    rows = np.arange(len(store))
    if config.limit and len(store) > config.limit:
        rows = np.unique(np.linspace(0, len(store) - 1, config.limit).astype(int))
    fitted, scored = split_validation(store.index.iloc[rows], config.seed, share=0.5)
    return _Eyes(store=store, folder=folder, fitted=rows[fitted], scored=rows[scored], seed=config.seed)


def _list_encoders(run: Path) -> list[_Encoder]:
    """The controls of a pretraining's architecture, then its own encoder after every epoch that was kept."""
    config = read_object(run / CONFIG)
    found = [_Encoder(features=_RANDOM, epoch=0)]
    if config.get("arch") == "resnet50":
        files = ((weights.title, cache_folder() / weights.file_name) for weights in EXTERNAL.values())
        found += [_Encoder(features=title, epoch=0, path=path) for title, path in files if path.is_file()]
    return found + [
        _Encoder(features="pretraining", epoch=epoch, path=path) for epoch, path in list_snapshots(run).items()
    ]


def _measure_runs(
    runs: Mapping[str, Path],
    encoders: Mapping[str, Sequence[_Encoder]],
    eyes: _Eyes,
    device: str,
    units: Sequence[str],
) -> Iterator[Report]:
    """One pretraining after the other."""
    done, total = 0, sum(len(encoders[name]) for name in units)
    for name in units:
        rows: list[dict[str, object]] = []
        for encoder in encoders[name]:
            rows += [{"run": name} | row for row in _probe(runs[name], encoder, eyes, device)]
            done += 1
            yield Report(done=done, total=total)
        yield Report(done=done, total=total, units=(name,), tables={TABLE: pd.DataFrame(rows)})


def _probe(run: Path, encoder: _Encoder, eyes: _Eyes, device: str) -> Iterator[dict[str, object]]:
    config = read_object(run / CONFIG)
    fitted, scored = _read_halves(run, config, encoder, eyes, device)
    grades = eyes.store.index["grade"].to_numpy(int)
    patients = eyes.store.index["patient"].to_numpy(str)[eyes.scored]
    about = {
        "method": recognize_method(config).name if encoder.features == "pretraining" else "",
        "features": encoder.features,
        "epoch": encoder.epoch,
        "weights": encoder.digest,
    }
    for reading in supported_readings(graded=True):
        labels = reading.positives(grades)
        for probe in ("linear", "neighbors"):
            try:
                if probe == "linear":
                    scores = _score_linearly(fitted, scored, labels, eyes)
                else:
                    scores = score_by_neighbors(fitted, labels[eyes.fitted], scored)
                found = auc_interval(scores, labels[eyes.scored], patients)
            except InputError as error:
                found = Interval(value=np.nan, low=np.nan, high=np.nan, error=np.nan, warning=str(error))
            yield about | {"probe": probe} | _describe(found, reading, labels[eyes.scored])


def _describe(found: Interval, reading: Reading, labels: np.ndarray) -> dict[str, object]:
    return {
        "reading": reading.name,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": len(labels),
        "positives": int(labels.sum()),
        "warning": found.warning or warn_few(labels),
    }


def _score_linearly(fitted: np.ndarray, scored: np.ndarray, labels: np.ndarray, eyes: _Eyes) -> np.ndarray:
    """The penalty is chosen on a quarter of the patients of the fitting half; then all of it is fitted."""
    from sklearn.metrics import roc_auc_score

    mine = labels[eyes.fitted]
    rows, held_out = split_validation(eyes.store.index.iloc[eyes.fitted], eyes.seed + 1, share=0.25)
    if mine[held_out].all() or not mine[held_out].any():
        raise InputError("The eyes of the fitting half are too few of one class; use more eyes.")
    quality = {
        penalty: roc_auc_score(mine[held_out], score_linearly(fitted[rows], mine[rows], fitted[held_out], penalty))
        for penalty in PENALTIES
    }
    return score_linearly(fitted, mine, scored, max(quality, key=lambda penalty: quality[penalty]))


def _read_halves(
    run: Path, config: Mapping[str, object], encoder: _Encoder, eyes: _Eyes, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Features of the fitted and of the scored eyes; random weights have batch norm of the fitted ones."""
    arch, store = str(config["arch"]), eyes.store
    head = find_architecture(arch).head
    preprocessing = describe_preprocessing(eyes.folder, store, config.get("contrast", "none"))  # type: ignore[arg-type]
    network = build_encoder(arch, int(config.get("seed", 0)), store.images.shape[-1])  # type: ignore[call-overload]
    _fill(network, run, encoder, head)
    network.to(device).eval()

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        return record_input(network, head, images)

    def read(rows: np.ndarray) -> np.ndarray:
        return read_features(network, encode, store, rows, preprocessing)[0]

    if encoder.features != _RANDOM:
        return read(eyes.fitted), read(eyes.scored)
    with settled_norm(network, encode, store, eyes.fitted, preprocessing):
        return read(eyes.fitted), read(eyes.scored)


def _fill(network: nn.Module, run: Path, encoder: _Encoder, head: str) -> None:
    """Give a network the weights of an encoder; random ones it has."""
    if encoder.path is None:
        return
    if encoder.features == "pretraining":
        state = read_snapshot(run, encoder.path, head)
    else:
        state = read_weights(next(one for one in EXTERNAL.values() if one.title == encoder.features), encoder.path)
    start_from(network, state, str(encoder.path), head)


def _join(study: Study, key: str, measured: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {TABLE: join_rows(study, TABLE, key, measured[TABLE].assign(data=key))}


def _list_reasons(measured: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    rows = measured[TABLE]
    silent = rows[rows["value"].isna()].drop_duplicates(["run", "reading", "warning"])
    return tuple(f"{row['run']}, {row['reading']}: {row['warning']}" for _, row in silent.iterrows())


def _estimate(work: Workload, config: ProbeConfig) -> Cost:
    eyes = min(work.eyes, config.limit or work.eyes)
    return Cost(seconds=work.models * _SNAPSHOTS * (eyes / work.forward + 10), disk=1e5 * work.models)


_SNAPSHOTS = 10
"""Encoders of a pretraining and its controls, about."""

PROBE = Experiment(
    name="probe",
    label="Probes of the pretrainings",
    question="What does an encoder know about DR after so many epochs of pretraining, beside random and ImageNet "
    "weights?",
    tables=TABLES,
    needs=(Need(kind="graded eyes"),),
    config=ProbeConfig,
    plan=_plan,
    estimate=_estimate,
)
"""AUC of a linear probe and of nearest neighbors against pretraining length."""
