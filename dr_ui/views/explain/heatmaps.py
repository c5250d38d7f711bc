"""Heatmaps and lesion masks of the eye that is looked at: bounded caches, explainers shared by all sessions."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np
import streamlit as st
import torch

from dr_core.analysis.attribution import RULES
from dr_core.analysis.controls import class_maps
from dr_core.analysis.localization import pool
from dr_core.data.fundus import FieldOfView, encode_jpeg
from dr_core.data.fundus.field_of_view import cut_square, square_of
from dr_core.data.grades import LESIONS, TOTAL, total_lesions
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.protocol import PROTOCOLS, MaskRule, scale_mask
from dr_core.data.regions import Regions, find_regions
from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.kept import kept
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts.viewer import Outline, Picture, Rectangle, trace
from dr_ui.shell.device import each, model_device
from dr_ui.views.explain import engines

_PHOTOGRAPH_SIDE = 1500
"""Longest side in pixels of the photograph in the viewer, which can be zoomed."""

Pixels = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the photograph."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is kept of a specimen.

    Attributes:
        photograph: JPEG of the part that the models see.
        part: That part.
        shape: Height and width of the whole photograph in pixels.
        field_of_view: Field of view.
        inputs: The models' input, float32 (1, 3, S, S), for each way in which the study's models see the eye.
        places: Which part of the shown photograph each way covers.
        regions: Way -> field of view, optic disc and central macula.
        masks: Way -> lesion, or `"total"` -> bool (S, S).
        drawn: Way -> what the user has drawn without naming a lesion, bool (S, S); empty where that is nothing.
        outlines: The lesions' outlines, and that of what was drawn.
        notes: What a user should know of the masks.
    """

    photograph: bytes
    part: Pixels
    shape: tuple[int, int]
    field_of_view: FieldOfView
    inputs: dict[Preprocessing, torch.Tensor]
    places: dict[Preprocessing, Rectangle]
    regions: dict[Preprocessing, Regions]
    masks: dict[Preprocessing, dict[str, np.ndarray]] = field(default_factory=dict)
    drawn: dict[Preprocessing, np.ndarray] = field(default_factory=dict)
    outlines: tuple[Outline, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Height of the shown part over its width."""
        return self.part[3] / self.part[2]

    def join(self, preprocessing: Preprocessing, lesions: tuple[str, ...]) -> np.ndarray:
        """Where some lesions lie in a model's view, bool (S, S)."""
        mask = np.zeros((preprocessing.size, preprocessing.size), bool)
        for lesion in [TOTAL] if lesions == total_lesions() else lesions:
            mask |= self.masks[preprocessing].get(lesion, False)
        return mask

    @property
    def part_on_photograph(self) -> tuple[float, float, float]:
        """Left, top and width of the shown part on the photograph, which is 1 wide."""
        left, top, width, _ = self.part
        return left / self.shape[1], top / self.shape[1], width / self.shape[1]


OWN = "own"
"""The view in which the models were trained, as on the other pages; the alternatives are `PROTOCOLS`."""


def ways_of(study: Study, protocol: str) -> dict[str, Preprocessing]:
    """How each set-up sees an eye: a protocol decides size and crop, the color normalization stays the model's own."""
    own = {setup: model.info.preprocessing for setup, model in cache.models(study).items()}
    if protocol == OWN:
        return own
    asked = PROTOCOLS[protocol]
    return {setup: replace(preprocessing, size=asked.size, crop=asked.crop) for setup, preprocessing in own.items()}


def prepare(specimen: Specimen, study: Study, protocol: str) -> Prepared:
    """Bring an eye and its masks to the models' views.

    Raises:
        InputError: If a file cannot be read, or a mask does not belong to the photograph.
    """
    preprocessings = tuple(dict.fromkeys(ways_of(study, protocol).values()))
    rule = "touched" if protocol == OWN else PROTOCOLS[protocol].mask_rule
    return _prepare(specimen.key, preprocessings, rule, specimen)


@kept(st.cache_resource, 4)
def _prepare(key: str, preprocessings: tuple[Preprocessing, ...], rule: MaskRule, _specimen: Specimen) -> Prepared:
    """An eye with its masks; drawing over it reads the masks again, and nothing else."""
    viewed = _view(_specimen.view_key, preprocessings, _specimen)
    readers = _specimen.mask_readers(viewed.shape, viewed.field_of_view.share)
    with ThreadPoolExecutor(_READERS) as workers:  # decoding and scaling leave the interpreter's lock
        reading = {lesion: workers.submit(reader) for lesion, reader in readers.items()}
        masks = {lesion: read.result() for lesion, read in reading.items()}
        pixels = {lesion: mask.pixels for lesion, mask in masks.items()}
        counted = [pixels[lesion] for lesion in total_lesions() if lesion in pixels]
        if counted:  # before scaling, as `localize` does: a pixel that two lesions halve is covered
            pixels[TOTAL] = reduce(np.logical_or, counted)
        drawn = _specimen.draw_region(viewed.shape)
        if drawn is not None:
            pixels[_DRAWN] = drawn
        scaling = {
            (prep, name): workers.submit(
                scale_mask, mask, prep.size, crop=prep.crop, rule=rule, field=viewed.field_of_view
            )
            for prep in preprocessings
            for name, mask in pixels.items()
        }
        tracing = [
            workers.submit(_outline, lesion, pixels[lesion], viewed.part) for lesion in LESIONS if lesion in masks
        ]
        if drawn is not None:
            tracing.append(workers.submit(_outline_drawn, drawn, viewed.part))
        return replace(
            viewed,
            masks={
                prep: {name: scaling[prep, name].result() for name in pixels if name != _DRAWN}
                for prep in preprocessings
            },
            drawn={prep: scaling[prep, _DRAWN].result() for prep in preprocessings if drawn is not None},
            outlines=tuple(traced.result() for traced in tracing),
            notes=_specimen.notes(masks),
        )


_DRAWN = "drawn"


@kept(st.cache_resource, 4)
def _view(key: str, preprocessings: tuple[Preprocessing, ...], _specimen: Specimen) -> Prepared:
    """An eye without its masks."""
    image = _specimen.eye.read()
    found = _specimen.eye.find_field(image)
    landmarks = _specimen.find_landmarks(image, found)
    part, shape = _part(preprocessings[0], image, found), (image.shape[0], image.shape[1])
    return Prepared(
        photograph=encode_jpeg(_cut(image, part), _PHOTOGRAPH_SIDE),
        part=part,
        shape=shape,
        field_of_view=found,
        inputs={prep: prep.normalize(prep.to_model_view(image, found)[None]) for prep in preprocessings},
        places={prep: _place(_part(prep, image, found), part) for prep in preprocessings},
        regions={prep: find_regions(shape, prep, found, landmarks) for prep in preprocessings},
    )


_READERS = 4


def _part(preprocessing: Preprocessing, image: np.ndarray, field: FieldOfView) -> Pixels:
    if preprocessing.crop == "squash":
        return 0, 0, image.shape[1], image.shape[0]
    left, top, side = square_of(field)
    return left, top, side, side


def _cut(image: np.ndarray, part: Pixels) -> np.ndarray:
    left, top, width, height = part
    return image if (height, width) == image.shape[:2] else cut_square(image, left, top, width)


def _place(part: Pixels, shown: Pixels) -> Rectangle:
    """Where a part lies on the shown one, which is 1 wide."""
    left, top, width, height = part
    return (left - shown[0]) / shown[2], (top - shown[1]) / shown[2], width / shown[2], height / shown[2]


def _outline(lesion: str, mask: np.ndarray, part: Pixels) -> Outline:
    known = LESIONS[lesion]
    return trace(mask, part, code=known.code, name=known.label, color=known.color, dash=known.dash)


def _outline_drawn(mask: np.ndarray, part: Pixels) -> Outline:
    return trace(mask, part, code="region", name="drawn region", color="#ffffff", dash="6 4")


def probabilities(specimen: Specimen, study: Study, protocol: str) -> dict[str, np.ndarray]:
    """Softmax of each model about the eye, float64 (classes,); NaN where it is not a probability."""
    if protocol == OWN:
        found = cache.answers(specimen.eye, study)
        return {
            setup: found.get(setup, np.full(len(model.info.classes), np.nan))
            for setup, model in cache.models(study).items()
        }
    return _probabilities(specimen.eye.key, cache.study_stamp(study), protocol, specimen, study)


@kept(st.cache_data, 64)
def _probabilities(
    key: str, stamp: cache.Stamp, protocol: str, _specimen: Specimen, _study: Study
) -> dict[str, np.ndarray]:
    inputs, preprocessings = prepare(_specimen, _study, protocol).inputs, ways_of(_study, protocol)

    def ask_all(device: str) -> dict[str, np.ndarray]:
        models = cache.models(_study, device)

        @torch.inference_mode()
        def answer(setup: str) -> np.ndarray:
            logits = models[setup].model(inputs[preprocessings[setup]].to(device))
            return torch.softmax(logits.double(), dim=1)[0].cpu().numpy()

        return each(models, answer)

    return model_device().run(ask_all)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the models are asked.

    Attributes:
        rule: Key of the attribution rules.
        target: The grade whose output is explained, or `POSITIVE`.
        pooling: Key of the poolings: how three colors become one value.
        protocol: `OWN`, or the key of the protocol whose view the models are shown.
    """

    rule: str
    target: int
    pooling: str
    protocol: str


@dataclass(frozen=True)
class Answers:
    """Where the models look.

    Attributes:
        pooled: Set-up -> heatmap as it is scored, float64 (1, S, S), not negative.
        shown: Set-up -> heatmap as it is shown, float (S, S), with its signs where rule and pooling leave any.
        pictures: Set-up -> the same as it travels to the browser.
        reasons: Set-up without an answer -> why, a sentence; never all of them.
    """

    pooled: dict[str, torch.Tensor]
    shown: dict[str, np.ndarray]
    pictures: dict[str, Picture]
    reasons: dict[str, str]


def ask(specimen: Specimen, study: Study, question: Question) -> Answers:
    """Ask each model where it looks; one that gives no answer keeps none of the others from theirs.

    Raises:
        InputError: If no model gives an answer, or the eye cannot be read.
    """
    answers = _ask(specimen.view_key, cache.study_stamp(study), question, specimen, study)
    if not answers.pooled:
        raise InputError(" ".join(f"{study.setups[setup].label}: {why}" for setup, why in answers.reasons.items()))
    return answers


@kept(st.cache_resource, 4)
def _ask(key: str, stamp: cache.Stamp, question: Question, _specimen: Specimen, _study: Study) -> Answers:
    asked = replace(question, pooling="")  # one relevance serves all poolings
    found = _relevances(key, stamp, asked, _specimen, _study)
    relevances = {setup: one for setup, one in found.items() if isinstance(one, torch.Tensor)}
    pooled = {setup: pool(relevance, question.pooling) for setup, relevance in relevances.items()}
    signed = RULES[question.rule].signed and question.pooling == "sum_pos"
    shown = {
        setup: (relevance.double().sum(dim=1) if signed else pooled[setup])[0].numpy()
        for setup, relevance in relevances.items()
    }
    return Answers(
        pooled,
        shown,
        {setup: Picture.encode(heatmap) for setup, heatmap in shown.items()},
        {setup: reason for setup, reason in found.items() if isinstance(reason, str)},
    )


@kept(st.cache_resource, 3)
def _relevances(
    key: str, stamp: cache.Stamp, asked: Question, _specimen: Specimen, _study: Study
) -> dict[str, torch.Tensor | str]:
    """Set-up -> relevance, float32 (1, 3, S, S), or why it gives none."""
    inputs, preprocessings = prepare(_specimen, _study, asked.protocol).inputs, ways_of(_study, asked.protocol)

    def ask_all(device: str) -> dict[str, torch.Tensor | str]:
        cache.models(_study, device)  # brought there once, before the threads ask for them

        def explain(setup: str) -> torch.Tensor | str:
            try:
                output = cache.models(_study)[setup].info.output_of(asked.target)
                found = engines.explainer(_study, setup, asked.rule, device)
                return found.attribute(inputs[preprocessings[setup]].to(device), output).float().cpu()
            except InputError as error:
                return str(error)

        return each(preprocessings, explain, is_long=True)

    return model_device().run(ask_all)


@kept(st.cache_resource, 1)  # what is concluded from them is kept longer, by `controls`
def maps_by_class(
    key: str, stamp: cache.Stamp, asked: Question, _specimen: Specimen, _study: Study
) -> dict[str, dict[str, torch.Tensor]]:
    """Set-up with an answer -> its map of the asked grade and those of the others, which share one forward pass.

    The heatmaps themselves are drawn before, by `ask`, so that nobody waits for their controls to see them.
    """
    inputs, preprocessings = prepare(_specimen, _study, asked.protocol).inputs, ways_of(_study, asked.protocol)
    models = cache.models(_study)
    found = _relevances(key, stamp, asked, _specimen, _study)
    own = {setup: one for setup, one in found.items() if isinstance(one, torch.Tensor)}

    def ask_all(device: str) -> dict[str, dict[str, torch.Tensor]]:
        def explain(setup: str) -> dict[str, torch.Tensor]:
            info, x = models[setup].info, inputs[preprocessings[setup]].to(device)
            output, classes = info.output_of(asked.target), len(info.classes)
            explainer = engines.explainer(_study, setup, asked.rule, device)
            found_maps = class_maps(explainer, x, output, classes, own[setup])
            return {method: relevance.float().cpu() for method, relevance in found_maps.items()}

        return each(own, explain, is_long=True)

    return model_device().run(ask_all)
