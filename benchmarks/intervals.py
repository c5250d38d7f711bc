"""How often do "95 %" intervals hold the truth? Covering intervals against the percentile bootstrap, few patients.

Usage: python benchmarks/intervals.py [studies]
"""

import json
import sys
from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from dr_core.analysis.bootstrap import interval, sample_patients
from dr_core.analysis.discrimination import measure_auc, measure_separation
from dr_core.analysis.drawn_intervals import operating_interval
from dr_core.analysis.intervals import auc_interval, proportion_interval

PATIENTS, SHARES, AUCS = (50, 100, 300), (0.1, 0.2, 0.5), (0.7, 0.8, 0.9, 0.95)


def draw_study(
    generator: np.random.Generator, patients: int, sick: float, auc: float, eyes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw scores (N,), labels (N,) and patients (N,); a patient's eyes share half of the score, .6 of the disease."""
    shape = (patients, 1), (patients, eyes)
    disease = np.sqrt(0.6) * generator.normal(size=shape[0]) + np.sqrt(0.4) * generator.normal(size=shape[1])
    noise = np.sqrt(0.5) * generator.normal(size=shape[0]) + np.sqrt(0.5) * generator.normal(size=shape[1])
    labels = disease > norm.isf(sick)
    scores = noise + np.sqrt(2) * norm.ppf(auc) * labels
    return scores.ravel(), labels.ravel(), np.repeat(np.arange(patients), eyes)


def cover_auc(studies: int, patients: int, sick: float, auc: float, eyes: int, seed: int = 0) -> Iterator[bool]:
    """Whether the interval of each drawn study holds the true AUC; a study with one class has no interval."""
    generator = np.random.default_rng([seed, patients, int(100 * sick), int(100 * auc), eyes])
    for _ in range(studies):
        found = auc_interval(*draw_study(generator, patients, sick, auc, eyes))
        if np.isfinite(found.low):
            yield found.low <= auc <= found.high


def cover_proportion(studies: int, patients: int, share: float, eyes: int, seed: int = 0) -> Iterator[bool]:
    """Whether the interval of each drawn study holds the true share of sick eyes."""
    generator = np.random.default_rng([seed, patients, int(100 * share), eyes])
    for _ in range(studies):
        _, labels, of = draw_study(generator, patients, share, 0.8, eyes)
        found = proportion_interval(labels, of)
        yield found.low <= share <= found.high


def cover_sensitivity(studies: int, patients: int, sick: float, auc: float, eyes: int, seed: int = 0) -> Iterator[bool]:
    """Whether the interval of the sensitivity at a specificity of .9 holds the true one of each drawn study."""
    generator = np.random.default_rng([seed, patients, int(100 * sick), int(100 * auc), eyes])
    truth = norm.sf(norm.isf(0.1) - np.sqrt(2) * norm.ppf(auc))
    for number in range(studies):
        scores, labels, of = draw_study(generator, patients, sick, auc, eyes)
        drawn = measure_separation(scores, labels, sample_patients(of, draws=200, seed=number)).sensitivity
        found = operating_interval(drawn, of[labels])
        if np.isfinite(found.low):
            yield found.low <= truth <= found.high


def _cover_bootstrap(studies: int, patients: int, sick: float, auc: float, eyes: int) -> float:
    generator = np.random.default_rng([0, patients, int(100 * sick), int(100 * auc), eyes])
    covered = []
    for seed in range(studies):
        scores, labels, of = draw_study(generator, patients, sick, auc, eyes)
        _, low, high = interval(measure_auc(scores, labels, sample_patients(of, draws=300, seed=seed)))
        covered.append(low <= auc <= high)
    return float(np.mean(covered))


def main() -> None:
    """Print coverages, and one JSON line per comparison."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for eyes in (1, 2):
        for patients in PATIENTS:
            for sick in SHARES:
                aucs = [np.mean(list(cover_auc(studies, patients, sick, auc, eyes))) for auc in AUCS]
                share = np.mean(list(cover_proportion(studies, patients, sick, eyes)))
                told = ", ".join(f"AUC {auc}: {value:.3f}" for auc, value in zip(AUCS, aucs, strict=True))
                print(
                    f"{patients} patients, {eyes} eyes, {sick:.0%} sick: {told}; share of sick {share:.3f}", flush=True
                )
    for patients in PATIENTS:
        for sick in SHARES:
            some = max(studies // 4, 10)
            covered = [np.mean(list(cover_sensitivity(some, patients, sick, 0.85, eyes))) for eyes in (1, 2)]
            shown = ", ".join(f"{eyes} eyes {value:.3f}" for eyes, value in zip((1, 2), covered, strict=True))
            print(f"{patients} patients, {sick:.0%} sick, sensitivity at specificity .9: {shown}", flush=True)
    for sick in SHARES[:2]:
        ours = float(np.mean(list(cover_auc(studies, 50, sick, 0.9, 1))))
        peer = _cover_bootstrap(min(studies, 300), 50, sick, 0.9, 1)
        line = {"name": f"auc_coverage_50_patients_{sick:.0%}", "ours": ours, "peer": peer, "unit": "coverage"}
        ratio = abs(peer - 0.95) / max(abs(ours - 0.95), 1e-3)
        print(json.dumps(line | {"peer_name": "percentile bootstrap", "ratio": round(ratio, 1), "limit": 0.95}))


if __name__ == "__main__":
    main()
