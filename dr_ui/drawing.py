"""The drawing of the four set-ups, in the manner of the paper's Figure 1a."""

from html import escape

from dr_core.models.setups import SETUPS, Setup

_HEADS = ("starts from", "learns first", "then learns the grades", "model")


def setups_drawing(stand_in: bool) -> str:
    """A row for each set-up: what it starts from, how it is pretrained, and that all are finetuned on labeled eyes.

    Args:
        stand_in: Whether something else takes ImageNet's place in the open study.

    Returns:
        HTML whose text takes the theme's color.
    """
    heads = "".join(f"<span>{text}</span>" for text in _HEADS)
    rows = "".join(_row(setup, "ImageNet stand-in" if stand_in else "ImageNet") for setup in SETUPS.values())
    return f'<div class="lens-drawing" role="group" aria-label="The four set-ups"><p>{heads}</p>{rows}</div>'


def _row(setup: Setup, imagenet: str) -> str:
    start = imagenet if setup.initialization == "imagenet" else "random weights"
    data = "eyes without labels" if setup.initialization == "none" else imagenet
    if setup.training == "contrastive":
        first = f"MoCo v2 on {data}"
    else:
        first = f"supervised on {imagenet}" if setup.initialization == "imagenet" else ""
    middle = f"<span>{escape(first)}</span>" if first else '<span class="lens-through"></span>'
    return (
        f'<p class="lens-{setup.name}" title="{escape(setup.summary)}"><span>{start}</span>{middle}'
        f"<span>finetuned on labeled eyes</span><b>{setup.label}</b></p>"
    )
