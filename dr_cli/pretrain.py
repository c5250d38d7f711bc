"""`pretrain`: an encoder on prepared images, by any of the methods of the registry."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from dr_cli import recipe_options
from dr_cli.commands import program
from dr_cli.progress import show_training
from dr_cli.stopping import should_stop
from dr_core.analysis.collapse import describe_collapse
from dr_core.data.augment import PRETRAINING_AUGMENTATIONS
from dr_core.data.store import open_store
from dr_core.errors import InputError
from dr_core.training.jobs.pretrain import PretrainRequest, plan_pretraining, pretrain
from dr_core.training.loop import TrainingReport
from dr_core.training.pretraining.method import Method
from dr_core.training.pretraining.registry import METHODS, list_options
from dr_core.training.recipes import Preset


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser(
        "pretrain",
        help=summary,
        description="Pretrain an encoder on prepared images, without their grades; or, with --method supervised, on "
        "images whose table has a column `label`, instead of ImageNet. The same command resumes. On many GPUs: "
        "torchrun --nproc-per-node N train_cli.py pretrain ...",
    )
    recipe_options.add_common_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, such as STUDY/runs/moco-s0")
    parser.add_argument("--labeled", type=Path, help="prepared graded eyes on which nearest neighbors are tried")
    about = "; ".join(f"{method.name}: {method.label} ({method.source})" for method in METHODS.values())
    parser.add_argument("--method", choices=METHODS, default="moco", help=f"{about} (default: moco)")
    parser.add_argument(
        "--augmentation",
        choices=PRETRAINING_AUGMENTATIONS,
        help="moco: MoCo v2's two crops; fundus: crops that keep lesions, any angle, no hue shift (default: moco; "
        "supervised has its own)",
    )
    parser.add_argument(
        "--keep-every", type=int, default=0, help="epochs after each of which the encoder is kept for `probe` (0: none)"
    )
    presets = {preset: {one.name: one.recipes[preset] for one in METHODS.values()} for preset in get_args(Preset)}
    recipe_options.add_recipe_options(parser, recipe_options.PRETRAIN, presets)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    method = METHODS.find(options.method)
    config = recipe_options.choose_recipe(method.recipes[options.preset], options, _own_options(options, method))
    if options.augmentation:
        config = recipe_options.replace_augmentation(config, PRETRAINING_AUGMENTATIONS[options.augmentation])
    request = PretrainRequest(
        data=options.data,
        out=options.out,
        method=method.name,
        config=config,
        labeled=options.labeled,
        arch=options.arch,
        contrast=options.contrast,
        execution=recipe_options.choose_execution(options),
        keep_every=options.keep_every,
    )
    for doubt in method.doubts(config, len(open_store(options.data))):
        recipe_options.announce(f"Warning: {doubt}")
    if options.dry_run:
        recipe_options.print_plan(method.label, plan_pretraining(request))
        return
    show_training(method.label, _warn_of_collapse(pretrain(request, should_stop)))
    setup = "ifi_fs" if method.needs_labels else "iwne_cl" if method.name == "moco" else "SETUP"
    recipe_options.announce(
        f"The encoder is in {options.out}. Go on: {program()} finetune --setup {setup} --pretrained {options.out} ..."
    )
    recipe_options.give_training(options.out, method=method.name, seed=config.seed)


def _own_options(options: argparse.Namespace, method: Method) -> list[str]:
    """The options of the method's recipe.

    Raises:
        InputError: If one is given that only other methods have.
    """
    for name, owners in list_options().items():
        if name in recipe_options.PRETRAIN and method.name not in owners and getattr(options, name) is not None:
            labels = ", ".join(METHODS[owner].label for owner in owners)
            option = name.replace("_", "-")
            raise InputError(f"--{option} belongs to {labels}; leave it out with --method {method.name}.")
    return [name for name in recipe_options.PRETRAIN if method.name in list_options()[name]]


def _warn_of_collapse(reports: Iterable[TrainingReport]) -> Iterator[TrainingReport]:
    """Say that the representation has collapsed, when it does."""
    collapsed = ""
    for report in reports:
        yield report
        if report.metrics:
            before, collapsed = collapsed, describe_collapse(report.metrics)
            if collapsed and not before:
                recipe_options.announce(f"Warning: {collapsed}")
