import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from dr_core.data.fundus import assess_quality, find_field_of_view, read_fundus
from dr_core.data.fundus.checks import NOT_FUNDUS
from dr_core.data.fundus.field_of_view import brightest_channel
from dr_core.data.fundus.figures import mean_color, measure_figures
from dr_core.data.fundus.likeness import LikenessTable, fit_table, read_table
from dr_core.data.fundus.resize import resize_to_field_of_view
from dr_core.data.phantom import draw_phantom

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def drawn():
    """The generators of `benchmarks/drawn_pictures.py`."""
    spec = importlib.util.spec_from_file_location("drawn_pictures", BENCHMARKS / "drawn_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_no_fundus(image):
    return NOT_FUNDUS in assess_quality(image, find_field_of_view(image)).warnings


@pytest.mark.parametrize("kind", ["textures", "text", "faces", "OCT slices", "gray noise"])
def test_drawn_pictures_of_seeds_that_tuned_nothing_are_no_fundus(drawn, kind):
    assert all(is_no_fundus(drawn.draw_picture(kind, 7000 + seed)) for seed in range(8))


def test_photographs_of_other_cameras_are_taken_for_what_they_are(shared_data):
    files = pd.read_csv(shared_data / "cameras" / "labels.csv")["file"][::16]
    assert sum(is_no_fundus(read_fundus(shared_data / "cameras" / file)) for file in files) <= 1


def test_distance_is_the_mahalanobis_distance_of_standardized_figures():
    table = LikenessTable(
        names=("a", "b"),
        median=np.array([1.0, 2.0]),
        below=np.array([0.5, 1.0]),
        above=np.array([2.0, 1.0]),
        covariance=np.array([[1.0, 0.5], [0.5, 1.0]]),
        mean=np.zeros(2),
        limit=1.0,
        structure_limit=1.0,
    )
    assert table.standardize({"a": 5.0, "b": -20.0}).tolist() == [2.0, -4.0]
    # z = (2, -4), C^-1 = [[4/3, -2/3], [-2/3, 4/3]]: 4/3 * (4 + 16) + 2 * 2/3 * 8
    assert table.distance({"a": 5.0, "b": -20.0}) == pytest.approx(4 / 3 * 20 + 32 / 3)
    assert table.distance({"a": 5.0, "b": -20.0}, ["a"]) == pytest.approx(4.0)


def test_a_table_is_fitted_to_figures():
    random = np.random.default_rng(0)
    rows = [{"a": a, "b": b} for a, b in random.normal((3, -1), (1, 2), (500, 2))]
    table = fit_table(rows)
    assert table.median == pytest.approx([3, -1], abs=0.2)
    assert table.above == pytest.approx([1, 2], rel=0.15)
    distances = [table.distance(row) for row in rows]
    assert np.mean(distances) == pytest.approx(2, rel=0.05)


def test_the_table_that_comes_along_holds_no_photograph():
    table = read_table()
    stored = json.loads((Path(__file__).parents[3] / "dr_core/data/fundus/likeness.json").read_text())
    assert table.covariance.shape == (len(table.names),) * 2
    assert np.linalg.eigvalsh(table.covariance).min() > 0
    assert set(stored) == {
        *("about", "names", "limit", "structure_limit", "median", "below", "above", "covariance", "mean")
    }


def test_figures_equal_their_definitions():
    """The measuring is written for speed; here two figures stand as they are defined, pixel by pixel."""
    phantom = draw_phantom(3, 320, 0).image
    field = find_field_of_view(phantom)
    view = resize_to_field_of_view(phantom, field, 256)
    region = brightest_channel(view) > 40
    found = measure_figures(view, region, 0.3)
    light = cv2.GaussianBlur(view.astype(np.float32) + np.float32(4), (0, 0), 0.7)
    green = np.log(light[..., 1])
    band = (cv2.GaussianBlur(green, (0, 0), 4) - cv2.GaussianBlur(green, (0, 0), 10))[region].astype(float)
    skew = ((band - band.mean()) ** 3).mean() / band.std() ** 3
    assert found["skew_coarse"] == pytest.approx(np.sign(skew) * np.log1p(abs(skew)), rel=1e-4)
    assert found["green_coarse"] == pytest.approx(np.log(band.std() + 0.003), rel=1e-5)
    smooth = cv2.GaussianBlur(view[..., 1].astype(np.float32), (0, 0), 1)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(one, (0, 0), 3)[region] for one in (across**2, down**2, across * down))
    sums = (xx + yy).astype(complex) * np.exp(1j * np.arctan2(2 * xy, xx - yy))
    assert found["direction"] == pytest.approx(np.log(abs(sums.sum()) / (xx + yy).sum() + 0.02), rel=1e-4)
    colors = cv2.GaussianBlur(light, (0, 0), 2)[region].astype(float)
    assert found["chroma"] == pytest.approx((colors.max(axis=1) - colors.min(axis=1)).mean() / colors.mean())
    assert mean_color(view, region) == pytest.approx(view[region].astype(float).mean(axis=0))
