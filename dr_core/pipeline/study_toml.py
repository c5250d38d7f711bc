"""Reading a study's configuration, `study.toml`: typed against the dataclasses that the study is made of."""

import dataclasses
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dr_core.errors import InputError
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.files import read_regular
from dr_core.models.setups import Setup, declare_setups, parse_setup
from dr_core.pipeline.config import MEASURED, QUICK, Data, DrawnData, Resources, StartConfig, StudyConfig
from dr_core.pipeline.requests import Options

DEMO, DEMO_QUICK = (Path(__file__).with_name(name) for name in ("demo.toml", "demo_quick.toml"))
"""The demo study, and one of minutes that takes every step and learns next to nothing."""

_MAX_BYTES = 2**20

_START = tuple(one.name for one in dataclasses.fields(StartConfig))


def read_config(path: Path, changes: Sequence[str] = ()) -> StudyConfig:
    """Read a study's configuration.

    Args:
        path: A TOML file. Its tables and keys are the fields of `StudyConfig`; relative paths start from its folder.
        changes: Values in place of the file's, such as `"seed=3"` or `"data.draw.patients=20"`, in TOML's notation; a
            text needs no quotation marks. Relative paths start from the folder in which the program was started.

    Returns:
        The configuration; what it does not say is the preset's.

    Raises:
        InputError: If the file is missing, no TOML, or has a key or a value that no study has.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; docs/reproduce.md shows one.")
    try:
        values = tomllib.loads(read_regular(path, _MAX_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}.") from error
    values = _absolute(values, path.parent)
    for change in changes:
        _change(values, change)
    base = QUICK if values.get("preset") == "quick" else None
    keys = {one.key for one in EXPERIMENTS.values()} - set(MEASURED)
    values["further"] = {key: _expect(values.pop(key), dict, key) for key in keys & values.keys()}
    if "setups" in values:
        values |= _read_setups(values["setups"])
    result: StudyConfig = _build(StudyConfig, values, base, "")
    return result


def _absolute(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The file's values with every path that it names from its folder; other values stay."""

    def follow(table: object, names: tuple[str, ...]) -> None:
        for name in names if isinstance(table, dict) else ():
            if isinstance(table[name], str):  # type: ignore[index]
                table[name] = str(folder / table[name])  # type: ignore[index]

    data = values.get("data")
    if isinstance(data, dict):
        follow(data, tuple(name for name in ("train", "validation", "idrid") if name in data))
        follow(data.get("test"), tuple(data["test"]) if isinstance(data.get("test"), dict) else ())
    setups = values.get("setups")
    tables = setups.values() if isinstance(setups, dict) else setups if isinstance(setups, list) else ()
    for table in tables:
        if isinstance(table, dict):
            follow(table, tuple(name for name in ("pretrain_data", "run", "weights") if name in table))
    return values


