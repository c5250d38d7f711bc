"""ImageNet weights that others published: fetched once into a cache, checked by hash, or read from a path.

Nothing is unpickled but tensors and plain values (`archive`).
"""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.models.torch_archive import ARCHIVE_DEFECTS, read_archive

_BLOCK = 1 << 20
_SECONDS = 30.0
"""Longest silence of a server."""


@dataclass(frozen=True, kw_only=True)
class ExternalWeights:
    """Weights of a ResNet-50 as they were published.

    Attributes:
        title: Name for people.
        url: Where they are fetched.
        digest: Name of the hash and its first hexadecimal digits, as published.
        extract: Content of the file -> state dict of torchvision's ResNet-50, without its last layer.
    """

    title: str
    url: str
    digest: tuple[Literal["sha256", "md5"], str]
    extract: Callable[[Any], dict[str, Tensor]]

    @property
    def file_name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class DownloadReport:
    """How far a download is, in bytes; `total` is 0 where the server does not say."""

    done: int
    total: int


def _drop_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def _take_query_encoder(content: dict[str, Any]) -> dict[str, Tensor]:
    """MoCo's checkpoint holds `module.encoder_q.*` under `state_dict`; the MLP head `fc.*` is left behind."""
    prefix = "module.encoder_q."
    state = content["state_dict"]
    return _drop_head({name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)})


EXTERNAL: dict[str, ExternalWeights] = {
    "supervised": ExternalWeights(
        title="ResNet-50 supervised on ImageNet (torchvision, IMAGENET1K_V1)",
        url="https://download.pytorch.org/models/resnet50-0676ba61.pth",
        digest=("sha256", "0676ba61"),
        extract=_drop_head,
    ),
    "moco": ExternalWeights(
        title="ResNet-50 by MoCo v2 on ImageNet, 800 epochs (its authors)",
        url="https://dl.fbaipublicfiles.com/moco/moco_checkpoints/moco_v2_800ep/moco_v2_800ep_pretrain.pth.tar",
        digest=("md5", "a04e12f8"),
        extract=_take_query_encoder,
    ),
}
"""Training of a set-up (`Setup.pretraining`) -> weights that its IFI variant starts from."""


def cache_folder() -> Path:
    """Where fetched weights are kept: `DR_LENS_CACHE`, otherwise `dr_lens` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DR_LENS_CACHE") or Path(base) / "dr_lens")


def fetch_weights(weights: ExternalWeights, folder: Path) -> Iterator[DownloadReport]:
    """Fetch weights into a folder, or go on with a download that was cut off; a whole file is left as it is.

    Args:
        weights: What to fetch.
        folder: Where to.

    Yields:
        Reports.

    Raises:
        InputError: If the server cannot be reached, or what came is not what was published.
    """
    path = folder / weights.file_name
    if path.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        yield from _download(weights.url, part)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise InputError(
            f"{weights.title} cannot be fetched ({error}). Fetch {weights.url} on a machine with internet and put it "
            f"at {path}, or name its path."
        ) from error
    _check_digest(weights, part)
    part.replace(path)


def _download(url: str, part: Path) -> Iterator[DownloadReport]:
    begun = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and begun:  # the part is whole already, or too long; the hash will tell
            error.close()
            return
        raise
    with answer, part.open("ab" if answer.status == 206 else "wb") as file:
        begun = begun if answer.status == 206 else 0
        total = begun + int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(_BLOCK):
            file.write(block)
            begun += len(block)
            yield DownloadReport(done=begun, total=total)
        if begun < total:
            raise ConnectionError(f"the connection ended at {begun} of {total} bytes; the same command resumes")


def _check_digest(weights: ExternalWeights, part: Path) -> None:
    kind, expected = weights.digest
    with part.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if not found.startswith(expected):
        part.unlink()
        raise InputError(
            f"What came from {weights.url} is not what was published ({kind} {found[:8]}, expected {expected}); it was "
            "removed. A proxy may have changed it; try again."
        )


def read_weights(weights: ExternalWeights, path: Path) -> dict[str, Tensor]:
    """Read weights from a file of the published form.

    Args:
        weights: What the file should hold.
        path: The file.

    Returns:
        State dict of a ResNet-50 without its last layer.

    Raises:
        InputError: If the file is missing, is a web page, is cut off, or holds something else.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; it should hold {_expect(weights)}.")
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path} is a web page, not weights; fetch {weights.url} again.")
    try:
        content = read_archive(path, old_form=True)
    except ARCHIVE_DEFECTS as error:
        name = type(error).__name__
        raise InputError(f"{path} is cut off or no weights file ({name}); expected {_expect(weights)}.") from error
    try:
        state = weights.extract(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds something else; expected {_expect(weights)}.") from error
    if not state or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"{path} holds something else; expected {_expect(weights)}.")
    return state


def _expect(weights: ExternalWeights) -> str:
    return f"{weights.title} as {weights.file_name} from {weights.url}"


def start_from(network: nn.Module, state: dict[str, Tensor], source: str, head: str = "fc") -> None:
    """Give a network the weights of another, all but the last layer's, in place.

    Args:
        network: The network.
        state: Weights without those of the last layer.
        source: Where they come from, for messages.
        head: Path of the last layer.

    Raises:
        InputError: If they are of another architecture.
    """
    own = {name: tensor.shape for name, tensor in network.state_dict().items() if not name.startswith(f"{head}.")}
    given = {name: tensor.shape for name, tensor in state.items()}
    optional = {name for name in own if name.endswith("num_batches_tracked")}  # the oldest files lack them
    wrong = [name for name in sorted(own.keys() | given.keys()) if own.get(name) != given.get(name)]
    if set(wrong) - optional:
        first = next(name for name in wrong if name not in optional)
        raise InputError(f"{source} holds another architecture: {first!r} differs ({len(wrong)} such tensors).")
    network.load_state_dict(state, strict=False)
