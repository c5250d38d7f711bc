"""What a store records of its images is compared as a whole with what a network takes."""

import json

import numpy as np
import pandas as pd
import pytest

from dr_core.data.contract import check_preparation, read_preparation
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import open_store
from dr_core.errors import InputError


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((2, 3, 64, 64), np.uint8))
    pd.DataFrame({"eye": ["a", "b"]}).to_parquet(tmp_path / "index.parquet")
    return tmp_path


def record(folder, **header):
    (folder / "store.json").write_text(json.dumps({"title": "T", "photographs": 2} | header))


@pytest.mark.parametrize(
    ("header", "taken", "message"),
    [
        ({"crop": "squash"}, {"size": 64}, "with 64 px, crop squash, and IFI-FS takes 64 px, crop field_of_view"),
        ({"crop": "field_of_view"}, {"size": 32}, "with 64 px, crop .* prepare them with 32 px"),
        ({"crop": "squash", "contrast": "graham"}, {"size": 64, "crop": "squash"}, "contrast graham, and IFI-FS takes"),
    ],
)
def test_anything_that_differs_is_named(folder, header, taken, message):
    record(folder, **header)
    with pytest.raises(InputError, match=message) as error:
        check_preparation(folder, open_store(folder), [("IFI-FS", Preprocessing(**taken))])
    assert error.value.remedy.arguments["size"] == str(taken["size"])


def test_what_is_alike_passes_and_colors_are_the_networks_own(folder):
    record(folder, crop="squash")
    alike = Preprocessing(size=64, crop="squash", contrast="local", mean=(0.0,) * 3, std=(1.5,) * 3)
    check_preparation(
        folder, open_store(folder), [("IFI-FS", alike), ("IFI-CL", Preprocessing(size=64, crop="squash"))]
    )


def test_a_drawn_store_shows_the_field_of_view(folder):
    assert read_preparation(folder, open_store(folder)) == {"crop": "field_of_view", "size": 64}
