"""LRP alpha1-beta0 of a ResNet-50: ours, zennit's ZPlus, and the least that the arithmetic allows.

The limit is the forward pass's convolutions, an extra forward with the positive weights and a backward for data, with
the very shapes of the network and nothing else. A second grade of the same eye shares forward pass and denominators.
"""

import copy
import json
import os
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import ResNet
from zennit.attribution import Gradient
from zennit.composites import LayerMapComposite, layer_map_base
from zennit.rules import ZPlus
from zennit.torchvision import ResNetCanonizer
from zennit.types import Linear

from dr_core.analysis.attribution import Explainer
from dr_core.models.architectures import build_backbone

TARGET = 3
ROUNDS = {224: 7, 512: 3}


def zennit_map(model: ResNet, images: Tensor) -> Tensor:
    """One call as zennit's documentation shows it."""
    composite = LayerMapComposite([*layer_map_base(), (Linear, ZPlus())], canonizers=[ResNetCanonizer()])
    start = torch.zeros(len(images), 5, device=images.device)
    start[:, TARGET] = 1
    with Gradient(model, composite) as attributor:
        return attributor(images.clone(), start)[1]


def record_shapes(model: ResNet, images: Tensor) -> list[tuple[Tensor, nn.Conv2d]]:
    """Input and layer of every convolution."""
    seen: list[tuple[Tensor, nn.Conv2d]] = []
    hooks = [
        module.register_forward_hook(lambda layer, inputs, _: seen.append((inputs[0].detach(), layer)))
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    last = torch.channels_last
    return [(x.clamp(min=0).contiguous(memory_format=last), layer.to(memory_format=last)) for x, layer in seen]


@torch.no_grad()
def bare_convolutions(layers: list[tuple[Tensor, nn.Conv2d]]) -> None:
    """Forward, extra forward, data-backward of every convolution."""
    for x, layer in layers:
        geometry = (layer.stride, layer.padding, layer.dilation)
        F.conv2d(x, layer.weight, None, *geometry)
        z = F.conv2d(x, layer.weight, None, *geometry)
        torch.ops.aten.convolution_backward(z, x, layer.weight, None, *geometry, False, [0, 0], 1, [True, False, False])


def measure(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each way, in turn."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure 224 and 512 px, and four models on one eye."""
    model = build_backbone("resnet50", 5, seed=0).eval()
    explainer = Explainer(model)
    for size, rounds in ROUNDS.items():
        images = torch.randn(1, 3, size, size)
        layers = record_shapes(copy.deepcopy(model), images)
        peer_model = copy.deepcopy(model)
        seconds = measure(
            {
                "ours": lambda images=images: explainer.attribute(images, TARGET),
                "two": lambda images=images: explainer.attribute_each(images, [[TARGET], [0]]),
                "peer": lambda images=images, peer_model=peer_model: zennit_map(peer_model, images),
                "limit": lambda layers=layers: bare_convolutions(layers),
            },
            rounds,
        )
        further = max(0.0, seconds.pop("two") - seconds["ours"])
        line = {"name": f"lrp_{size}_cpu", **{name: round(value, 4) for name, value in seconds.items()}}
        line |= {"peer_name": "zennit 0.5.1 ZPlus", "unit": "s", "cores": os.cpu_count()}
        line |= {"ratio": round(seconds["peer"] / seconds["ours"], 2)}
        line |= {"times_limit": round(seconds["ours"] / seconds["limit"], 2)}
        print(json.dumps(line))
        second = {"name": f"lrp_{size}_second_grade_cpu", "ours": round(further, 4), "first": round(seconds["ours"], 4)}
        print(json.dumps(second | {"unit": "s", "of_first": round(further / seconds["ours"], 2), "aim": 0.6}))
    four = [Explainer(build_backbone("resnet50", 5, seed=seed).eval()) for seed in range(4)]
    images = torch.randn(1, 3, 224, 224)
    ours = measure({"ours": lambda: [one.attribute(images, TARGET) for one in four]}, 5)["ours"]
    print(json.dumps({"name": "lrp_four_models_224_cpu", "ours": round(ours, 4), "unit": "s", "aim": 0.6}))


if __name__ == "__main__":
    main()
