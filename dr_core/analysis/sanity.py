"""Does a heatmap depend on what the network has learned, and on the grade that is asked? Checks of the method itself.

A map that stays as it is while the layers of the network are randomized one after another shows the picture and the
architecture, not the network's knowledge; one that is the same for every grade shows no reason for any of them.

Source: Adebayo et al. 2018, Sanity Checks for Saliency Maps, NeurIPS, arXiv:1810.03292 (cascading randomization, also
called model parameter randomization test, MPRT); Sixt et al. 2020, arXiv:1912.09818 (rules that converge to rank 1).
"""

import copy
from collections.abc import Iterator

import numpy as np
from scipy import stats
from torch import nn

from dr_core.errors import InputError
from dr_core.models.seeded import seeded
from dr_core.models.structure import stage_of

INSENSITIVE = 0.80
"""Spearman correlation from which two maps are called alike."""

SENSITIVE = 0.50
"""Correlation under which they are called different."""


def spearman(first: np.ndarray, second: np.ndarray, field: np.ndarray | None = None) -> float:
    """Rank correlation of two maps.

    rho = the Pearson correlation of the ranks of the values, ties sharing their mean rank.

    Args:
        first: Float (H, W).
        second: Float (H, W).
        field: Bool (H, W), the pixels that are compared; None takes all. The black surround, alike in every map, would
            make all of them look alike.

    Returns:
        -1 to 1; NaN where a map is constant.

    Raises:
        InputError: If the shapes differ.

    Source: Spearman 1904, American Journal of Psychology 15(1); as in Adebayo et al. 2018, section 4.
    """
    first, second = _inside(first, second, field)
    if first.min() == first.max() or second.min() == second.max():
        return float("nan")
    return float(stats.spearmanr(first, second)[0])


def structural_likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Structural similarity (SSIM) of two maps, each brought to the range 0 to 1.

    SSIM = the mean over windows of (2 m1 m2 + c1)(2 s12 + c2) / ((m1^2 + m2^2 + c1)(s1^2 + s2^2 + c2)).

    Args:
        first: Float (H, W), at least 7 x 7.
        second: Float (H, W).

    Returns:
        -1 to 1; NaN where a map is constant.

    Raises:
        InputError: If the shapes differ.

    Source: Wang et al. 2004, IEEE Transactions on Image Processing 13(4), eq. 13; as in Adebayo et al. 2018, section 4.
    """
    from skimage.metrics import structural_similarity

    _inside(first, second, None)
    if first.min() == first.max() or second.min() == second.max():
        return float("nan")
    scaled = [(values - values.min()) / (values.max() - values.min()) for values in (first, second)]
    return float(structural_similarity(*scaled, data_range=1.0))  # type: ignore[no-untyped-call]


def _inside(first: np.ndarray, second: np.ndarray, field: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if first.ndim != 2 or first.shape != second.shape or (field is not None and field.shape != first.shape):
        raise InputError(f"Two maps must have one shape (H, W), not {first.shape} and {second.shape}.")
    return (first.ravel(), second.ravel()) if field is None else (first[field], second[field])


def randomize_cascade(model: nn.Module, seed: int, by_stage: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """Randomize the layers of a network one after another, from the output to the input.

    Args:
        model: The network; it stays as it was.
        seed: Seed of the new weights.
        by_stage: Whether to stop after whole parts of the network (of a ResNet `fc`, `layer4` ... `conv1`) instead of
            every layer.

    Yields:
        Name of the layer or stage that was randomized last, and the network with it and all later ones randomized. It
        is the same object each time: use it before asking for the next.

    Source: Adebayo et al. 2018, section 3.1; layers and seeds as Quantus 0.6.0 has them (order "top_down").
    """
    current = copy.deepcopy(model)
    layers = [(name, module) for name, module in current.named_modules() if _can_reset(module)][::-1]
    for number, (name, module) in enumerate(layers):
        with seeded(seed + 1):
            module.reset_parameters()
        stage = stage_of(model, name)
        last = number + 1 == len(layers) or stage_of(model, layers[number + 1][0]) != stage
        if last or not by_stage:
            yield stage if by_stage else name, current


def _can_reset(module: nn.Module) -> bool:
    return callable(getattr(module, "reset_parameters", None))


def describe_class_sensitivity(label: str, correlation: float | None) -> str:
    """Say in plain words whether a method's map depends on the grade that is asked about.

    Args:
        label: The method.
        correlation: Mean rank correlation of the map with those of other grades inside the field of view; None where
            it has none to compare with.
    """
    if correlation is None or np.isnan(correlation):
        return f"{label}: whether its map depends on the target grade cannot be determined here."
    shown = f"rank correlation with the maps of other grades {correlation:.2f}, 1 = the same map"
    if correlation >= INSENSITIVE:
        return f"{label}: this method's map depends little on the target grade ({shown})."
    if correlation > SENSITIVE:
        return f"{label}: this method's map depends in part on the target grade ({shown})."
    return f"{label}: this method's map depends on the target grade ({shown})."


def describe_cascade(label: str, correlation: float) -> str:
    """Say in plain words whether a method's map depends on the late layers of the network.

    Args:
        label: The method.
        correlation: Rank correlation of the map with that of the same network, its last layer and last stage
            randomized, inside the field of view.
    """
    shown = f"rank correlation {correlation:.2f} once the last layer and the last stage are randomized"
    if correlation >= INSENSITIVE:
        return f"{label}: this method's map hardly depends on what the late layers have learned ({shown})."
    if correlation > SENSITIVE:
        return f"{label}: this method's map depends in part on what the late layers have learned ({shown})."
    return f"{label}: this method's map depends on what the late layers have learned ({shown})."
