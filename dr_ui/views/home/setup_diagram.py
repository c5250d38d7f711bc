"""The drawing of the four set-ups, in the manner of the paper's Figure 1a."""

from dr_core.models.setups import SETUPS, Setup

_HEADS = {1: "starts from", 3: "learns first", 5: "then learns the grades", 7: "model"}
"""Column of the drawing -> what happens there; the columns between hold the lines."""


def setups_drawing(stand_in: bool) -> str:
    """Two starts, four ways, one finetuning, four models.

    Args:
        stand_in: Whether something else takes ImageNet's place in the open study.

    Returns:
        HTML whose text takes the theme's color.
    """
    imagenet = "ImageNet stand-in" if stand_in else "ImageNet"
    told = " ".join(f"{setup.label}: {setup.summary.replace('ImageNet', imagenet)}" for setup in SETUPS.values())
    cells = [_cell("lens-step", 1, column, text) for column, text in _HEADS.items()]
    cells += [
        _cell("lens-box", 2, 1, "random weights", rows=2),
        _cell("lens-box", 4, 1, imagenet, rows=2),
        _cell("lens-box", 2, 5, "finetuned on<br>labeled eyes", rows=4),
    ]
    for row, setup in enumerate(SETUPS.values(), start=2):
        cells += _way(setup, row, imagenet)
    return (
        f'<div class="lens-drawing" role="img" aria-label="How the four models are made. {told}">{"".join(cells)}</div>'
    )


def _way(setup: Setup, row: int, imagenet: str) -> list[str]:
    look, first = f"lens-{setup.name}", _first_lesson(setup, imagenet)
    if first:
        way = [
            _cell(f"lens-wire {look}", row, 2),
            _cell(f"lens-box {look}", row, 3, first),
            _cell(f"lens-wire {look}", row, 4),
        ]
    else:
        way = [_cell(f"lens-wire {look}", row, 2, columns=3)]
    return [*way, _cell(f"lens-wire {look}", row, 6), _cell(f"lens-box lens-end {look}", row, 7, setup.label)]


def _first_lesson(setup: Setup, imagenet: str) -> str:
    if setup.self_supervised:
        return f"MoCo v2 on {'eyes without labels' if setup.initialization == 'none' else imagenet}"
    return f"supervised on {imagenet}" if setup.initialization == "imagenet" else ""


def _cell(look: str, row: int, column: int, text: str = "", rows: int = 1, columns: int = 1) -> str:
    return (
        f'<div class="{look}" style="grid-row:{row} / span {rows};grid-column:{column} / span {columns}">{text}</div>'
    )
