"""How often is a verdict about the paper wrong? Simulated studies: one recipe for all set-ups, and stated effects.

Each simulated study is judged by the same code as a real one, from what is measured on (the tables themselves are read
by tests alone, which show that both give the same contrasts). Three kinds of studies:

- `null`: the four set-ups are one recipe with other seeds. No claim of a difference is true.
- `planted`: every claim of a difference is true, with the effect that `EFFECTS` states.
- `margin`: every claim of equality is false, at exactly its margin.

With one run of each set-up the verdicts are those on the very checkpoints, so runs do not vary there. Variances:
patients' and runs' spreads are of the size that the demo study's tables and six networks of one recipe show.

A thousand null studies of each number of runs, as many of margins and half as many planted ones take some six minutes
of one idle core.

Usage: python benchmarks/verdicts.py [studies] [--write] [--processes=N]
"""

import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import binom

from dr_core.corruption import IMAGENET_C
from dr_core.publish.paper.claim import FOUR, Claim, Tables
from dr_core.publish.paper.error_rates import PATH, RUNS
from dr_core.publish.paper.localization import scores_by_run
from dr_core.publish.paper.performance import Aucs, gather_runs, linearize_answers, measure_aucs
from dr_core.publish.paper.published import PARETO_80_20
from dr_core.publish.paper.review import CLAIMS, Finding, judge_claims
from dr_core.publish.paper.robustness import Damaged, average_damage, measure_all_damage
from dr_core.publish.paper.spectra import Laws, Layers, Run, read_first_layers, read_laws, read_layers
from dr_core.publish.paper.verdicts import OUTLIER, Verdict

KINDS = ("null", "planted", "margin")

PATIENTS, EYES, MASKED_EYES = 150, 2, 40
"""Patients and eyes of each in the test set, and eyes with masks."""

_LESIONS = {"microaneurysms": 0.0073, "haemorrhages": 0.023, "hard_exudates": 0.041, "total": 0.071}
_POOLINGS = ("sum_pos", "l2_norm_sq")
_LEVELS = (1.0, 4.0)

EFFECTS = {
    "AUC": "IFI +.10, CL +.05, another -.08 for IWNE with a tenth of the labels",
    "log10": "a factor of 1.4",
    "alpha": ".30 for each step",
    "probability of the true grade": "+.15 for IWNE-CL, +.08 for IFI-CL; JPEG -.3",
    "RMA": "a factor of 1.8",
    "ln of the ratio": "a factor of 1.8",
    "rank accuracy": "a factor of 1.8",
    "entropy, 0..1": "+.06",
}
"""Unit of a claim -> what is planted, for people."""

Columns = dict[str, Any]
"""Columns of a table: an array, or one value for all rows."""


def _stack(parts: list[Columns]) -> pd.DataFrame:
    """Rows of all parts, each as long as its column `eye` or `rank`."""
    lengths = [len(part["eye"] if "eye" in part else part["rank"]) for part in parts]
    return pd.DataFrame(
        {
            name: np.concatenate([np.broadcast_to(part[name], n) for part, n in zip(parts, lengths, strict=True)])
            for name in parts[0]
        }
    )


