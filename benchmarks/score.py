"""Scoring a folder of photographs: `score` against a plain loop of PIL, torchvision and the same models.

Both read 4288x2848 JPEGs and ask four models. Ours decodes in two processes beside the models, finds the field of view,
judges the quality, keeps a journal and writes the table; its time is from the call to the written table, with the start
of the processes. The peer is given each field of view for free and writes nothing. The limit is decoding each JPEG and
the four forward passes in batches, one after the other and nothing else; the aim is 1.25 times its processor time.

`python benchmarks/score.py [FOLDER]` measures on the JPEGs of a folder, such as IDRiD's full-size eyes; without one on
a drawn eye. Processor time is measured beside the clock, in one thread: a busy machine blurs it less.
"""

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.compare import answer_plainly, draw_photograph
from dr_core.data.fundus import find_field_of_view, read_fundus
from dr_core.data.photographs import PhotographView, find_photographs, view_photograph
from dr_core.data.preprocessing import Preprocessing
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel, save_model
from dr_core.models.folding import fold_models
from dr_core.models.prediction import predict_shared
from dr_core.models.setups import SETUPS
from dr_core.score.plan import ScoreConfig, plan_scoring
from dr_core.score.run import finish_scoring, run_scoring
from dr_core.study.folder import Study, StudyInfo, write_study_info
from dr_core.study.shards import Shard

PHOTOGRAPHS, PEER_PHOTOGRAPHS, BATCH = 64, 8, ScoreConfig().batch

Box = tuple[int, int, int, int]


def main() -> None:
    """Measure both architectures and print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="by the clock; 0 on a machine that does other things")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        paths = copy_photographs(options.folder, scratch / "photographs")
        for arch in ("resnet50_slim", "resnet50"):
            measure(arch, paths, scratch / arch, options.rounds)


def copy_photographs(source: Path | None, folder: Path) -> list[Path]:
    """As many files as are scored, in one folder."""
    folder.mkdir()
    contents = [path.read_bytes() for path in sorted(source.glob("*.jpg"))] if source else [draw_photograph()]
    paths = [folder / f"{number:03}.jpg" for number in range(PHOTOGRAPHS)]
    for number, path in enumerate(paths):
        path.write_bytes(contents[number % len(contents)])
    return paths


def make_study(folder: Path, arch: str) -> Study:
    """A study of four models with random weights."""
    (folder / "checkpoints").mkdir(parents=True)
    for seed, setup in enumerate(SETUPS):
        info = CheckpointInfo(
            arch=arch,
            setup=setup,
            preprocessing=Preprocessing(size=224),
            validation_auc=0.5,
            training_data="none",
            data_fingerprint="",
        )
        save_model(folder / "checkpoints" / f"{setup}.safetensors", build_backbone(arch, 5, seed), info)
    study = StudyInfo(title="benchmark", summary="", protocol="-", seed=0, setups=tuple(SETUPS.values()), data=())
    return write_study_info(folder, study)


def measure(arch: str, paths: Sequence[Path], scratch: Path, rounds: int) -> None:
    """Measure both kinds of time, compare the answers and print the best of each."""
    study = make_study(scratch, arch)
    models = {setup: study.load_model(setup) for setup in SETUPS}
    boxes = [find_box(path.read_bytes()) for path in paths[:PEER_PHOTOGRAPHS]]
    line = {
        "name": f"score_four_{arch}_cpu",
        "peer_name": "PIL + torchvision, image by image, model by model",
        "unit": "images/s",
    }
    print(json.dumps(line | measure_work(models, paths, boxes) | measure_clock(study, models, paths, boxes, rounds)))


def measure_work(
    models: Mapping[str, LoadedModel], paths: Sequence[Path], boxes: Sequence[Box]
) -> dict[str, float | dict[str, float]]:
    """Processor seconds a photograph in one process and thread, which other work on the machine hardly changes."""
    found = find_photographs([paths[0].parent])[:BATCH]
    folded = fold_models(models)

    def ours() -> int:
        viewed = [view_photograph(photograph, [Preprocessing(size=224)]) for photograph in found]
        views = np.stack([view.views[0] for view in viewed if isinstance(view, PhotographView)])
        predict_shared(folded, views, batch_size=BATCH)
        return len(found)

    sides = {
        "ours": ours,
        "peer": lambda: len(answer_all(models, paths[:2], boxes)),
        "limit": lambda: decode_and_pass(models, [path.read_bytes() for path in paths[:BATCH]]),
    }
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    spent = {side: float("inf") for side in sides}
    for _ in range(2):
        for side, run in sides.items():
            before = time.process_time()
            photographs = run()
            spent[side] = min(spent[side], (time.process_time() - before) / photographs)
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    return {
        "processor_seconds": {side: round(value, 3) for side, value in spent.items()},
        "processor_ratio": round(spent["peer"] / spent["ours"], 2),
        "times_the_limit": round(spent["ours"] / spent["limit"], 2),
    }


def measure_clock(
    study: Study, models: Mapping[str, LoadedModel], paths: Sequence[Path], boxes: Sequence[Box], rounds: int
) -> dict[str, float]:
    """Images a second of the whole command and of the peer, in turn, and how far their answers differ."""
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(rounds):
        out = study.path / f"results{number}.csv"
        started = time.perf_counter()
        score(study, paths[0].parent, out)
        rates["ours"].append(len(paths) / (time.perf_counter() - started))
        started = time.perf_counter()
        plain = answer_all(models, paths, boxes)
        rates["peer"].append(len(plain) / (time.perf_counter() - started))
    if not rounds:
        return {}
    with out.open(newline="") as file:
        rows = [[float(row[f"p{grade}"]) for grade in range(5)] for row in csv.DictReader(file)]
    answers = np.array(rows).reshape(len(paths), len(SETUPS), 5)[: len(plain)]
    ours, peer = max(rates["ours"]), max(rates["peer"])
    return {
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(ours / peer, 2),
        "largest_difference": round(float(np.abs(answers - np.array(plain)).max()), 4),
    }


def answer_all(
    models: Mapping[str, LoadedModel], paths: Sequence[Path], boxes: Sequence[Box]
) -> list[list[np.ndarray]]:
    """The peer's answers about the photographs whose field of view it is given."""
    return [
        [answer_plainly(model, path.read_bytes(), box) for model in models.values()]
        for path, box in zip(paths, boxes, strict=False)
    ]


@torch.inference_mode()
def decode_and_pass(models: Mapping[str, LoadedModel], contents: Sequence[bytes]) -> int:
    """Decode, and pass a batch of as many eyes through each model, as loaded; nothing else."""
    for photograph in contents:
        read_fundus(photograph)
    eyes = torch.zeros(len(contents), 3, 224, 224).contiguous(memory_format=torch.channels_last)
    for model in models.values():
        model.model(eyes)
    return len(contents)


def score(study: Study, folder: Path, out: Path) -> None:
    """What the command does, without Python's imports."""
    scoring = plan_scoring(study, [folder], out, ScoreConfig(processes=2))
    for _ in run_scoring(scoring, Shard()):
        pass
    finish_scoring(scoring)


def find_box(photograph: bytes) -> Box:
    """The square around the field of view, in pixels."""
    field = find_field_of_view(read_fundus(photograph))
    x, y, radius = field.center_x, field.center_y, field.radius
    return round(x - radius), round(y - radius), round(x + radius), round(y + radius)


if __name__ == "__main__":
    main()
