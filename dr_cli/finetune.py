"""`finetune`: train one set-up on graded eyes, all or a share of them, and make it a study's checkpoint."""

import argparse
from pathlib import Path

from dr_cli import recipe_options
from dr_cli.commands import render_remedy
from dr_cli.progress import show_progress, show_training
from dr_cli.stopping import should_stop
from dr_core.devices import find_job
from dr_core.errors import Remedy
from dr_core.models.setups import SETUPS
from dr_core.study.ownership import check_training
from dr_core.training.jobs.finetune import FinetuneRequest, find_setup, finetune, plan_finetuning
from dr_core.training.jobs.start import choose_start, obtain_weights
from dr_core.training.recipes import FINETUNE, choose_finetuning


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser(
        "finetune",
        help=summary,
        description="Train one set-up on graded eyes; the epoch with the best validation AUC is kept. The same command "
        "resumes. On many GPUs: torchrun --nproc-per-node N train_cli.py finetune ...",
    )
    recipe_options.add_common_options(parser)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder; created if missing")
    parser.add_argument(
        "--setup", required=True, help=f"{', '.join(SETUPS)} (paper, 3.2), or one that the study declares"
    )
    parser.add_argument("--fraction", type=int, default=100, help="percent of the training patients (default: 100)")
    parser.add_argument("--validation", type=Path, help="prepared validation eyes (default: 15 %% of the patients)")
    parser.add_argument(
        "--split-by",
        choices=("patient", "image"),
        default="patient",
        help="patient keeps both eyes together (default); image is what the paper did",
    )
    parser.add_argument("--half", action="store_true", help="store the checkpoint in 16 bits, in half the space")
    known = parser.add_argument_group("roles", "each eye has one role in a study unless you allow otherwise")
    known.add_argument("--allow-overlap", action="store_true", help="also use eyes that have another role")
    known.add_argument("--allow-test-split", action="store_true", help="train on eyes that were published for testing")
    start = parser.add_argument_group("start", "IFI without either fetches the published ImageNet weights once")
    start.add_argument("--pretrained", type=Path, metavar="RUN", help="run folder of a pretraining; IWNE-CL needs one")
    start.add_argument("--weights", type=Path, metavar="FILE", help="file of weights, such as the published ones (IFI)")
    presets = {preset: {"IWNE": one["none"], "IFI": one["imagenet"]} for preset, one in FINETUNE.items()}
    recipe_options.add_recipe_options(parser, recipe_options.FINETUNE, presets)
    parser.add_argument(
        "--accumulate", type=int, default=1, help="parts of a batch computed one after the other, to save memory (1)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    setup = find_setup(options.study, options.setup)
    recipe = choose_finetuning(options.preset, setup)
    request = FinetuneRequest(
        data=options.data,
        study=options.study,
        setup=setup,
        start=choose_start(setup, options.pretrained, options.weights),
        config=recipe_options.choose_recipe(recipe, options, recipe_options.FINETUNE),
        validation=options.validation,
        percent=options.fraction,
        split_by=options.split_by,
        arch=options.arch,
        contrast=options.contrast,
        half=options.half,
        execution=recipe_options.choose_execution(options, options.accumulate),
        allow_overlap=options.allow_overlap,
        allow_test_split=options.allow_test_split,
    )
    if options.dry_run:
        recipe_options.print_plan(f"{setup.label} on {options.fraction} %", plan_finetuning(request))
        return
    if request.start.source == "published":
        check_training(request.study, setup.name, request.percent, request.config.seed)  # before a long download
        fetch = obtain_weights(setup)
        if find_job().rank == 0:
            show_progress("fetch ImageNet weights, bytes", fetch)
        else:
            list(fetch)
    show_training(f"{setup.label} on {options.fraction} %", finetune(request, should_stop))
    measure = render_remedy(Remedy("evaluate", {"study": str(options.study)}))
    recipe_options.announce(f"The best epoch is in {request.run}. Measure it: {measure}")
    recipe_options.give_training(request.run, setup=setup.name, fraction=options.fraction, seed=request.config.seed)
