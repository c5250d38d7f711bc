"""Choosing an eye whose lesions are known: a phantom, a published eye with masks, or an upload with or without."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.data.annotation import draw_strokes
from dr_core.data.fundus import KINDS, FieldOfView, Landmarks, find_landmarks
from dr_core.data.grades import LESIONS
from dr_core.data.idrid import SegmentedEye, load_segmentation
from dr_core.data.intake.lesion_mask import LesionMask, decode_mask
from dr_core.data.phantom import draw_phantom
from dr_ui.eyes import cache, case_list, choice, drawing, mask_files, uploads
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.drawing import Strokes
from dr_ui.shell import studies
from dr_ui.shell.navigation import kept_input


@dataclass(frozen=True)
class Specimen:
    """An eye and what is known of its lesions.

    Attributes:
        eye: The eye.
        masks: Uploaded masks, each with its lesion.
        disc: Uploaded mask of the optic disc, where there is one.
        strokes: What the user has drawn over the eye.
    """

    eye: Eye
    masks: tuple[tuple[str, UploadedFile], ...] = ()
    disc: UploadedFile | None = None
    strokes: Strokes = ()

    @property
    def masked(self) -> bool:
        """Whether anything is known of the lesions."""
        prepared = self.eye.picture is not None and self.eye.picture.prepared
        drawn = any(stroke.lesion for stroke in self.strokes)
        return (self.eye.file is None and not prepared) or bool(self.masks) or drawn

    @property
    def view_key(self) -> str:
        """Digest of the eye and what is known of its parts, without the lesions."""
        return f"{self.eye.key}+disc:{cache.digest(self.disc.file_id, self.disc)}" if self.disc else self.eye.key

    @property
    def key(self) -> str:
        """Digest of the eye, its masks and what was drawn."""
        masks = [f"{lesion}:{cache.digest(file.file_id, file)}" for lesion, file in self.masks]
        drawn = [f"drawn:{hash(self.strokes)}"] if self.strokes else []
        return "+".join([self.view_key, *masks, *drawn])

    def read(self) -> tuple[np.ndarray, dict[str, Callable[[], LesionMask]]]:
        """Read the photograph.

        Returns:
            Uint8 (H, W, 3), and lesion -> what reads its mask; the masks can be read side by side.

        Raises:
            InputError: If the photograph cannot be read; the masks' readers raise it if a mask cannot be read or is of
                another size than the photograph.
        """
        image = self.eye.read()
        field_share = self.eye.find_field(image).share if self.masks else 1.0
        return image, self.mask_readers((image.shape[0], image.shape[1]), field_share)

    def mask_readers(self, shape: tuple[int, int], field_share: float) -> dict[str, Callable[[], LesionMask]]:
        """Lesion -> what reads its mask, with what the user has drawn.

        Args:
            shape: Height and width of the photograph in pixels.
            field_share: Share of the photograph that its field of view covers; 0 where it was not found.
        """
        readers = self._given_readers(shape, field_share or 1.0)
        for lesion in LESIONS:
            strokes = tuple(stroke for stroke in self.strokes if stroke.lesion == lesion)
            if strokes:
                readers[lesion] = partial(_draw, readers.get(lesion), strokes, shape)
        return readers

    def _given_readers(self, shape: tuple[int, int], field_share: float) -> dict[str, Callable[[], LesionMask]]:
        known = self.eye.published
        if known is not None:
            return {lesion: partial(_published, known, lesion) for lesion in known.mask_paths}
        if self.eye.file is not None:
            return {lesion: partial(_decode, file, shape, field_share) for lesion, file in self.masks}
        picture = self.eye.picture
        masks = picture.masks if picture is not None else self.eye.draw().masks
        return {lesion: partial(_same, LesionMask(mask, _ON_AND_OFF)) for lesion, mask in masks.items() if mask.any()}

    def draw_region(self, shape: tuple[int, int]) -> np.ndarray | None:
        """What the user has drawn without naming a lesion, bool (H, W); None where that is nothing."""
        drawn = draw_strokes(None, [stroke for stroke in self.strokes if not stroke.lesion], shape)
        return drawn if drawn.any() else None

    def read_disc(self, shape: tuple[int, int]) -> np.ndarray | None:
        """Optic disc in the photograph of this height and width, bool (H, W); None where it must be searched."""
        known = self.eye.published
        if known is not None:
            return known.read_disc()
        if self.disc is not None:
            return _decode(self.disc, shape, 1.0).pixels
        landmarks = self.drawn_landmarks(shape)
        return None if landmarks is None else landmarks.mark_disc(shape)

    def find_landmarks(self, image: np.ndarray, field: FieldOfView) -> Landmarks | None:
        """Optic disc and fovea: known of a phantom, the disc from its mask where there is one, else searched."""
        shape = (image.shape[0], image.shape[1])
        if (drawn := self.drawn_landmarks(shape)) is not None:
            return drawn
        found, disc = find_landmarks(image, field), self.read_disc(shape)
        return found if found is None or disc is None or not disc.any() else found.with_disc(disc)

    def drawn_landmarks(self, shape: tuple[int, int]) -> Landmarks | None:
        """Optic disc and fovea of a phantom, which knows its own, at a picture's size; None of a photograph."""
        eye = self.eye
        if eye.file is not None or eye.published is not None or eye.opens is not None:
            return None
        grade, seed = eye.sample
        small = draw_phantom(grade, _LANDMARK_SIDE, seed)  # the same eye, in no time
        return small.landmarks.scale(shape[0] / _LANDMARK_SIDE)

    def notes(self, masks: Mapping[str, LesionMask]) -> tuple[str, ...]:
        """What a user should know of uploaded masks."""
        names = {lesion: file.name for lesion, file in self.masks}
        gray = [
            f"The mask {name} has {masks[lesion].gray_levels} gray levels; values at least half as far from its "
            "background as the farthest count as lesion."
            for lesion, name in names.items()
            if masks[lesion].gray_levels > _ON_AND_OFF
        ]
        empty = [
            f"The mask {name} is empty: it marks no {lesion.replace('_', ' ')}, so nothing can be measured on them."
            for lesion, name in names.items()
            if not masks[lesion].pixels.any()
        ]
        taken = [note for mask in masks.values() for note in mask.notes]
        return (*gray, *empty, *taken)


