"""IDRiD: eyes with lesion masks drawn by hand (segmentation), and eyes with grades (grading).

Source: Porwal et al. 2018, Indian Diabetic Retinopathy Image Dataset, Data 3(3):25; CC BY 4.0.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from dr_core.data.fundus import MAX_BYTES, find_field_of_view, find_shape, read_fundus
from dr_core.data.grades import LESIONS, TOTAL, total_lesions
from dr_core.data.intake.image_folder import ImageFolder
from dr_core.data.intake.index import Intake, index_eyes
from dr_core.data.intake.lesion_mask import LesionMask, decode_mask
from dr_core.data.intake.table import ROW, read_label_table
from dr_core.errors import InputError
from dr_core.files import read_regular

IDRID_EXPECTED: dict[str, int] = {"train": 54, "test": 27}
"""Eyes with masks in each split, as published; the paper used 80 of the 81."""

GRADING_EXPECTED: dict[str, tuple[int, ...]] = {"train": (134, 20, 136, 74, 49), "test": (34, 5, 32, 19, 13)}
"""Eyes of each grade in each split, as the published label files hold them."""

_SMALL_SIDE = 512
"""Longest side of a copy on which the field of view is found where its share alone counts."""

_SPLITS: dict[Literal["train", "test"], str] = {"train": "a. Training Set", "test": "b. Testing Set"}


@dataclass(frozen=True, kw_only=True)
class SegmentedEye:
    """An eye with lesion masks, read when they are asked for.

    Attributes:
        name: Name of the eye, such as `IDRiD_01`.
        split: `"train"` or `"test"`, as published.
        image_path: The photograph.
        mask_paths: Lesion -> its mask; a lesion that the eye does not have is not in it.
        disc_path: The mask of the optic disc; None where there is none.
    """

    name: str
    split: Literal["train", "test"]
    image_path: Path
    mask_paths: dict[str, Path]
    disc_path: Path | None = None

    def read_image(self) -> np.ndarray:
        """Read the photograph, uint8 (H, W, 3) RGB; raises as `read_fundus` does."""
        return read_fundus(self.image_path)

    def read_mask(self, lesion: str) -> np.ndarray:
        """Read the mask of a lesion.

        Args:
            lesion: A lesion, or `"total"` for microaneurysms, haemorrhages or hard exudates together.

        Returns:
            Bool (H, W), all false where the eye has no such lesion.

        Raises:
            InputError: If the lesion is unknown, or the mask is damaged or of another size than the photograph.
        """
        parts = total_lesions() if lesion == TOTAL else (lesion,)
        unknown = [part for part in parts if part not in LESIONS]
        if unknown:
            raise InputError(f"`lesion` must be one of {', '.join(LESIONS)} or total, not {unknown[0]!r}.")
        shape = find_shape(self.image_path)
        mask = np.zeros(shape, bool)
        for part in parts:
            if part in self.mask_paths:
                mask |= self.decode_mask(part, shape).pixels
        return mask

    def read_disc(self) -> np.ndarray | None:
        """Read the mask of the optic disc, bool (H, W); None where there is none. Raises as `read_mask` does."""
        if self.disc_path is None:
            return None
        return self._decode(self.disc_path, find_shape(self.image_path)).pixels

    def decode_mask(self, lesion: str, shape: tuple[int, int] | None = None) -> LesionMask:
        """Read the mask file of a lesion that the eye has, with what is to be said of it.

        Args:
            lesion: A key of `mask_paths`.
            shape: Height and width of the photograph; None asks its file.

        Raises:
            InputError: If the mask is damaged, cannot be understood, or is of another size than the photograph.
        """
        return self._decode(self.mask_paths[lesion], shape or find_shape(self.image_path))

    def _decode(self, path: Path, shape: tuple[int, int]) -> LesionMask:
        return decode_mask(path.name, read_regular(path, MAX_BYTES), shape, field_share=self.field_share)

    @cached_property
    def field_share(self) -> float:
        """Share of the photograph that its field of view covers, found on a small copy; 1 where none is found."""
        return find_field_of_view(read_fundus(self.image_path, longest_side=_SMALL_SIDE)).share or 1.0


def load_segmentation(root: str | Path) -> list[SegmentedEye]:
    """List the eyes of IDRiD's segmentation part.

    Args:
        root: The folder that holds `A. Segmentation`, that folder itself, or one around it (Kaggle's copy nests it
            twice).

    Returns:
        Eyes by split and name. Nothing but file names is read.

    Raises:
        InputError: If there is no such folder or it holds no photograph.
    """
    folder = find_folder(Path(root), "A. Segmentation")
    eyes = [
        SegmentedEye(
            name=path.stem,
            split=split,
            image_path=path,
            mask_paths=_mask_paths(folder, subfolder, path.stem),
            disc_path=_disc_path(folder, subfolder, path.stem),
        )
        for split, subfolder in _SPLITS.items()
        for path in sorted((folder / "1. Original Images" / subfolder).glob("IDRiD_*.jpg"))
    ]
    if not eyes:
        raise InputError(f"{folder} holds no photographs `1. Original Images/a. Training Set/IDRiD_NN.jpg`.")
    return eyes


def find_folder(root: Path, name: str) -> Path:
    """Find a folder of IDRiD: `root` itself, or in it, up to three levels deep; of nested ones the innermost.

    Raises:
        InputError: If there is none.
    """
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.")
    places = [root, *(subfolder for depth in range(4) for subfolder in sorted(root.glob("*/" * depth + name)))]
    found = [subfolder for subfolder in places if subfolder.name == name and any(subfolder.glob("[12]. *"))]
    if not found:
        raise InputError(f"{root} holds no folder `{name}`; unpack IDRiD's `{name}.zip` there.")
    return found[-1]


def _mask_paths(folder: Path, subfolder: str, eye: str) -> dict[str, Path]:
    masks = folder / "2. All Segmentation Groundtruths" / subfolder
    paths = {name: masks / lesion.folder / f"{eye}_{lesion.code}.tif" for name, lesion in LESIONS.items()}
    return {lesion: path for lesion, path in paths.items() if path.is_file()}


def _disc_path(folder: Path, subfolder: str, eye: str) -> Path | None:
    path = folder / "2. All Segmentation Groundtruths" / subfolder / "5. Optic Disc" / f"{eye}_OD.tif"
    return path if path.is_file() else None


def index_segmentation(root: Path) -> Intake:
    """Index the eyes with masks; grades are not published with them, so the column holds -1."""
    rows = [
        {"eye": eye.name, "path": eye.image_path.relative_to(root).as_posix(), "grade": -1, "split": eye.split}
        | {f"mask_{lesion}": path.relative_to(root).as_posix() for lesion, path in eye.mask_paths.items()}
        for eye in load_segmentation(root)
    ]
    return index_eyes(pd.DataFrame(rows), "IDRiD segmentation")


def index_grading(root: Path) -> Intake:
    """Index the graded eyes, from both label files."""
    folder = find_folder(root, "B. Disease Grading")
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    for split, subfolder in _SPLITS.items():
        word = {"train": "Training", "test": "Testing"}[split]
        file = folder / "2. Groundtruths" / f"{subfolder[0]}. IDRiD_Disease Grading_{word} Labels.csv"
        table = read_label_table(file, ["Image name", "Retinopathy grade"])
        labels, notes = table.frame, [*notes, *table.notes]
        images = ImageFolder(root, (folder / "1. Original Images" / subfolder).relative_to(root).as_posix())
        names = labels["Image name"]
        paths = [images.find(name, ".jpg") for name in names]
        eyes = [f"{split}_{name}" for name in names]  # the numbers begin at 1 in both splits
        part = {"eye": eyes, "path": paths, "grade": labels["Retinopathy grade"], "split": split, ROW: labels[ROW]}
        parts.append(pd.DataFrame(part))
    return index_eyes(pd.concat(parts, ignore_index=True), "IDRiD grading", tuple(notes))
