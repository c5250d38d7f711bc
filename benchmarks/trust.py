"""What the demo's answers are worth where the camera changes: calibration, sets, abstention, what is no fundus.

Phantoms come from the study's stored answers. With photographs of other cameras in `cameras/` of the folder of real
eyes (`labels.csv` with `file`, `set`, `grade`, `any_dr`, `patient`), each set is measured as well; so are the eyes of
`idrid512/`, of which only the presence of DR is known. Every training with all labels is asked about these.

    python benchmarks/trust.py [FOLDER OF REAL EYES] [--study STUDY] [--write]

`--write` stores the false referrals of healthy photographs and the AUCs on the others in the study, with what the
photographs are and what they guided.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.drawn_pictures import KINDS, draw_picture
from dr_core.analysis.abstention import UNCERTAINTIES, measure_abstention
from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.conformal import SET_METHODS, conformal_sets, fit_thresholds
from dr_core.analysis.discrimination import measure_auc
from dr_core.data.fundus import assess_quality, find_field_of_view, read_fundus
from dr_core.data.fundus.checks import NOT_FUNDUS
from dr_core.data.fundus.quality import Quality
from dr_core.data.grades import referable_readings
from dr_core.errors import InputError
from dr_core.experiments.answers import (
    ANSWERS,
    MeasureConfig,
    predict_table,
    read_two_folders,
    standardize_colors,
    summarize_aucs,
)
from dr_core.experiments.calibration import fit_calibrations
from dr_core.experiments.false_referrals import TABLE, find_rates, measure_false_referrals
from dr_core.experiments.operating import list_points
from dr_core.experiments.registry import find_experiment
from dr_core.study.folder import DataSet, Study, open_study, write_study_info
from dr_core.study.runs import ALL_LABELS, load_runs, name_runs, runs_with_all_labels

ROOT = Path(__file__).parents[1]
HALVES = 50

PICTURES, FIRST_SEED = 60, 1000
"""Drawn pictures of each kind, and the first of their seeds; seeds below 100 guided the checks."""

FEWEST_GRADED = 100
"""Graded photographs of a set under which nothing but its warnings is measured."""

NAMED = ("textures", "text", "faces", "OCT slices", "gray noise")
"""Kinds of which 99 % should be caught; the others are reported beside them."""


GUIDED = "They chose among the ways in which eyes are drawn and augmented; no model was trained on a photograph."

SOURCES = {
    "rahim_my": (
        "Photographs from Malaysia",
        "Malaysia",
        f"Photographs of grades 0-4 from one clinic, free for academic use. {GUIDED}",
    ),
    "eyepacs256_us": (
        "Photographs of EyePACS at 256 px",
        "EyePACS 256 px",
        f"Small photographs of grades 0-4 from many cameras, in which microaneurysms are lost. {GUIDED}",
    ),
    "retinamnist": (
        "RetinaMNIST (28 px)",
        "RetinaMNIST",
        "Test photographs of grades 0-4 as RetinaMNIST publishes them, 28 px wide and enlarged, in which lesions are "
        "lost. They guided nothing.",
    ),
    "real_eyes": (
        "IDRiD 01-54 against 89 eyes without visible retinopathy (512 px)",
        "IDRiD (guided)",
        "Not an independent test: looking at these photographs guided the drawing of the phantoms, and sick and "
        "healthy eyes come from two sources. No model was trained on a photograph.",
    ),
    "real_eyes_same_color": (
        "IDRiD 01-54 against 89 eyes without visible retinopathy (512 px), colors alike",
        "IDRiD, colors alike",
        "The same, each color brought to the same mean and spread in every eye, so that the overall color of a "
        "photograph tells nothing.",
    ),
    "other_cameras": (
        "Healthy eyes of other cameras, as taken and damaged",
        "other cameras",
        "Photographs without DR from five sets of other cameras, and every other one of them damaged in eight ways. "
        f"The thresholds of the warnings were chosen on photographs of these cameras. {GUIDED}",
    ),
}
"""Key -> title, label and description of photographs, as the study's head has them."""


