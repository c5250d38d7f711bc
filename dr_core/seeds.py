"""Randomness as an argument: every random draw starts from a seed that is derived here, never from a global state."""

import hashlib

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive an independent seed for a named purpose.

    The same arguments give the same seed on every machine and in every process; different names give
    streams that are unrelated for all practical purposes.

    Args:
        seed: The seed of the whole run.
        names: What the derived seed is for, such as `"patient", 17`.

    Returns:
        An integer in [0, 2**63).
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """Build the numpy generator of a named purpose; see `derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *names))
