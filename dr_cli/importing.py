"""`import`: a lab's own checkpoint becomes a set-up of a study; nothing that is in its file is run."""

import argparse
from pathlib import Path
from typing import get_args

from rich.table import Table

from dr_cli.output import console, give, say
from dr_core.data.grades import READINGS
from dr_core.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Crop, Preprocessing
from dr_core.models.heads import Outputs
from dr_core.models.setups import Setup
from dr_core.study.importing import ImportPlan, ImportRequest, import_model, plan_import

_SHOWN = 12
"""Weights of which a dry run names the tensors."""


_OF_GRADES: dict[int | None, Outputs] = {5: "grades", 2: "referable"}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser("import", help=summary, description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="weights: .pth, .pt, .tar, .ckpt, .bin or .safetensors")
    parser.add_argument("--study", type=Path, required=True, help="the study's folder; created if missing")
    parser.add_argument("--name", required=True, help="name of the set-up, such as lab_swav")
    parser.add_argument("--arch", required=True, help="resnet50, resnet18, ..., or timm/NAME with the extra timm")
    parser.add_argument("--label", help="name of the set-up on pages (default: the name)")
    parser.add_argument("--initialization", default="none", help="its first weights: none, imagenet, ... (none)")
    parser.add_argument("--pretraining", default="none", help="none, supervised, moco, or another word (none)")
    parser.add_argument("--trained-on", metavar="TEXT", help="what it was trained on, one line for people")
    parser.add_argument("--dry-run", action="store_true", help="print how the weights are mapped; write nothing")
    parser.add_argument("--expect", type=Path, metavar="CSV", help="path, p0 to p4: answers that it must give, to 1e-4")
    eye = parser.add_argument_group("eye", "how a photograph becomes its input")
    eye.add_argument("--size", type=int, default=224, help="side in pixels (default: %(default)s)")
    eye.add_argument("--crop", choices=get_args(Crop), default="field_of_view", help="(default: %(default)s)")
    eye.add_argument("--mean", type=float, nargs="+", default=IMAGENET_MEAN, help="of red, green, blue (ImageNet's)")
    eye.add_argument("--std", type=float, nargs="+", default=IMAGENET_STD, help="of red, green, blue (ImageNet's)")
    head = parser.add_argument_group("head", "what its last layer is")
    head.add_argument(
        "--outputs",
        choices=get_args(Outputs),
        help="grades: five logits; cumulative: four, of being worse; regression: the grade; referable: one or two, of "
        "a yes (default: by count)",
    )
    head.add_argument("--grades", type=int, choices=(5, 2), help="5: --outputs grades; 2: --outputs referable")
    head.add_argument(
        "--positive-from",
        type=int,
        choices=[reading.positive_from for reading in READINGS.values()],
        help="lowest grade for which --outputs referable says yes",
    )
    head.add_argument("--head", default="", metavar="NAME", help="its name in the file (default: found by its shape)")
    head.add_argument("--ignore", action="append", default=[], metavar="START", help="leave out names that begin so")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    setup = Setup(
        name=options.name,
        label=options.label or options.name,
        initialization=options.initialization,
        pretraining=options.pretraining,
        summary=f"Imported from {options.file.name}.",
    )
    request = ImportRequest(
        file=options.file,
        study=options.study,
        setup=setup,
        arch=options.arch,
        preprocessing=Preprocessing(
            size=options.size, crop=options.crop, mean=tuple(options.mean), std=tuple(options.std)
        ),
        outputs=options.outputs or _OF_GRADES.get(options.grades),
        positive_from=options.positive_from,
        head=options.head,
        ignore=tuple(options.ignore),
        expect=options.expect,
        **({"training_data": options.trained_on} if options.trained_on else {}),
    )
    if options.dry_run:
        plan = plan_import(request)
        _print_plan(plan)
        give(plan=plan, fits=plan.mapping.fits)
        return int(not plan.mapping.fits)
    report = import_model(request)
    for note in report.plan.notes:
        say(note)
    if report.compared:
        say(f"{report.compared} expected answers agree, within {report.difference:.1e}.")
    say(f"{setup.label} is in {report.checkpoint}.")
    give(checkpoint=report.checkpoint, plan=report.plan, compared=report.compared, difference=report.difference)
    return 0


def _print_plan(plan: ImportPlan) -> None:
    names = list(plan.mapping.names.items())
    table = Table(title=f"{len(names)} weights; nothing was written")
    for column in ("weight", "tensor in the file"):
        table.add_column(column, overflow="fold")
    for name, tensor in names[:_SHOWN]:
        table.add_row(name, tensor)
    console().print(table)
    for sentence in (*plan.notes, *plan.mapping.differences()):
        say(sentence)
    if plan.nearest:
        say(f"By its shapes the file is most like {plan.nearest}.")
    say(f"The last layer gives {plan.outputs}. SHA-256 of the file: {plan.digest}")
