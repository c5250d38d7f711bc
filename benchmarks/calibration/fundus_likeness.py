"""Fit the table by which a fundus photograph is told from other pictures, and print what its limits mean.

    python benchmarks/calibration/fundus_likeness.py FOLDER [--write]

FOLDER holds `labels.csv` with the columns `file` and `set`, one set for each camera. The limits are the 98th percentile
(without color the 93rd) of distances that are measured with the photograph's own camera left out of the fit.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.data.fundus import find_field_of_view, read_fundus
from dr_core.data.fundus.figures import STRUCTURE, measure_figures
from dr_core.data.fundus.likeness import LikenessTable, fit_table, write_likeness
from dr_core.data.fundus.quality import _judged_region, _sharpness
from dr_core.data.fundus.resize import resize_to_field_of_view

SHARE, STRUCTURE_SHARE = 0.98, 0.93
_SIDE = 256


def figures_of(image: np.ndarray) -> dict[str, float] | None:
    """Figures of a photograph; None of a black frame."""
    field = find_field_of_view(image)
    view = resize_to_field_of_view(image, field, _SIDE)
    region = _judged_region(view, image.shape, field)
    return measure_figures(view, region, _sharpness(view, region)) if region.any() else None


def inner_square(image: np.ndarray) -> np.ndarray | None:
    """The square inside a round field, as some archives cut their eyes; None where there is no field."""
    field = find_field_of_view(image)
    if not field.found:
        return None
    half = field.radius / np.sqrt(2)
    top, left = max(0, round(field.center_y - half)), max(0, round(field.center_x - half))
    return np.ascontiguousarray(image[top : round(field.center_y + half), left : round(field.center_x + half)])


def leave_cameras_out(
    rows: list[dict[str, float]], cameras: np.ndarray, among: tuple[str, ...] | None = None
) -> np.ndarray:
    """Distance of each row from those of the other cameras."""
    distances = np.empty(len(rows))
    for camera in np.unique(cameras):
        table = fit_table([row for row, one in zip(rows, cameras, strict=True) if one != camera])
        for number in np.flatnonzero(cameras == camera):
            distances[number] = table.distance(rows[number], among)
    return distances


def fit(rows: list[dict[str, float]], cameras: np.ndarray, whole: np.ndarray) -> tuple[LikenessTable, np.ndarray]:
    """The table with its limits on whole photographs, and their distances with the own camera left out."""
    all_figures, structure = leave_cameras_out(rows, cameras)[whole], leave_cameras_out(rows, cameras, STRUCTURE)[whole]
    limits = {"limit": np.quantile(all_figures, SHARE), "structure_limit": np.quantile(structure, STRUCTURE_SHARE)}
    return dataclasses.replace(fit_table(rows), **{name: float(limit) for name, limit in limits.items()}), all_figures


def read_rows(folder: Path) -> pd.DataFrame:
    """Figures of every photograph and of the square inside it, with camera and whether it is the whole photograph."""
    labels = pd.read_csv(folder / "labels.csv")
    rows = []
    for file, camera in labels[["file", "set"]].itertuples(index=False):
        image = read_fundus(folder / file)
        for picture, whole in ((image, True), (inner_square(image), False)):
            figures = None if picture is None else figures_of(picture)
            if figures is not None:
                rows.append({"figures": figures, "camera": camera, "whole": whole})
    return pd.DataFrame(rows)


def main() -> None:
    """Fit, print, and write where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help="write the table that comes with the package")
    options = parser.parse_args()
    rows = read_rows(options.folder)
    whole = rows["whole"].to_numpy(bool)
    table, distances = fit(list(rows["figures"]), rows["camera"].to_numpy(), whole)
    for camera, found in pd.Series(distances).groupby(rows["camera"][whole].to_numpy()):
        beyond = round(float((found > table.limit).mean()), 3)
        print(json.dumps({"camera": camera, "photographs": len(found), "beyond": beyond}))
    print(json.dumps({"limit": table.limit, "structure_limit": table.structure_limit}))
    if options.write:
        cameras = rows["camera"].nunique()
        write_likeness(table, f"Median, spread and covariance of {whole.sum()} photographs of {cameras} cameras.")


if __name__ == "__main__":
    main()
