import json

import numpy as np
import pandas as pd
import pytest

from dr_core.errors import InputError
from dr_core.models.setups import SETUPS, Setup, declare_setups
from dr_core.study.folder import (
    SCHEMA,
    DataSet,
    Study,
    StudyInfo,
    list_studies,
    open_study,
    write_study_info,
)
from dr_core.study.schemas import NOT_YET_KNOWN
from dr_core.study.tables import RESULT_COLUMNS


def make_info(**changes):
    data = DataSet(key="eyes", title="Eyes", role="test", images=3, real=False, description="Three eyes.")
    values = {
        "title": "T",
        "summary": "S",
        "protocol": "paper",
        "seed": 1,
        "setups": (SETUPS["ifi_cl"],),
        "data": (data,),
    }
    return StudyInfo(**values | changes)


def test_what_is_written_is_read_again(tmp_path):
    info = make_info(settings={"epochs": 3})
    write_study_info(tmp_path / "a", info)
    study = open_study(tmp_path / "a")
    assert study.info == info
    assert study.data("eyes").images == 3
    assert not study.has_checkpoint("ifi_cl")
    assert list_studies(tmp_path) == [tmp_path / "a"]


def test_tables_keep_their_schema(tmp_path):
    study = write_study_info(tmp_path, make_info())
    frame = pd.DataFrame({column: np.arange(2) for column in RESULT_COLUMNS["performance"]})
    study.write_results("performance", frame.assign(extra=1))
    assert list(study.read_results("performance")) == list(RESULT_COLUMNS["performance"])
    with pytest.raises(InputError, match="no table of predictions"):
        study.read_results("predictions")


@pytest.mark.parametrize("table", sorted(NOT_YET_KNOWN))
def test_tables_of_before_a_column_was_added_still_open(tmp_path, table):
    study = write_study_info(tmp_path, make_info())
    whole = pd.DataFrame({column: np.arange(2) for column in RESULT_COLUMNS[table]})
    (tmp_path / "results").mkdir()
    whole.drop(columns=list(NOT_YET_KNOWN[table])).to_parquet(tmp_path / "results" / f"{table}.parquet")
    found = study.read_results(table)
    assert set(found) == set(RESULT_COLUMNS[table])
    for column, value in NOT_YET_KNOWN[table].items():
        assert found[column].isna().all() if value != value else (found[column] == value).all()


def test_damaged_tables_are_named(tmp_path):
    study = write_study_info(tmp_path, make_info())
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "performance.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"performance\.parquet .* damaged"):
        study.read_results("performance")
    pd.DataFrame({"data": [1]}).to_parquet(tmp_path / "results" / "performance.parquet")
    with pytest.raises(InputError, match="lacks the column 'setup'"):
        study.read_results("performance")


def write_head(folder, **changes):
    write_study_info(folder, make_info())
    head = folder / "study.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | changes))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: None, "There is no study folder"),
        (lambda p: p.mkdir(), "holds no study"),
        (lambda p: (p / "runs").mkdir(parents=True), "is not finished yet"),
        (lambda p: write_head(p, schema=SCHEMA + 1), "newer DR Lens"),
        (lambda p: write_head(p, data=[{"key": 1}]), "is damaged"),
        (lambda p: write_head(p, surprise=1), "is damaged"),
        (lambda p: (p.mkdir(), (p / "study.json").write_text('{"schema": 1, "ti')), "is damaged"),
    ],
)
def test_each_bad_study_gets_its_sentence(tmp_path, make, sentence):
    make(tmp_path / "study")
    with pytest.raises(InputError, match=sentence):
        open_study(tmp_path / "study")


def test_a_missing_folder_of_studies_is_named(tmp_path):
    with pytest.raises(InputError, match="no folder of studies"):
        list_studies(tmp_path / "none")


def test_setups_of_schema_1_are_those_of_the_preset_in_the_studys_order(tmp_path):
    write_head(tmp_path, schema=1, setups=["ifi_cl", "iwne_fs"])
    study = open_study(tmp_path)
    assert isinstance(study, Study)
    assert tuple(study.setups) == ("ifi_cl", "iwne_fs")
    assert study.setups["ifi_cl"] == SETUPS["ifi_cl"]


def test_a_study_declares_its_own_setups(tmp_path):
    own = declare_setups([SETUPS["iwne_fs"], Setup(name="retfound", label="RETFound", initialization="retfound")])
    write_study_info(tmp_path / "a", make_info(setups=own))
    assert open_study(tmp_path / "a").info.setups == own


@pytest.mark.parametrize(
    ("setups", "sentence"),
    [
        (["ifi_cl", "other"], "'other' is not known to this version"),
        (["ifi_cl", "ifi_cl"], "Two set-ups have the name 'ifi_cl'"),
        ([{"name": f"s{number}"} for number in range(9)], "at most 8 set-ups"),
        ([{"name": "a", "colour": "#000000"}], "no field 'colour'"),
        ([{"label": "A"}], "name of a set-up must be a text"),
        ([{"name": "../a"}], "begin with a lower-case letter"),
        ([{"name": "a", "color": "red"}], "must be like #D55E00"),
        ([{"name": "a", "line": "wavy"}], "must be one of solid"),
        ([{"name": "a", "label": 3}], "`label` of the set-up 'a' is of the wrong type"),
        ([7], "must be a name or a table"),
    ],
)
def test_setups_that_no_study_can_have_are_a_sentence(tmp_path, setups, sentence):
    write_head(tmp_path, setups=setups)
    with pytest.raises(InputError, match=sentence):
        open_study(tmp_path)
