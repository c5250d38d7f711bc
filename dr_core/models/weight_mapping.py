"""Which tensor of a file becomes which weight of a network: prefixes are found, what does not fit is listed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.models.architectures import ARCHITECTURES, build_without_weights

_ANCHORS = 12
"""Weights of a network by whose names prefixes are looked for."""

_COUNTER = "num_batches_tracked"
"""What batch norm counts in training and never uses in evaluation; the oldest files lack it."""

_FURTHER = ("convnext_tiny", "efficientnet_b0", "densenet121", "vit_small_patch16_224", "vit_large_patch16_224")
"""Architectures of timm among which the nearest one is looked for."""

_SHOWN = 5

_AVERAGED = frozenset({"ema", "teacher"})
"""Words in a prefix that mean a moving average of weights."""

_DECODERS = ("decoder", "mask_token", "projection", "predictor", "contrastive_head.")
"""Beginnings of names of what pretrainings put behind an encoder, which are no last layers."""


@dataclass(frozen=True, kw_only=True)
class WeightMapping:
    """How the tensors of a file fill a network.

    Attributes:
        prefix: What stands before the network's names in the file, such as `"module.encoder_q."`.
        names: Weight of the network -> tensor of the file.
        missing: Weights of the network that the file does not have.
        unexpected: Tensors of the file, under the prefix, that the network does not have.
        reshaped: Weight -> its shape in the file, and in the network.
        left: Number of tensors outside the prefix, and of those that were to be left out.
        notes: Sentences on what was understood beyond the plain.
    """

    prefix: str
    names: Mapping[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    left: int
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether every weight has its tensor, and no tensor is without a weight."""
        return not (self.missing or self.unexpected or self.reshaped)

    def differences(self) -> Iterator[str]:
        """What does not fit, a clause for each kind."""
        shapes = [f"{name} {_shape(found)} in place of {_shape(own)}" for name, (found, own) in self.reshaped.items()]
        for kind, names in (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", shapes)):
            if names:
                more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                yield f"{len(names)} {kind}: {', '.join(names[:_SHOWN])}{more}"


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a number"


def map_weights(
    network: nn.Module, tensors: Mapping[str, Tensor], *, head: str, file_head: str = "", ignore: Sequence[str] = ()
) -> WeightMapping:
    """Find for every weight of a network its tensor in a file; nothing is changed.

    Args:
        network: The network; its weights may be on the device `meta`.
        tensors: Name -> tensor, as the file has them.
        head: Path of the network's last layer.
        file_head: What the file calls it, behind the prefix; empty finds it by its shape.
        ignore: Beginnings of names, behind the prefix, that are left out knowingly.
    """
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    prefix = find_prefix(own, tensors)
    found = {name.removeprefix(prefix): name for name in tensors if name.startswith(prefix)}
    found = {name: full for name, full in found.items() if not name.startswith(tuple(ignore))} if ignore else found
    notes = [f"Names in the file begin with {prefix!r}."] if prefix else []
    renamed = file_head or _find_head(own, found, tensors, head)
    if renamed and renamed != head:
        found = {_rename(name, renamed, head): full for name, full in found.items()}
        notes.append(f"The last layer is {renamed!r} in the file and {head!r} here.")
    shapes = {name: tuple(tensors[full].shape) for name, full in found.items()}
    left = len(tensors) - len(found)
    if left:
        notes.append(f"{left} tensors of the file belong to something else and are left out.")
    return WeightMapping(
        prefix=prefix,
        names={name: found[name] for name in own if name in found},
        missing=tuple(name for name in own if name not in found and not name.endswith(_COUNTER)),
        unexpected=tuple(name for name in found if name not in own),
        reshaped={name: (shapes[name], own[name]) for name in own if name in found and shapes[name] != own[name]},
        left=left,
        notes=tuple(notes),
    )


def find_prefix(own: Mapping[str, object], given: Mapping[str, object]) -> str:
    """What stands before a network's names in a file: of all that do, what most of them bear.

    Of several with as many, averaged weights come first, which are what their authors evaluate; then the file's order.
    """
    anchors = list(own)[:_ANCHORS]
    candidates = dict.fromkeys(
        name.removesuffix(anchor)
        for name in given
        for anchor in anchors
        if name == anchor or name.endswith(f".{anchor}")
    )
    counts = {prefix: sum(f"{prefix}{name}" in given for name in own) for prefix in candidates}
    return max(counts, key=lambda prefix: (counts[prefix], not _AVERAGED.isdisjoint(_split(prefix))), default="")


def _split(prefix: str) -> list[str]:
    return prefix.replace("_", ".").split(".")


def _find_head(
    own: Mapping[str, tuple[int, ...]], found: Mapping[str, str], tensors: Mapping[str, Tensor], head: str
) -> str:
    """What a file calls the last layer: the one unknown layer of its shape; empty where that is not plain."""
    if f"{head}.weight" in found:
        return head
    width = own.get(f"{head}.weight", (0, 0))[1:]
    layers = [
        name.removesuffix(".weight")
        for name, full in found.items()
        if name.endswith(".weight")
        and name not in own
        and tuple(tensors[full].shape[1:]) == width
        and not name.startswith(_DECODERS)
    ]
    return layers[0] if len(layers) == 1 else ""


def _rename(name: str, before: str, after: str) -> str:
    return f"{after}{name.removeprefix(before)}" if name.startswith(f"{before}.") else name


def fill_network(network: nn.Module, tensors: Mapping[str, Tensor], mapping: WeightMapping) -> None:
    """Give a network the tensors of a file, in place.

    Raises:
        InputError: If they do not fit.
    """
    if not mapping.fits:
        raise InputError(f"The weights do not fit: {'; '.join(mapping.differences())}.")
    state = {name: tensors[full].clone() for name, full in mapping.names.items()}
    for name in network.state_dict():
        if name not in state:  # of batch norm's counters alone, or they would be missing
            state[name] = torch.tensor(0)
    network.load_state_dict(state, assign=True)


_BESIDE = ("head.", "fc.", "classifier.", *_DECODERS)
"""Beginnings of names of what pretrainings put beside an encoder, and of last layers for other classes."""


def fill_encoder(network: nn.Module, tensors: Mapping[str, Tensor], head: str) -> None:
    """Give a network the weights of a pretraining, all but its last layer, in place.

    Args:
        network: The network, with weights.
        tensors: Name -> tensor, as the file of the pretraining has them.
        head: Path of the network's last layer.

    Raises:
        InputError: If a weight before the last layer is missing or of another shape, or the file holds weights that are
            neither the network's nor those of a head or decoder.
    """
    mapping = map_weights(network, tensors, head=head)
    own = f"{head}."
    missing = tuple(name for name in mapping.missing if not name.startswith(own))
    unexpected = tuple(name for name in mapping.unexpected if not name.startswith((own, *_BESIDE)))
    reshaped = {name: shapes for name, shapes in mapping.reshaped.items() if not name.startswith(own)}
    left = replace(mapping, missing=missing, unexpected=unexpected, reshaped=reshaped)
    if not left.fits:
        raise InputError(f"The weights do not fit: {'; '.join(left.differences())}.")
    state = {name: tensors[full] for name, full in mapping.names.items() if not name.startswith(own)}
    network.load_state_dict(state, strict=False)


@lru_cache(maxsize=32)
def _count_shapes(arch: str, size: int) -> Counter[tuple[int, ...]] | None:
    """How often each shape occurs among an architecture's weights; None where it cannot be built."""
    try:
        network = build_without_weights(arch, 1, size)
    except (InputError, ValueError, AssertionError, RuntimeError):  # timm is not installed; not made for this size
        return None
    return Counter(tuple(tensor.shape) for tensor in network.state_dict().values() if tensor.dim() > 1)


def find_nearest(tensors: Mapping[str, Tensor], size: int) -> str:
    """The architecture whose weights have the most shapes in common with a file's; empty where none has half of them.

    Source: Jaccard's index of the two multisets of shapes, without vectors.
    """
    given = Counter(tuple(tensor.shape) for tensor in tensors.values() if tensor.dim() > 1)
    scores: dict[str, float] = {}
    for name in (*ARCHITECTURES, *(f"timm/{model}" for model in _FURTHER)):
        own = _count_shapes(name, size)
        if own is None:
            continue
        scores[name] = sum((own & given).values()) / max(sum((own | given).values()), 1)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0.5 else ""
