"""One eye under damage: pictures, answers, curves and the whole grid, in bounded caches of the session."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from dr_core.analysis.localization import pool
from dr_core.analysis.robustness import correlate_heatmaps
from dr_core.corruption import CORRUPTIONS, IMAGENET_C, MAX_SEVERITY, corrupt
from dr_core.data.fundus import encode_jpeg
from dr_core.data.preprocessing import Preprocessing
from dr_core.publish import overlay
from dr_core.seeds import derive_seed
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.kept import kept
from dr_ui.views.explain import engines

Steps = tuple[tuple[str, float], ...]
"""Corruptions with their severities, one after the other."""

LEVELS = tuple(float(level) for level in np.linspace(0, MAX_SEVERITY, 11))
"""Severities of the curve."""

GRID_LEVELS = tuple(range(1, MAX_SEVERITY + 1))
GRID = tuple(IMAGENET_C)
"""The grid: ImageNet-C's nineteen corruptions in five severities."""

_SCREEN_SIDE, _THUMBNAIL_SIDE, _THUMBNAIL_LEVEL = 640, 88, 4.0
_SEED = 0


@dataclass(frozen=True)
class DamagedView:
    """An eye after damage.

    Attributes:
        picture: JPEG of what the first of the models sees.
        answers: Set-up -> softmax, float64 (5,).
    """

    picture: bytes
    answers: dict[str, np.ndarray]


def names(family: str) -> list[str]:
    """Corruptions of a family."""
    return [name for name, entry in CORRUPTIONS.items() if entry.family == family]


def _apply(view: np.ndarray, steps: Steps, eye: Eye) -> np.ndarray:
    """Damage a view, uint8 (S, S, 3); the seed follows from the eye, as in the study's tables."""
    image = torch.from_numpy(view).permute(2, 0, 1)[None].contiguous()
    for name, severity in steps:
        image = corrupt(image, name, severity, derive_seed(_SEED, "damage", eye.name))
    return image[0].permute(1, 2, 0).contiguous().numpy()


def damage(eye: Eye, study: Study, steps: Steps) -> DamagedView:
    """The eye after these steps.

    Raises:
        InputError: If the photograph cannot be read, or a corruption is unknown or out of range.
    """
    return _damage(eye.key, cache.study_stamp(study), steps, eye, study)


@kept(st.cache_data, 128)
def _damage(key: str, stamp: cache.Stamp, steps: Steps, _eye: Eye, _study: Study) -> DamagedView:
    views = {preprocessing: _apply(view, steps, _eye) for preprocessing, view in cache.look(_eye, _study).views.items()}
    answers = _ask(_study, {preprocessing: [view] for preprocessing, view in views.items()}, 0)
    return DamagedView(encode_jpeg(next(iter(views.values())), _SCREEN_SIDE), answers)


def _ask(study: Study, views: dict[Preprocessing, list[np.ndarray]], row: int | slice) -> dict[str, np.ndarray]:
    answers = cache.predict(study, {preprocessing: np.stack(pictures) for preprocessing, pictures in views.items()})
    return {setup: softmax[row] for setup, softmax in answers.items()}


def curve(eye: Eye, study: Study, name: str, after: Steps) -> dict[str, np.ndarray]:
    """Set-up -> softmax at each of `LEVELS`, float64 (11, 5); `after` is applied behind each."""
    return _curve(eye.key, cache.study_stamp(study), name, after, eye, study)


@kept(st.cache_data, 64)
def _curve(key: str, stamp: cache.Stamp, name: str, after: Steps, _eye: Eye, _study: Study) -> dict[str, np.ndarray]:
    views = {
        preprocessing: [_apply(view, ((name, level), *after), _eye) for level in LEVELS]
        for preprocessing, view in cache.look(_eye, _study).views.items()
    }
    return _ask(_study, views, slice(None))


def scan(eye: Eye, study: Study) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Every corruption of `GRID` in turn: its name, and set-up -> softmax at each of `GRID_LEVELS`, float64 (5, 5)."""
    for name in GRID:
        views = {
            preprocessing: [_apply(view, ((name, float(level)),), eye) for level in GRID_LEVELS]
            for preprocessing, view in cache.look(eye, study).views.items()
        }
        yield name, _ask(study, views, slice(None))


def thumbnails(eye: Eye, study: Study, family: str) -> dict[str, bytes]:
    """Corruption of a family -> small JPEG of the eye under it."""
    return _thumbnails(eye.key, cache.study_stamp(study), family, eye, study)


@kept(st.cache_data, 32)
def _thumbnails(key: str, stamp: cache.Stamp, family: str, _eye: Eye, _study: Study) -> dict[str, bytes]:
    view = next(iter(cache.look(_eye, _study).views.values()))
    return {
        name: encode_jpeg(_apply(view, ((name, _THUMBNAIL_LEVEL),), _eye), _THUMBNAIL_SIDE) for name in names(family)
    }


@dataclass(frozen=True)
class Moved:
    """A model's heatmap of the damaged eye beside that of the clean one.

    Attributes:
        pictures: Clean and damaged, JPEGs with the heatmap over the eye.
        correlation: Spearman's rank correlation of both, -1 to 1.
    """

    pictures: tuple[bytes, bytes]
    correlation: float


def move(eye: Eye, study: Study, steps: Steps, target: int) -> dict[str, Moved | str]:
    """Set-up -> how LRP's heatmap from a grade's output moves, or why it has none."""
    return _move(eye.key, cache.study_stamp(study), steps, target, eye, study)


@kept(st.cache_data, 32)
def _move(key: str, stamp: cache.Stamp, steps: Steps, target: int, _eye: Eye, _study: Study) -> dict[str, Moved | str]:
    preprocessings = {setup: model.info.preprocessing for setup, model in cache.models(_study).items()}
    pairs = {
        preprocessing: np.stack([view, _apply(view, steps, _eye)])
        for preprocessing, view in cache.look(_eye, _study).views.items()
    }
    inputs = {setup: preprocessing.normalize(pairs[preprocessing]) for setup, preprocessing in preprocessings.items()}
    found = engines.attribute(_study, "alpha1_beta0", inputs, target)
    maps = {setup: pool(one, "sum_pos") for setup, one in found.items() if isinstance(one, torch.Tensor)}
    end = overlay.shared_scale_end(one.numpy() for pair in maps.values() for one in pair) if maps else 1.0
    moved: dict[str, Moved | str] = {setup: one for setup, one in found.items() if isinstance(one, str)}
    moved |= {setup: _compare(pair, pairs[preprocessings[setup]], end) for setup, pair in maps.items()}
    return {setup: moved[setup] for setup in found}


def _compare(maps: torch.Tensor, views: np.ndarray, end: float) -> Moved:
    """Clean and damaged heatmap, float (2, S, S), over their views, uint8 (2, S, S, 3)."""
    clean, damaged = (
        encode_jpeg(overlay.render_overlay(view, one.numpy(), end), _SCREEN_SIDE // 2)
        for view, one in zip(views, maps, strict=True)
    )
    return Moved((clean, damaged), float(correlate_heatmaps(maps[:1], maps[1:])[0]))
