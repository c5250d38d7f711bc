"""`data check`, `prepare`, `split`, `draw`: what is there, bringing it to model size once, who trains, what to draw."""

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from dr_cli import data_draw
from dr_cli.output import console, give, say
from dr_cli.progress import show_progress
from dr_core.data.grades import GRADES
from dr_core.data.prepare import REJECTED, PrepareConfig, prepare_store
from dr_core.data.protocol import PROTOCOLS
from dr_core.data.published.check import CheckReport, DataCheck, check_source
from dr_core.data.published.folder import FolderLayout
from dr_core.data.published.sources import SOURCES, Source, folder_source
from dr_core.data.splits import FELLOW_EYES_LEAK, VALIDATION_SHARE, split_validation, take_fraction
from dr_core.data.store import read_header
from dr_core.errors import InputError

_SHOWN = 5
"""Names that are listed of each finding; `--json` gives all."""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    data = commands.add_parser("data", help=summary, description=__doc__)
    actions = data.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="compare the files with what was published; exit code 1 if they differ")
    _add_source(check)
    check.add_argument("--fast", action="store_true", help="do not open the photographs: unreadable ones stay unseen")
    check.set_defaults(run=_check)
    prepare = actions.add_parser("prepare", help="decode, crop and resize once; resumes where it was stopped")
    _add_source(prepare)
    prepare.add_argument("--out", type=Path, required=True, help="folder of the store")
    prepare.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="fine",
        help="fine: field of view cropped; paper: whole image squashed (default: fine)",
    )
    prepare.add_argument("--size", type=int, help="side in pixels (default: the protocol's, 224 or 512)")
    prepare.add_argument("--split", action="append", help="only this split; may be given again (default: all)")
    prepare.set_defaults(run=_prepare)
    split = actions.add_parser(
        "split", help="show which eyes would train and which validate, for every training fraction"
    )
    _add_source(split)
    split.add_argument("--part", default="train", help="the set's part that is split (default: train, or all)")
    split.add_argument("--seed", type=int, default=0, help="seed of the split (default: 0)")
    split.add_argument(
        "--split-by",
        choices=("patient", "image"),
        default="patient",
        help="patient keeps both eyes together (default); image is what the paper did",
    )
    split.set_defaults(run=_split)
    data_draw.add_action(actions)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=f"{', '.join(SOURCES)}, or folder for any folder with a table")
    parser.add_argument("root", metavar="ROOT", type=Path, help="where it was unpacked")
    parser.add_argument("--processes", type=int, default=2, help="processes that decode (default: 2)")
    layout = FolderLayout()
    table = parser.add_argument_group("a folder of your own", "used with NAME folder")
    table.add_argument("--title", help="what pages and reports call these eyes (default: the name of ROOT)")
    table.add_argument("--csv", default=layout.csv, help=f"the table in ROOT (default: {layout.csv})")
    table.add_argument("--images", default=layout.images, help="folder of the photographs in ROOT (default: ROOT)")
    table.add_argument("--image-column", default=layout.image_column, help="names of the photographs (default: image)")
    table.add_argument("--grade-column", default=layout.grade_column, help="grades 0 to 4 (default: grade)")
    table.add_argument("--patient-column", help="patients; without it each eye counts as its own patient")
    table.add_argument("--side-column", help="sides: right, left, OD, OS")
    table.add_argument("--split-column", help="parts of the set")
    table.add_argument(
        "--keep-columns", nargs="+", default=(), help="further columns by which eyes can be grouped, such as the camera"
    )


def _choose_source(options: argparse.Namespace) -> Source:
    if options.name == "folder":
        names = [field.name for field in dataclasses.fields(FolderLayout)]
        return folder_source(
            FolderLayout(
                **{name: getattr(options, name) for name in names} | {"keep_columns": tuple(options.keep_columns)}
            ),
            options.title or options.root.resolve().name,
        )
    if options.name not in SOURCES:
        raise InputError(f"There is no data set {options.name!r}; choose from {', '.join(SOURCES)} and folder.")
    return SOURCES[options.name]


def _check(options: argparse.Namespace) -> int:
    reports = check_source(
        _choose_source(options), options.root, contents=not options.fast, processes=options.processes
    )
    found: list[DataCheck] = []

    def watch() -> Iterator[CheckReport]:
        for report in reports:
            if report.result is not None:
                found.append(report.result)
            yield report

    show_progress("open photographs", watch())
    _print_check(found[0])
    give(**dataclasses.asdict(found[0]), sound=found[0].sound)
    return 0 if found[0].sound else 1


