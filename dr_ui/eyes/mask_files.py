"""Which of the uploaded files is the photograph, and which are masks of it."""

from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.data.grades import LESIONS
from dr_core.data.intake.lesion_mask import OPTIC_DISC, is_mask, split_names
from dr_core.errors import InputError
from dr_ui.eyes import cache, chosen
from dr_ui.parts.plain_text import plain

_OTHER, _MOST_LOOKED_AT = "something else", 12

_Masks = list[tuple[str, UploadedFile]]


@dataclass(frozen=True, kw_only=True)
class UploadedEye:
    """A photograph and its masks.

    Attributes:
        photograph: The photograph.
        masks: Lesion and its mask, in the order of the registry.
        disc: Mask of the optic disc, where there is one.
    """

    photograph: UploadedFile
    masks: tuple[tuple[str, UploadedFile], ...]
    disc: UploadedFile | None


def sort_files(files: list[UploadedFile]) -> UploadedEye:
    """Tell the photograph that is looked at from its masks, by name and content; ask for what neither tells.

    Args:
        files: All files of the session.

    Raises:
        InputError: If there is no photograph, or two masks of one lesion.
    """
    named = dict(zip((file.file_id for file in files), split_names([file.name for file in files]), strict=True))
    unnamed = [file for file in files if named[file.file_id][1] is None]
    nameless = _find_masks(unnamed)
    pictures = [file for file in unnamed if file not in nameless]
    if not pictures:
        raise InputError(
            "Only masks were uploaded; add the photograph on which they were drawn. Files whose names end in "
            f"{', '.join('_' + lesion.code for lesion in LESIONS.values())} are taken as masks."
        )
    eyes = [cache.uploaded_eye(file) for file in pictures]
    photograph = pictures[eyes.index(chosen.choose_one(eyes, "Photograph", "photograph"))]
    masks = _masks_by_name(photograph, files, alone=len(pictures) == 1)
    return _sorted(photograph, [*masks, *_ask_lesions(nameless)])


def find_masks(photograph: UploadedFile, files: list[UploadedFile]) -> UploadedEye:
    """The masks that belong to a photograph by their names, the first of each kind; nothing is asked or refused."""
    unnamed = [part for _, part in split_names([file.name for file in files]) if part is None]
    named = _masks_by_name(photograph, files, alone=len(unnamed) == 1)
    return _sorted(photograph, list(dict(reversed(named)).items()))


def _masks_by_name(photograph: UploadedFile, files: list[UploadedFile], *, alone: bool) -> _Masks:
    """With several eyes a mask must name its own; a single eye takes all."""
    named = list(zip(files, split_names([file.name for file in files]), strict=True))
    own = next((eye for file, (eye, _) in named if file.file_id == photograph.file_id), "").lower()
    return [(part, file) for file, (eye, part) in named if part is not None and (alone or eye.lower() == own)]


def _find_masks(files: list[UploadedFile]) -> list[UploadedFile]:
    """Masks that do not say so by their names; of a long list of photographs no file is looked at."""
    if not 1 < len(files) <= _MOST_LOOKED_AT:
        return []
    return [file for file in files if _looks_like_mask(cache.digest(file.file_id, file), file)]


@st.cache_data(max_entries=256, show_spinner=False, scope="session")
def _looks_like_mask(key: str, _file: UploadedFile) -> bool:
    return is_mask(_file.name, _file.getvalue())


def _ask_lesions(files: list[UploadedFile]) -> _Masks:
    parts = {name: lesion.label for name, lesion in LESIONS.items()} | {OPTIC_DISC: "optic disc"}
    asked = []
    for file in files:
        part = st.selectbox(
            f"What does the mask {plain(file.name)} mark?",
            [_OTHER, *parts],
            format_func=lambda part: parts.get(part, _OTHER),
            key=f"lesion-{file.file_id}",
        )
        if part != _OTHER:
            asked.append((part, file))
    return asked


def _sorted(photograph: UploadedFile, masks: _Masks) -> UploadedEye:
    """The masks in the registry's order, one of each kind."""
    for part in (*LESIONS, OPTIC_DISC):
        same = [file.name for other, file in masks if other == part]
        if len(same) > 1:
            raise InputError(f"{' and '.join(same)} are both masks of {part.replace('_', ' ')}; remove all but one.")
    found = dict(masks)
    ordered = tuple((lesion, found[lesion]) for lesion in LESIONS if lesion in found)
    return UploadedEye(photograph=photograph, masks=ordered, disc=found.get(OPTIC_DISC))
