"""Set-ups: the ways to train or obtain a model that a study compares. The paper's four are the preset `paper`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from dr_core.errors import InputError
from dr_core.registry import Registry

Line = Literal["solid", "dash", "dot", "dashdot"]

PRETRAINING_LABELS: Mapping[str, str] = {
    "moco": "MoCo v2",
    "simclr": "SimCLR",
    "byol": "BYOL",
    "dino": "DINO",
    "supervised": "supervised",
}
"""Pretraining of a set-up -> its name for people, of those that this version can do; a study may name others."""


MIN_SETUPS, MAX_SETUPS = 1, 8
"""A study compares two to eight set-ups; one alone is a study that has just begun."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One way to train or obtain a model.

    Attributes:
        name: Name in code, files and options, such as `"iwne_fs"`.
        label: Name on a page, such as `"IWNE-FS"`.
        initialization: What its first weights come from: `"none"` (no external data), `"imagenet"`, or another source
            in a word or two.
        pretraining: How it was pretrained before the finetuning on labeled eyes: `"none"`, `"supervised"`, `"moco"`, or
            another method in a word.
        summary: One sentence for people.
        color: Hue of all its lines and marks, such as `"#D55E00"`. Empty: `declare_setups` chooses it.
        line: Line of its curves. Empty: `declare_setups` chooses it.
        filled: Whether its markers are filled. None: `declare_setups` chooses it.
        partner: Name of the set-up that it is compared with where the study has both, such as its supervised
            counterpart; empty for none.
    """

    name: str
    label: str
    initialization: str = "none"
    pretraining: str = "none"
    summary: str = ""
    color: str = ""
    line: Line | Literal[""] = ""
    filled: bool | None = None
    partner: str = ""

    @property
    def self_supervised(self) -> bool:
        """Whether its pretraining used no labels, as MoCo v2 does."""
        return self.pretraining not in ("none", "supervised")

    @property
    def css_line(self) -> str:
        """Line of its curves in CSS's and matplotlib's word."""
        return {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "dotted"}[self.line or "solid"]


def default_reference(setups: Mapping[str, Setup]) -> str:
    """Name of the set-up with which the others are compared unless one is chosen.

    Args:
        setups: The set-ups by name, at least one.

    Returns:
        The first that another one declares as its partner; the first of all where none does.
    """
    partners = {setup.partner for setup in setups.values()}
    return next((name for name in setups if name in partners), next(iter(setups)))


_HUES = {"none": "#D55E00", "imagenet": "#0072B2"}
"""Initialization -> hue: orange without external data, blue from ImageNet (Okabe and Ito's color-blind-safe set)."""

_FURTHER_HUES = ("#009E73", "#CC79A7", "#7A6A00", "#56B4E9", "#5B3A8E", "#8C564B", "#4D4D4D", "#E6A000")
"""For other initializations, in this order: the rest of Okabe and Ito's set, and darker ones beside it."""

_LINES: tuple[Line, ...] = get_args(Line)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def declare_setups(setups: Iterable[Setup]) -> tuple[Setup, ...]:
    """Check the set-ups of one study, and give each that has none a color, a line and a marker of its own.

    Color tells the initialization; the line, dashed or solid, whether a self-supervised pretraining came before the
    finetuning; where two would look alike, the later one takes the next free color.

    Args:
        setups: The set-ups, in the order of every page and table.

    Returns:
        The same set-ups with `color`, `line` and `filled`.

    Raises:
        InputError: If there are none or more than eight, two bear one name or label, a name cannot be a file's name,
            one is its own partner, or a color or line is none.
    """
    declared = tuple(setups)
    _check(declared)
    looks: dict[tuple[str, str], str] = {(setup.color, setup.line): setup.name for setup in declared if setup.color}
    chosen, hues = [], dict(_HUES)
    for setup in declared:
        filled = setup.self_supervised if setup.filled is None else setup.filled
        line = setup.line or ("solid" if filled else "dash")
        color = setup.color or _choose_color(setup.initialization, line, hues, looks)
        looks[color, line] = setup.name
        chosen.append(replace(setup, color=color, line=line, filled=filled))
    return tuple(chosen)


def _choose_color(initialization: str, line: str, hues: dict[str, str], looks: Mapping[tuple[str, str], str]) -> str:
    """The hue of the initialization, or the next free one where another set-up has that hue and line."""
    free = [hue for hue in _FURTHER_HUES if hue not in hues.values() and all(hue != used for used, _ in looks)]
    hue = hues.setdefault(initialization, free[0] if free else _FURTHER_HUES[-1])
    if (hue, line) not in looks:
        return hue
    rest = [other for other in free if other != hue]
    return rest[0] if rest else next(other for other in _FURTHER_HUES if (other, line) not in looks)


def _check(setups: Sequence[Setup]) -> None:
    if not MIN_SETUPS <= len(setups) <= MAX_SETUPS:
        raise InputError(f"A study compares at most {MAX_SETUPS} set-ups and needs at least one, not {len(setups)}.")
    for what in ("name", "label"):
        given = [getattr(setup, what) for setup in setups]
        twice = [value for value in given if given.count(value) > 1]
        if twice:
            raise InputError(f"Two set-ups have the {what} {twice[0]!r}; give each its own.")
    for setup in setups:
        if not _NAME.fullmatch(setup.name):
            raise InputError(
                "The name of a set-up must begin with a lower-case letter, continue with such letters, digits and _, "
                f"and have at most 40 characters, not {setup.name!r}."
            )
        if setup.partner == setup.name:
            raise InputError(f"The partner of {setup.name} must be another set-up, not itself.")
        _check_looks(setup)


def _check_looks(setup: Setup) -> None:
    if setup.color and not re.fullmatch(r"#[0-9A-Fa-f]{6}", setup.color):
        raise InputError(f"The color of {setup.name} must be like #D55E00, not {setup.color!r}.")
    if setup.line and setup.line not in _LINES:
        raise InputError(f"The line of {setup.name} must be one of {', '.join(_LINES)}, not {setup.line!r}.")


def parse_setup(value: object) -> Setup:
    """A set-up from a study's head or configuration: the name of a known one, or a table with all that it is.

    Raises:
        InputError: If the name is not known to this version, or a field is unknown, missing or of another type.
    """
    if isinstance(value, str):
        if value not in SETUPS:
            raise InputError(
                f"The set-up {value!r} is not known to this version, which knows {', '.join(SETUPS)}; describe it with "
                "its label, initialization and pretraining."
            )
        return SETUPS[value]
    if not isinstance(value, dict):
        raise InputError(f"A set-up must be a name or a table of its fields, not {value!r}.")
    return Setup(**_typed(value))


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    known = {one.name for one in fields(Setup)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"A set-up has no field {unknown[0]!r}; its fields are {', '.join(sorted(known))}.")
    name = values.get("name")
    if not isinstance(name, str):
        raise InputError(f"The name of a set-up must be a text, not {name!r}.")
    texts = {one: value for one, value in values.items() if one != "filled"}
    wrong = [one for one, value in texts.items() if not isinstance(value, str)]
    if wrong or not isinstance(values.get("filled"), bool | None):
        raise InputError(f"The field `{(*wrong, 'filled')[0]}` of the set-up {name!r} is of the wrong type.")
    return {"label": name, **values}


PAPER: tuple[Setup, ...] = declare_setups(
    (
        Setup(
            name="iwne_fs",
            label="IWNE-FS",
            summary="Random weights, trained on labeled eyes alone.",
        ),
        Setup(
            name="iwne_cl",
            label="IWNE-CL",
            pretraining="moco",
            summary="MoCo v2 on the eyes without their labels, then finetuned on labeled eyes.",
            partner="iwne_fs",
        ),
        Setup(
            name="ifi_fs",
            label="IFI-FS",
            initialization="imagenet",
            pretraining="supervised",
            summary="Supervised ImageNet weights, then finetuned on labeled eyes.",
        ),
        Setup(
            name="ifi_cl",
            label="IFI-CL",
            initialization="imagenet",
            pretraining="moco",
            summary="MoCo v2 on ImageNet, then finetuned on labeled eyes.",
            partner="ifi_fs",
        ),
    )
)
"""The preset `paper`, in the paper's order. Source: paper, section 3.2."""

SETUPS: Registry[Setup] = Registry("setup", PAPER)
"""Set-ups that a study can name without describing them. What a study compares stands in its own head."""
