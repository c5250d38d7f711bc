import dataclasses

import numpy as np
import pytest
from PIL import Image

from dr_core.data.published.check import check_source
from dr_core.data.published.sources import SOURCES
from dr_core.errors import InputError


@pytest.fixture
def eyepacs(tmp_path):
    """Four labeled eyes: two the same picture, one cut off, one missing; and one that no label names."""
    (tmp_path / "trainLabels.csv").write_text("image,level\n1_left,0\n1_right,0\n2_left,2\n3_left,4\n")
    (tmp_path / "train").mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8))
    for name in ("1_left", "1_right", "2_left"):
        picture.save(tmp_path / "train" / f"{name}.jpeg")
    Image.new("RGB", (64, 64), (200, 90, 10)).save(tmp_path / "train" / "9_left.jpeg")
    cut = tmp_path / "train" / "2_left.jpeg"
    cut.write_bytes(cut.read_bytes()[:600])
    return tmp_path


def last(source, root, **options):
    return list(check_source(source, root, processes=1, **options))[-1].result


def test_every_finding_is_named(eyepacs):
    source = dataclasses.replace(SOURCES["eyepacs"], expected={"train": (2, 0, 2, 0, 1), "public": (0, 0, 0, 0, 0)})
    found = last(source, eyepacs)
    assert [(count.grade, count.found, count.expected) for count in found.counts] == [
        (0, 2, 2),
        (1, 0, 0),
        (2, 1, 2),
        (3, 0, 0),
        (4, 1, 1),
    ]
    assert found.missing == ("train/3_left.jpeg",)
    assert found.extra == ("train/9_left.jpeg",)
    assert list(found.unreadable) == ["train/2_left.jpeg"]
    assert found.duplicates == (("train/1_left.jpeg", "train/1_right.jpeg"),)
    assert found.absent_splits == ("public",)
    assert not found.sound


def test_a_whole_copy_is_sound_though_pictures_repeat(eyepacs):
    Image.new("RGB", (64, 64), (20, 9, 10)).save(eyepacs / "train" / "2_left.jpeg")
    Image.new("RGB", (64, 64), (90, 9, 10)).save(eyepacs / "train" / "3_left.jpeg")
    source = dataclasses.replace(SOURCES["eyepacs"], expected={"train": (2, 0, 1, 0, 1)})
    found = last(source, eyepacs)
    assert found.sound
    assert len(found.duplicates) == 1


def test_a_fast_check_opens_nothing_and_says_so(eyepacs):
    found = last(SOURCES["eyepacs"], eyepacs, contents=False)
    assert not found.contents_read
    assert not found.unreadable
    assert found.missing == ("train/3_left.jpeg",)


def test_a_wrong_root_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        last(SOURCES["messidor2"], tmp_path / "nowhere")
