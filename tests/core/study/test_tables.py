"""Tables that hold the eyes of several data sets, whose names of patients are texts in one and numbers in another."""

import numpy as np
import pandas as pd

from dr_core.parquet import read_parquet
from dr_core.study.schemas import SINGLE_PRECISION
from dr_core.study.tables import RESULT_COLUMNS, shape_rows, write_rows


def test_a_column_of_texts_and_numbers_is_text(tmp_path):
    numbers, texts = pd.DataFrame({"patient": [1, 2], "p0": [0.1, 0.2]}), pd.DataFrame({"patient": ["a"], "p0": [0.3]})
    write_rows(tmp_path / "t.parquet", pd.concat([numbers, texts], ignore_index=True), {})
    found = pd.read_parquet(tmp_path / "t.parquet")
    assert found["patient"].tolist() == ["1", "2", "a"]
    assert found["p0"].tolist() == [0.1, 0.2, 0.3]
    write_rows(tmp_path / "n.parquet", numbers, {})
    assert pd.read_parquet(tmp_path / "n.parquet")["patient"].tolist() == [1, 2]


def test_distinct_numbers_take_less_room_and_stay_what_they_are(tmp_path):
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"setup": ["a", "b"] * 5000, "severity": random.integers(1, 6, 10_000).astype(float)})
    for width in (np.float64, np.float32):
        rows[width.__name__] = random.random(10_000).astype(width)
    rows.loc[3, "float64"] = np.nan
    write_rows(tmp_path / "ours.parquet", rows, {})
    rows.to_parquet(tmp_path / "plain.parquet", index=False)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "ours.parquet"), rows)
    assert (tmp_path / "ours.parquet").stat().st_size < 0.95 * (tmp_path / "plain.parquet").stat().st_size


def test_tables_of_many_rows_an_eye_hold_what_networks_compute_in():
    stored = {name: shape_rows(pd.DataFrame(columns=list(RESULT_COLUMNS[name])), name) for name in RESULT_COLUMNS}
    for name, columns in SINGLE_PRECISION.items():
        assert (stored[name][list(columns)].dtypes == np.float32).all()
        assert "eye" in stored[name]
