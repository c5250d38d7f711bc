"""Print the quantiles that the thresholds of `dr_core.data.fundus.checks` come from.

    python benchmarks/calibration/quality.py --eyes DIR [DIR ...]

Every photograph in the folders is judged as it is and after known damage. A threshold is right where the eyes as they
are lie on one side of it and the damaged ones on the other.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from dr_core.data.fundus import Quality, assess_quality, find_field_of_view, read_fundus
from dr_core.data.fundus import checks as thresholds
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError

Image = npt.NDArray[np.uint8]

_SIDE = 512
_QUANTILES = (0, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98, 1)


def blur(percent_of_radius: float) -> Callable[[Image], Image]:
    """Blur by a Gaussian of that many percent of the field's radius."""
    return lambda eye: cv2.GaussianBlur(eye, (0, 0), percent_of_radius / 100 * _SIDE / 2)


def expose(gain: float) -> Callable[[Image], Image]:
    """Multiply the light."""
    return lambda eye: (eye * float(gain)).clip(0, 255).astype(np.uint8)


def add_noise(sigma: float) -> Callable[[Image], Image]:
    """Add Gaussian noise, 0..255."""
    random = np.random.default_rng(0)
    return lambda eye: (eye + random.normal(0, sigma, eye.shape)).clip(0, 255).astype(np.uint8)


DAMAGES: dict[str, Callable[[Image], Image]] = {
    "as they are": lambda eye: eye,
    "blurred by 0.5 % of the radius": blur(0.5),
    "blurred by 1 %": blur(1),
    "blurred by 2 %": blur(2),
    "blurred by 3 %": blur(3),
    "blurred by 1 %, then noise of 5": lambda eye: add_noise(5)(blur(1)(eye)),
    "noise of 5": add_noise(5),
    "half the light": expose(0.5),
    "a quarter of the light": expose(0.25),
    "twice the light": expose(2),
}


def print_table(name: str, verdicts: list[Quality]) -> None:
    """Print one line of quantiles for each figure, and how often each warning was given."""
    print(f"\n{name} (n = {len(verdicts)})")
    print(" " * 20 + "".join(f"{f'{100 * q:g} %':>9}" for q in _QUANTILES))
    for figure in fields(Quality):
        values = [float(getattr(verdict, figure.name)) for verdict in verdicts]
        print(f"{figure.name:<20}" + "".join(f"{value:9.3f}" for value in np.quantile(values, _QUANTILES)))
    given = Counter(warning for verdict in verdicts for warning in verdict.warnings)
    for warning, count in given.most_common():
        print(f"  {count:4d} x {warning}")


def main() -> None:
    """Read the eyes, damage them, print the tables and the thresholds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eyes", type=Path, nargs="+", required=True, help="folders of fundus photographs")
    eyes = []
    for path in sorted(path for folder in parser.parse_args().eyes for path in folder.glob("*.*")):
        try:
            image = read_fundus(path, longest_side=2 * _SIDE)
        except InputError as error:
            print(f"left out: {error}")
            continue
        eyes.append(Preprocessing(size=_SIDE).to_model_view(image))
    for name, damage in DAMAGES.items():
        damaged = [damage(eye) for eye in eyes]
        print_table(name, [assess_quality(eye, find_field_of_view(eye)) for eye in damaged])
    print("\nthresholds now")
    for name in sorted(vars(thresholds)):
        if name.startswith(("MIN_", "MAX_")):
            print(f"  {name} = {getattr(thresholds, name)}")


if __name__ == "__main__":
    main()
