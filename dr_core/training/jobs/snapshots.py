"""Encoders of a pretraining after chosen epochs, small files beside its state, from which they are probed."""

import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.files import replacing
from dr_core.study.run_history import CONFIG, METRICS, read_metrics, read_object
from dr_core.training.pretraining.registry import recognize_method
from dr_core.training.run_folder import read_encoder

SNAPSHOTS = "snapshots"
"""Folder in the run folder of a pretraining."""

_NAME = re.compile(r"epoch-(\d{4,})\.safetensors")


def keep_snapshot(run: Path, every: int, network: nn.Module, prefix: str, head: str, epoch: int) -> None:
    """Write the encoder after an epoch, where it is one of those that are kept.

    Args:
        run: The run folder.
        every: Epochs after each of which it is kept; 0 keeps none.
        network: What is trained.
        prefix: What stands before the names of the kept encoder's weights.
        head: Path of its last layer, which is left out.
        epoch: Number of epochs that are done.
    """
    if not every or epoch % every:
        return
    weights = {
        name.removeprefix(prefix): tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if name.startswith(prefix) and not name.removeprefix(prefix).startswith(f"{head}.")
    }
    folder = run / SNAPSHOTS
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"epoch-{epoch:04d}.safetensors") as temporary:
        save_file(weights, temporary)


def list_snapshots(run: Path) -> dict[int, Path]:
    """Epoch -> file of the encoder after it, ascending; the last state stands for the last epoch.

    Args:
        run: The run folder of a pretraining.

    Raises:
        InputError: If its measures are damaged.
    """
    matches = ((_NAME.fullmatch(path.name), path) for path in (run / SNAPSHOTS).glob("*.safetensors"))
    found = {int(match[1]): path for match, path in matches if match is not None}
    last = len(read_metrics(run / METRICS))
    if last and (run / "last.ckpt").is_file():
        found.setdefault(last, run / "last.ckpt")
    return dict(sorted(found.items()))


def find_pretrainings(runs: Path) -> tuple[Path, ...]:
    """Run folders of pretrainings that have an encoder, by name.

    A finetuning's folder holds a checkpoint, `best.safetensors`; a pretraining's does not.

    Args:
        runs: Such as `runs/` of a study; need not exist.
    """
    return tuple(
        folder
        for folder in sorted(runs.glob("*/"))
        if (folder / CONFIG).is_file()
        and "percent" not in (config := read_object(folder / CONFIG))
        and "setup" not in config
        and list_snapshots(folder)
    )


def read_snapshot(run: Path, path: Path, head: str) -> dict[str, Tensor]:
    """Weights of an encoder without its last layer.

    Args:
        run: The run folder.
        path: One of `list_snapshots`.
        head: Path of the last layer.

    Raises:
        InputError: If the file is damaged.
    """
    if path.suffix != ".safetensors":
        return read_encoder(run, recognize_method(read_object(run / CONFIG)).encoder, head)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); remove it.") from error
