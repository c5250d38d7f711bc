"""Tables that hold the eyes of several data sets, whose names of patients are texts in one and numbers in another."""

import pandas as pd

from dr_core.study.tables import write_rows


def test_a_column_of_texts_and_numbers_is_text(tmp_path):
    numbers, texts = pd.DataFrame({"patient": [1, 2], "p0": [0.1, 0.2]}), pd.DataFrame({"patient": ["a"], "p0": [0.3]})
    write_rows(tmp_path / "t.parquet", pd.concat([numbers, texts], ignore_index=True), {})
    found = pd.read_parquet(tmp_path / "t.parquet")
    assert found["patient"].tolist() == ["1", "2", "a"]
    assert found["p0"].tolist() == [0.1, 0.2, 0.3]
    write_rows(tmp_path / "n.parquet", numbers, {})
    assert pd.read_parquet(tmp_path / "n.parquet")["patient"].tolist() == [1, 2]
