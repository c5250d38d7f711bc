"""What can speak against asking models about a picture: each check with its reason in words and what it does.

The thresholds of sharpness and light were chosen with `benchmarks/calibration/quality.py` on 20 + 143 IDRiD eyes and
one CC0 eye, all of which pass. The others were chosen on 673 eyes of twelve further cameras and on drawn pictures, as
`benchmarks/calibration/fundus_likeness.py` prints; `benchmarks/trust.py` measures them on pictures of other seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dr_core.registry import Registry

if TYPE_CHECKING:
    from dr_core.data.fundus.quality import Quality

MIN_SHARPNESS = 0.31
"""Real eyes have .34 to .51; blurred by 1 % of the radius (the width of a fine vessel) all are under .29. Strong noise
in a small picture (sigma 5 at 512 pixels) hides a blur of 1 %, not one of 3 %."""

MIN_VESSELS = 0.03
"""Real eyes have .05 to .24; blurred by 3 % of the radius all have .03 or less. Holds where noise looks sharp."""

MIN_LUMINANCE = 40.0
"""Real eyes have a median of 47 to 139; at a quarter of their light all are under 35."""

MAX_RED_SATURATED = 0.5
"""Real eyes have at most .30; at twice their light four of five have more than .5."""

MAX_WHITE = 0.05
"""Real eyes have at most .003."""

MIN_RED_TO_GREEN, MIN_RED_TO_BLUE, MIN_CHROMA = 0.85, 1.0, 0.17
"""The eyes of twelve cameras have more, those with a cold white balance and the dark ones among them; gray pictures
have less."""

MIN_RIM = 0.4
"""A round field ends on its circle wherever the picture does not cut it; an ellipse and a montage touch it here and
there: most real eyes have .6 and more, an ellipse with axes of 1.2 to 1 has .35 and less."""

MIN_VISIBLE = 0.75
"""Cameras that cut their field at top and bottom leave .8 and more of it."""

MAX_ELONGATION = 1.1

MAX_CUT = 0.45
"""A field of which more lies on the picture's border is cut, and what is left of it says nothing about its shape."""

MAX_NOTCHES = 0.06
"""A field has notches of a few percent; pictures side by side and montages have more, and no circle around them."""

MIN_LETTERS = 5

MAX_BLOCKINESS = 2.0
"""Photographs at JPEG quality 75 and more have less, at quality 20 and less they have more."""


