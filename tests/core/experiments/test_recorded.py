"""Eyes are listed with the answers that a table of predictions holds of them."""

import numpy as np
import pandas as pd

from dr_core.experiments.recorded import list_recorded


def test_each_eye_has_its_own_answers_and_repeated_names_are_marked():
    rows = [
        {"data": data, "eye": eye, "patient": patient, "setup": setup, "grade": grade}
        for data in ("a", "b")
        for eye, patient, grade in (("left", 1, 0), ("left", 2, 3), ("only", 3, -1))
        for setup in ("one", "two", "gone")
    ]
    softmax = np.random.default_rng(0).dirichlet(np.ones(5), len(rows))
    table = pd.concat([pd.DataFrame(rows), pd.DataFrame(softmax, columns=[f"p{n}" for n in range(5)])], axis=1)
    found = list_recorded(table, "b", ["one", "two"])
    assert [(eye.name, eye.patient, eye.grade, eye.is_repeated) for eye in found] == [
        ("left", "1", 0, True),
        ("left", "2", 3, True),
        ("only", "3", -1, False),
    ]
    row = table[(table["data"] == "b") & (table["patient"] == 2) & (table["setup"] == "two")]
    assert set(found[1].answers) == {"one", "two"}
    assert np.array_equal(found[1].answers["two"], row[[f"p{n}" for n in range(5)]].to_numpy()[0])
    assert list_recorded(table, "elsewhere", ["one"]) == ()
