"""Everything that DR Lens computes: data, models, training, analyses and studies. Knows no user interface.

The names that scripts build on can be imported from here (docs/api.md); each brings its module along when it is first
asked for, so that importing this package takes no time.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dr_core.analysis.attribution import Explainer
    from dr_core.analysis.controls import build_explainers, control_maps
    from dr_core.analysis.explanation import describe_explanation, explain_map
    from dr_core.analysis.localization import (
        pool,
        relevance_mass_accuracy,
        relevance_rank_accuracy,
        relevance_recall,
    )
    from dr_core.analysis.spectrum import activation_eigenvalues, condition_number
    from dr_core.corruption import CORRUPTIONS, corrupt
    from dr_core.data.fundus import find_field_of_view, read_fundus
    from dr_core.data.idrid import load_segmentation
    from dr_core.data.phantom import draw_phantom
    from dr_core.data.regions import find_regions
    from dr_core.errors import InputError
    from dr_core.models.checkpoint import LoadedModel, load_model
    from dr_core.models.moco import MoCo

__version__ = "0.2.0.dev0"
"""Version of DR Lens, as in pyproject.toml."""

__all__ = [
    "CORRUPTIONS",
    "Explainer",
    "InputError",
    "LoadedModel",
    "MoCo",
    "activation_eigenvalues",
    "build_explainers",
    "condition_number",
    "control_maps",
    "corrupt",
    "describe_explanation",
    "draw_phantom",
    "explain_map",
    "find_field_of_view",
    "find_regions",
    "load_model",
    "load_segmentation",
    "pool",
    "read_fundus",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "relevance_recall",
]

_HOMES = {
    "dr_core.analysis.controls": (
        "build_explainers",
        "control_maps",
    ),
    "dr_core.analysis.explanation": (
        "describe_explanation",
        "explain_map",
    ),
    "dr_core.data.regions": ("find_regions",),
    "dr_core.analysis.attribution": ("Explainer",),
    "dr_core.analysis.localization": (
        "pool",
        "relevance_mass_accuracy",
        "relevance_rank_accuracy",
        "relevance_recall",
    ),
    "dr_core.analysis.spectrum": ("activation_eigenvalues", "condition_number"),
    "dr_core.corruption": ("CORRUPTIONS", "corrupt"),
    "dr_core.data.fundus": ("find_field_of_view", "read_fundus"),
    "dr_core.data.idrid": ("load_segmentation",),
    "dr_core.data.phantom": ("draw_phantom",),
    "dr_core.errors": ("InputError",),
    "dr_core.models.checkpoint": ("LoadedModel", "load_model"),
    "dr_core.models.moco": ("MoCo",),
}
"""Module -> public names in it."""


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
