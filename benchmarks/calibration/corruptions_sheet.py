"""Draw docs/images/corruptions.jpg: every corruption at severities 1, 3 and 5, on one phantom."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from dr_core.corruption import CORRUPTIONS, FAMILIES, corrupt
from dr_core.data.phantom import draw_phantom

TARGET = Path(__file__).parents[2] / "docs" / "images" / "corruptions.jpg"
SIDE, COLUMNS, LEVELS, CAPTION = 136, 3, (1, 3, 5), 30


def main() -> None:
    """Corrupted at 224 px, shown smaller, with the sentence that the app shows."""
    eye = torch.from_numpy(draw_phantom(3, 224, 14).image.copy()).permute(2, 0, 1)[None]
    rows = -(-len(CORRUPTIONS) // COLUMNS)
    width, height = len(LEVELS) * SIDE + 10, SIDE + CAPTION
    sheet = Image.new("RGB", (COLUMNS * width, rows * height), "#0b0b0d")
    pen = ImageDraw.Draw(sheet)
    for place, entry in enumerate(CORRUPTIONS.values()):
        left, top = place // rows * width, place % rows * height
        pen.text((left + 2, top + 2), f"{FAMILIES[entry.family]}: {entry.label}", fill="white")
        pen.text((left + 2, top + 14), entry.description, fill="#b5b5bd")
        for column, level in enumerate(LEVELS):
            picture = Image.fromarray(np.ascontiguousarray(corrupt(eye, entry.name, level, 1)[0].permute(1, 2, 0)))
            small = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
            sheet.paste(small, (left + column * SIDE, top + CAPTION - 2))
    sheet.save(TARGET, quality=75)


if __name__ == "__main__":
    main()
