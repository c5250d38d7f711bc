"""Attribution by what a network's last maps or its attention hold: coarse, and known for every architecture."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.analysis.attribution.libraries import Start
from dr_core.errors import InputError
from dr_core.models.structure import FeatureMaps, bare_network, record_maps

FINE = 8
"""LayerCAM takes maps of an eighth of the eye's side: those of the second stage of a ResNet."""


class GradCam:
    """Grad-CAM of the last maps, enlarged to the input's size and shared out over the three channels.

    Of a network of tokens the maps are the tokens that enter the last attention.

    Source: Selvaraju et al. 2017, ICCV, eq. 1 and 2.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = relu(sum over channels of the mean slope times the feature map)."""
        maps, slopes = _maps_and_slopes(self.model, images, start, least_side=1)
        return _enlarge((slopes.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True).relu(), images)


class LayerCam:
    """LayerCAM of maps that are finer than the last ones.

    Source: Jiang et al. 2021, IEEE Transactions on Image Processing 30:5875-5888, eq. 6 and 7.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = relu(sum over channels of relu(slope) times the feature map)."""
        maps, slopes = _maps_and_slopes(self.model, images, start, least_side=max(1, images.shape[-1] // FINE))
        return _enlarge((slopes.relu() * maps).sum(dim=1, keepdim=True).relu(), images)


class AttentionRollout:
    """How much of each patch reaches what the last layer reads, by the attention alone; the same for every output.

    Source: Abnar and Zuidema 2020, ACL, arXiv:2005.00928, section 3; heads averaged.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = the row of (A_L + I) / 2 ... (A_1 + I) / 2 of the token that is read, or the mean row."""
        del start  # it is of the image, not of an output
        network = bare_network(self.model)
        kept: list[Tensor] = []
        handles = [
            block.attn.qkv.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
            for block in network.blocks  # type: ignore[union-attr]
        ]
        try:
            with torch.no_grad():
                maps, _ = record_maps(self.model, images, 1)
        finally:
            for handle in handles:
                handle.remove()
        assert maps is not None  # for the type checker: a network of tokens has them
        rows = _roll_out([_attention(block.attn, qkv) for block, qkv in zip(network.blocks, kept, strict=True)])  # type: ignore[arg-type]
        read = rows[:, 0] if getattr(network, "global_pool", "token") == "token" else rows.mean(dim=1)
        return _enlarge(maps.arrange(read[:, :, None]), images)


def _attention(layer: Any, qkv: Tensor) -> Tensor:  # noqa: ANN401 - timm's attention
    """Attention of each token to each, float (N, T, T), the mean over heads."""
    query, key, _ = split_heads(layer, qkv)
    return torch.softmax(query * layer.scale @ key.mT, dim=-1).mean(dim=1)


def split_heads(layer: Any, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401 - timm's attention
    """Split what timm's `qkv` gives, (N, T, 3 C), into query, key and value, each (N, heads, T, C / heads).

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2; queries and keys normalized as timm does.
    """
    count, tokens, _ = qkv.shape
    query, key, value = qkv.reshape(count, tokens, 3, layer.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    return layer.q_norm(query), layer.k_norm(key), value


def _roll_out(attention: list[Tensor]) -> Tensor:
    rows = torch.eye(attention[0].shape[-1], dtype=attention[0].dtype, device=attention[0].device)
    for layer in attention:
        rows = (layer + torch.eye(layer.shape[-1], dtype=layer.dtype, device=layer.device)) / 2 @ rows
    return rows


def _maps_and_slopes(model: nn.Module, images: Tensor, start: Start, least_side: int) -> tuple[Tensor, Tensor]:
    """The maps and the slope of what is explained on each of their values, both float (N, C, h, w)."""
    with torch.enable_grad():
        found, logits = record_maps(model, images.clone().requires_grad_(True), least_side)
        maps = _require(found, model)
        (slopes,) = torch.autograd.grad((logits * start(logits)).sum(), maps.output)
    return maps.arrange(maps.output.detach()), maps.arrange(slopes)


def _require(found: FeatureMaps | None, model: nn.Module) -> FeatureMaps:
    if found is None:
        raise InputError(f"No answer, because a {type(bare_network(model)).__name__} has no maps of its image.")
    return found


def _enlarge(maps: Tensor, images: Tensor) -> Tensor:
    full = F.interpolate(maps.detach(), images.shape[-2:], mode="bilinear", align_corners=False)
    return full.expand(-1, images.shape[1], -1, -1) / images.shape[1]