def _change(values: dict[str, Any], change: str) -> None:
    """Put one value in the place of the file's."""
    name, equals, text = change.partition("=")
    *tables, last = name.strip().split(".")
    if not equals or not last or not all(tables):
        raise InputError(f"A change must be like seed=3 or data.draw.patients=20, not {change!r}.")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise InputError(f"`{name}` cannot be changed: `{table}` is no table.")
    try:
        values[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[last] = text.strip()


def _read_setups(given: object) -> dict[str, Any]:
    """Set-ups from a list of names and tables, or from a table of tables, and where each starts from."""
    if isinstance(given, dict):
        entries = [(name, {"name": name} | _expect(table, dict, f"setups.{name}")) for name, table in given.items()]
    else:
        entries = [
            (one.get("name", "") if isinstance(one, dict) else one, one) for one in _expect(given, list, "setups")
        ]
    if not entries:
        raise InputError("`setups` must name at least one set-up.")
    setups, starts = [], {}
    for name, entry in entries:
        fields = entry if isinstance(entry, dict) else {}
        start = {key: value for key, value in fields.items() if key in _START}
        starts[name] = _build(StartConfig, start, None, f"setups.{name}")
        setups.append(_read_setup(name, {key: value for key, value in fields.items() if key not in _START}, entry))
    return {"setups": declare_setups(setups), "starts": starts}


def _read_setup(name: object, fields: dict[str, Any], entry: object) -> Setup:
    """One set-up: a known one by its name, perhaps with other looks, or one that is described."""
    if not isinstance(entry, dict) or set(fields) <= {"name"}:
        return parse_setup(name)
    known = {"initialization", "pretraining"} & set(fields)
    if known or "label" in fields:
        return parse_setup(fields)
    return dataclasses.replace(parse_setup(name), **{key: getattr(parse_setup(fields), key) for key in fields})


def _build(kind: type, values: dict[str, Any], base: object, where: str) -> Any:  # noqa: ANN401
    """Make a dataclass of a TOML table; what the table lacks comes from `base` where there is one."""
    hints = get_type_hints(kind)
    unknown = sorted(values.keys() - hints.keys())
    if unknown:
        table_name = f"`[{where}]`" if where else "the file"
        raise InputError(f"{table_name} has the unknown key {unknown[0]!r}; known are {', '.join(hints)}.")
    given = {
        name: _convert(hints[name], value, getattr(base, name, None), f"{where}.{name}".lstrip("."))
        for name, value in values.items()
    }
    return dataclasses.replace(base, **given) if dataclasses.is_dataclass(base) else kind(**given)  # type: ignore[type-var]


_SCALARS: dict[object, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), bool: (bool,)}


def _convert(kind: Any, value: Any, base: Any, where: str) -> Any:  # noqa: ANN401
    """A TOML value as a field's type has it."""
    if kind in (tuple[Setup, ...], dict[str, StartConfig]):
        return value  # made by `_read_setups`
    if kind in (Data, DrawnData | None):
        return _build(Data if kind is Data else DrawnData, _expect(value, dict, where), base, where)
    if kind == Path | None:
        return Path(_expect(value, str, where))
    if kind == tuple[int, ...]:
        return tuple(_expect(one, int, where) for one in _expect(value, list, where))
    if get_origin(kind) is dict:
        return _convert_table(kind, _expect(value, dict, where), base, where)
    return _convert_scalar(kind, value, where)


def _convert_table(kind: Any, table: dict[str, Any], base: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    """A table whose keys are names of the user's own, or options that a recipe checks."""
    if kind == dict[str, Options]:  # each was a table of its own
        return {key: _convert_table(Options, options, None, key) for key, options in table.items()}
    if kind == dict[str, Resources]:
        builds = ((name, f"{where}.{name}") for name in table)
        return {
            name: _build(Resources, _expect(table[name], dict, table_name), None, table_name)
            for name, table_name in builds
        }
    if kind == dict[str, Path]:
        return {name: Path(_expect(path, str, f"{where}.{name}")) for name, path in table.items()}
    return dict(base or {}) | {name: _expect_option(one, f"{where}.{name}") for name, one in table.items()}


def _convert_scalar(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise InputError(f"`{where}` must be one of {', '.join(get_args(kind))}, not {value!r}.")
        return value
    types = _SCALARS[kind]
    if not isinstance(value, types) or isinstance(value, bool) != (kind is bool):
        raise InputError(f"`{where}` must be {' or '.join(one.__name__ for one in types)}, not {value!r}.")
    return value


def _expect(value: object, kind: type, where: str) -> Any:  # noqa: ANN401
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {dict: "a table", list: "a list", str: "a text", int: "a whole number"}
        raise InputError(f"`{where}` must be {words[kind]}, not {value!r}.")
    return value


def _expect_option(value: object, where: str) -> Any:  # noqa: ANN401
    values = value if isinstance(value, list) and value else [value]
    if not all(isinstance(one, str | int | float | bool) for one in values):
        raise InputError(f"`{where}` must be a text, a number or a list of them, not {value!r}.")
    return value