def _print_check(check: DataCheck) -> None:
    table = Table(title=check.title)
    for column in ("split", "grade", "found", "expected", ""):
        table.add_column(column, justify="right" if column in ("found", "expected") else "left")
    for count in check.counts:
        differs = count.expected not in (None, count.found)
        table.add_row(
            count.split,
            str(count.grade) if count.grade >= 0 else "not published",
            str(count.found),
            "" if count.expected is None else str(count.expected),
            "differs" if differs else "",
        )
    console().print(table)
    _print_understood(check.summary, check.notes)
    _print_names("splits that are not here", check.absent_splits)
    _print_names("photographs missing", check.missing)
    _print_names("photographs that no label names", check.extra)
    _print_names("unreadable", [f"{path}: {reason}" for path, reason in check.unreadable.items()])
    _print_names("the same picture more than once", [" = ".join(group) for group in check.duplicates])
    opened = "" if check.contents_read else " The photographs were not opened."
    has_published = any(count.expected is not None for count in check.counts)
    wrong = "Not as published." if has_published else "Not everything is there."
    say(("Everything is there." if check.sound else wrong) + opened)


def _print_understood(summary: str, notes: tuple[str, ...]) -> None:
    """Say what was understood of a label file."""
    for sentence in (summary, *notes):
        say(sentence)


def _print_names(title: str, names: "tuple[str, ...] | list[str]") -> None:
    if not names:
        return
    lines = [f"{title}: {len(names)}", *(f"  {name}" for name in names[:_SHOWN])]
    if len(names) > _SHOWN:
        lines.append(f"  and {len(names) - _SHOWN} more; --json lists all")
    for line in lines:
        console().print(line, markup=False)


def _prepare(options: argparse.Namespace) -> None:
    source, protocol = _choose_source(options), PROTOCOLS[options.protocol]
    intake = source.take_in(options.root)
    _print_understood(intake.summary, intake.notes)
    index = intake.index
    if options.split:
        unknown = set(options.split) - set(index["split"])
        if unknown:
            known = ", ".join(sorted(set(index["split"])))
            raise InputError(f"{source.title} has no split {unknown.pop()!r} in {options.root}; it has {known}.")
        index = index[np.isin(index["split"], options.split)].reset_index(drop=True)
    config = PrepareConfig(size=options.size or protocol.size, crop=protocol.crop)
    reports = prepare_store(source.title, options.root, index, options.out, config, processes=options.processes)
    show_progress(f"prepare {source.title}", reports)
    header = read_header(options.out)
    left_out = header["photographs"] - header["images"]
    say(f"{header['images']} images of {config.size} px in {options.out}, fingerprint {header['fingerprint']}.")
    if left_out:
        say(f"{left_out} photographs were left out; {options.out / REJECTED} gives the reasons.")
    give(store=options.out, **header, left_out=left_out)


def _split(options: argparse.Namespace) -> None:
    intake = _choose_source(options).take_in(options.root)
    _print_understood(intake.summary, intake.notes)
    index = intake.index
    part = options.part if options.part in set(index["split"]) else "all"
    index = index[index["split"] == part].reset_index(drop=True)
    if index.empty:
        raise InputError(f"{options.root} has no part {options.part!r}; name one with --part.")
    train, validation = split_validation(index, options.seed, by=options.split_by)
    training = index.iloc[train].reset_index(drop=True)
    fractions = {
        percent: training.iloc[take_fraction(training, percent, options.seed, by=options.split_by)]
        for percent in range(10, 101, 10)
    }
    parts = [_describe_part("validation", round(100 * VALIDATION_SHARE), index.iloc[validation])]
    parts += [_describe_part("training", percent, eyes) for percent, eyes in fractions.items()]
    title = f"split of {part} by {options.split_by}, seed {options.seed}; eyes by grade"
    table = Table(title=title)
    for column in ("", "eyes", "patients", *(f"{grade}" for grade in range(len(GRADES)))):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for one in parts:
        table.add_row(f"{one['role']}, {one['percent']} %", *map(str, (one["eyes"], one["patients"], *one["grades"])))
    console().print(table)
    shared = sorted(set(training["patient"]) & set(index["patient"].iloc[validation]))
    if options.split_by == "image":
        say(f"{FELLOW_EYES_LEAK} Here {len(shared)} patients do.")
    give(split_by=options.split_by, seed=options.seed, parts=parts, patients_on_both_sides=len(shared))


def _describe_part(role: str, percent: int, eyes: pd.DataFrame) -> dict[str, Any]:
    counts = np.bincount(eyes["grade"].clip(lower=0), minlength=len(GRADES))
    about = {"role": role, "percent": percent, "eyes": len(eyes), "patients": int(eyes["patient"].nunique())}
    return about | {"grades": counts.tolist()}
