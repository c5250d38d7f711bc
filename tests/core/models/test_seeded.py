"""What a seed draws does not depend on the threads beside it."""

import ast
import copy
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from dr_core.analysis.controls import build_untrained
from dr_core.analysis.sanity import randomize_cascade
from dr_core.models.architectures import build_backbone, build_network, replace_head
from dr_core.models.seeded import seeded
from dr_core.training.pretraining.method import build_pretraining
from dr_core.training.pretraining.registry import METHODS
from tests.conftest import ROOT

SOURCES = sorted(path for folder in ("dr_core", "dr_ui", "pages") for path in (ROOT / folder).rglob("*.py"))
GLOBAL = {"manual_seed", "fork_rng", "set_rng_state", "seed"}
"""Attributes of `torch` and `torch.random` that change the generator of all threads."""
ALLOWED = {"training/loop.py"}
"""A training has its process for itself, and dropout takes no other generator."""


def untrained(seed):
    return build_untrained(build_backbone("resnet18", 5), "of somebody else", 5, seed)


def cascade(seed):
    *_, (_, network) = randomize_cascade(build_backbone("resnet18", 5), seed)
    return copy.deepcopy(network)


def pretraining(name):
    method = METHODS[name]
    config = method.recipes["quick"]
    return lambda seed: build_pretraining(method, "resnet50_slim", replace(config, seed=seed), 32)


BUILDS = {
    "network": lambda seed: build_network("resnet50_slim", 5, seed),
    "head": lambda seed: replace_head(build_backbone("resnet50_slim", 5), 5, seed),
    "untrained control": untrained,
    "cascade": cascade,
    **{name: pretraining(name) for name, method in METHODS.items() if not method.needs_labels},
}


def weights(network):
    return [tensor.clone() for tensor in network.state_dict().values()]


@pytest.fixture
def restless():
    """Threads change often, as on a busy server."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.usefixtures("restless")
def test_networks_built_at_once_are_those_built_alone(name):
    build = BUILDS[name]
    state = torch.random.get_rng_state()
    alone = [weights(build(seed)) for seed in (0, 1)]
    assert torch.equal(state, torch.random.get_rng_state())
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: weights(build(seed)), (0, 1, 0, 1)))
    for seed, found in zip((0, 1, 0, 1), together, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(alone[seed], found, strict=True))


def test_a_seed_gives_the_numbers_of_the_global_generator():
    """So that weights of earlier versions stay what they were."""

    def draw():
        return [
            *weights(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Conv2d(3, 8, 3), torch.nn.Embedding(9, 4))),
            *(torch.randn(5), torch.rand(3), torch.randint(9, (4,)), torch.randint(2, 9, (4,)), torch.randperm(7)),
            *(torch.bernoulli(torch.full((9,), 0.5)), torch.normal(0.0, 1.0, (3,)), torch.empty(5).uniform_()),
            torch.nn.init.trunc_normal_(torch.empty(7)),
        ]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = draw()
    with seeded(5):
        found = draw()
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_a_draw_without_a_generator_is_refused():
    with pytest.raises(AttributeError), seeded(5):
        torch.native_dropout(torch.ones(9), 0.5, train=True)


def test_nobody_seeds_all_threads():
    found = {
        f"{path.relative_to(ROOT)}: {node.attr}"
        for path in SOURCES
        if not path.as_posix().endswith(tuple(ALLOWED))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in GLOBAL
        and ast.unparse(node.value) in ("torch", "torch.random", "torch.cuda", "random", "np.random")
    }
    assert found == set()
