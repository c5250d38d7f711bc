"""What is kept between reruns: bounded, in memory, and dropped when the study on disk changes.

Pictures are kept for the session that shows them and end with it. Answers, five numbers a model, are shared by all
sessions under the digest of the photograph, which nobody can guess without having it.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.data.fundus import (
    FieldOfView,
    FundusFile,
    Quality,
    assess_quality,
    encode_jpeg,
    find_field_of_view,
    mark_field_of_view,
    open_fundus,
)
from dr_core.data.idrid import SegmentedEye
from dr_core.data.phantom import Phantom, draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.experiments.distance import TABLE, read_references
from dr_core.experiments.judgement import Judgement, judge, measure_distances
from dr_core.experiments.recorded import RecordedEye
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.features import last_features
from dr_core.models.prediction import predict_views
from dr_core.study.eyes import EyePicture, open_picture
from dr_core.study.folder import Study, open_study
from dr_ui.eyes.kept import SAMPLE, kept
from dr_ui.shell.device import each, model_device
from dr_ui.shell.result_tables import ResultsStamp, load_table, results_stamp

_SCREEN_SIDE, _CLOSE_SIDE = 800, 1500
"""Longest side of a photograph on the screen, and of one that is zoomed into, in pixels."""

_PHANTOM_SIDE, _THUMBNAIL_SIDE = 768, 96

Stamp = tuple[str, tuple[tuple[str, int, int], ...]]


@dataclass(frozen=True)
class Eye:
    """One photograph that can be asked about.

    Attributes:
        name: File name, or name of the sample.
        key: Digest of the content.
        file: The upload, or None for a sample.
        sample: Grade and seed of a phantom, where it is one.
        published: An eye of a data set with lesion masks, or None.
        opens: Opens the picture of an eye that the study was measured on; None of others.
        link: Its data set and name in a link, where the study was measured on it.
        recorded: What a table holds of it, or None.
        absent: Why its picture cannot be had, a sentence; empty where it can.
    """

    name: str
    key: str
    file: UploadedFile | None = None
    sample: tuple[int, int] = (0, 0)
    published: SegmentedEye | None = None
    opens: Callable[[], EyePicture] | None = None
    link: str = ""
    recorded: RecordedEye | None = None
    absent: str = ""

    @property
    def source(self) -> str:
        """Key of the study's data set, or name of the table, that it is of; empty for uploads and samples."""
        return self.recorded.source if self.recorded is not None else self.link.partition("/")[0]

    @property
    def picture(self) -> EyePicture | None:
        """The picture of an eye that the study was measured on, opened when it is looked at; None of others.

        Raises:
            InputError: If it cannot be had.
        """
        if self.absent:
            raise InputError(self.absent)
        return None if self.opens is None else self.opens()

    def read(self) -> np.ndarray:
        """Pixels, uint8 (H, W, 3); raises as `open` does."""
        return self.open().image

    def open(self) -> FundusFile:
        """Pixels, and what was understood of their file.

        Raises:
            InputError: If the photograph cannot be read.
        """
        if self.file is not None:
            return open_fundus(self.file.getvalue())
        if self.published is not None:
            return FundusFile(image=self.published.read_image())
        picture = self.picture
        return FundusFile(image=self.draw().image if picture is None else picture.image)

    @property
    def drawn_grade(self) -> int | None:
        """Grade with which a phantom was drawn; None for a photograph."""
        if self.file is not None or self.published is not None:
            return None
        picture = self.picture
        if picture is not None:
            return None if picture.prepared else picture.grade
        return self.sample[0]

    def find_field(self, image: np.ndarray) -> FieldOfView:
        """Find the field of view; a prepared eye is cut already, and its whole picture counts."""
        picture = self.picture
        if picture is None or not picture.prepared:
            return find_field_of_view(image)
        side = image.shape[0]
        middle = (side - 1) / 2
        return FieldOfView(center_x=middle, center_y=middle, radius=side / 2, share=np.pi / 4, visible=1.0, found=True)

    def draw(self) -> Phantom:
        """Draw the phantom."""
        grade, seed = self.sample
        return draw_phantom(grade, _PHANTOM_SIDE, seed)