def compress(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    """Compress by JPEG."""

    def apply(eye: np.ndarray) -> np.ndarray:
        stored = cv2.imencode(".jpg", eye[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.ascontiguousarray(cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1])

    return apply


def write_on(eye: np.ndarray) -> np.ndarray:
    """Burn a date into the picture."""
    height, width = eye.shape[:2]
    at, thick = (int(0.25 * width), int(0.6 * height)), max(1, width // 300)
    return cv2.putText(eye.copy(), "2024-03-12 OD 45", at, 0, width / 900, (255, 255, 255), thick, cv2.LINE_AA)


DAMAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as taken": lambda eye: eye,
    "JPEG 20": compress(20),
    "blurred": lambda eye: cv2.GaussianBlur(eye, (0, 0), 0.01 * max(eye.shape) / 2),
    "dark": lambda eye: (eye * 0.25).astype(np.uint8),
    "stretched": lambda eye: cv2.resize(eye, None, fx=1.4, fy=1),
    "cut": lambda eye: np.ascontiguousarray(eye[eye.shape[0] // 4 :, eye.shape[1] // 4 :]),
    "written": write_on,
    "gray": lambda eye: np.repeat(eye[..., 1:2], 3, axis=2),
    "negative": lambda eye: 255 - eye,
}
"""What is done to healthy photographs before the models are asked."""


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


def report_separation(study: Study, answers: pd.DataFrame, *, write: bool) -> None:
    """AUC of each training run on each set of photographs that has five grades, or of which only any DR is known."""
    counts = answers.groupby("data")["eye"].nunique()
    chosen = answers[answers["data"].isin(counts[counts >= FEWEST_GRADED].index)]
    rows = summarize_aucs(chosen.reset_index(drop=True))
    for row in rows.itertuples(index=False):
        auc = [round(float(value), 3) for value in (row.value, row.low, row.high)]
        about = {"data": row.data, "setup": row.setup, "seed": int(row.seed), "reading": row.reading, "n": row.n}
        report("AUC", **about, auc=auc[0], interval=auc[1:])
    means = rows.groupby(["data", "reading", "setup"], sort=False)["value"].mean().reset_index()
    for line in means.to_dict("records"):
        report("mean AUC of seeds", **{str(name): value for name, value in line.items()})
    if write:
        stored = study.read_results("performance")
        new = rows[~rows["data"].isin(set(stored.loc[stored["data_digest"] != "", "data"]))]  # those are measured whole
        kept = stored[~stored["data"].isin(set(new["data"]))]
        joined = pd.concat([kept, new.assign(**digests_of(study, new))], ignore_index=True)
        study.write_results("performance", joined, study.read_provenance("performance"))
        describe_photographs(study, chosen.groupby("data")["eye"].nunique().to_dict())


def describe_photographs(study: Study, counts: dict[str, int]) -> None:
    """Write down what the photographs are and what they guided."""
    known = {one.key: one for one in open_study(study.path).info.data}
    measured = {key: one.images for key, one in known.items() if key in SOURCES}
    for key, count in (measured | counts).items():
        title, label, description = SOURCES[key]
        digest = known[key].fingerprint if key in known else ""
        known[key] = DataSet(
            key=key,
            title=title,
            role="test",
            images=count,
            real=True,
            description=description,
            fingerprint=digest,
            label=label,
        )
    write_study_info(study.path, replace(open_study(study.path).info, data=tuple(known.values())))


def report_first_lesions(study: Study) -> None:
    """AUC of grade 1, which is microaneurysms alone, against grade 0, on phantoms."""
    stored = study.read_results("predictions")
    early = stored[(stored["data"] == "phantoms_test") & (stored["grade"] <= 1) & (stored["fraction"] == ALL_LABELS)]
    for (setup, seed), rows in early.groupby(["setup", "seed"], sort=False):
        alone = sample_patients(np.arange(len(rows)), draws=0)
        auc = float(measure_auc(1 - rows["p0"].to_numpy(float), rows["grade"].to_numpy() == 1, alone)[0])
        report("grade 1 against 0", setup=setup, seed=str(seed), n=len(rows), auc=round(auc, 3), limit=0.75)


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


def look_at(image: np.ndarray) -> Quality:
    """Judge a picture."""
    return assess_quality(image, find_field_of_view(image))


def report_drawn() -> None:
    """How many pictures that are no fundus are called so, by kind, of seeds that guided nothing."""
    caught = {
        kind: np.mean([NOT_FUNDUS in look_at(draw_picture(kind, FIRST_SEED + n)).warnings for n in range(PICTURES)])
        for kind in KINDS
    }
    for kind, share in caught.items():
        report("drawn pictures called no fundus", kind=kind, pictures=PICTURES, ours=round(share, 3))
    named = np.mean([caught[kind] for kind in NAMED])
    report("drawn pictures called no fundus", kind=", ".join(NAMED), ours=round(named, 4), limit=0.99)


def ask_about(study: Study, images: list[np.ndarray], eyes: pd.DataFrame) -> tuple[list[Quality], pd.DataFrame]:
    """Findings and answers about photographs."""
    models = study.load_models()
    preprocessing = next(iter(models.values())).info.preprocessing
    views = np.stack([preprocessing.to_model_view(image, find_field_of_view(image)) for image in images])
    return [look_at(image) for image in images], predict_table("other cameras", models, views, eyes)


def ask_all_runs(study: Study, labels: pd.DataFrame, images: list[np.ndarray], root: Path) -> pd.DataFrame:
    """Answers of every training with all labels about graded photographs, and about those of `idrid512`."""
    runs = runs_with_all_labels(study)
    models = load_runs(runs)
    preprocessing = next(iter(models.values())).info.preprocessing
    parts = []
    graded = labels[labels["grade"].notna()]
    for name, rows in graded.groupby("set"):
        if len(rows) >= FEWEST_GRADED:
            views = np.stack([preprocessing.to_model_view(images[number]) for number in rows.index])
            eyes = pd.DataFrame({"eye": rows["file"], "patient": patients_of(rows), "grade": rows["grade"].astype(int)})
            parts.append(predict_table(str(name), models, views, eyes.assign(has_dr=eyes["grade"] > 0)))
    folder = root / "idrid512"
    if folder.is_dir():
        views, eyes = read_two_folders(folder / "images", folder / "normal_images", preprocessing)
        parts += [
            predict_table("real_eyes", models, views, eyes),
            predict_table("real_eyes_same_color", models, standardize_colors(views), eyes),
        ]
    return name_runs(pd.concat(parts, ignore_index=True), runs)


def report_false_referrals(study: Study, folder: Path, labels: pd.DataFrame, *, write: bool) -> None:
    """How often healthy photographs are referred by finding, as taken and damaged."""
    healthy = labels[is_healthy(labels)].reset_index(drop=True)
    parts = []
    for name, damage in DAMAGES.items():
        chosen = healthy if name == "as taken" else healthy.iloc[::2]
        images = [np.ascontiguousarray(damage(read_fundus(folder / file))) for file in chosen["file"]]
        eyes = pd.DataFrame({"eye": chosen["file"] + " " + name, "patient": patients_of(chosen)})
        found, answers = ask_about(study, images, eyes.assign(grade=0, has_dr=False))
        warnings = pd.Series([" ".join(one.warnings) for one in found], index=eyes["eye"])
        levels = pd.Series([one.level.name for one in found]).value_counts(normalize=True).round(3).to_dict()
        report("healthy photographs", picture=name, eyes=len(found), levels=levels)
        parts.append((answers, warnings))
    answers, warnings = (pd.concat(column) for column in zip(*parts, strict=True))
    answers = answers.assign(data=FALSE_REFERRAL_DATA, seed=study.info.seed, fraction=ALL_LABELS)
    rows = measure_false_referrals(answers.reset_index(drop=True), warnings)
    for reading in rows["reading"].unique():
        for finding, rate in find_rates(rows, reading, list(rows["finding"].unique())).items():
            report("healthy eyes referred", reading=reading, finding=finding, share=rate.text)
    if write:
        assert TABLE in find_experiment("evaluate").tables  # its columns are known to the study from here on
        study.write_results(TABLE, rows.assign(**digests_of(study, rows)))
        describe_photographs(study, {FALSE_REFERRAL_DATA: answers["eye"].nunique()})


FALSE_REFERRAL_DATA = "other_cameras"


def report_cameras(study: Study, labels: pd.DataFrame, images: list[np.ndarray]) -> None:
    """Healthy photographs that are referred at 90 % specificity on phantoms, by camera: means of seeds, by set-up."""
    healthy = labels[is_healthy(labels)]
    runs = runs_with_all_labels(study)
    models = load_runs(runs)
    preprocessing = next(iter(models.values())).info.preprocessing
    views = np.stack([preprocessing.to_model_view(images[number]) for number in healthy.index])
    eyes = pd.DataFrame({"eye": healthy["file"], "patient": patients_of(healthy)}).assign(grade=0, has_dr=False)
    answers = name_runs(predict_table("photographs", models, views, eyes), runs)
    answers = answers.assign(camera=answers["eye"].map(dict(zip(healthy["file"], healthy["set"], strict=True))))
    points = study.read_results("operating_points")
    points = points[(points["data"] == "phantoms_test") & (points["criterion"] == "specificity 0.9")]
    keys = ["setup", "seed", "fraction"]
    for reading in referable_readings():
        chosen = points[points["reading"] == reading.name].set_index(keys)["threshold"]
        thresholds = chosen.reindex(pd.MultiIndex.from_frame(answers[keys])).to_numpy(float)
        referred = answers.assign(share=reading.score(answers[ANSWERS].to_numpy(float)) >= thresholds)
        for camera, rows in referred.groupby("camera"):
            shares = rows.groupby("setup", sort=False)["share"].mean().round(3)
            about = {"camera": str(camera), "reading": reading.name, "n": rows["eye"].nunique(), "limit": 0.25}
            report("healthy eyes referred at 90 % specificity on phantoms", **about, share=shares.to_dict())


def is_healthy(labels: pd.DataFrame) -> pd.Series:
    """Whether a photograph is known to show no retinopathy."""
    return (labels["grade"] == 0) | (labels["any_dr"] == 0)


def digests_of(study: Study, rows: pd.DataFrame) -> dict[str, object]:
    """What the rows follow from."""
    digests = {run.key: run.digest for run in runs_with_all_labels(study)}
    keys = zip(rows["setup"].astype(str), rows["seed"].astype(int), rows["fraction"].astype(int), strict=True)
    return {"checkpoint": [digests[key] for key in keys], "data_digest": ""}


def patients_of(labels: pd.DataFrame) -> pd.Series:
    """Names of patients; a photograph of an unknown one stands for itself."""
    return labels["set"] + " " + labels["patient"].fillna(labels["file"]).astype(str)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path, nargs="?", default=ROOT.parent / "shared" / "data")
    parser.add_argument("--study", type=Path, default=ROOT / "assets" / "demo_study")
    parser.add_argument("--write", action="store_true", help="store false referrals and AUC in the study")
    parser.add_argument("--only", choices=["warnings"], help="leave out what the models' answers are measured for")
    options = parser.parse_args()
    study = open_study(options.study)
    if not options.only:
        stored = study.read_checkpoint_results("predictions")
        report_everything("phantoms_test", stored[stored["data"] == "phantoms_test"])
        report_first_lesions(study)
    report_drawn()
    folder = options.real / "cameras"
    if not (folder / "labels.csv").is_file():
        report("cameras", reason=f"no photographs in {folder}")
        return
    labels = pd.read_csv(folder / "labels.csv")
    images = [read_fundus(folder / file) for file in labels["file"]]
    eyes = pd.DataFrame({"eye": labels["file"], "patient": patients_of(labels)})
    eyes = eyes.assign(grade=labels["grade"].fillna(-1).astype(int)).assign(has_dr=lambda rows: rows["grade"] > 0)
    found, answers = ask_about(study, images, eyes)
    labels = labels.assign(
        called=[NOT_FUNDUS in one.warnings for one in found], level=[one.level.name for one in found]
    )
    report("photographs called no fundus", ours=round(labels["called"].mean(), 4), limit=0.02)
    report("by set", **labels.groupby("set")["called"].mean().round(3).to_dict())
    report("photographs by level", **labels["level"].value_counts(normalize=True).round(3).to_dict())
    report_false_referrals(study, folder, labels, write=options.write)
    answers = answers.assign(data=list(labels["set"]) * answers["setup"].nunique())
    if options.only:
        return
    report_cameras(study, labels, images)
    report_separation(study, ask_all_runs(study, labels, images, options.real), write=options.write)
    for name, rows in answers[answers["grade"] >= 0].groupby("data"):
        if rows["eye"].nunique() >= FEWEST_GRADED:
            report_everything(name, rows.reset_index(drop=True))


if __name__ == "__main__":
    main()
