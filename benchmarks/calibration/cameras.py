"""Do drawn cameras cover real ones? Statistics of phantoms and of photographs side by side, by set of cameras.

Nothing is trained: each photograph gives a row of statistics of the whole picture (colors, light, contrast, crop,
sharpness), and the quantiles of each set stand beside those of the phantoms. `inside` is the share
of a set's eyes that lie between the 1 % and the 99 % quantile of the phantoms; .98 is what eyes drawn like the phantoms
would have. A wider spread of phantoms raises that share, like real eyes or not; what punishes it is the AUC of a
classifier that separates phantoms from photographs by the same statistics: .5 where nothing separates them.
"""

import argparse
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dr_core.data.fundus import FieldOfView, find_field_of_view, read_fundus
from dr_core.data.phantom import draw_phantom

Statistics = dict[str, float]
"""Name of a quantity -> its value in one picture."""

SIDE = 256
"""Side in pixels to which every field is brought, so that no camera's size counts."""

RINGS = ((0.0, 0.3), (0.3, 0.6), (0.6, 0.85), (0.85, 0.97))
"""Rings of the brightness profile, in radii of the field."""

SQUARE_ALONE = "field's circle over picture"
"""The quantity that depends on the picture's sides."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

WIDTHS = (3, 5, 7, 9, 13, 17)
"""Diameters in pixels of `SIDE` of the elements that open and close the picture."""


def main() -> None:
    """Print the quantiles of each set beside the phantoms', then one JSON line a set."""
    shared = Path(os.environ.get("DR_SHARED_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, default=shared / "cameras", help="folder with one folder a set")
    parser.add_argument("--idrid512", type=Path, default=shared / "idrid512", help="folder of eyes of one more camera")
    parser.add_argument("--phantoms", type=int, default=300, help="patients of whom one eye is drawn")
    parser.add_argument("--size", type=int, default=448, help="side of a drawn eye in pixels")
    parser.add_argument("--sets", nargs="*", default=(), help="names of sets; none: all")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    drawn = [measure(draw_phantom(seed % 5, options.size, 50_000 + seed).image) for seed in range(options.phantoms)]
    sets = dict(read_sets(options.photographs, options.idrid512))
    measured = {
        name: [measure(read_fundus(path)) for path in paths]
        for name, paths in sets.items()
        if not options.sets or name in options.sets
    }
    for quantity in drawn[0]:
        print_quantity(quantity, {"phantoms": drawn} | measured)
    for name, eyes in measured.items():
        print(json.dumps(summarize_set(name, eyes, drawn)))
    photographs = [eye for eyes in measured.values() for eye in eyes]
    print(json.dumps(measure_likeness(drawn, photographs)))


def read_sets(cameras: Path, idrid512: Path) -> Iterator[tuple[str, list[Path]]]:
    """Name and pictures of each set of cameras that is there."""
    folders = sorted(folder for folder in cameras.glob("*") if folder.is_dir()) if cameras.is_dir() else []
    folders += [folder for folder in (idrid512 / "images", idrid512 / "normal_images") if folder.is_dir()]
    for folder in folders:
        name = folder.name if folder.parent == cameras else f"idrid512 {folder.name}"
        yield name, sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def measure(image: np.ndarray) -> Statistics:
    """All statistics of one picture, uint8 (H, W, 3) RGB."""
    circle = find_field_of_view(image)
    square, distance = cut_field(image, circle)
    inside = (distance < 0.97) & (square.max(axis=2) > 12)
    if inside.sum() < 100:
        inside = distance < 0.97
    pixels = square[inside].astype(np.float32)
    red, green, blue = (float(value) for value in pixels.mean(axis=0))
    return {
        "red": red,
        "green / red": green / max(red, 1.0),
        "blue / green": blue / max(green, 1.0),
        "saturated red, share": float((pixels[:, 0] > 250).mean()),
        **measure_light(square, distance, inside),
        **measure_frame(image, circle, distance, inside),
        **measure_structure(square, inside),
    }


def cut_field(image: np.ndarray, circle: FieldOfView) -> tuple[np.ndarray, np.ndarray]:
    """The square around the field at `SIDE` pixels, uint8 (SIDE, SIDE, 3), and each pixel's distance in radii."""
    reach = int(np.ceil(circle.radius)) + 2
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    left, top = round(circle.center_x), round(circle.center_y)
    square = padded[top : top + 2 * reach, left : left + 2 * reach]
    axis = (np.arange(SIDE) + 0.5 - SIDE / 2) / (SIDE / 2) * reach / circle.radius
    distance = np.hypot(axis[None, :], axis[:, None])
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA), distance


def measure_light(square: np.ndarray, distance: np.ndarray, inside: np.ndarray) -> Statistics:
    """Brightness over the radius relative to the mean of the field, and how the rim differs in color."""
    green = square[:, :, 1].astype(np.float32)
    mean = float(green[inside].mean()) + 1
    rings = [inside & (distance >= start) & (distance < stop) for start, stop in RINGS]
    table = {
        f"green at {start:g} to {stop:g} radii": float(green[ring].mean()) / mean if ring.any() else np.nan
        for (start, stop), ring in zip(RINGS, rings, strict=True)
    }
    smooth = cv2.GaussianBlur(green, (0, 0), 0.12 * SIDE)
    table["green, spread of the light"] = float(smooth[inside].std()) / mean
    rim, middle = (
        square[ring].reshape(-1, 3).mean(axis=0) + 1 if ring.any() else np.ones(3) for ring in (rings[3], rings[1])
    )
    table["blue / red at the rim over the middle"] = float(rim[2] / rim[0] * middle[0] / middle[2])
    return table


def measure_frame(image: np.ndarray, circle: FieldOfView, distance: np.ndarray, inside: np.ndarray) -> Statistics:
    """How much of the picture the field takes, how much of its circle is seen, and whose sides are cut."""
    height, width = image.shape[:2]
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return {
        "field's circle over picture": float(np.pi * circle.radius**2 / (height * width)),
        "circle seen, share": float(inside.sum() / (distance < 0.97).sum()),
        "height seen, diameters": len(rows) / (0.97 * SIDE),
        "width seen, diameters": len(columns) / (0.97 * SIDE),
    }


def measure_structure(square: np.ndarray, inside: np.ndarray) -> Statistics:
    """Contrast in bands of scale, and the width of dark (vessels) and of bright structures."""
    core = cv2.erode(inside.astype(np.uint8), np.ones((9, 9), np.uint8), iterations=2) > 0
    if core.sum() < 100:
        core = inside
    logarithm = np.log(square[:, :, 1].astype(np.float32) + 8)
    table = {}
    finer = logarithm
    for scale in (0.75, 1.5, 3.0, 6.0, 12.0):
        coarser = cv2.GaussianBlur(logarithm, (0, 0), scale)
        table[f"log green, band to {scale / SIDE * 2:.3f} radii: spread"] = float((finer - coarser)[core].std())
        finer = coarser
    for name, operation in (("dark", cv2.MORPH_BLACKHAT), ("bright", cv2.MORPH_TOPHAT)):
        removed = [measure_hat(logarithm, operation, width, core) for width in WIDTHS]
        table[f"{name} structures, contrast"] = removed[-1]
        table[f"{name} structures, width in radii"] = float(np.interp(0.5 * removed[-1], removed, WIDTHS)) / SIDE * 2
    return table


def measure_hat(logarithm: np.ndarray, operation: int, width: int, core: np.ndarray) -> float:
    """Mean over the field of what closing (or opening) by a disc of a diameter takes away."""
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return float(cv2.morphologyEx(logarithm, operation, element)[core].mean())


def print_quantity(quantity: str, sets: dict[str, list[Statistics]]) -> None:
    """Print the quantiles of one quantity in every set."""
    print(f"\n{quantity}\n{'':26}{'eyes':>5}" + "".join(f"{share:>9.0%}" for share in QUANTILES) + f"{'inside':>9}")
    low, high = np.nanquantile([eye[quantity] for eye in sets["phantoms"]], (0.01, 0.99))
    for name, eyes in sets.items():
        values = np.array([eye[quantity] for eye in eyes])
        inside = np.nanmean((values >= low) & (values <= high))
        print(
            f"{name:26}{len(eyes):>5}"
            + "".join(f"{value:9.3f}" for value in np.nanquantile(values, QUANTILES))
            + f"{inside:9.2f}"
        )


def summarize_set(name: str, eyes: Iterable[Statistics], drawn: list[Statistics]) -> dict[str, object]:
    """The share of a set's eyes inside the phantoms' 1 % to 99 % range, mean over the quantities, and the least."""
    shares = {}
    for quantity in drawn[0]:
        low, high = np.nanquantile([eye[quantity] for eye in drawn], (0.01, 0.99))
        values = np.array([eye[quantity] for eye in eyes])
        shares[quantity] = float(np.nanmean((values >= low) & (values <= high)))
    least = min(shares, key=lambda quantity: shares[quantity])
    return {
        "name": f"cameras: {name} inside the phantoms' range",
        "ours": round(float(np.mean(list(shares.values()))), 3),
        "peer": 0.98,
        "peer_name": "eyes drawn like the phantoms",
        "unit": "share of eyes, mean over quantities",
        "least": {least: round(shares[least], 3)},
    }


def measure_likeness(drawn: list[Statistics], photographs: list[Statistics]) -> dict[str, object]:
    """AUC of logistic regressions that tell phantoms from the photographs of all sets, in folds of five.

    One sees the quantities, the other their squares as well, which show a spread that is too wide. Neither sees how
    much of the picture the field takes: phantoms are drawn on squares, photographs are wide as often as not.
    """
    quantities = [name for name in drawn[0] if name != SQUARE_ALONE]
    values = np.array([[eye[name] for name in quantities] for eye in (*drawn, *photographs)])
    real = values[len(drawn) :]
    values = np.where(np.isnan(values), np.nanmedian(real, axis=0), values)
    low, middle, high = np.nanquantile(real, (0.25, 0.5, 0.75), axis=0)
    scaled = np.clip((values - middle) / (high - low + 1e-3), -5, 5)
    is_drawn = np.arange(len(values)) < len(drawn)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    table = {}
    for name, columns in (("linear", scaled), ("with squares", np.hstack([scaled, scaled**2]))):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced", random_state=0)
        )
        score = cross_val_predict(model, columns, is_drawn, cv=folds, method="decision_function")
        table[name] = round(float(roc_auc_score(is_drawn, score)), 3)
    return {
        "name": "cameras: phantoms separated from photographs",
        "ours": table["with squares"],
        "linear": table["linear"],
        "peer": 0.5,
        "peer_name": "phantoms that nothing separates",
        "unit": "AUC of a logistic regression",
    }


if __name__ == "__main__":
    main()
