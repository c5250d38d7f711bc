"""Each mask of the zoo through the page Explain and through `localize`: the numbers are those of the plain mask."""

import shutil

import numpy as np
import pytest
from PIL import Image

from dr_cli.main import main
from dr_core.analysis.controls import MAP
from dr_core.data.grades import LESIONS
from dr_core.data.phantom import draw_phantom
from dr_core.models.setups import SETUPS
from dr_core.study.folder import open_study
from tests.app.page_driver import encoded, html_of, page_at, upload
from tests.app.test_explain import rows_of
from tests.conftest import make_study
from tests.zoo.masks import masks_of, refused_masks_of

PHOTOGRAPH = draw_phantom(3, 160, 5).image
LESION = np.zeros((160, 160), bool)
LESION[70:90, 48:68] = True
MASKS = masks_of(LESION)
CODES = {lesion.code: lesion for lesion in LESIONS.values()}
OTHERS = [name for name in MASKS if name != "0 and 255"]
THREES = [OTHERS[start : start + len(CODES) - 1] for start in range(0, len(OTHERS), len(CODES) - 1)]
"""Names of the masks, as many together as one eye can have beside the plain one: one a kind of lesion."""


@pytest.fixture
def page(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return page_at("3_Explain.py")


@pytest.mark.parametrize("names", THREES, ids=lambda names: ", ".join(names))
def test_the_page_measures_each_mask_as_the_plain_one(page, names):
    """The rows of the four kinds of lesions are one: all masks mark the same region."""
    codes = list(CODES)[: len(names) + 1]
    masks = [MASKS["0 and 255"], *(MASKS[name] for name in names)]
    files = [(f"eye_{code}.png", mask) for code, mask in zip(codes, masks, strict=True)]
    app = upload(page.run(), ("eye.png", encoded(PHOTOGRAPH)), *files)
    assert not app.exception
    assert not app.error
    rows = rows_of(app)
    assert len({tuple(rows[code]) for code in codes}) == 1
    assert "nothing to measure" not in rows[codes[0]][1]


@pytest.mark.parametrize("name", refused_masks_of(LESION))
def test_the_page_says_what_cannot_be_told(page, name):
    app = upload(page.run(), ("eye.png", encoded(PHOTOGRAPH)), ("eye_HE.png", refused_masks_of(LESION)[name]))
    assert not app.exception
    assert "The mask eye_HE.png" in app.error[0].value.replace("\\", "")
    assert 'aria-label="Scores"' not in html_of(app)


def write_idrid(root, eyes):
    """IDRiD's layout, one photograph over and over, each with the masks of its list, one a kind of lesion."""
    folder = root / "A. Segmentation"
    for number, masks in enumerate(eyes, 1):
        photograph = folder / "1. Original Images" / "a. Training Set" / f"IDRiD_{number:02d}.jpg"
        photograph.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PHOTOGRAPH).save(photograph, quality=95)
        for code, content in zip(CODES, masks, strict=False):
            groundtruths = folder / "2. All Segmentation Groundtruths" / "a. Training Set" / CODES[code].folder
            groundtruths.mkdir(parents=True, exist_ok=True)
            (groundtruths / f"IDRiD_{number:02d}_{code}.tif").write_bytes(content)
    return root


def localize(study, root):
    command = ["localize", "--study", study, "--idrid", root, "--draws", 2, "--controls", 1]
    return main([str(word) for word in command])


TOLD_BY_THE_SURROUND = ["255 and 0", "red on white", "alpha on white"]


def test_localize_measures_each_mask_as_the_plain_one(tmp_path):
    study = make_study(tmp_path / "study", list(SETUPS.values())[:2])
    names = ["0 and 255", *TOLD_BY_THE_SURROUND]
    root = write_idrid(tmp_path / "idrid", [[MASKS[name] for name in names]])
    assert localize(study.path, root) == 0
    table = open_study(study.path).read_results("localization")
    table = table[(table["method"] == MAP) & table["lesion"].isin(list(LESIONS))]
    assert len(table[["eye", "lesion"]].drop_duplicates()) == len(CODES)
    scores = table.groupby(["setup", "protocol", "pooling", "score"])["value"]
    assert set(scores.size()) == {len(CODES)}
    assert scores.agg(np.ptp).max() < 1e-6


@pytest.mark.parametrize("name", ["one value", "labels"])
def test_localize_says_what_cannot_be_told(tiny_study, tmp_path, capsys, name):
    shutil.copytree(tiny_study.path, tmp_path / "study")
    before = {path.name for path in (tmp_path / "study" / "results").iterdir()}
    root = write_idrid(tmp_path / "idrid", [[refused_masks_of(LESION)[name]]])
    assert localize(tmp_path / "study", root) == 2
    assert f"The mask IDRiD_01_{next(iter(CODES))}.tif" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "study" / "results").glob("*.parquet")} <= before
