"""Each photograph of the zoo has one outcome: for the library, for `score`, and on the page Compare."""

import csv

import numpy as np
import pytest

from dr_cli.main import main
from dr_core.data.fundus import open_fundus, read_fundus
from dr_core.errors import InputError
from tests.app.page_driver import html_of, page_at
from tests.zoo.photographs import MEMBERS

WHOLE = [member for member in MEMBERS if member.picture is not None]
REFUSED = [member for member in MEMBERS if member.picture is None]


@pytest.mark.parametrize("member", WHOLE, ids=lambda member: member.name)
def test_a_whole_photograph_is_read_as_it_is(member):
    found = open_fundus(member.data)
    assert found.image.shape == member.picture.shape
    assert abs(found.image.astype(int) - member.picture).mean() <= member.within
    assert member.sentence in " ".join(found.notes)


@pytest.mark.parametrize("member", REFUSED, ids=lambda member: member.name)
def test_what_is_no_whole_photograph_is_refused(member):
    for side in (None, 48):
        with pytest.raises(InputError, match=member.sentence):
            read_fundus(member.data, longest_side=side)


@pytest.fixture(scope="module")
def rows(tiny_study, tmp_path_factory):
    """What `score` writes about all of them: path -> rows."""
    folder, out = tmp_path_factory.mktemp("zoo") / "eyes", tmp_path_factory.mktemp("scored") / "out.csv"
    folder.mkdir()
    for member in MEMBERS:
        (folder / member.name).write_bytes(member.data)
    options = ["--study", str(tiny_study.path), "--out", str(out), "--device", "cpu", "--processes", "1"]
    assert main(["score", str(folder), *options, "--setups", "ifi_cl"]) == 0
    with out.open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_score_answers_the_whole_ones_alone(rows):
    assert set(rows) == {member.name for member in MEMBERS}
    for member in MEMBERS:
        row = rows[member.name]
        assert bool(row["grade"]) == (member.picture is not None), member.name
        assert member.sentence in row["error"] + row["warnings"], member.name


def test_the_page_answers_the_whole_ones_alone(monkeypatch, tiny_study, rows):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    app = page_at("1_Compare.py").run()
    app.file_uploader[0].set_value([(member.name, member.data, "image/png") for member in MEMBERS])
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["eye"]) == [member.name for member in WHOLE]
    assert f"And {len(REFUSED) - 3} more files that cannot be read." in app.warning[0].value
    column = next(name for name in table if name.startswith("P ") and "IFI-CL" in name)
    scores = [float(rows[member.name]["referable_3"]) for member in WHOLE]
    assert np.allclose(table[column], scores, atol=1e-5)


def test_the_page_says_which_page_was_read(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    member = next(one for one in WHOLE if one.name == "thumbnail_first.tif")
    app = page_at("1_Compare.py").run()
    app.file_uploader[0].set_value([(member.name, member.data, "image/tiff")])
    assert member.sentence in html_of(app.run())
