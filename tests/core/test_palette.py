"""Colors that must be told apart are, also by eyes without one kind of cones, and stand out from both themes."""

import tomllib
from itertools import combinations

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from dr_core.data.grades import LESIONS
from dr_core.models.setups import SETUPS
from dr_core.publish import overlay
from dr_core.publish.palette import GRADE_RAMP
from tests.conftest import ROOT

# Machado, Oliveira and Fernandes 2009, table 1, severity 1; they act on linear RGB.
VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(color):
    values = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(color, vision):
    """Color as an eye of this kind sees it, CIELAB (3,)."""
    values = np.clip(np.asarray(VISION[vision]) @ linear(color), 0, 1)
    return rgb2lab(np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055))


def distance(first, second, vision):
    return float(deltaE_ciede2000(seen(first, vision), seen(second, vision)))


def contrast(first, second):
    """Contrast of WCAG 2.2, 1 to 21."""
    bright = sorted((linear(color) @ [0.2126, 0.7152, 0.0722] + 0.05 for color in (first, second)), reverse=True)
    return bright[0] / bright[1]


def test_the_measures_are_right():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert distance("#ff0000", "#00ff00", "all cones") == pytest.approx(86.6, abs=0.1)  # as colour-science gives it
    assert distance("#e00000", "#707000", "protanopia") < distance("#e00000", "#707000", "all cones") / 2


@pytest.mark.parametrize("vision", VISION)
def test_initializations_lesions_and_grades_are_told_apart(vision):
    """A difference of 2.3 is just noticed; the line tells the pretraining."""
    hues = sorted({setup.color for setup in SETUPS.values()})
    assert len(hues) == 2
    assert distance(*hues, vision) > 40
    lightness = [seen(color, vision)[0] for color in GRADE_RAMP]
    assert (np.diff(lightness) < -12).all()


def test_hues_and_outlines_stand_out():
    themes = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    for theme in (themes["light"], themes["dark"]):
        for setup in SETUPS.values():
            assert contrast(setup.color, theme["backgroundColor"]) >= 3  # WCAG 1.4.11, graphics
        assert contrast(theme["textColor"], theme["secondaryBackgroundColor"]) >= 7  # WCAG 1.4.6, text
    for color in (lesion.color for lesion in LESIONS.values()):
        assert contrast(color, "#0b0b0d") >= 3  # the photograph's surround, as dark as the outlines' halo


RETINA = (155, 73, 23)
"""Mean color of the retina in 143 photographs of IDRiD, sRGB; the test below computes it again."""


def as_hex(color):
    return "#" + "".join(f"{round(channel):02x}" for channel in color)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("dimming", [0, overlay.EYE_DIMMING])
def test_outlines_stand_apart_from_each_other_and_from_every_color_of_a_heatmap(vision, dimming):
    heatmap = [as_hex(color) for color in overlay.blend(RETINA, np.linspace(-1, 1, 129), dimming)]
    outlines = [lesion.color for lesion in LESIONS.values()]
    for first, second in combinations(outlines, 2):
        assert distance(first, second, vision) >= 25, (first, second)
    for outline in outlines:
        assert min(distance(outline, color, vision) for color in [*heatmap, overlay.STRONGEST_COLOR]) >= 25, outline


def test_the_retina_has_its_mean_color(small_eyes):
    means = []
    for path in small_eyes[::6]:
        with Image.open(path) as file:
            pixels = np.asarray(file.convert("RGB"), float)
        means.append(pixels[pixels.sum(axis=-1) > 60].mean(axis=0))
    assert np.abs(np.mean(means, axis=0) - RETINA).max() < 4
