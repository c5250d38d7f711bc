"""What the demo's answers are worth where the camera changes: calibration, sets, abstention, who is no fundus.

Phantoms come from the study's stored answers. With photographs of other cameras in `cameras/` of the folder of real
eyes (`labels.csv` with `file`, `set`, `grade`, `any_dr`, `patient`), each set is measured as well.

    python benchmarks/trust.py [FOLDER OF REAL EYES]
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.analysis.abstention import UNCERTAINTIES, measure_abstention
from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.conformal import SET_METHODS, conformal_sets, fit_thresholds
from dr_core.data.fundus import assess_quality, find_field_of_view, read_fundus
from dr_core.data.fundus.quality import NOT_FUNDUS
from dr_core.data.textures import TEXTURE_CLASSES, draw_texture
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, MeasureConfig, predict_table
from dr_core.experiments.calibration import fit_calibrations
from dr_core.experiments.operating import list_points
from dr_core.study.folder import Study, open_study

ROOT = Path(__file__).parents[1]
HALVES = 50


def report(name: str, **values: object) -> None:
    """Print one line of JSON."""
    print(json.dumps({"name": name, **values}), flush=True)


def report_calibration(data: str, answers: pd.DataFrame) -> None:
    """Error before and after, on patients on which the map was not fitted."""
    try:
        rows = fit_calibrations(answers, MeasureConfig(draws=100))
    except InputError as error:
        report("calibration", data=data, reason=str(error))
        return
    for (setup, reading), part in rows.groupby(["setup", "reading"], sort=False):
        raw = part[part["method"].str.startswith("raw")].iloc[0]
        chosen = part[part["chosen"]].iloc[0]
        report(
            "calibration",
            data=data,
            setup=setup,
            reading=reading,
            n=int(raw["n"]),
            raw=round(raw["value"], 3),
            method=chosen["method"],
            calibrated=round(chosen["value"], 3),
            interval=[round(chosen["low"], 3), round(chosen["high"], 3)],
        )


def report_points(data: str, answers: pd.DataFrame) -> None:
    """Thresholds of 90 % specificity and what 0.5 reaches."""
    for row in list_points(answers, MeasureConfig(draws=100)).itertuples(index=False):
        if row.criterion in ("specificity 0.9", "probability 0.5"):
            reached = {name: round(getattr(row, name), 3) for name in ("threshold", "sensitivity", "specificity")}
            report(
                "operating point", data=data, setup=row.setup, reading=row.reading, criterion=row.criterion, **reached
            )


def report_sets(data: str, answers: pd.DataFrame) -> None:
    """Coverage of 90 % sets over random halves of the patients."""
    for setup, rows in answers.groupby("setup", sort=False):
        softmax, grades = rows[ANSWERS].to_numpy(float), rows["grade"].to_numpy(int)
        patients, generator = rows["patient"].astype(str).to_numpy(), np.random.default_rng(0)
        for method in SET_METHODS.values():
            covered, sizes = [], []
            for _ in range(HALVES):
                names = generator.permutation(np.unique(patients))
                inside = np.isin(patients, names[: len(names) // 2])
                if inside.sum() < 50:
                    continue
                thresholds = fit_thresholds(method, softmax[inside], grades[inside], 0.9, by_class=False)
                sets = conformal_sets(method, softmax[~inside], thresholds)
                covered.append(sets[np.arange(len(sets)), grades[~inside]].mean())
                sizes.append(sets.sum(axis=1).mean())
            if covered:
                found = {"covered": round(np.mean(covered), 3), "size": round(np.mean(sizes), 2)}
                report("sets", data=data, setup=setup, method=method.name, **found)


def report_abstention(data: str, answers: pd.DataFrame) -> None:
    """AURC of each score, for each set-up and for their mean."""
    parts = dict(list(answers.groupby("setup", sort=False)))
    softmax = np.stack([rows[ANSWERS].to_numpy(float) for rows in parts.values()])
    first = next(iter(parts.values()))
    draws = sample_patients(first["patient"].astype(str).to_numpy(), draws=100)
    models = {name: softmax[[number]] for number, name in enumerate(parts)} | {"mean of all": softmax}
    for name, several in models.items():
        wrong = several.mean(axis=0).argmax(axis=1) != first["grade"].to_numpy(int)
        for score in UNCERTAINTIES.values():
            if not score.several or len(several) > 1:
                found = measure_abstention(score.compute(several), wrong, draws)
                areas = {"aurc": round(found.area, 3), "low": round(found.low, 3), "high": round(found.high, 3)}
                areas |= {"random": round(found.random, 3), "best": round(found.oracle, 3)}
                report("abstention", data=data, model=name, score=score.name, **areas)


def report_everything(data: str, answers: pd.DataFrame) -> None:
    """All measures of graded eyes."""
    for measure in (report_calibration, report_points, report_sets, report_abstention):
        measure(data, answers)


def ask_about_cameras(study: Study, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers and warnings about every photograph."""
    labels = pd.read_csv(folder / "labels.csv")
    models = study.load_models()
    preprocessing = next(iter(models.values())).info.preprocessing
    views, called = [], []
    for file in labels["file"]:
        image = read_fundus(folder / file)
        field = find_field_of_view(image)
        called.append(NOT_FUNDUS in assess_quality(image, field).warnings)
        views.append(preprocessing.to_model_view(image, field))
    patients = labels["patient"].fillna(labels["file"]).astype(str)
    eyes = pd.DataFrame({"eye": labels["file"], "patient": labels["set"] + " " + patients})
    eyes["grade"] = labels["grade"].fillna(-1).astype(int)
    eyes["has_dr"] = eyes["grade"].to_numpy() > 0
    answers = predict_table("cameras", models, np.stack(views), eyes)
    return labels.assign(called=called), answers.assign(data=list(labels["set"]) * len(models))


def main() -> None:
    """Print everything."""
    real = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT.parent / "shared" / "data")
    study = open_study(ROOT / "assets" / "demo_study")
    stored = study.read_checkpoint_results("predictions")
    report_everything("phantoms_test", stored[stored["data"] == "phantoms_test"])
    textures = [draw_texture(number % len(TEXTURE_CLASSES), 384, number) for number in range(100)]
    caught = [NOT_FUNDUS in assess_quality(image, find_field_of_view(image)).warnings for image in textures]
    report("drawn textures called no fundus", ours=np.mean(caught), limit=0.99)
    if not (real / "cameras" / "labels.csv").is_file():
        report("cameras", reason=f"no photographs in {real / 'cameras'}")
        return
    labels, answers = ask_about_cameras(study, real / "cameras")
    report("photographs called no fundus", ours=round(labels["called"].mean(), 4), limit=0.02)
    report("by set", **labels.groupby("set")["called"].mean().round(3).to_dict())
    graded = answers[answers["grade"] >= 0]
    for name, rows in graded.groupby("data"):
        if rows["eye"].nunique() >= 100:
            report_everything(name, rows.reset_index(drop=True))


if __name__ == "__main__":
    main()
