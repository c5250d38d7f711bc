"""What 19 corruptions in 5 severities cost with four full ResNet-50s, and which share of it the damaging takes."""

import json
import os
import time

import numpy as np
import pandas as pd

from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.experiments.robustness import RobustnessConfig, damage_eyes
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel
from dr_core.models.setups import SETUPS

EYES = 8


def build_grid(eyes: int) -> tuple[dict[str, LoadedModel], Store]:
    """Four full ResNet-50s, and phantoms at their size."""
    way = Preprocessing(size=224)
    views = [way.to_model_view(draw_phantom(number % 5, 448, number).image) for number in range(eyes)]
    index = pd.DataFrame(
        {"eye": map(str, range(eyes)), "patient": range(eyes), "grade": [number % 5 for number in range(eyes)]}
    )
    store = Store(np.stack(views).transpose(0, 3, 1, 2).copy(), index)
    models = {}
    for number, setup in enumerate(SETUPS):
        info = CheckpointInfo(
            arch="resnet50",
            setup=setup,
            preprocessing=way,
            validation_auc=float("nan"),
            training_data="none",
            data_fingerprint="none",
        )
        models[setup] = LoadedModel(build_backbone("resnet50", 5, seed=number).eval(), info)
    return models, store


def main() -> None:
    """Measure some eyes at severity 3; the other severities cost alike."""
    models, store = build_grid(EYES)
    config = RobustnessConfig(severities=(3,))
    list(damage_eyes("warm", models, store, config, rows=np.arange(1)))
    started = time.perf_counter()
    report = list(damage_eyes("phantoms", models, store, config))[-1]
    seconds = time.perf_counter() - started
    states = EYES * (1 + len(config.corruptions))
    hours = seconds / states * 1000 * (1 + 19 * 5) / 3600
    line = {"name": "robustness_four_resnet50_224", "states_per_second": round(states / seconds, 2)}
    line |= {
        "share_of_damaging": round(report.share, 3),
        "hours_for_1000_eyes": round(hours, 2),
        "cores": os.cpu_count(),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
