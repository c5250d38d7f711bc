"""Draw the contact sheet `docs/images/phantoms.jpg`: 24 phantoms of as many cameras, with their grades."""

import argparse
from pathlib import Path

import cv2
import numpy as np

from dr_core.data.grades import GRADES
from dr_core.data.phantom import Phantom, draw_phantom

GRADES_SHOWN = (0, 0, 1, 2, 0, 3, 0, 0, 1, 2, 2, 4, 0, 0, 2, 3, 3, 3, 0, 1, 2, 3, 4, 4)
COLUMNS = 6
SIDE = 220
"""Side of a picture on the sheet in pixels; each is drawn at twice that."""


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs/images/phantoms.jpg")
    parser.add_argument("--first-seed", type=int, default=200)
    options = parser.parse_args()
    phantoms = [draw_phantom(grade, 2 * SIDE, options.first_seed + n) for n, grade in enumerate(GRADES_SHOWN)]
    tiles = [label(phantom) for phantom in phantoms]
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), np.vstack(rows)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])


def label(phantom: Phantom) -> np.ndarray:
    """A phantom at the sheet's size over its grade and side, uint8 (SIDE + 24, SIDE, 3)."""
    picture = cv2.resize(phantom.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    caption = np.zeros((24, SIDE, 3), np.uint8)
    text = f"grade {phantom.grade}, {GRADES[phantom.grade]}"
    cv2.putText(caption, text, (16, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (200, 200, 200), 1, cv2.LINE_AA)
    return np.vstack([picture, caption])


if __name__ == "__main__":
    main()
