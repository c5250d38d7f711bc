"""What is kept between reruns: bounded, in memory, and dropped when the study on disk changes."""

import hashlib
from dataclasses import dataclass

import numpy as np
import streamlit as st

from dr_core.data.fundus import (
    FieldOfView,
    Quality,
    assess_quality,
    encode_jpeg,
    find_field_of_view,
    mark_field_of_view,
    read_fundus,
)
from dr_core.data.phantom import draw_phantom
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_photographs
from dr_core.study.folder import Study, open_study

_SCREEN_SIDE = 640
"""Longest side of a photograph on the screen, in pixels."""


@dataclass(frozen=True)
class Eye:
    """One photograph, ready to be shown and asked about.

    Attributes:
        name: File name or name of the sample.
        key: Digest of the content.
        content: The file, or None for a sample.
        sample: Grade and seed of a phantom, or None for an upload.
    """

    name: str
    key: str
    content: bytes | None = None
    sample: tuple[int, int] | None = None


@dataclass(frozen=True)
class Look:
    """What can be shown of an eye without asking a model.

    Attributes:
        taken: JPEG of the photograph with the field of view marked.
        seen: JPEG of the eye as the models see it.
        pixels: Width and height of the photograph.
        field: Its field of view.
        quality: Its quality.
    """

    taken: bytes
    seen: bytes
    pixels: tuple[int, int]
    field: FieldOfView
    quality: Quality


def upload(name: str, content: bytes) -> Eye:
    """An uploaded photograph."""
    return Eye(name, hashlib.sha256(content).hexdigest(), content=content)


def phantom_sample(grade: int, seed: int) -> Eye:
    """A phantom that is drawn when it is looked at."""
    return Eye(f"phantom {grade}-{seed}", f"phantom-{grade}-{seed}", sample=(grade, seed))


def study_stamp(study: Study) -> tuple[str, tuple[tuple[str, int, int], ...]]:
    """What changes when a study on disk is replaced: names, times and sizes of its files."""
    files = [study.path / "study.json", *(study.checkpoint_path(setup) for setup in study.info.setups)]
    present = [(path.name, path.stat()) for path in files if path.is_file()]
    return str(study.path), tuple((name, status.st_mtime_ns, status.st_size) for name, status in present)


@st.cache_resource(max_entries=4, show_spinner=False)
def _models(stamp: tuple[str, tuple[tuple[str, int, int], ...]]) -> dict[str, LoadedModel]:
    study = open_study(stamp[0])
    return {setup: study.load_model(setup) for setup in study.info.setups if study.has_checkpoint(setup)}


def models(study: Study) -> dict[str, LoadedModel]:
    """The study's models, shared by all sessions; set-ups without a checkpoint are left out."""
    return _models(study_stamp(study))


@st.cache_resource(max_entries=6, show_spinner=False)
def _photograph(key: str, _eye: Eye) -> np.ndarray:
    if _eye.content is not None:
        return read_fundus(_eye.content)
    grade, seed = _eye.sample or (0, 0)
    return draw_phantom(grade, 768, seed).image


@st.cache_data(max_entries=256, show_spinner=False)
def _answers(key: str, stamp: object, _eye: Eye, _study: Study) -> dict[str, np.ndarray]:
    answers = predict_photographs(models(_study), [_photograph(key, _eye)])
    return {setup: probabilities[0] for setup, probabilities in answers.items()}


def answers(eye: Eye, study: Study) -> dict[str, np.ndarray]:
    """Softmax of each model about an eye, float64 (5,).

    Raises:
        InputError: If the photograph cannot be read.
    """
    return _answers(eye.key, study_stamp(study), eye, study)


@st.cache_data(max_entries=64, show_spinner=False)
def _look(key: str, stamp: object, _eye: Eye, _study: Study) -> Look:
    image = _photograph(key, _eye)
    field = find_field_of_view(image)
    ways = {model.info.preprocessing for model in models(_study).values()}
    seen = next(iter(ways)).to_model_view(image) if ways else image
    return Look(
        taken=encode_jpeg(mark_field_of_view(image, field, _SCREEN_SIDE), _SCREEN_SIDE),
        seen=encode_jpeg(seen, _SCREEN_SIDE),
        pixels=(image.shape[1], image.shape[0]),
        field=field,
        quality=assess_quality(image, field),
    )


def look(eye: Eye, study: Study) -> Look:
    """What can be shown of an eye; raises as `answers` does."""
    return _look(eye.key, study_stamp(study), eye, study)
