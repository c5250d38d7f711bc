import pytest

from dr_core.data.intake.given_grades import read_given_grades
from dr_core.errors import InputError

NAMES = ["a.jpg", "b.png", "caf\u00e9.png", "d.1.png"]


def test_rows_find_their_photographs_by_name_folder_or_stem():
    table = "image,grade\nx/y/a.jpg,0\nb,3.0\ncafe\u0301.png,4\nd.1,1\nz.png,2\n".encode()
    given = read_given_grades(table, NAMES)
    assert given.grades == {"a.jpg": 0, "b.png": 3, "caf\u00e9.png": 4, "d.1.png": 1}
    assert "4 of 4 photographs have a grade." in given.notes
    assert "1 rows name no photograph of this list: z.png." in given.notes


def test_semicolons_and_columns_between_are_taken():
    given = read_given_grades(b"site;Level;id_code\n1;2;a.jpg\n", NAMES)
    assert given.grades == {"a.jpg": 2}
    assert "1 of 4 photographs have a grade." in given.notes


@pytest.mark.parametrize(
    ("table", "names", "sentence"),
    [
        (b"image,grade\na.jpg,5\nb,severe\n", NAMES, "row 2: the grade '5' is none of 0 to 4; row 3"),
        (b"image,grade\na.jpg,1\na,2\n", NAMES, "a.jpg has a second row"),
        (b"image,grade\n1,1\n", ["1.jpg", "1.png"], "1 can be 1.jpg or 1.png"),
        (b"image,note\na.jpg,1\n", NAMES, "needs one column for the grade"),
        (b"image,eye,grade\na.jpg,a.jpg,1\n", NAMES, "it has image and eye"),
        (b"", NAMES, "The table"),
    ],
)
def test_what_cannot_be_told_is_refused_with_all_rows(table, names, sentence):
    with pytest.raises(InputError, match=sentence):
        read_given_grades(table, names)


def test_patients_and_sides_come_with_grades_or_without():
    table = b"image,grade,patient,side\na.jpg,0,P7,OD\nb.png,3,P7,left\nd.1,2,,\n"
    given = read_given_grades(table, NAMES)
    assert given.patients == {"a.jpg": "P7", "b.png": "P7"}
    assert given.sides == {"a.jpg": "right", "b.png": "left"}
    assert given.grades == {"a.jpg": 0, "b.png": 3, "d.1.png": 2}
    assert "2 of 4 photographs have a patient." in given.notes
    alone = read_given_grades(b"image;subject_id\na;1\nb;1\n", NAMES)
    assert (alone.grades, alone.patients, alone.sides) == ({}, {"a.jpg": "1", "b.png": "1"}, {})
    with pytest.raises(InputError, match="row 2: the side 'both' is neither right nor left"):
        read_given_grades(b"image,patient,side\na,1,both\n", NAMES)
