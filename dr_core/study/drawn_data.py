"""Drawn data: phantom patients, the procedural stand-in for ImageNet, and what a study says of them."""

import numpy as np

from dr_core.data.phantom import Phantom, draw_patient
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.textures import TEXTURE_CLASSES, draw_texture
from dr_core.seeds import derive_seed, numpy_generator
from dr_core.study.folder import DataSet

DRAWN_PIXELS = 448
"""Side at which a phantom is drawn before it is brought to model size, as a photograph would be."""

DRAWN_MARK = "drawn.json"
"""File by which a folder of drawn photographs with lesion masks says that they are none of real eyes."""

GRADE_SHARES = (0.30, 0.15, 0.20, 0.175, 0.175)
"""Shares of the grades that are drawn: richer in disease than a screening population."""


def draw_patient_views(
    seed: int, preprocessing: Preprocessing, patient: int
) -> tuple[list[np.ndarray], list[dict[str, object]]]:
    """Draw both eyes of a phantom patient at model size.

    Args:
        seed: Seed of the study.
        preprocessing: How a photograph is brought to model size.
        patient: Number of the patient.

    Returns:
        Two images, uint8 (3, S, S), right eye first, and their rows for the store's table.
    """
    eyes = _draw_eyes(seed, patient, DRAWN_PIXELS)
    images = [preprocessing.to_model_view(eye.image).transpose(2, 0, 1) for eye in eyes]
    rows: list[dict[str, object]] = [
        {"eye": f"phantom-{patient}-{eye.side}", "patient": str(patient), "side": eye.side, "grade": eye.grade}
        for eye in eyes
    ]
    return images, rows


def redraw_eye(seed: int, patient: int, side: str, pixels: int = DRAWN_PIXELS) -> Phantom:
    """Draw one eye of a phantom patient again, as `draw_patient_views` drew it.

    Args:
        seed: Seed of the study.
        patient: Number of the patient.
        side: `"right"` or `"left"`.
        pixels: Side of the picture in pixels.
    """
    return next(eye for eye in _draw_eyes(seed, patient, pixels) if eye.side == side)


def _draw_eyes(seed: int, patient: int, pixels: int) -> tuple[Phantom, Phantom]:
    grade = int(numpy_generator(seed, "grade", patient).choice(len(GRADE_SHARES), p=GRADE_SHARES))
    return draw_patient(grade, pixels, derive_seed(seed, "patient", patient))


def draw_texture_view(seed: int, size: int, number: int) -> tuple[list[np.ndarray], list[dict[str, object]]]:
    """Draw one image of the procedural stand-in for ImageNet, uint8 (3, S, S), with its class number."""
    label = number % len(TEXTURE_CLASSES)
    image = draw_texture(label, size, derive_seed(seed, "texture", number))
    return [image.transpose(2, 0, 1)], [{"label": label}]


DRAWN_DATA: dict[str, DataSet] = {
    "textures": DataSet(
        key="textures",
        title="procedural stand-in for ImageNet",
        role="pretraining",
        images=0,
        real=False,
        description="Drawn textures and shapes of labeled classes take the place of ImageNet, which is not shipped.",
    ),
    "train": DataSet(
        key="train",
        title="phantoms",
        role="training",
        images=0,
        real=False,
        description="Synthetic eyes, two a patient, whose grades follow from the drawn lesions by the ICDR rule.",
    ),
    "validation": DataSet(
        key="validation",
        title="phantoms to choose by",
        role="validation",
        images=0,
        real=False,
        description="Phantoms of other patients; the epoch with the best AUC (grades 3-4 against 0-2) is kept.",
    ),
    "test": DataSet(
        key="phantoms_test",
        title="phantoms held out",
        role="test",
        images=0,
        real=False,
        description="Drawn eyes of patients that no training and no choice has seen.",
        label="phantoms",
    ),
}
"""Drawn store -> what its data set is; the number of images and the fingerprint are filled in."""
