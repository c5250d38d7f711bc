"""Options of `pretrain` and `finetune`: each is a field of a recipe, with the source of its value."""

import argparse
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from rich.table import Table

from dr_cli.output import console, give, say
from dr_core.data.augment import AugmentConfig
from dr_core.devices import Device, find_job
from dr_core.models.architectures import ARCHITECTURES
from dr_core.study.run_history import METRICS, read_metrics
from dr_core.training.execution import Execution
from dr_core.training.loop import Recipe
from dr_core.training.plan import Plan
from dr_core.training.precision import Precision
from dr_core.training.recipes import Preset
from dr_core.training.schedule import Schedule

LOOP: dict[str, tuple[str, tuple[str, ...]]] = {
    "epochs": ("passes over the data (paper, 3.2: 500 for IWNE, 50 for IFI; MoCo v2: 200, 800 at best)", ()),
    "learning_rate": ("after the warm-up (paper, 3.2: 1e-4 for IWNE, 1e-3 for IFI; MoCo v2: .03 for 256 images)", ()),
    "weight_decay": ("the paper names no value: .01 is PyTorch's; 1e-4 MoCo v2's", ()),
    "batch_size": ("images a step, of all processes together (not in the paper; MoCo v2: 256)", ()),
    "schedule": ("learning rate over the steps (not in the paper; MoCo v2: cosine)", get_args(Schedule)),
    "warmup_epochs": ("epochs over which the learning rate rises (not in the paper; MoCo v2: none)", ()),
    "optimizer": ("adamw is the paper's (3.2), sgd with momentum .9 MoCo v2's", ("adamw", "sgd")),
    "precision": ("auto: bf16-mixed, half of the bits, where that is faster (not in the paper)", get_args(Precision)),
    "seed": ("seed of weights, order, augmentation, split and fraction", ()),
}
"""Field -> help with its source, and the values it can have."""

FINETUNE: dict[str, tuple[str, tuple[str, ...]]] = LOOP | {
    "patience": ("stop after so many epochs without a better validation AUC; 0 never, as the paper", ()),
    "class_weighting": ("weight of a grade in the loss (not in the paper)", ("none", "inverse", "inverse_root")),
    "sampling": ("balanced draws every grade equally often (not in the paper)", ("natural", "balanced")),
    "small_epochs": ("first epochs on smaller images, for speed; 0 in the paper", ()),
    "small_size": ("side of those images in pixels", ()),
}

PRETRAIN: dict[str, tuple[str, tuple[str, ...]]] = LOOP | {
    "dim": ("length of the representation that the loss compares", ()),
    "queue": ("keys in the queue, K (MoCo: 65536); choose fewer than there are images", ()),
    "momentum": ("momentum of the key encoder, target or teacher (MoCo: .999; BYOL, DINO: .996, rising to 1)", ()),
    "temperature": ("temperature of the softmax (MoCo v2: .2; SimCLR, DINO: .1)", ()),
    "teacher_temperature": ("temperature of the teacher (DINO: .04)", ()),
    "norm_groups": ("groups of a batch for batch norm, in place of shuffling it across GPUs (MoCo: 8 GPUs)", ()),
    "hidden": ("width within the heads (BYOL: 4096, DINO: 2048)", ()),
    "bottleneck": ("length of what enters the last layer of the head (DINO: 256)", ()),
    "frozen_epochs": ("first epochs in which that layer does not learn (DINO: 1)", ()),
    "local_views": ("small crops that the student alone sees (DINO: 8)", ()),
    "local_area": ("share of the area that parts local from global crops (DINO, ResNet-50: .14)", ()),
    "view_size": ("side of the views in pixels (default: the images' own)", ()),
}


