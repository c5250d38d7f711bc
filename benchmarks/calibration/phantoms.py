"""How like real eyes the phantoms are: lesion shares, sizes and contrasts, colors and texture, side by side.

Lesions: phantoms of grade 3 beside the segmented eyes of IDRiD. Colors and texture: phantoms of all grades and of grade
0 beside photographs. Shares are of the field of view, lengths in radii of it, so that frame and resolution do not
matter. Where there are no photographs the phantoms are measured alone.
"""

import argparse
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dr_core.data.fundus import find_field_of_view, read_fundus
from dr_core.data.grades import LESIONS
from dr_core.data.phantom import draw_phantom

Eye = tuple[np.ndarray, dict[str, np.ndarray]]
"""A photograph, uint8 (H, W, 3) RGB, and its masks, lesion -> bool (H, W)."""

Table = dict[str, list[float]]
"""Name of a quantity -> one value for each eye or lesion."""

TEXTURE_SCALES = (0.004, 0.008, 0.016, 0.032, 0.064)
"""Standard deviations of the texture's bands, in radii of the field of view."""


def main() -> None:
    """Measure phantoms and photographs and print a table and a JSON line for each comparison."""
    shared = Path(os.environ.get("DR_SHARED_DATA", "../shared/data"))
    plain = [shared / "idrid512" / name for name in ("images", "normal_images")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idrid", type=Path, help=f"IDRiD segmentation as published (default: {shared / 'idrid'})")
    parser.add_argument("--photographs", type=Path, nargs="*", help="folders of eyes, the last: without lesions")
    parser.add_argument("--phantoms", type=int, default=40, help="phantoms of each kind")
    options = parser.parse_args()
    for folder in (options.idrid, *(options.photographs or ())):
        if folder and not folder.is_dir():
            parser.error(f"{folder} must be a folder of photographs.")
    folders = options.photographs or plain
    grade_3 = [draw_eye(3, 1024, seed) for seed in range(options.phantoms)]
    report(
        "lesions, grade 3", measure_lesions(grade_3), measure_lesions(read_segmented(options.idrid or shared / "idrid"))
    )
    mixed = [draw_eye(seed % 5, 512, 10_000 + seed)[0] for seed in range(2 * options.phantoms)]
    report("colors, all grades", measure_colors(mixed), measure_colors(read_folders(folders)))
    healthy = [draw_eye(0, 512, 20_000 + seed)[0] for seed in range(options.phantoms)]
    report("texture, without lesions", measure_texture(healthy), measure_texture(read_folders(folders[-1:])))


def draw_eye(grade: int, size: int, seed: int) -> Eye:
    """Draw one phantom."""
    phantom = draw_phantom(grade, size, seed)
    return phantom.image, phantom.masks


def read_segmented(root: Path) -> Iterator[Eye]:
    """Read the eyes of IDRiD's segmentation; a missing mask file means that there is no such lesion."""
    for photograph in sorted(root.glob("**/*Original Images/*/IDRiD_*.jpg")):
        image = read_fundus(photograph)
        masks = {}
        for lesion in LESIONS:
            found = list(root.glob(f"**/{photograph.stem}_{LESIONS[lesion].code}.tif"))
            masks[lesion] = read_mask(found[0]) if found else np.zeros(image.shape[:2], bool)
        yield image, masks


def read_mask(path: Path) -> np.ndarray:
    """Read a palette TIFF of 0 and 1, bool (H, W)."""
    with Image.open(path) as picture:
        mask = np.asarray(picture)
    return (mask if mask.ndim == 2 else mask[:, :, :3].max(axis=2)) > 0


def read_folders(folders: Iterable[Path]) -> Iterator[np.ndarray]:
    """Read the photographs of some folders."""
    for folder in folders:
        for path in sorted(folder.glob("*.jpg")):
            yield read_fundus(path)


def field_of(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The pixels that show the retina, bool (H, W), and the radius of the field of view in pixels."""
    circle = find_field_of_view(image)
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    squared = (columns - circle.center_x) ** 2 + (rows - circle.center_y) ** 2
    return (squared < (0.98 * circle.radius) ** 2) & (image.max(axis=2) > 10), circle.radius


def measure_lesions(eyes: Iterable[Eye]) -> Table:
    """Share of the field, number, diameter and contrast of each lesion type, over the eyes that have it."""
    table: Table = {}
    for image, masks in eyes:
        field, radius = field_of(image)
        for lesion, mask in masks.items():
            if not mask.any():
                continue
            code = LESIONS[lesion].code
            count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
            diameters = 2 * np.sqrt(stats[1:, cv2.CC_STAT_AREA] / np.pi) / radius
            for name, value in {
                "share of field": (mask & field).sum() / field.sum(),
                "number": count - 1,
                "diameter, median": np.median(diameters),
                "diameter, 90 %": np.quantile(diameters, 0.9),
                **measure_contrast(image, mask, np.logical_or.reduce(list(masks.values())), field, radius),
            }.items():
                table.setdefault(f"{code} {name}", []).append(float(value))
    return table


def measure_contrast(
    image: np.ndarray, mask: np.ndarray, lesions: np.ndarray, field: np.ndarray, radius: float
) -> dict[str, float]:
    """Median of a lesion over the median of what surrounds it, for each channel."""
    reach = max(3, round(0.03 * radius)) | 1
    around = cv2.dilate(mask.astype(np.uint8), np.ones((reach, reach), np.uint8)).astype(bool) & ~lesions & field
    inside = mask & field
    if not (inside.any() and around.any()):
        return {}
    ratios = (np.median(image[inside], axis=0) + 1) / (np.median(image[around], axis=0) + 1)
    return {f"{color} over around": float(ratio) for color, ratio in zip(("red", "green"), ratios[:2], strict=True)}


def measure_colors(images: Iterable[np.ndarray]) -> Table:
    """Mean colors of each eye and how they spread within it."""
    table: Table = {}
    for image in images:
        pixels = image[field_of(image)[0]].astype(np.float32)
        red, green, blue = pixels.mean(axis=0)
        for name, value in {
            "red": red,
            "green / red": green / red,
            "blue / green": blue / green,
            "red, spread within an eye": pixels[:, 0].std(),
            "green, spread within an eye": pixels[:, 1].std(),
        }.items():
            table.setdefault(name, []).append(float(value))
    return table


def measure_texture(images: Iterable[np.ndarray]) -> Table:
    """Standard deviation of log green in bands of scale, and how skewed: vessels make a long dark tail."""
    table: Table = {}
    for image in images:
        field, radius = field_of(image)
        inside = cv2.erode(field.astype(np.uint8), np.ones((5, 5), np.uint8), iterations=max(1, round(radius / 25))) > 0
        logarithm = np.log(image[:, :, 1].astype(np.float32) + 4)
        finer = logarithm
        for scale in TEXTURE_SCALES:
            coarser = cv2.GaussianBlur(logarithm, (0, 0), scale * radius)
            band = (finer - coarser)[inside]
            table.setdefault(f"band to {scale:g}: spread", []).append(float(band.std()))
            for share in (0.01, 0.99):
                table.setdefault(f"band to {scale:g}: {share:.0%}", []).append(float(np.quantile(band, share)))
            finer = coarser
    return table


def report(title: str, phantoms: Table, photographs: Table) -> None:
    """Print quantiles side by side, and the medians as a JSON line for each quantity."""
    print(f"\n{title}\n{'':34}{'phantoms: 10 % median 90 %':>31}{'photographs: 10 % median 90 %':>34}")
    lines = []
    for name, values in phantoms.items():
        print(f"{name:34}{summarize(values):>31}{summarize(photographs.get(name, [])):>34}")
        if photographs.get(name):
            ours, peer = float(np.median(values)), float(np.median(photographs[name]))
            lines.append({"name": f"{title}: {name}", "ours": round(ours, 5), "peer": round(peer, 5)})
    for line in lines:
        print(json.dumps(line | {"peer_name": "photographs", "unit": "median"}))


def summarize(values: list[float]) -> str:
    """Three quantiles of some values."""
    if not values:
        return "-"
    return " ".join(f"{value:9.4f}" for value in np.quantile(values, (0.1, 0.5, 0.9)))


if __name__ == "__main__":
    main()