@dataclass(frozen=True)
class Look:
    """What is kept of a photograph.

    Attributes:
        taken: JPEG for the screen, with the field of view marked.
        close: The same with more pixels, to zoom into.
        pixels: Width and height of the photograph.
        quality: Its quality.
        views: The eye at model size, uint8 (S, S, 3), for each way in which the study's models see it.
        notes: What was understood of its file, such as which page of a TIFF was read; sentences.
    """

    taken: bytes
    close: bytes
    pixels: tuple[int, int]
    quality: Quality
    views: dict[Preprocessing, np.ndarray]
    notes: tuple[str, ...] = ()

    @property
    def seen(self) -> bytes:
        """JPEG of the eye as the first of the models sees it."""
        preprocessing, view = next(iter(self.views.items()))
        return encode_jpeg(preprocessing.to_display(view), _SCREEN_SIDE)


def uploaded_eye(file: UploadedFile) -> Eye:
    """An uploaded photograph."""
    return Eye(file.name, digest(file.file_id, file), file)


def phantom_eye(name: str, grade: int, seed: int) -> Eye:
    """A phantom that is drawn when it is looked at."""
    return Eye(name, f"{SAMPLE}{grade}-{seed}", sample=(grade, seed))


@st.cache_data(max_entries=64, show_spinner=False)
def phantom_thumbnail(grade: int, seed: int) -> bytes:
    """Small JPEG of a phantom."""
    return encode_jpeg(draw_phantom(grade, 2 * _THUMBNAIL_SIDE, seed).image, _THUMBNAIL_SIDE)


def study_eye(study: Study, data: str, name: str, eyes: pd.DataFrame | None) -> Eye:
    """An eye that the study was measured on; its picture is opened when it is looked at, as `open_picture` does it."""
    key = study_key(study, data, name)
    return Eye(name, key, opens=partial(_picture, key, study, data, name, eyes), link=f"{data}/{name}")


def study_key(study: Study, data: str, name: str) -> str:
    """Key of an eye that the study was measured on."""
    return f"{study.path}-{study.info.created}-{data}-{name}"


@st.cache_resource(max_entries=16, show_spinner=False)
def _picture(key: str, _study: Study, _data: str, _name: str, _eyes: pd.DataFrame | None) -> EyePicture:
    return open_picture(_study, _data, _name, _eyes)


@st.cache_data(max_entries=512, show_spinner=False)
def study_thumbnail(key: str, data: str, name: str, _study: Study, _eyes: pd.DataFrame | None) -> bytes:
    """Small JPEG of an eye that the study was measured on; a phantom is drawn small."""
    picture = open_picture(_study, data, name, _eyes, pixels=2 * _THUMBNAIL_SIDE)
    return encode_jpeg(picture.image, _THUMBNAIL_SIDE)


@st.cache_data(max_entries=4096, show_spinner=False, scope="session")
def digest(file_id: str, _file: UploadedFile) -> str:
    """Digest of an upload."""
    return hashlib.sha256(_file.getbuffer()).hexdigest()


def study_stamp(study: Study) -> Stamp:
    """What changes when a study on disk is replaced: names, times and sizes of its files."""
    files = [study.path / "study.json", *(study.checkpoint_path(setup) for setup in study.setups)]
    present = [(path.name, path.stat()) for path in files if path.is_file()]
    return str(study.path), tuple((name, status.st_mtime_ns, status.st_size) for name, status in present)


@st.cache_resource(max_entries=4, show_spinner=False)
def _models(stamp: Stamp, device: str) -> tuple[dict[str, LoadedModel], dict[str, str]]:
    return open_study(stamp[0]).load_valid_models(device)


def models(study: Study, device: str = "cpu") -> dict[str, LoadedModel]:
    """The study's valid models, shared by all sessions; set-ups without a checkpoint are left out."""
    return _models(study_stamp(study), device)[0]


