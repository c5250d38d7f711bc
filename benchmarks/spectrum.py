"""Eigenvalues of every convolution's activations while images pass ResNet-50, against hooks that keep everything.

First line: time over the plain forward pass. Second line: the peer keeps all activations and calls
`torch.linalg.eigvalsh` on their covariance; memory is what each holds per image, counted from the tensors.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

from dr_core.analysis.spectrum import SpectrumHooks, measured_layers
from dr_core.models.architectures import build_backbone

TARGET = 0.40
"""Largest overhead over the plain forward pass."""


def main() -> None:
    """Time the plain pass, ours and the peer in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = build_backbone("resnet50", 5).eval().to(options.device).to(memory_format=torch.channels_last)
    batch = torch.randn(options.batch, 3, 224, 224, device=options.device).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        measure(model, batch, options.rounds)


def measure(model: nn.Module, batch: torch.Tensor, rounds: int) -> None:
    """Print both lines."""
    plain, ours, peer = [], [], []
    kept: list[torch.Tensor] = []
    with SpectrumHooks(model) as hooks:
        model(batch)
        seconds_to_solve = clock(hooks.eigenvalues, batch)
        held = sum(moments.products.nbytes for moments in hooks._moments.values() if moments.products is not None)
    for _ in range(rounds):
        plain.append(clock(lambda: model(batch), batch))
        with SpectrumHooks(model):
            model(batch)
            ours.append(clock(lambda: model(batch), batch))
        handles = [
            module.register_forward_hook(lambda _, __, output: kept.append(output.cpu()))
            for module in measured_layers(model).values()
        ]
        peer.append(clock(lambda: model(batch), batch))
        for handle in handles:
            handle.remove()
        peer[-1] += clock(lambda: [covariance(output) for output in kept], batch)
        of_peer = sum(output.nbytes for output in kept) / len(batch)
        kept.clear()
    passed, mine, theirs = (statistics.median(times) for times in (plain, ours, peer))
    where = f"{batch.device.type}_{len(batch)}"
    overhead = {"name": f"spectrum_overhead_{where}", "ours": round(mine / passed - 1, 3), "peer": None}
    note = "none: share of the plain forward pass on top; ratio is to the target"
    print(json.dumps(overhead | {"peer_name": note, "unit": "1", "ratio": round(TARGET * passed / (mine - passed), 2)}))
    line = {"name": f"spectrum_{where}", "ours": round(mine, 4), "peer": round(theirs, 4), "unit": "s/batch"}
    line |= {"peer_name": "hooks that keep all activations, covariance in float64", "ratio": round(theirs / mine, 2)}
    line |= {"eigenvalues_s": round(seconds_to_solve, 2), "held_MB": round(held / 1e6, 1)}
    print(json.dumps(line | {"peer_MB_per_image": round(of_peer / 1e6, 1)}))


def covariance(output: torch.Tensor) -> torch.Tensor:
    """Covariance of (N, C, H, W), float64 (C, C)."""
    return torch.cov(output.double().transpose(0, 1).flatten(1))


def clock(work: object, batch: torch.Tensor) -> float:
    """Seconds of a call, the device waited for."""
    wait = torch.cuda.synchronize if batch.is_cuda else lambda: None
    wait()
    started = time.perf_counter()
    work()  # type: ignore[operator]
    wait()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