_ON_AND_OFF = 2

_LANDMARK_SIDE = 64


def _published(eye: SegmentedEye, lesion: str) -> LesionMask:
    return eye.decode_mask(lesion)


def _decode(file: UploadedFile, shape: tuple[int, int], field_share: float) -> LesionMask:
    return decode_mask(file.name, file.getvalue(), shape, field_share=field_share)


def _same(mask: LesionMask) -> LesionMask:
    return mask


def _draw(reader: Callable[[], LesionMask] | None, strokes: Strokes, shape: tuple[int, int]) -> LesionMask:
    if reader is None:
        return LesionMask(draw_strokes(None, strokes, shape), _ON_AND_OFF)
    given = reader()
    return replace(given, pixels=draw_strokes(given.pixels, strokes, shape))


def choose_masked_eye() -> Specimen:
    """Draw the uploader, the samples and the published eyes; give the chosen one, uploads first."""
    published = published_eyes()
    upload, samples, *real = st.columns([2.3, 4.4, 1.5] if published else [2.3, 4.4], gap="small")
    with upload:
        files = uploads.keep(
            choice.upload_files(
                "Your photograph, with masks if you have them",
                f"The photograph as {KINDS}; masks as TIFF or PNG of the same size, named as IDRiD "
                f"({', '.join(f'eye_{lesion.code}.tif' for lesion in LESIONS.values())}; the optic disc: eye_OD.tif).",
            )
        )
    study, name = studies.open_chosen(), None
    case_list.take_link(study)
    current = case_list.current_case(study)
    for column in real:
        with column:
            name = st.selectbox(
                "or a real eye (IDRiD)",
                list(published),
                index=None,
                **kept_input("idrid"),
                placeholder="none",
                disabled=bool(files),
                help="Photographs with lesions drawn by experts, from the folder that DR_IDRID names.",
            )
    with samples:
        sample = choice.choose_sample(study, disabled=bool(files) or name is not None)
    if current is not None and current.file is None:
        return _shown(Specimen(current))
    if files:
        return _shown(_uploaded(files))
    return _shown(Specimen(published[name] if name else sample))


def _shown(specimen: Specimen) -> Specimen:
    case_list.show_in_link(specimen.eye)
    return replace(specimen, strokes=drawing.strokes_of(specimen.eye.key))


def specimen_of(eye: Eye) -> Specimen:
    """An eye of the case list with what is known of it: the masks that belong to it by name, and what was drawn."""
    strokes = drawing.strokes_of(eye.key)
    if eye.file is None:
        return Specimen(eye, strokes=strokes)
    found = mask_files.find_masks(eye.file, uploads.kept_files())
    return Specimen(eye, found.masks, found.disc, strokes)


def published_eyes() -> dict[str, Eye]:
    """The eyes of the folder that `DR_IDRID` names, by name; none where it names nothing.

    Raises:
        InputError: If it names a folder without such eyes.
    """
    root = os.environ.get("DR_IDRID")
    return {} if not root else {eye.name: Eye(eye.name, f"idrid-{eye.name}", published=eye) for eye in _listed(root)}


@st.cache_data(max_entries=2, ttl=600, show_spinner=False)
def _listed(root: str) -> list[SegmentedEye]:
    return load_segmentation(root)


def _uploaded(files: list[UploadedFile]) -> Specimen:
    found = mask_files.sort_files(files)
    return Specimen(cache.uploaded_eye(found.photograph), found.masks, found.disc)