def refused_models(study: Study) -> dict[str, str]:
    """Set-up -> why its checkpoint gives no answer."""
    return _models(study_stamp(study), "cpu")[1]


def unanswered(study: Study, answered: Collection[str]) -> dict[str, str]:
    """Set-up -> why it gives no answer about an eye, of those that have a checkpoint.

    Args:
        study: The study.
        answered: Set-ups whose answers there are.
    """
    silent = dict.fromkeys(models(study), "its answer for this eye is not a probability") | refused_models(study)
    return {setup: silent[setup] for setup in study.setups if setup in silent and setup not in answered}


def predict(study: Study, views: Mapping[Preprocessing, np.ndarray]) -> dict[str, np.ndarray]:
    """Ask the models, each for itself.

    Args:
        study: The study.
        views: Uint8 (N, S, S, 3) for each way in which the models see.

    Returns:
        Set-up -> softmax float64 (N, classes), of those whose answers are probabilities.
    """

    def ask(device: str) -> dict[str, np.ndarray]:
        loaded = models(study, device)

        def answer(setup: str) -> np.ndarray | None:
            try:
                return predict_views(loaded[setup], views[loaded[setup].info.preprocessing], device=device)
            except InputError:  # the others answer; `unanswered` says why this one does not
                return None

        return {setup: softmax for setup, softmax in each(loaded, answer).items() if softmax is not None}

    return model_device().run(ask)


@kept(st.cache_data, 16)
def _look(key: str, preprocessings: tuple[Preprocessing, ...], _eye: Eye) -> Look:
    opened = _eye.open()
    image = opened.image
    field = _eye.find_field(image)
    return Look(
        taken=encode_jpeg(mark_field_of_view(image, field, _SCREEN_SIDE), _SCREEN_SIDE),
        close=encode_jpeg(mark_field_of_view(image, field, _CLOSE_SIDE), _CLOSE_SIDE),
        pixels=(image.shape[1], image.shape[0]),
        quality=assess_quality(image, field),
        views={preprocessing: preprocessing.to_model_view(image, field) for preprocessing in preprocessings},
        notes=opened.notes,
    )


def look(eye: Eye, study: Study) -> Look:
    """What can be shown of an eye without asking a model.

    Raises:
        InputError: If the photograph cannot be read.
    """
    preprocessings = dict.fromkeys(model.info.preprocessing for model in models(study).values())
    return _look(eye.key, tuple(preprocessings), eye)


@st.cache_data(max_entries=4096, show_spinner=False)
def _answers(key: str, stamp: Stamp, _eye: Eye, _study: Study) -> dict[str, np.ndarray]:
    views = {preprocessing: view[None] for preprocessing, view in look(_eye, _study).views.items()}
    return {setup: softmax[0] for setup, softmax in predict(_study, views).items()}


def answers(eye: Eye, study: Study) -> dict[str, np.ndarray]:
    """Softmax of each model about an eye, float64 (5,); raises as `look` does."""
    return _answers(eye.key, study_stamp(study), eye, study)


@st.cache_data(max_entries=4096, show_spinner=False)
def _distances(key: str, stamp: Stamp, results: ResultsStamp, _eye: Eye, _study: Study) -> dict[str, float]:
    """Set-up -> distance of its features over the limit of its training eyes."""
    table = load_table(_study, TABLE)
    references = {} if table is None else read_references(table)
    views = look(_eye, _study).views

    def ask(device: str) -> dict[str, np.ndarray]:
        loaded = {setup: model for setup, model in models(_study, device).items() if setup in references}

        def measure(setup: str) -> np.ndarray:
            return last_features(loaded[setup], views[loaded[setup].info.preprocessing][None], device)

        return each(loaded, measure)

    return measure_distances(model_device().run(ask), references) if references else {}


def judgement(eye: Eye, study: Study) -> Judgement:
    """Whether an eye is within what the models know; raises as `look` does."""
    distances = _distances(eye.key, study_stamp(study), results_stamp(study), eye, study)
    named = {study.setups[setup].label: ratio for setup, ratio in distances.items() if setup in study.setups}
    return judge(look(eye, study).quality.findings, named)
