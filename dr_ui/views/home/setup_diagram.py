"""The drawing of a study's set-ups, in the manner of the paper's Figure 1a."""

from collections.abc import Iterable
from html import escape
from itertools import groupby

from dr_core.models.setups import PRETRAINING_LABELS, Setup
from dr_ui.parts.style import initialization_title, setup_class

_HEADS = {1: "initial weights", 3: "pretraining", 5: "training on grades", 7: "model"}
"""Column of the drawing -> what happens there; the columns between hold the lines."""

_STAND_IN = "ImageNet stand-in"


def setups_drawing(setups: Iterable[Setup], *, stand_in: bool) -> str:
    """Initial weights, pretrainings, one finetuning, and the models.

    Args:
        setups: The set-ups, in their order.
        stand_in: Whether something else takes ImageNet's part in the open study.

    Returns:
        HTML whose text takes the theme's color.
    """
    shown = list(setups)
    imagenet = _STAND_IN if stand_in else "ImageNet"
    cells = [_cell("lens-step", 1, column, text) for column, text in _HEADS.items()]
    row = 2
    for initialization, group in groupby(shown, key=lambda setup: setup.initialization):
        members = list(group)
        title = "random weights" if initialization == "none" else _source(initialization, imagenet)
        cells.append(_cell("lens-box", row, 1, escape(title), rows=len(members)))
        for number, setup in enumerate(members):
            cells += _setup_row(setup, row + number, imagenet)
        row += len(members)
    cells.append(_cell("lens-box", 2, 5, "finetuned on<br>labeled eyes", rows=max(len(shown), 1)))
    summary = " ".join(f"{setup.label}: {setup.summary.replace('ImageNet', imagenet)}" for setup in shown)
    return (
        '<div class="lens-scroll"><div class="lens-drawing" role="img" aria-label="How the models are made. '
        f'{escape(summary)}">{"".join(cells)}</div></div>'
    )


def _setup_row(setup: Setup, row: int, imagenet: str) -> list[str]:
    look, pretraining = setup_class(setup.name), _pretraining(setup, imagenet)
    if pretraining:
        cells = [
            _cell(f"lens-wire {look}", row, 2),
            _cell(f"lens-box {look}", row, 3, escape(pretraining)),
            _cell(f"lens-wire {look}", row, 4),
        ]
    else:
        cells = [_cell(f"lens-wire {look}", row, 2, columns=3)]
    return [*cells, _cell(f"lens-wire {look}", row, 6), _cell(f"lens-box lens-end {look}", row, 7, escape(setup.label))]


def _pretraining(setup: Setup, imagenet: str) -> str:
    """What a set-up learns before the grades; empty for nothing."""
    if setup.pretraining == "none":
        return ""
    source = "unlabeled eyes" if setup.initialization == "none" else _source(setup.initialization, imagenet)
    return f"{PRETRAINING_LABELS.get(setup.pretraining, setup.pretraining)} on {source}"


def _source(initialization: str, imagenet: str) -> str:
    return imagenet if initialization == "imagenet" else initialization_title(initialization)


def _cell(look: str, row: int, column: int, text: str = "", rows: int = 1, columns: int = 1) -> str:
    return (
        f'<div class="{look}" style="grid-row:{row} / span {rows};grid-column:{column} / span {columns}">{text}</div>'
    )
