"""Draw docs/images/corruptions.jpg: every corruption at severities 1, 3 and 5, on one phantom."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from dr_core.corruption import CORRUPTIONS, corrupt
from dr_core.data.phantom import draw_phantom

TARGET = Path(__file__).parents[2] / "docs" / "images" / "corruptions.jpg"
SIDE, COLUMNS, LEVELS = 112, 3, (1, 3, 5)


def main() -> None:
    """Corrupted at 224 px, shown at half of it."""
    eye = torch.from_numpy(draw_phantom(3, 224, 14).image.copy()).permute(2, 0, 1)[None]
    rows = -(-len(CORRUPTIONS) // COLUMNS)
    width = 3 * SIDE + 8
    sheet = Image.new("RGB", (COLUMNS * width, rows * (SIDE + 16)), "#0b0b0d")
    pen = ImageDraw.Draw(sheet)
    for place, entry in enumerate(CORRUPTIONS.values()):
        left, top = place // rows * width, place % rows * (SIDE + 16)
        pen.text((left + 2, top + 2), f"{entry.family}: {entry.label}", fill="white")
        for column, level in enumerate(LEVELS):
            picture = Image.fromarray(np.ascontiguousarray(corrupt(eye, entry.name, level, 1)[0].permute(1, 2, 0)))
            sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.BOX), (left + column * SIDE, top + 14))
    sheet.save(TARGET, quality=70)


if __name__ == "__main__":
    main()
