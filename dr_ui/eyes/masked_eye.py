"""Choosing an eye whose lesions are known: a phantom, a published eye with masks, or an upload with or without."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.data.fundus import KINDS, Landmarks
from dr_core.data.grades import LESIONS
from dr_core.data.idrid import SegmentedEye, load_segmentation
from dr_core.data.intake.lesion_mask import LesionMask, decode_mask, split_name
from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError
from dr_ui.eyes import cache, case_list, choice, chosen, uploads
from dr_ui.eyes.cache import Eye
from dr_ui.parts.plain_text import plain
from dr_ui.shell import studies
from dr_ui.shell.navigation import kept_input

_OTHER_EYE = "another eye"


@dataclass(frozen=True)
class Specimen:
    """An eye and what is known of its lesions.

    Attributes:
        eye: The eye.
        masks: Uploaded masks, each with its lesion.
    """

    eye: Eye
    masks: tuple[tuple[str, UploadedFile], ...] = ()

    @property
    def masked(self) -> bool:
        """Whether anything is known of the lesions."""
        prepared = self.eye.picture is not None and self.eye.picture.prepared
        return (self.eye.file is None and not prepared) or bool(self.masks)

    @property
    def key(self) -> str:
        """Digest of the eye and its masks."""
        return "+".join(
            [self.eye.key, *(f"{lesion}:{cache.digest(file.file_id, file)}" for lesion, file in self.masks)]
        )

    def read(self) -> tuple[np.ndarray, dict[str, Callable[[], LesionMask]]]:
        """Read the photograph.

        Returns:
            Uint8 (H, W, 3), and lesion -> what reads its mask; the masks can be read side by side.

        Raises:
            InputError: If the photograph cannot be read; the masks' readers raise it if a mask cannot be read or is of
                another size than the photograph.
        """
        known = self.eye.published
        if known is not None:
            return known.read_image(), {lesion: partial(_published, known, lesion) for lesion in known.mask_paths}
        picture = self.eye.picture
        if picture is not None:
            marked = {lesion: LesionMask(mask, _ON_AND_OFF) for lesion, mask in picture.masks.items() if mask.any()}
            return picture.image, {lesion: partial(_same, mask) for lesion, mask in marked.items()}
        if self.eye.file is None:
            phantom = self.eye.draw()
            drawn = {lesion: LesionMask(mask, _ON_AND_OFF) for lesion, mask in phantom.masks.items() if mask.any()}
            return phantom.image, {lesion: partial(_same, mask) for lesion, mask in drawn.items()}
        image = self.eye.read()
        field_share = (self.eye.find_field(image).share or 1.0) if self.masks else 1.0
        shape = (image.shape[0], image.shape[1])
        return image, {lesion: partial(_decode, file, shape, field_share) for lesion, file in self.masks}

    def read_disc(self, shape: tuple[int, int]) -> np.ndarray | None:
        """Optic disc in the photograph of this height and width, bool (H, W); None where it must be searched."""
        known = self.eye.published
        if known is not None:
            return known.read_disc()
        landmarks = self.drawn_landmarks(shape)
        return None if landmarks is None else landmarks.mark_disc(shape)

    def drawn_landmarks(self, shape: tuple[int, int]) -> Landmarks | None:
        """Optic disc and fovea of a phantom, which knows its own, at a picture's size; None of a photograph."""
        eye = self.eye
        if eye.file is not None or eye.published is not None or eye.picture is not None:
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


def choose_masked_eye() -> Specimen:
    """Draw the uploader, the samples and the published eyes; give the chosen one, uploads first."""
    published = published_eyes()
    upload, samples, *real = st.columns([2.3, 4.4, 1.5] if published else [2.3, 4.4], gap="small")
    with upload:
        files = uploads.keep(
            choice.upload_files(
                "Your photograph, with masks if you have them",
                f"The photograph as {KINDS}; lesion masks as TIFF or PNG of the same size, named as "
                f"IDRiD ({', '.join(f'eye_{lesion.code}.tif' for lesion in LESIONS.values())}).",
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
    if current is not None and current.link:
        return _shown(Specimen(current))
    if files:
        return _shown(_uploaded(files))
    return _shown(Specimen(published[name] if name else sample))


def _shown(specimen: Specimen) -> Specimen:
    case_list.show_in_link(specimen.eye)
    return specimen


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
    """Sort uploads into the photograph and its masks, by name; ask where the names do not tell."""
    named = {file.file_id: split_name(file.name) for file in files}
    pictures = [file for file in files if named[file.file_id][1] is None]
    if not pictures:
        raise InputError(
            "Only masks were uploaded; add the photograph on which they were drawn. Files whose names end in "
            f"{', '.join('_' + lesion.code for lesion in LESIONS.values())} are taken as masks."
        )
    photograph, others = (pictures[0], []) if len(pictures) == 1 else _ask_photograph(pictures)
    eye, _ = named[photograph.file_id]
    masks = [(lesion, file) for file in files if (lesion := named[file.file_id][1]) is not None]
    if len(pictures) > 1:  # with several eyes a mask must name its own; a single eye takes all
        masks = [(lesion, file) for lesion, file in masks if named[file.file_id][0].lower() == eye.lower()]
    asked = _ask_lesions(others) if others else []
    return Specimen(cache.uploaded_eye(photograph), _one_a_lesion([*masks, *asked]))


def _ask_photograph(pictures: list[UploadedFile]) -> tuple[UploadedFile, list[UploadedFile]]:
    eyes = [cache.uploaded_eye(file) for file in pictures]
    eye = chosen.choose_one(eyes, "Several file names give no lesion: which file is the eye?", "photograph")
    return pictures[eyes.index(eye)], [file for file in pictures if file is not eye.file]


def _ask_lesions(files: list[UploadedFile]) -> list[tuple[str, UploadedFile]]:
    chosen = []
    with st.expander("Are the other files masks of it?"):
        for file in files:
            lesion = st.selectbox(
                plain(file.name),
                [_OTHER_EYE, *LESIONS],
                format_func=lambda lesion: lesion.replace("_", " "),
                key=f"lesion-{file.file_id}",
            )
            if lesion != _OTHER_EYE:
                chosen.append((lesion, file))
    return chosen


def _one_a_lesion(masks: list[tuple[str, UploadedFile]]) -> tuple[tuple[str, UploadedFile], ...]:
    for lesion in LESIONS:
        same = [file.name for other, file in masks if other == lesion]
        if len(same) > 1:
            raise InputError(f"{' and '.join(same)} are both masks of {lesion.replace('_', ' ')}; remove all but one.")
    return tuple(sorted(masks, key=lambda pair: list(LESIONS).index(pair[0])))