@dataclass
class Simulation:
    """One simulated study.

    Attributes:
        kind: A member of `KINDS`.
        runs: Training runs of each set-up.
        seed: Seed of everything that is drawn.
    """

    kind: str
    runs: int
    seed: int
    generator: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """Start the study's own generator."""
        self.generator = np.random.default_rng([self.seed, self.runs, KINDS.index(self.kind)])

    def spread(self, size: float) -> float:
        """Standard deviation between runs; none where the verdict is on the very checkpoints."""
        return 0.0 if self.runs == 1 else size

    def each_run(self) -> Iterator[tuple[str, int]]:
        """Set-up and seed of every training run."""
        return product(FOUR, range(self.runs))

    def step(self, setup: str, of_imagenet: float, of_contrast: float) -> float:
        """The planted effect of a set-up; nothing in the other kinds of studies."""
        steps = of_imagenet * setup.startswith("ifi") + of_contrast * setup.endswith("cl")
        return steps if self.kind == "planted" else 0.0

    def tables(self) -> Tables:
        """All result tables of the study; `measure` gives the same findings in a fraction of the time."""
        answers, spectra, eigenvalues, laws, damaged, scores = self._draw_all()
        return Tables(
            {
                "predictions": _stack(answers),
                "fractions": pd.DataFrame(columns=["setup", "seed", "fraction", "data", "reading"]),
                "spectrum": _stack(
                    [
                        _about(run)
                        | {"layer": of.names, "stage": of.stages, "condition": 10**of.condition}
                        | {"place": np.arange(len(of.names)), "rank": np.arange(len(of.names))}
                        for run, of in spectra.items()
                    ]
                ),
                "eigenvalues": _stack(
                    [
                        _about(run) | {"layer": "conv1", "rank": np.arange(len(of)), "eigenvalue": of}
                        for run, of in eigenvalues.items()
                    ]
                ),
                "distributions": _stack(
                    [
                        _about(run)
                        | {"distribution": list(of.rss), "rss": list(of.rss.values())}
                        | {"vuong": [of.vuong.get(law, np.nan) for law in of.rss], "rank": [0, 1]}
                        | {"alpha_distfit": of.alpha}
                        for run, of in laws.items()
                    ]
                ),
                "robustness": _stack(damaged),
                "localization": _stack(scores),
            }
        )

    def measure(self) -> Tables:
        """The same study as what the claims make of its tables, without the tables."""
        answers, spectra, eigenvalues, laws, damaged, scores = self._draw_all()
        names = ("predictions", "fractions", "spectrum", "eigenvalues", "distributions", "robustness", "localization")
        tables = Tables(dict.fromkeys(names, _EMPTY))
        aucs = {data: _measure_answers(answers, data) for data in ("first", "second")}
        tables.remember(measure_aucs, {data: of for data, of in aucs.items() if of is not None})
        for read, of in ((read_layers, spectra), (read_first_layers, eigenvalues), (read_laws, laws)):
            tables.remember(read, {"first": of})
        damage: dict[str, Damaged | None] = {"first": _measure_damage(damaged)}
        tables.remember(measure_all_damage, damage)
        tables.remember(scores_by_run, _sort_scores(scores))
        return tables

    def _draw_all(self) -> tuple[Any, ...]:
        answers = [*self._predictions("first"), *self._predictions("second")]
        spectra, eigenvalues, laws = self._spectra()
        damaged = list(self._robustness())
        return answers, spectra, eigenvalues, laws, damaged, [*self._localization(), *self._entropies()]

    def _predictions(self, data: str) -> Iterator[Columns]:
        """Answers whose AUC is about .85; the fewest labels cost IWNE more where effects are planted."""
        draw, shape = self.generator.normal, (PATIENTS, EYES)
        sick = draw(size=(PATIENTS, 1)) * 0.8 + draw(size=shape) * 0.6 > 0.55  # 29 %
        shared = draw(size=(PATIENTS, 1)) * 0.4 + draw(size=shape) * 0.6
        for setup, seed in self.each_run():
            level = draw(scale=self.spread(0.12)) + 1.3 + self.step(setup, 1.0, 0.5)
            for fraction in (10, 100):
                lost = self._lost(setup, fraction) + draw(scale=self.spread(0.08))
                own = draw(size=(PATIENTS, 1)) * 0.3 + draw(size=shape) * 0.6
                score = expit((level - lost) * sick + shared + own - 1).ravel()
                about = {"data": data, "setup": setup, "seed": seed, "fraction": fraction}
                yield self._answers(score, sick.ravel()) | about

    def _lost(self, setup: str, fraction: int) -> float:
        if fraction == 100:
            return MARGIN_AUC * (setup == "ifi_fs") if self.kind == "margin" else 0.0
        loss = {"planted": 0.7 * setup.startswith("iwne"), "margin": MARGIN_LOSS * setup.startswith("ifi")}
        return float(loss.get(self.kind, 0.0)) + (MARGIN_AUC if self.kind == "margin" and setup == "ifi_fs" else 0.0)

    def _answers(self, score: np.ndarray, sick: np.ndarray) -> Columns:
        number = np.arange(len(score))
        answers = {"p0": 1 - score, "p1": 0.0, "p2": 0.0, "p3": score, "p4": 0.0}
        return {"eye": number, "patient": number // EYES, "grade": np.where(sick, 3, 0), **answers}

    def _spectra(self) -> tuple[dict[Run, Layers], dict[Run, np.ndarray], dict[Run, Laws]]:
        draw = self.generator.normal
        layers = [("stem", "conv1"), *(("layer1", f"a{n}") for n in range(9)), *(("layer4", f"z{n}") for n in range(6))]
        stages, names = (tuple(part) for part in zip(*layers, strict=True))
        early = np.array([stage != "layer4" for stage in stages])
        base = draw(1.0, 0.3, len(layers))
        conditions, values, laws = {}, {}, {}
        for run in self.each_run():
            setup, _ = run
            block = draw(scale=self.spread(0.05)) - self.step(setup, 0.15, 0.15)  # a run moves all layers together
            own = draw(scale=self.spread(0.03), size=len(layers))
            moved = np.log10(1.25) * (self.kind == "margin" and setup == "ifi_cl")
            condition = base + np.where(early, block + own / 3, own + moved)
            conditions[run] = Layers(names=names, stages=stages, condition=condition)
            values[run] = self._eigenvalues(setup)
            alpha = PARETO_80_20 if self.kind != "planted" else 1.6
            alpha += draw(scale=self.spread(0.05)) - self.step(setup, 0.6, 0.3)
            z = draw() + (5.0 if self.kind == "planted" else 0.0)
            laws[run] = Laws(alpha=alpha, rss={"pareto": 1.0, "lognorm": 2.0}, vuong={"lognorm": z})
        return conditions, values, laws

    def _eigenvalues(self, setup: str) -> np.ndarray:
        """A log-normal spectrum; CL has the heavier tail and the lower peak where effects are planted."""
        width = 1.2 + self.generator.normal(scale=self.spread(0.08)) + self.step(setup, -0.1, 0.4)
        ranks = np.linspace(2.2, -2.2, 64)
        scale = np.exp(self.step(setup, 1.5, 1.0))
        values = np.exp(width * ranks + self.generator.normal(scale=self.spread(0.1), size=64)) * scale
        return np.sort(values)[::-1]

    def _robustness(self) -> Iterator[Columns]:
        draw, eyes = self.generator.normal, 40
        names = list(IMAGENET_C)
        cells = [(name, level) for name in names for level in _LEVELS]
        base = draw(0.5, 0.1, len(cells)) + draw(scale=0.1, size=(eyes, 1)) + draw(scale=0.06, size=(eyes, len(cells)))
        for setup, seed in self.each_run():
            each = np.repeat(draw(scale=self.spread(0.02), size=len(names)), len(_LEVELS))
            moved = draw(scale=self.spread(0.03)) + each + self._robust(setup, names)
            own = draw(scale=0.06, size=(eyes, 1)) + draw(scale=0.05, size=(eyes, len(cells)))
            score = np.clip(base + moved + own, 0.001, 0.999).ravel()
            about = {"data": "first", "setup": setup, "seed": seed, "fraction": 100, "grade": 3}
            yield about | {
                "p0": 1 - score,
                "p1": 0.0,
                "p2": 0.0,
                "p3": score,
                "p4": 0.0,
                "eye": np.repeat(np.arange(eyes), len(cells)),
                "patient": np.repeat(np.arange(eyes), len(cells)),
                "corruption": np.tile([name for name, _ in cells], eyes),
                "severity": np.tile([level for _, level in cells], eyes),
            }

    def _robust(self, setup: str, names: list[str]) -> np.ndarray:
        moved = np.zeros(len(names))
        if self.kind == "planted" and setup.endswith("cl"):
            moved[:] = 0.15 if setup == "iwne_cl" else 0.08
            if setup == "ifi_cl":
                moved[names.index("jpeg_compression")] = -0.3
        return np.repeat(moved, len(_LEVELS))

    def _localization(self) -> Iterator[Columns]:
        draw = self.generator.normal
        for lesion, share in _LESIONS.items():
            eye = draw(scale=0.5, size=MASKED_EYES)
            area = np.clip(share * np.exp(eye), 1e-4, 0.6)
            for setup, seed in self.each_run():
                run = draw(scale=self.spread(0.25)) + self._weight(setup, lesion)
                own = draw(scale=0.25, size=MASKED_EYES)
                for pooling in _POOLINGS:
                    pooled = draw(scale=self.spread(0.08)) + draw(scale=0.1, size=MASKED_EYES)
                    mass = np.clip(area * np.exp(run + own + pooled - self._log_mean()), 0, 1)
                    random = area * (1 + draw(scale=0.03, size=MASKED_EYES))
                    about = {"setup": setup, "seed": seed, "lesion": lesion, "pooling": pooling}
                    for score, method, value in (
                        ("mass accuracy", "lrp", mass),
                        ("mass accuracy", "random", random),
                        ("rank accuracy", "lrp", self._rank(setup, lesion, np.clip(mass * 1.5, 0, 1))),
                    ):
                        yield self._scores(value) | about | {"score": score, "method": method}

    def _log_mean(self) -> float:
        """Log of the mean of a heatmap's random weight, so that the mean over runs and eyes is what is stated."""
        return (0.25**2 + 0.1**2 + self.spread(0.25) ** 2 + self.spread(0.08) ** 2) / 2

    def _weight(self, setup: str, lesion: str) -> float:
        """Log of a heatmap's weight on a lesion: the paper's directions, by a factor of 1.8 each."""
        small = lesion in ("microaneurysms", "haemorrhages")
        if self.kind == "margin" and setup == "iwne_fs" and small:
            return float(np.log(1.25))
        sign = 1 if small else -1
        start = 0.0 if small else 1.2
        return start * (self.kind == "planted") + self.step(setup, sign * 0.59, sign * 0.59)

    def _rank(self, setup: str, lesion: str, value: np.ndarray) -> np.ndarray:
        if self.kind == "planted" and lesion == "total" and setup == "ifi_cl":
            return np.clip(value * 1.8**2, 0, 1)  # the paper's exception: CL is ahead here
        return value + 0.05 * (self.kind == "margin" and lesion == "total" and setup == "iwne_cl")

    def _entropies(self) -> Iterator[Columns]:
        eye = self.generator.normal(scale=0.03, size=MASKED_EYES)
        for setup, seed in self.each_run():
            run = self.generator.normal(scale=self.spread(0.02)) + self.step(setup, 0.06, 0.0)
            for pooling in _POOLINGS:
                value = 0.8 + eye + run + self.generator.normal(scale=0.02, size=MASKED_EYES)
                about = {"setup": setup, "seed": seed, "lesion": "view", "pooling": pooling}
                yield self._scores(value) | about | {"score": "entropy", "method": "lrp"}

    def _scores(self, value: np.ndarray) -> Columns:
        return {"eye": np.arange(len(value)), "value": value, "protocol": "paper", "fraction": 100}


_EMPTY = pd.DataFrame()


def _about(run: Run) -> Columns:
    return {"data": "first", "setup": run[0], "seed": run[1], "fraction": 100}


def _measure_answers(parts: list[Columns], data: str) -> Aucs | None:
    """What `measure_aucs` makes of the answers on one data set."""
    parts = [part for part in parts if part["data"] == data]
    runs = [(part["setup"], part["seed"], part["fraction"]) for part in parts]
    scores = np.stack([part["p3"] for part in parts])
    return gather_runs(linearize_answers(runs, scores, parts[0]["grade"] >= 3, parts[0]["patient"]))


def _measure_damage(parts: list[Columns]) -> Damaged:
    """What `measure_damage` makes of the answers about damaged eyes."""
    first = parts[0]
    number = int(first["eye"].max()) + 1
    scores = np.stack([part["p3"].reshape(number, -1) for part in parts])
    cells = list(zip(first["corruption"], first["severity"], strict=True))[: scores.shape[-1]]
    return average_damage([part["setup"] for part in parts], cells, scores, np.arange(number))


def _sort_scores(parts: list[Columns]) -> dict[tuple[str, ...], dict[str, np.ndarray]]:
    """What `scores_by_run` makes of the scores of heatmaps."""
    found: dict[tuple[str, ...], dict[str, list[np.ndarray]]] = {}
    for part in parts:
        key = tuple(part[name] for name in ("lesion", "pooling", "score", "method"))
        found.setdefault(key, {}).setdefault(part["setup"], []).append(part["value"])
    return {key: {setup: np.stack(runs) for setup, runs in of.items()} for key, of in found.items()}


MARGIN_AUC, MARGIN_LOSS = 0.1, 0.15
"""What shifts the binormal score so that AUCs differ by about the margins of "closely" and "marginal"."""


def judge_study(kind: str, runs: int, seed: int) -> dict[str, list[Verdict]]:
    """Verdicts of one simulated study by claim, on each data set; those on the checkpoints with one run."""
    verdicts: dict[str, list[Verdict]] = {}
    claims = [claim for claim in list_claims(runs) if kind != "margin" or claim.rule.equality]
    for finding in judge_claims(Simulation(kind, runs, seed).measure(), claims, foresee=False):
        verdicts.setdefault(finding.claim.key, []).append(_decisive(finding, runs))
    return verdicts


def list_claims(runs: int) -> list[Claim]:
    """The claims whose verdicts have an error rate with a number of training runs."""
    return [
        claim for claim in CLAIMS if not claim.undefined and claim.rule.name != "description" and _fits(claim, runs)
    ]


def _fits(claim: Claim, runs: int) -> bool:
    if not claim.needs_runs:
        return runs == 1  # its truth is that of the very checkpoints, which no recipe sets
    return runs > 1 or claim.tables[0] not in ("spectrum", "eigenvalues", "distributions")  # one spectrum has no error


def _decisive(finding: Finding, runs: int) -> Verdict:
    if runs == 1 and finding.claim.needs_runs:
        return finding.checkpoints.verdict if finding.checkpoints else Verdict.OPEN
    return finding.judgment.verdict


Verdicts = Mapping[str, list[dict[str, list[Verdict]]]]
"""Kind of studies -> the verdicts of each study."""


def measure_rates(runs: int, studies: int) -> pd.DataFrame:
    """Simulate studies and tabulate their error rates.

    Args:
        runs: Training runs of each set-up.
        studies: Simulated null studies, and studies at the margin; half as many planted ones.
    """
    number = {kind: max(studies // 2, 1) if kind == "planted" else studies for kind in KINDS}
    return tabulate_rates(
        {kind: [judge_study(kind, runs, seed) for seed in range(number[kind])] for kind in KINDS}, runs
    )


Count = tuple[int, int]
"""How many verdicts, of how many."""


def tabulate_rates(found: Verdicts, runs: int) -> pd.DataFrame:
    """Count false "holds", false "does not hold" and found effects of every claim, and of any claim in a study.

    Args:
        found: Verdicts of simulated studies.
        runs: Training runs of each set-up.

    Returns:
        Rows as the columns of `error_rates.csv`; a claim on two data sets has a verdict on each.
    """

    def count(kind: str, key: str, verdict: Verdict) -> Count:
        verdicts = [one is verdict for study in found[kind] for one in study[key]]
        return sum(verdicts), len(verdicts)

    rows: list[dict[str, object]] = []
    for claim in list_claims(runs):
        equal = claim.rule.equality
        holds = count("margin" if equal else "null", claim.key, Verdict.HOLDS)
        fails = [count(kind, claim.key, Verdict.FAILS) for kind in _true_kinds(claim)]
        power = count("null" if equal else "planted", claim.key, Verdict.HOLDS)
        worst = max(fails, key=lambda one: one[0] / one[1])
        effect = "exactly equal" if equal else EFFECTS.get(claim.unit, "five standard errors")
        rows.append(_row(claim.key, runs, holds, worst, power) | {"effect": effect})
    differences = [claim.key for claim in list_claims(runs) if not claim.rule.equality]
    anyone = [
        sum(any(verdict in study[key] for key in differences) for study in found["null"])
        for verdict in (Verdict.HOLDS, Verdict.FAILS)
    ]
    studies = len(found["null"])
    rows.append(_row("any", runs, (anyone[0], studies), (anyone[1], studies), (0, 0)) | {"effect": ""})
    return pd.DataFrame(rows)


def _row(claim: str, runs: int, holds: Count, fails: Count, power: Count) -> dict[str, object]:
    return {
        "claim": claim,
        "runs": runs,
        "false_holds": holds[0],
        "of_false": holds[1],
        "false_fails": fails[0],
        "of_true": fails[1],
        "found": power[0],
        "of_planted": power[1],
    }


def _true_kinds(claim: Claim) -> tuple[str, ...]:
    """Kinds of studies in which "does not hold" is wrong, or on its border; without an outlier it is right."""
    if claim.rule.equality:
        return ("margin", "null")
    return ("planted",) if claim.rule is OUTLIER else ("null", "planted")


def find_excess(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of false rates above 5 % (10 % for any false "holds" in a study) beyond what chance does in one of 1,000."""
    excess = []
    for row in table.to_dict("records"):
        limit = 0.10 if row["claim"] == "any" else 0.05
        counts = [("false_holds", "of_false"), *([] if row["claim"] == "any" else [("false_fails", "of_true")])]
        excess.append(any(binom.sf(row[wrong] - 1, row[of], limit) < 0.001 for wrong, of in counts))
    return table[excess]


def main() -> None:
    """Print the rates, and write them where asked to."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    processes = next((int(word.partition("=")[2]) for word in sys.argv if word.startswith("--processes=")), 1)
    studies = numbers[0] if numbers else 20
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(partial(measure_rates, studies=studies), RUNS):
            print(part.to_string(), flush=True)
            rows.append(part)
    table = pd.concat(rows, ignore_index=True)
    if "--write" in sys.argv:
        table.to_csv(Path(PATH), index=False, lineterminator="\n")
    print(f"above the limit beyond chance: {find_excess(table).to_dict('records')}")
    for row in table[table["claim"] == "any"].to_dict("records"):
        rate = row["false_holds"] / row["of_false"]
        line = {"name": f"any_false_holds_{row['runs']}_runs", "ours": round(rate, 4), "unit": "share of null studies"}
        peer = {"peer": 0.39, "peer_name": "the rules before: combined intervals, one run"}
        print(json.dumps(line | peer | {"ratio": round(0.39 / max(rate, 1 / studies), 1), "limit": 0.1}))


if __name__ == "__main__":
    main()
