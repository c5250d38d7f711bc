import pytest

from dr_core.data.intake.fellow_eyes import PatientEye, find_fellows, find_patient_eye, read_name


@pytest.mark.parametrize(
    ("name", "patient", "side"),
    [
        ("2421_left.jpg", "2421", "left"),
        ("folder\\2421_RIGHT.png", "2421", "right"),
        ("Image_02L.jpg", "image_02", "left"),
        ("Image_02R.jpg", "image_02", "right"),
        ("smith 12.OD.tif", "smith 12", "right"),
        ("OS-0012.dcm", "0012", "left"),
        ("12_R.png", "12", "right"),
        ("l_12.png", "12", "left"),
        ("phantom-3550-right", "phantom 3550", "right"),
        ("12_left_macula.jpg", "12 macula", "left"),
    ],
)
def test_names_that_say_whose_eye_it_is(name, patient, side):
    assert read_name(name) == PatientEye(patient=patient, side=side)


@pytest.mark.parametrize(
    "name",
    [
        "IDRiD_01.jpg",
        "left.jpg",
        "12_left_right.jpg",
        "12_r_macula.jpg",
        "bright.png",
        "12l.png",
        "Model.png",
        "",
        "_.png",
    ],
)
def test_names_that_do_not(name):
    assert read_name(name) is None


def test_a_table_comes_before_the_name():
    assert find_patient_eye("12_left.jpg", {"12_left.jpg": "P1"}) == PatientEye(patient="P1", side="left")
    assert find_patient_eye("12_left.jpg", {"12_left.jpg": "P1"}, {"12_left.jpg": "right"}).side == "right"
    assert find_patient_eye("a.jpg", {"a.jpg": "P1"}) == PatientEye(patient="P1", side="")
    assert find_patient_eye("a.jpg", {}, {"a.jpg": "left"}) is None


def test_fellows_are_of_one_patient_right_eyes_first():
    names = ["1_left.jpg", "2_left.jpg", "1_right.jpg", "x.jpg"]
    owners = [read_name(name) for name in names]
    assert find_fellows(0, owners) == [2, 0]
    assert find_fellows(1, owners) == []
    assert find_fellows(3, owners) == []
