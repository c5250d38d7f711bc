"""Every measure with a bootstrap interval by patients: 53,576 eyes (EyePACS' test set), 4 models, 1,000 draws.

The peer is scikit-learn's `roc_auc_score` with the same draws as sample weights, timed on a few draws and scaled up:
it computes one AUC where ours computes every measure.
"""

import json
import time

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from dr_core.analysis.bootstrap import sample_patients
from dr_core.data.grades import READINGS
from dr_core.experiments.answers import ANSWERS, MeasureConfig, read_answers, summarize

EYES, TARGET, PEER_DRAWS = 53_576, 10.0, 10


def main() -> None:
    """Time both and print one line."""
    table = draw_answers()
    started = time.perf_counter()
    summarize(table, MeasureConfig())
    ours = time.perf_counter() - started
    one = table[table["setup"] == "a"]
    draws = sample_patients(one["patient"].to_numpy(), draws=PEER_DRAWS)
    started = time.perf_counter()
    for reading in READINGS:
        labels, scores = read_answers(one, reading)
        for column in range(PEER_DRAWS):
            roc_auc_score(labels, scores, sample_weight=draws.times[draws.patient, column])
    peer = (time.perf_counter() - started) / PEER_DRAWS * 1000 * 4
    line = {
        "name": "performance_53576_eyes_4_models_1000_draws",
        "ours": round(ours, 2),
        "peer": round(peer, 1),
        "peer_name": "scikit-learn roc_auc_score with sample_weight, three AUCs alone, scaled from 10 draws",
        "unit": "s",
        "ratio": round(peer / ours, 1),
        "target": TARGET,
    }
    print(json.dumps(line))


def draw_answers() -> pd.DataFrame:
    """Answers of four models of known strength, two eyes a patient, grades as frequent as in EyePACS."""
    generator = np.random.default_rng(0)
    grades = generator.choice(5, EYES, p=[0.735, 0.07, 0.15, 0.025, 0.02])
    parts = []
    for setup in "abcd":
        logits = generator.normal(0, 1, (EYES, 5)) - 0.6 * np.abs(np.arange(5) - grades[:, None])
        softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        eyes = {"data": "drawn", "eye": np.arange(EYES), "patient": np.arange(EYES) // 2, "setup": setup}
        parts.append(
            pd.DataFrame(eyes | {"grade": grades, "has_dr": grades > 0} | dict(zip(ANSWERS, softmax.T, strict=True)))
        )
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    main()
