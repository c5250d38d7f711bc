"""The methods of pretraining: one registry that commands, studies, documents and tests read."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dr_core.registry import Registry
from dr_core.training.pretraining.byol import BYOL_METHOD
from dr_core.training.pretraining.dino import DINO_METHOD
from dr_core.training.pretraining.method import Method
from dr_core.training.pretraining.moco import MOCO
from dr_core.training.pretraining.simclr import SIMCLR
from dr_core.training.pretraining.supervised import SUPERVISED

METHODS: Registry[Method] = Registry("method", (MOCO, SIMCLR, BYOL_METHOD, DINO_METHOD, SUPERVISED))
"""The methods, the paper's first."""

_BEFORE = ("moco", "supervised")
"""Methods whose run folders did not name them before there were others."""


def describe_method(method: Method) -> dict[str, str]:
    """What a run folder says of its method; nothing for those that it is known by without."""
    return {} if method.name in _BEFORE else {"method": method.name}


def recognize_method(config: Mapping[str, Any]) -> Method:
    """The method of a pretraining, from what its run folder says.

    Args:
        config: What the run folder was asked for.

    Raises:
        InputError: If it names a method that there is not.
    """
    return METHODS.find(str(config.get("method", "moco" if "queue" in config else "supervised")))


def list_options() -> dict[str, tuple[str, ...]]:
    """Field of a recipe -> names of the methods that have it."""
    found: dict[str, list[str]] = {}
    for method in METHODS.values():
        for field in fields(method.recipes["paper"]):
            found.setdefault(field.name, []).append(method.name)
    return {name: tuple(methods) for name, methods in found.items()}
