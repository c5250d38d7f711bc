"""The command line of each cell of a study, rendered from its typed request in one place."""

from collections.abc import Mapping
from typing import Any

from dr_cli.commands import changed_fields, option_words, path_words
from dr_cli.main import main
from dr_core.data.augment import PRETRAINING_AUGMENTATIONS
from dr_core.experiments.registry import find_experiment
from dr_core.pipeline.requests import DrawRequest, MeasureRequest, ReportRequest, Request
from dr_core.training.jobs.finetune import FinetuneRequest
from dr_core.training.jobs.pretrain import PretrainRequest
from dr_core.training.pretraining.registry import METHODS
from dr_core.training.recipes import FINETUNE, Preset, choose_finetuning


class CellCommand:
    """Does a cell's request by the command that a user could type."""

    program: tuple[str, ...] = ("-m", "dr_cli")

    def render(self, request: Request) -> list[str]:
        """The words of the command."""
        return render_request(request)

    def __call__(self, words: list[str]) -> int:
        """Run the command in this process; gives its exit code."""
        return main(words)


def render_request(request: Request) -> list[str]:
    """The words behind the program's name that ask for a request.

    Args:
        request: The request.
    """
    if isinstance(request, DrawRequest):
        words = ["data", "draw", request.content, "--out", str(request.out), "--count", str(request.count)]
        return words + option_words({"first": request.first, "size": request.size, "seed": request.seed})
    if isinstance(request, MeasureRequest):
        return _render_measurement(request)
    if isinstance(request, ReportRequest):
        return ["report", "--study", str(request.study)]
    return _render_training(request)


def _render_measurement(request: MeasureRequest) -> list[str]:
    experiment = find_experiment(request.measurement)
    data = {"idrid" if experiment.takes_masks else "data": request.data} if experiment.needs else {}
    given = {name: value for name, value in (("key", request.key), ("device", request.device)) if value}
    words = [request.measurement, *path_words(study=request.study, **data), "--replace"]  # the configuration decides
    return words + option_words({"allow_overlap": request.allow_overlap} | given | request.options)


def _render_training(request: PretrainRequest | FinetuneRequest) -> list[str]:
    shared: dict[str, Any] = {"arch": request.arch, "contrast": request.contrast, "device": request.execution.device}
    if isinstance(request, FinetuneRequest):
        words = ["finetune", "--setup", request.setup.name, "--fraction", str(request.percent)]
        start = {"run": "pretrained", "file": "weights"}.get(request.start.source)
        named = {start: request.start.path} if start else {}
        words += path_words(data=request.data, validation=request.validation, study=request.study, **named)
        flags = {"allow_overlap": request.allow_overlap, "allow_test_split": request.allow_test_split}
        words += option_words(flags | {"half": request.half})
        presets: Mapping[Preset, Any] = {name: choose_finetuning(name, request.setup) for name in FINETUNE}
    else:
        words = ["pretrain", "--method", request.method, *path_words(data=request.data, out=request.out)]
        words += option_words({"keep_every": request.keep_every or None})
        presets = METHODS[request.method].recipes
    preset, changed = _nearest(request.config, presets)
    if "augment" in changed:
        names = {augment: name for name, augment in PRETRAINING_AUGMENTATIONS.items()}
        changed = {"augmentation": names[changed["augment"]]} | {k: v for k, v in changed.items() if k != "augment"}
    return words + option_words({"preset": preset} | shared | changed)


def _nearest(config: Any, presets: Mapping[Preset, Any]) -> tuple[Preset, dict[str, Any]]:  # noqa: ANN401 - any recipe
    """The preset with the fewest other values than a recipe, and these values."""
    return min(((name, changed_fields(config, one)) for name, one in presets.items()), key=lambda found: len(found[1]))
