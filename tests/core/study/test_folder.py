import json

import numpy as np
import pandas as pd
import pytest

from dr_core.errors import InputError
from dr_core.study.folder import (
    SCHEMA,
    DataSet,
    Study,
    StudyInfo,
    list_studies,
    open_study,
    write_study_info,
)
from dr_core.study.tables import RESULT_COLUMNS


def make_info(**changes):
    data = DataSet(key="eyes", title="Eyes", role="test", images=3, real=False, description="Three eyes.")
    values = {"title": "T", "summary": "S", "protocol": "paper", "seed": 1, "setups": ("ifi_cl",), "data": (data,)}
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


def test_unknown_setups_are_left_out_and_the_order_is_kept(tmp_path):
    write_head(tmp_path, setups=["ifi_cl", "other", "iwne_fs"])
    assert open_study(tmp_path).info.setups == ("iwne_fs", "ifi_cl")
    assert isinstance(open_study(tmp_path), Study)
