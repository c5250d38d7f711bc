"""Whether prepared eyes are what a network takes: one comparison of everything that a store records of its images."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store, read_header
from dr_core.errors import InputError, Remedy

_DRAWN = {"crop": "field_of_view"}
"""How drawn stores were brought to size, which record nothing."""


def read_preparation(folder: Path, store: Store) -> dict[str, Any]:
    """What the images of a store have gone through, in the words of `Preprocessing`.

    Args:
        folder: Where the store lies.
        store: The store.

    Returns:
        Field of `Preprocessing` -> value, for every field that the store records; the size is that of its images.
    """
    header, fields = read_header(folder), (field.name for field in dataclasses.fields(Preprocessing))
    return _DRAWN | {name: header[name] for name in fields if name in header} | {"size": store.images.shape[-1]}


def check_preparation(folder: Path, store: Store, takers: Iterable[tuple[str, Preprocessing]]) -> None:
    """Make sure that the images of a store were prepared as networks take them.

    Args:
        folder: Where the store lies.
        store: The store.
        takers: Name of each network, or of the eyes that it was trained on, and how it takes an eye.

    Raises:
        InputError: If anything that the store records differs.
    """
    found = read_preparation(folder, store)
    for name, taken in takers:
        wanted = {field: getattr(taken, field) for field in found}
        if wanted != found:
            raise InputError(
                f"The eyes in {folder} were prepared with {_describe(found)}, and {name} takes {_describe(wanted)}; "
                f"prepare them with {_describe(wanted)}.",
                Remedy("prepare data", {"size": str(taken.size), "protocol": _PROTOCOL[taken.crop]}),
            )


_PROTOCOL = {"squash": "paper", "field_of_view": "fine"}
"""Crop -> protocol that has it."""


def _describe(values: dict[str, Any]) -> str:
    words = [f"{values['size']} px"]
    return ", ".join(words + [f"{name} {value}" for name, value in values.items() if name != "size"])
