"""Recipes as run folders and checkpoints hold them: plain values, alike in every version."""

import dataclasses
from typing import Any

_UNSAID: dict[str, Any] = {
    "optimizer": "adamw",
    "patience": 0,
    "class_weighting": "none",
    "sampling": "natural",
    "augment": None,
}
"""Options that came later, where they are off."""


def recipe_values(config: Any) -> dict[str, Any]:  # noqa: ANN401 - any configuration that holds recipes
    """Plain values of a recipe, or of what holds recipes.

    An option that came later is left out where it is off, so that a run folder or checkpoint of before it reads as one
    of today.
    """

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in pairs if name not in _UNSAID or value != _UNSAID[name]}

    return dataclasses.asdict(config, dict_factory=keep)
