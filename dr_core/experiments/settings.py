"""Settings of an experiment: read from its configuration's fields, so that options and study files derive from them."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from dr_core.errors import InputError

Config = TypeVar("Config")
Value = TypeVar("Value")

Scalar = int | float | str | bool
"""A value of a setting."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: Its name in options and study files.
        field: Field of the configuration.
        kind: Type of a value: int, float, str or bool.
        multiple: Whether it takes several values.
        default: The field's default.
        description: What it is, for people.
        choices: The values that it may have now; None where any will do.
        least: Least value of a number; None where any will do.
        most: Largest value of a number; None where any will do.
        negated: Whether it is the opposite of its field, so that giving it turns a true field off.
    """

    name: str
    field: str
    kind: type
    multiple: bool
    default: Any
    description: str
    choices: tuple[str, ...] | None = None
    least: float | None = None
    most: float | None = None
    negated: bool = False


def describe(
    default: Value,
    description: str,
    *,
    name: str = "",
    choices: Iterable[str] | None = None,
    least: float | None = None,
    most: float | None = None,
    negated: bool = False,
) -> Value:
    """Declare a field of a configuration together with what people read of it.

    Args:
        default: Its default.
        description: What it is, for people.
        name: Its name in options and study files where the field's own will not do: the singular of a list.
        choices: A registry or list whose members it may name, read when it is asked for.
        least: Least value of a number.
        most: Largest value of a number.
        negated: Whether the setting is the opposite of the field.
    """
    about: dict[str, Any] = {"description": description, "name": name, "choices": choices, "negated": negated}
    about |= {"least": least, "most": most}
    return dataclasses.field(default=default, metadata=about)


def list_settings(config: Callable[..., object]) -> tuple[Setting, ...]:
    """Settings of a configuration, in the order of its fields; fields without a description are none."""
    hints = get_type_hints(config)
    return tuple(
        _read(field, hints[field.name])
        for field in dataclasses.fields(cast(Any, config))
        if "description" in field.metadata
    )


def _read(field: dataclasses.Field[Any], hint: type) -> Setting:
    about, multiple = field.metadata, get_origin(hint) is tuple
    choices = about["choices"]
    return Setting(
        name=about["name"] or field.name,
        field=field.name,
        kind=get_args(hint)[0] if multiple else hint,
        multiple=multiple,
        default=field.default,
        description=about["description"],
        choices=None if choices is None else tuple(choices),
        least=about["least"],
        most=about["most"],
        negated=about["negated"],
    )


def build_config(config: Callable[..., Config], values: Mapping[str, Scalar | Sequence[Scalar] | None]) -> Config:
    """Make a configuration from settings.

    Args:
        config: A dataclass whose fields were declared by `describe`.
        values: Name of a setting -> its value, one or several; None takes the default.

    Raises:
        InputError: If there is no such setting, or a value is of another type or none of the choices.
    """
    known = {setting.name: setting for setting in list_settings(config)}
    fields = {}
    for name, value in values.items():
        if name not in known:
            raise InputError(f"There is no setting {name!r}; the settings are {', '.join(known)}.")
        if value is not None:
            fields[known[name].field] = _convert(known[name], value)
    return config(**fields)


def _convert(setting: Setting, value: object) -> object:
    if setting.multiple:
        given = value if isinstance(value, list | tuple) else [value]
        return tuple(_check(setting, one) for one in given)
    checked = _check(setting, value)
    return not checked if setting.negated else checked


def _check(setting: Setting, value: object) -> object:
    number = setting.kind is float and isinstance(value, int) and not isinstance(value, bool)
    if type(value) is not setting.kind and not number:
        kind = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[setting.kind]
        raise InputError(f"`{setting.name}` must be {kind}, not {value!r}.")
    if setting.choices is not None and value not in setting.choices:
        raise InputError(f"`{setting.name}` must be one of {', '.join(setting.choices)}, not {value!r}.")
    if setting.least is not None and value < setting.least:  # type: ignore[operator]
        raise InputError(f"`{setting.name}` must be at least {setting.least:g}, not {value}.")
    if setting.most is not None and value > setting.most:  # type: ignore[operator]
        raise InputError(f"`{setting.name}` must be at most {setting.most:g}, not {value}.")
    return value
