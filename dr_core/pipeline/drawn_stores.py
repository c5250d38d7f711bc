"""Drawn data in the places of published data: graded phantoms, phantoms with masks, a stand-in for ImageNet."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from dr_core.data.grades import LESIONS
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import FillReport, fill_store
from dr_core.files import replacing, write_json
from dr_core.seeds import derive_seed
from dr_core.study.drawn_data import DRAWN_MARK, draw_patient_views, draw_texture_view

_GRADES = (2, 3, 4)
"""Grades of the phantoms with masks; healthier eyes have nothing to be localized."""


def draw_phantoms(
    out: Path, patients: int, *, first: int = 0, size: int = 224, seed: int = 0, processes: int = 2
) -> Iterator[FillReport]:
    """Draw phantom patients, two graded eyes each, into a store; a complete one is left as it is.

    Args:
        out: Folder of the store.
        patients: Number of patients.
        first: Number of the first one; other numbers are other patients.
        size: Side of the stored eyes in pixels, the field of view cropped.
        seed: Seed of everything.
        processes: Processes that draw.

    Yields:
        Reports.
    """
    draw = partial(draw_patient_views, seed, Preprocessing(size=size))
    yield from fill_store(out, draw, range(first, first + patients), workers=processes)


def draw_textures(
    out: Path, images: int, *, size: int = 128, seed: int = 0, processes: int = 2
) -> Iterator[FillReport]:
    """Draw the procedural stand-in for ImageNet into a store whose column `label` has the classes."""
    yield from fill_store(out, partial(draw_texture_view, seed, size), range(images), workers=processes)


def draw_segmented(out: Path, eyes: int, *, size: int = 768, seed: int = 0) -> Iterator[FillReport]:
    """Draw phantoms with lesion masks in the folder layout of IDRiD's segmentation part; eyes that are there stay.

    Args:
        out: The folder that will hold `A. Segmentation`.
        eyes: Number of eyes, of grades 2, 3, 4 in turn.
        size: Side of the photographs in pixels.
        seed: Seed of everything.

    Yields:
        A report an eye.
    """
    subset = "a. Training Set"
    photographs = out / "A. Segmentation" / "1. Original Images" / subset
    masks = out / "A. Segmentation" / "2. All Segmentation Groundtruths" / subset
    photographs.mkdir(parents=True, exist_ok=True)
    write_json(out / DRAWN_MARK, {"eyes": eyes, "size": size, "seed": seed})
    for number in range(1, eyes + 1):
        name = f"IDRiD_{number:02d}"
        if not (photographs / f"{name}.jpg").is_file():
            phantom = draw_phantom(_GRADES[number % len(_GRADES)], size, derive_seed(seed, "segmented", number))
            for lesion, mask in phantom.masks.items():
                if lesion in LESIONS and mask.any():
                    known = LESIONS[lesion]
                    _write_mask(masks / known.folder / f"{name}_{known.code}.tif", mask)
            with replacing(photographs / f"{name}.jpg") as temporary:  # last: an eye with a photograph is whole
                Image.fromarray(phantom.image).save(temporary, quality=95)
        yield FillReport(number, eyes)


def _write_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(mask.astype(np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0])
    with replacing(path) as temporary:
        picture.save(temporary, compression="tiff_deflate")
