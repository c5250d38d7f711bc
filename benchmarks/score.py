"""Scoring a folder of photographs: `score` against a plain loop of PIL, torchvision and the same models.

Both read 4288x2848 JPEGs and ask four models. Ours decodes in two processes beside the models, finds the field of view,
judges the quality, keeps a journal and writes the table; its time is from the call to the written table, with the start
of the processes. The peer is given each field of view for free and writes nothing.

`python benchmarks/score.py [FOLDER]` measures on the JPEGs of a folder, such as IDRiD's full-size eyes; without one on
a drawn eye.
"""

import csv
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from compare import answer_plainly, draw_photograph

from dr_core.data.fundus import find_field_of_view, read_fundus
from dr_core.data.preprocessing import Preprocessing
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, save_model
from dr_core.models.setups import SETUPS
from dr_core.score.plan import ScoreConfig, plan_scoring
from dr_core.score.run import finish_scoring, run_scoring
from dr_core.study.folder import Study, StudyInfo, write_study_info
from dr_core.study.shards import Shard

PHOTOGRAPHS, PEER_PHOTOGRAPHS, ROUNDS = 64, 8, 3


def main() -> None:
    """Measure both architectures and print a JSON line for each."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        paths = copy_photographs(Path(sys.argv[1]) if len(sys.argv) > 1 else None, scratch / "photographs")
        for arch in ("resnet50_slim", "resnet50"):
            measure(arch, paths, scratch / arch)


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
    info = StudyInfo(title="benchmark", summary="", protocol="-", seed=0, setups=tuple(SETUPS.values()), data=())
    return write_study_info(folder, info)


def measure(arch: str, paths: Sequence[Path], scratch: Path) -> None:
    """Time both in turn, compare their answers and print the best rates."""
    study = make_study(scratch, arch)
    models = {setup: study.load_model(setup) for setup in SETUPS}
    photographs = [path.read_bytes() for path in paths[:PEER_PHOTOGRAPHS]]
    boxes = [find_box(photograph) for photograph in photographs]
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(ROUNDS):
        out = scratch / f"results{number}.csv"
        started = time.perf_counter()
        score(study, paths[0].parent, out)
        rates["ours"].append(len(paths) / (time.perf_counter() - started))
        started = time.perf_counter()
        plain = [
            [answer_plainly(model, photograph, box) for model in models.values()]
            for photograph, box in zip(photographs, boxes, strict=True)
        ]
        rates["peer"].append(len(photographs) / (time.perf_counter() - started))
    with out.open(newline="") as file:
        rows = [[float(row[f"p{grade}"]) for grade in range(5)] for row in csv.DictReader(file)]
    answers = np.array(rows).reshape(len(paths), len(SETUPS), 5)[:PEER_PHOTOGRAPHS]
    ours, peer = max(rates["ours"]), max(rates["peer"])
    line = {
        "name": f"score_four_{arch}_cpu",
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "peer_name": "PIL + torchvision, image by image, model by model",
        "unit": "images/s",
        "ratio": round(ours / peer, 2),
        "largest_difference": round(float(np.abs(answers - np.array(plain)).max()), 4),
    }
    print(json.dumps(line))


def score(study: Study, folder: Path, out: Path) -> None:
    """What the command does, without Python's imports."""
    scoring = plan_scoring(study, [folder], out, ScoreConfig(processes=2))
    for _ in run_scoring(scoring, Shard()):
        pass
    finish_scoring(scoring)


def find_box(photograph: bytes) -> tuple[int, int, int, int]:
    """The square around the field of view, in pixels."""
    field = find_field_of_view(read_fundus(photograph))
    x, y, radius = field.center_x, field.center_y, field.radius
    return round(x - radius), round(y - radius), round(x + radius), round(y + radius)


if __name__ == "__main__":
    main()
