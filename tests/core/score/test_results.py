"""A table of scores is read back: answers of the study's own checkpoints, and nothing that is not sure."""

import pytest

from dr_core.errors import InputError
from dr_core.score.plan import SCORE_COLUMNS
from dr_core.score.results import read_score_table

DIGESTS = {"iwne_fs": "a" * 64, "ifi_cl": "b" * 64}


def table(*rows):
    """CSV of rows, each a mapping; what is not given is empty."""
    lines = [",".join(SCORE_COLUMNS), *(",".join(str(row.get(column, "")) for column in SCORE_COLUMNS) for row in rows)]
    return "\n".join(lines).encode()


def answer(path, setup="iwne_fs", checkpoint="a" * 12, softmax=(0.1, 0.2, 0.3, 0.3, 0.1), **others):
    probabilities = {f"p{grade}": value for grade, value in enumerate(softmax)}
    return {"path": path, "setup": setup, "checkpoint": checkpoint, "level": "within"} | probabilities | others


def read(*rows, most=10):
    return read_score_table(table(*rows), "results.csv", DIGESTS, most)


def test_answers_of_the_study_are_taken_and_others_left_out():
    found = read(
        answer("clinic/1.jpg"),
        answer("clinic/1.jpg", "ifi_cl", "b" * 12, warnings="It is dark."),
        answer("clinic/1.jpg", "ensemble", ""),
        answer("2.jpg", checkpoint="c" * 12),
        {"path": "'=3.jpg", "error": "it is cut off"},
        {"path": "4.jpg", "setup": "iwne_fs", "checkpoint": "a" * 12, "referable_3": 0.4},
    )
    one, two, three, four = found.eyes
    assert (one.source, one.name, set(one.answers)) == ("results.csv", "clinic/1.jpg", set(DIGESTS))
    assert one.answers["iwne_fs"] == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.1])
    assert (one.warnings, one.level, one.error) == (("It is dark.",), "within", "")
    assert (two.answers, two.error) == ({}, "no answer of this study's checkpoints")
    assert (three.name, three.error) == ("=3.jpg", "it is cut off")
    assert "Single grades" in four.error
    assert found.notes[0] == "results.csv: 4 photographs."
    assert found.notes[1].startswith("2 rows of other checkpoints")


def test_of_too_many_photographs_the_first_are_listed():
    found = read(*(answer(f"{number}.jpg") for number in range(5)), most=3)
    assert [eye.name for eye in found.eyes] == ["0.jpg", "1.jpg", "2.jpg"]
    assert found.notes == ("results.csv: 5 photographs, the first 3 of them listed.",)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([answer("1.jpg"), answer("1.jpg")], "row 3: 1.jpg has a second row of iwne_fs"),
        ([answer("1.jpg", softmax=(0.9, 0.9, 0, 0, 0))], "row 2: p0 to p4 are no probabilities"),
        ([answer("1.jpg", softmax=("nan", 1, 0, 0, 0))], "row 2: p0 to p4 are no probabilities"),
        ([answer("1.jpg", softmax=("high", 1, 0, 0, 0))], "row 2: p0 to p4 are no probabilities"),
        ([answer("")], "row 2: it names no photograph"),
        ([answer("1.jpg", checkpoint="c" * 12)], "answers of other checkpoints than those of this study"),
    ],
)
def test_what_is_not_sure_is_a_sentence(rows, reason):
    with pytest.raises(InputError, match=reason):
        read(*rows)


def test_another_table_is_a_sentence():
    with pytest.raises(InputError, match="path"):
        read_score_table(b"image,grade\na,1\n", "grades.csv", DIGESTS, 10)