MIN_BLOCK = 0.008
"""In radii; smaller blocks, as those of photographs of 2000 pixels and more, are averaged away at 224 pixels."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """How far a picture is from what models know.

    Attributes:
        name: Name in tables.
        label: Name for people.
        sentence: What it means for the answer.
        rank: 0 for the best.
    """

    name: str
    label: str
    sentence: str
    rank: int


LEVELS: Registry[Level] = Registry(
    "warning level",
    (
        Level(
            name="within",
            label="no warning",
            sentence="No check raises a doubt about the answer.",
            rank=0,
        ),
        Level(
            name="doubtful",
            label="doubtful answer",
            sentence="The answer may be less accurate than measured on other eyes.",
            rank=1,
        ),
        Level(
            name="outside",
            label="outside what the models know",
            sentence="The models' answers say nothing about an eye and are shown in gray.",
            rank=2,
        ),
    ),
)
"""The levels, the best first."""


@dataclass(frozen=True, kw_only=True)
class InputCheck:
    """One reason against an answer.

    Attributes:
        name: Name in tables and tests.
        label: What such a picture is, in a few words.
        sentence: What a user reads where it applies.
        level: Name of the level that it leads to.
        applies: From the figures of a picture to whether it applies.
    """

    name: str
    label: str
    sentence: str
    level: str
    applies: "Callable[[Quality], bool]"


FIELD_MISSING = "No round field of view on a dark surround was found, so the whole picture is used."
BLURRED = "The photograph is blurred; small lesions and fine vessels may not show."
DARK = "The photograph is dark; lesions may not show."
OVEREXPOSED = "The photograph is overexposed; bright lesions may not show."
NOT_FUNDUS = "This may not be a fundus photograph."
GRAY = "The photograph has no colors, as red-free and angiographic ones; the models know color photographs."
INVERTED = "The photograph is a negative: dark and bright are exchanged."
NOT_ROUND = "The field of view is not round, as in a wide-field photograph; the models know round ones."
CROPPED = "A part of the round field of view is cut off; lesions there are not seen."
MONTAGE = "The picture is put together of several photographs; the models know single ones."
WRITTEN = "Something is written on the picture; the models may take it for lesions."
COMPRESSED = "The photograph is heavily compressed (JPEG); its blocks can be taken for lesions."


def is_gray(quality: "Quality") -> bool:
    """Whether it has no colors."""
    return quality.chroma < MIN_CHROMA


def is_fundus(quality: "Quality") -> bool:
    """Whether color and structure are those of a fundus photograph."""
    colored = quality.red_to_green > MIN_RED_TO_GREEN and quality.red_to_blue > MIN_RED_TO_BLUE
    return colored and not is_gray(quality) and quality.likeness_distance <= 1


def is_gray_fundus(quality: "Quality") -> bool:
    """Whether it has the structure of a fundus in a round field, but no colors."""
    return is_gray(quality) and quality.field_of_view_share > 0 and quality.structure_distance <= 1


def _is_no_fundus(quality: "Quality") -> bool:
    return not (is_fundus(quality) or is_gray_fundus(quality) or quality.negative)


def _is_blurred(quality: "Quality") -> bool:
    return quality.sharpness < MIN_SHARPNESS or quality.vessel_contrast < MIN_VESSELS


def _found(quality: "Quality") -> bool:
    return quality.field_of_view_share > 0


def _is_round(quality: "Quality") -> bool:
    is_long = quality.elongation > MAX_ELONGATION and quality.cut < MAX_CUT
    return not is_long or (_found(quality) and quality.rim >= MIN_RIM)


def _is_montage(quality: "Quality") -> bool:
    return quality.notches > MAX_NOTCHES and not (_found(quality) and quality.rim >= MIN_RIM)


INPUT_CHECKS: Registry[InputCheck] = Registry(
    "input check",
    (
        InputCheck(
            name="field_missing",
            label="no field of view",
            sentence=FIELD_MISSING,
            level="doubtful",
            applies=lambda quality: not _found(quality),
        ),
        InputCheck(name="blurred", label="blurred", sentence=BLURRED, level="doubtful", applies=_is_blurred),
        InputCheck(
            name="dark",
            label="dark",
            sentence=DARK,
            level="doubtful",
            applies=lambda quality: quality.luminance < MIN_LUMINANCE,
        ),
        InputCheck(
            name="overexposed",
            label="overexposed",
            sentence=OVEREXPOSED,
            level="doubtful",
            applies=lambda quality: quality.red_saturated > MAX_RED_SATURATED or quality.white > MAX_WHITE,
        ),
        InputCheck(
            name="not_round",
            label="field not round",
            sentence=NOT_ROUND,
            level="doubtful",
            applies=lambda quality: not _is_round(quality) and not _is_montage(quality),
        ),
        InputCheck(
            name="cropped",
            label="field cut off",
            sentence=CROPPED,
            level="doubtful",
            applies=lambda quality: _found(quality) and quality.visible < MIN_VISIBLE and _is_round(quality),
        ),
        InputCheck(
            name="montage",
            label="montage",
            sentence=MONTAGE,
            level="outside",
            applies=_is_montage,
        ),
        InputCheck(
            name="written",
            label="written on",
            sentence=WRITTEN,
            level="doubtful",
            applies=lambda quality: quality.letters >= MIN_LETTERS,
        ),
        InputCheck(
            name="compressed",
            label="JPEG blocks",
            sentence=COMPRESSED,
            level="doubtful",
            applies=lambda quality: quality.blockiness > MAX_BLOCKINESS and quality.block_size >= MIN_BLOCK,
        ),
        InputCheck(name="gray", label="gray", sentence=GRAY, level="outside", applies=is_gray_fundus),
        InputCheck(
            name="inverted",
            label="negative",
            sentence=INVERTED,
            level="outside",
            applies=lambda quality: quality.negative,
        ),
        InputCheck(name="no_fundus", label="no fundus", sentence=NOT_FUNDUS, level="outside", applies=_is_no_fundus),
    ),
)
"""The checks that need the picture alone, in the order in which they are read; `dr_core.experiments.judgement` adds the
distance of a network's features."""


def worst_level(levels: list[str]) -> Level:
    """The worst of levels by name; the best one where there is none."""
    return max((LEVELS[name] for name in levels), key=lambda level: level.rank, default=LEVELS["within"])
