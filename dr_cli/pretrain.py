"""`pretrain`: MoCo v2 on prepared images, without their grades; or supervised on images of labeled classes."""

import argparse
from pathlib import Path

from dr_cli import recipe_options
from dr_cli.commands import program
from dr_cli.progress import show_training
from dr_cli.stopping import should_stop
from dr_core.data.store import open_store
from dr_core.errors import InputError
from dr_core.training.jobs.pretrain import PretrainRequest, find_doubts, plan_pretraining, pretrain
from dr_core.training.jobs.supervised import SupervisedRequest, pretrain_supervised
from dr_core.training.recipes import CONTRASTIVE, SUPERVISED


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser(
        "pretrain",
        help=summary,
        description="Pretrain an encoder with MoCo v2 on prepared images, without their grades; or, with --method "
        "supervised, on images whose table has a column `label`, in the place of ImageNet. The same command resumes. "
        "On many GPUs: torchrun --nproc-per-node N train_cli.py pretrain ...",
    )
    recipe_options.add_common_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, such as STUDY/runs/moco-s0")
    parser.add_argument("--labeled", type=Path, help="prepared graded eyes on which nearest neighbors are tried")
    parser.add_argument("--method", choices=("moco", "supervised"), default="moco", help="(default: moco)")
    presets = {preset: [recipe] for preset, recipe in CONTRASTIVE.items()}
    recipe_options.add_recipe_options(parser, recipe_options.CONTRASTIVE, presets)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.method == "supervised":
        _run_supervised(options)
        return
    config = recipe_options.choose_recipe(CONTRASTIVE[options.preset], options, recipe_options.CONTRASTIVE)
    request = PretrainRequest(
        data=options.data,
        out=options.out,
        config=config,
        labeled=options.labeled,
        arch=options.arch,
        contrast=options.contrast,
        execution=recipe_options.choose_execution(options),
    )
    for doubt in find_doubts(config, len(open_store(options.data))):
        recipe_options.announce(f"Warning: {doubt}")
    if options.dry_run:
        recipe_options.print_plan("MoCo v2", plan_pretraining(request))
        return
    show_training("MoCo v2", pretrain(request, should_stop))
    recipe_options.announce(
        f"The encoder is in {options.out}. Go on: {program()} finetune --setup iwne_cl --pretrained {options.out} ..."
    )
    recipe_options.give_training(options.out, method=options.method, seed=config.seed)


def _run_supervised(options: argparse.Namespace) -> None:
    contrastive = set(recipe_options.CONTRASTIVE) - set(recipe_options.LOOP)
    wrong = [name for name in contrastive if getattr(options, name) is not None]
    if wrong or options.labeled or options.dry_run:
        name = wrong[0].replace("_", "-") if wrong else "labeled" if options.labeled else "dry-run"
        raise InputError(f"--{name} belongs to MoCo v2; leave it out with --method supervised.")
    request = SupervisedRequest(
        data=options.data,
        out=options.out,
        config=recipe_options.choose_recipe(SUPERVISED[options.preset], options, recipe_options.LOOP),
        arch=options.arch,
        contrast=options.contrast,
        execution=recipe_options.choose_execution(options),
    )
    show_training("supervised pretraining", pretrain_supervised(request, should_stop))
    recipe_options.announce(f"The network is in {options.out}; finetune --setup ifi_fs --pretrained starts from it.")
    recipe_options.give_training(options.out, method=options.method, seed=request.config.seed)
