"""The four trainings that the paper compares, in the one order that every page and table keeps."""

from dataclasses import dataclass
from typing import Literal

from dr_core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One of the paper's four trainings.

    Attributes:
        name: Name in code, files and options, such as `"iwne_fs"`.
        label: Name on a page, such as `"IWNE-FS"`.
        initialization: `"none"` (IWNE: no external data) or `"imagenet"` (IFI).
        training: `"supervised"` (FS) or `"contrastive"` (CL, MoCo v2) before the finetuning on labeled eyes.
        summary: One sentence for people.
    """

    name: str
    label: str
    initialization: Literal["none", "imagenet"]
    training: Literal["supervised", "contrastive"]
    summary: str


SETUPS: dict[str, Setup] = {
    setup.name: setup
    for setup in (
        Setup(
            name="iwne_fs",
            label="IWNE-FS",
            initialization="none",
            training="supervised",
            summary="Random weights, trained on labeled eyes alone.",
        ),
        Setup(
            name="iwne_cl",
            label="IWNE-CL",
            initialization="none",
            training="contrastive",
            summary="MoCo v2 on the eyes without their labels, then finetuned on labeled eyes.",
        ),
        Setup(
            name="ifi_fs",
            label="IFI-FS",
            initialization="imagenet",
            training="supervised",
            summary="Supervised ImageNet weights, then finetuned on labeled eyes.",
        ),
        Setup(
            name="ifi_cl",
            label="IFI-CL",
            initialization="imagenet",
            training="contrastive",
            summary="MoCo v2 on ImageNet, then finetuned on labeled eyes.",
        ),
    )
}
"""The registry: name -> set-up. Source: paper, section 3.2."""


def get_setup(name: str) -> Setup:
    """Look a set-up up by name.

    Raises:
        InputError: If there is no such set-up.
    """
    if name not in SETUPS:
        raise InputError(f"The set-up must be one of {', '.join(SETUPS)}, not {name!r}.")
    return SETUPS[name]
