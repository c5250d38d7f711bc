"""What a GPU gives: the CPU's numbers, and how fast; a JSON line for each. `make gpu` runs it and tests/device.

    python benchmarks/gpu.py [--quick]

Without a GPU it says so and measures nothing. The aims are those of one H100.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.attribution import zennit_map
from benchmarks.robustness import build_grid
from benchmarks.training import PAIRS, Setting, draw_eyes, measure
from dr_core.analysis.attribution import Explainer
from dr_core.analysis.spectrum import activation_eigenvalues
from dr_core.corruption import IMAGENET_C, corrupt
from dr_core.data.phantom import draw_phantom
from dr_core.experiments.damage import RobustnessConfig, damage_eyes
from dr_core.models.architectures import build_backbone

SIZE, BATCH = 224, 64


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few steps of each, to see that they run")
    quick: bool = parser.parse_args().quick
    if not torch.cuda.is_available():
        print(json.dumps({"name": "gpu", "measured": False, "reason": "there is no CUDA device here"}))
        return
    card = torch.cuda.get_device_name()
    for figures in (compare_numbers, time_trainings, time_maps, time_corruptions, time_grid):
        torch.cuda.reset_peak_memory_stats()
        for line in figures(quick):
            print(json.dumps(line | {"card": card, "peak_GiB": _peak()}), flush=True)


def _peak() -> float:
    return round(torch.cuda.max_memory_allocated() / 2**30, 2)


def draw_batch(count: int) -> torch.Tensor:
    """Phantoms, uint8 (N, 3, S, S); ten are drawn, each used often."""
    some = np.stack([draw_phantom(number % 5, SIZE, number).image for number in range(10)])
    return torch.from_numpy(some[np.arange(count) % 10]).permute(0, 3, 1, 2).contiguous()


def compare_numbers(quick: bool) -> Iterator[dict[str, object]]:
    """How far a ResNet-50's numbers lie from the CPU's, relative to the largest; and how far it may be."""
    here, images = build_backbone("resnet50", 5).eval(), draw_batch(4).float() / 255
    there, on_card = build_backbone("resnet50", 5).eval().cuda(), images.cuda()
    with torch.inference_mode():
        yield _distance("answers", here(images).softmax(1), there(on_card).softmax(1), aim=1e-4)
    maps = (Explainer(model).attribute(x, 3) for model, x in ((here, images), (there, on_card)))
    yield _distance("lrp", *maps, aim=1e-4)
    spectra = [activation_eigenvalues(model, [x]) for model, x in ((here, images), (there, on_card))]
    yield _distance("spectrum", *(torch.cat(list(found.values())) for found in spectra), aim=1e-6)


def _distance(name: str, here: torch.Tensor, there: torch.Tensor, aim: float) -> dict[str, object]:
    far = float((here - there.cpu()).abs().max() / here.abs().max())
    return {"name": f"cuda_equals_cpu_{name}", "ours": far, "unit": "relative", "limit": aim, "met": far <= aim}


def time_trainings(quick: bool) -> Iterator[dict[str, object]]:
    """Images a second of finetuning and of MoCo v2, both views of an image counted as one."""
    batch, steps = 256, 3 if quick else 30
    with tempfile.TemporaryDirectory() as folder:
        draw_eyes(batch * (steps + 2), Path(folder))
        setting = Setting(
            store=Path(folder), arch="resnet50", device="cuda", precision="bf16-mixed", batch=batch, steps=steps
        )
        for name, aim in (("finetune", 2500), ("moco_v2", 1000)):
            mine, theirs = (measure(side, name, setting) for side in (0, 1))
            yield {
                "name": f"gpu_{name}",
                "ours": round(batch / mine.step, 1),
                "peer": round(batch / theirs.step, 1),
                "peer_name": PAIRS[name][2],
                "unit": "images/s",
                "ratio": round(theirs.step / mine.step, 2),
                "aim": aim,
                "waiting_share": round(mine.waiting / mine.step, 4),
                "memory_GiB": round(mine.memory_gib, 2),
            }


def time_maps(quick: bool) -> Iterator[dict[str, object]]:
    """LRP maps a second in batches, against zennit."""
    model, images = build_backbone("resnet50", 5).eval().cuda(), (draw_batch(BATCH).float() / 255).cuda()
    explainer = Explainer(model)
    runs = {
        "ours": lambda: explainer.attribute(images, 3),
        "peer": lambda: zennit_map(model, images),
    }
    seconds = _in_turn(runs, 2 if quick else 7)
    yield {
        "name": "gpu_lrp_batch_64",
        "ours": round(BATCH / seconds["ours"], 1),
        "peer": round(BATCH / seconds["peer"], 1),
        "peer_name": "zennit 0.5.1 ZPlus",
        "unit": "maps/s",
        "ratio": round(seconds["peer"] / seconds["ours"], 2),
    }


def time_corruptions(quick: bool) -> Iterator[dict[str, object]]:
    """All of ImageNet-C at severity 3, against the same on the CPU; benchmarks/corruptions.py has the peer."""
    images, seeds = draw_batch(BATCH), range(BATCH)
    on_card = images.cuda()
    runs = {
        "gpu": lambda: [corrupt(on_card, name, 3, seeds) for name in IMAGENET_C],
        "cpu": lambda: [corrupt(images, name, 3, seeds) for name in IMAGENET_C],
    }
    seconds = _in_turn(runs, 1 if quick else 3)
    far = max(
        int((corrupt(on_card, name, 3, seeds).cpu().int() - corrupt(images, name, 3, seeds).int()).abs().max())
        for name in IMAGENET_C
    )
    yield {
        "name": "gpu_imagenet_c",
        "ours": round(seconds["gpu"] / BATCH, 5),
        "peer": round(seconds["cpu"] / BATCH, 5),
        "peer_name": "the same on the CPU",
        "unit": "s an image of all 19",
        "ratio": round(seconds["cpu"] / seconds["gpu"], 1),
        "gray_levels_apart": far,
    }


def time_grid(quick: bool) -> Iterator[dict[str, object]]:
    """Robustness of four full ResNet-50s; hours that 1,000 eyes, 19 corruptions and 5 severities would take."""
    models, store = build_grid("resnet50", 8 if quick else 64)
    for model in models.values():
        model.model.cuda()
    config = RobustnessConfig(severities=(3,))
    list(damage_eyes("warm", models, store, config, rows=np.arange(4), device="cuda"))
    torch.cuda.synchronize()
    started = time.perf_counter()
    (report,) = list(damage_eyes("phantoms", models, store, config, device="cuda"))[-1:]
    seconds = time.perf_counter() - started
    states = len(store) * (1 + len(config.corruptions))
    yield {
        "name": "gpu_robustness_four_resnet50_224",
        "ours": round(states / seconds, 1),
        "unit": "damaged eyes/s",
        "share_of_damaging": round(report.share, 3),
        "hours_for_1000_eyes": round(seconds / states * 1000 * (1 + 19 * 5) / 3600, 3),
        "aim_hours": 1.0,
    }


def _in_turn(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians of seconds, the card waited for, after a round that warms up."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            torch.cuda.synchronize()
            started = time.perf_counter()
            run()
            torch.cuda.synchronize()
            found[name].append(time.perf_counter() - started)
    return {name: float(np.median(seconds[1:])) for name, seconds in found.items()}


if __name__ == "__main__":
    main()