def add_recipe_options(
    parser: argparse.ArgumentParser,
    options: dict[str, tuple[str, tuple[str, ...]]],
    presets: Mapping[Preset, Mapping[str, Any]],
) -> None:
    """Add an option for each field of a recipe; what is not given stays as the preset has it.

    Args:
        parser: The command's.
        options: Field -> help and values.
        presets: Preset -> name of a recipe -> the recipe, for the defaults that are shown; not every recipe has every
            field.
    """
    group = parser.add_argument_group("recipe", "in place of the preset's value")
    for name, (text, choices) in options.items():
        found = {preset: _find_values(name, recipes) for preset, recipes in presets.items()}
        shown = "; ".join(f"{preset}: {_show(values)}" for preset, values in found.items())
        value = next(iter(found["paper"].values()))
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=int if value is None else type(value),
            choices=choices or None,
            help=f"{text} [{shown}]",
        )


def _find_values(name: str, recipes: Mapping[str, Any]) -> dict[str, Any]:
    return {recipe: getattr(values, name) for recipe, values in recipes.items() if hasattr(values, name)}


def _show(values: Mapping[str, Any]) -> str:
    texts = {
        recipe: "as they are" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        for recipe, value in values.items()
    }
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{recipe} {text}" for recipe, text in texts.items())


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add what both commands share."""
    parser.add_argument("--data", type=Path, required=True, help="prepared images, as `data prepare` writes them")
    parser.add_argument("--preset", choices=get_args(Preset), default="paper", help="whose recipe (default: paper)")
    known = f"{', '.join(ARCHITECTURES)}, or timm/NAME for one of timm's"
    parser.add_argument("--arch", default="resnet50", help=f"{known} (default: resnet50; paper, 3.2)")
    parser.add_argument(
        "--contrast",
        choices=("none", "local", "graham"),
        default="none",
        help="color normalization; local and graham are relative to the surroundings (default: none)",
    )
    parser.add_argument("--dry-run", action="store_true", help="time a few steps and print the plan; write nothing")
    group = parser.add_argument_group("machine", "computation; a stopped training may be resumed with other values")
    group.add_argument("--device", choices=get_args(Device), default="auto", help="auto takes a GPU if there is one")
    group.add_argument("--compile", action="store_true", help="torch.compile: minutes at first, faster on a GPU then")
    group.add_argument("--no-channels-last", action="store_true", help="channels apart in memory; usually slower")


def choose_recipe(recipe: Recipe, options: argparse.Namespace, names: Iterable[str]) -> Recipe:
    """The preset's recipe with what the command line gives in its place."""
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return dataclasses.replace(recipe, **given)


def replace_augmentation(recipe: Recipe, augment: AugmentConfig) -> Recipe:
    """A recipe with another augmentation."""
    return dataclasses.replace(recipe, augment=augment)  # type: ignore[call-arg]  # every method's recipe has it


def choose_execution(options: argparse.Namespace, accumulate: int = 1) -> Execution:
    """On what the command line wants it computed."""
    return Execution(
        device=options.device,
        accumulate=accumulate,
        channels_last=not options.no_channels_last,
        compile=options.compile,
    )


def print_plan(title: str, plan: Plan) -> None:
    """Print what a training would take; the first of many processes does."""
    if find_job().rank > 0:
        return
    table = Table(title=f"{title}: nothing was written", show_header=False)
    for name, value in (
        ("images to train on", f"{plan.images:,}"),
        ("images measured after each epoch", f"{plan.held_out:,}"),
        ("epochs", f"{plan.epochs:,}"),
        ("steps", f"{plan.steps:,}"),
        ("computed by", f"{plan.processes} x {plan.device}"),
        ("images a second", f"{plan.images_per_second:,.0f}"),
        ("estimated time", _describe_time(plan.seconds)),
        ("peak memory" if plan.device == "CPU" else "peak GPU memory", f"{plan.memory_bytes / 2**30:.1f} GiB"),
    ):
        table.add_row(name, value)
    console().print(table)
    give(plan=plan)


def _describe_time(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def announce(text: str) -> None:
    """Print a line; the first of many processes does."""
    if find_job().rank == 0:
        say(text)


def give_training(run: Path, **about: Any) -> None:  # noqa: ANN401 - what `give` takes
    """Give a finished training as results, from what its folder holds; the first of many processes does."""
    if find_job().rank == 0:
        give(run=run, **about, epochs=read_metrics(run / METRICS))
