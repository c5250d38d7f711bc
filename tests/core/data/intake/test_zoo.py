"""Masks and tables as they come: each member has one right outcome. Photographs: tests/zoo."""

import io
import unicodedata

import numpy as np
import pytest
from PIL import Image, ImageOps

from dr_cli.main import main
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.data.phantom import draw_phantom
from dr_core.data.published.folder import FolderLayout
from dr_core.data.published.sources import folder_source
from dr_core.errors import InputError
from tests.zoo.masks import LESION, MASKS, encode

EYE = draw_phantom(3, 256, 1).image


# --- masks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MASKS)
def test_each_mask_marks_the_lesion(name):
    assert np.array_equal(decode_mask("m", MASKS[name], LESION.shape).pixels, LESION)


@pytest.mark.parametrize(
    "name", ["1 and 2", "128 and 255", "255 and 0", "inverted bits", "red on white", "inverted tiff"]
)
def test_an_unusual_side_is_noted(name):
    assert "was taken for the lesion" in decode_mask("m", MASKS[name]).notes[0]


KINDS = np.zeros((64, 96), np.uint8)
KINDS[5:15, 5:15], KINDS[30:40, 50:60] = 1, 2
HALVES = np.where(np.arange(96) < 30, 0, 255).astype(np.uint8)[None].repeat(64, 0)
COLORS = np.zeros((64, 96, 3), np.uint8)
COLORS[5:15, 5:15, 0], COLORS[30:40, 50:60, 1] = 255, 255


@pytest.mark.parametrize(
    "picture",
    [np.full((64, 96), 255, np.uint8), HALVES, KINDS, COLORS, EYE[:64, :96] + np.uint8(1), EYE],
    ids=["one value", "two halves", "labels", "colors", "part of an eye", "an eye"],
)
def test_what_cannot_be_told_is_refused(picture):
    with pytest.raises(InputError, match="mask"):
        decode_mask("m", encode(picture))


# --- tables -------------------------------------------------------------------------------------------------------

FILES = ("1.jpg", "2.jpg", "eye.1.jpg", "eye.2.jpg", "é.jpg", "A.JPG")


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(FILES):
        Image.fromarray(np.full((40, 40, 3), 40 * number, np.uint8)).save(tmp_path / name)
    return tmp_path


def take_in(folder, content, **layout):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "labels.csv").write_bytes(data)
    return folder_source(FolderLayout(**layout)).take_in(folder)


PLAIN = "image,grade\n1.jpg,0\n2.jpg,4\n"
TABLES = {
    "plain": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "sep line": "sep=;\n" + PLAIN.replace(",", ";"),
    "BOM": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 without mark": PLAIN.encode("utf-16-le"),
    "Latin-1": "image,grade,note\n1.jpg,0,groß\n2.jpg,4,\n".encode("latin-1"),
    "trailing commas": "image,grade\n1.jpg,0,\n2.jpg,4,,\n",
    "trailing commas in the head": "image,grade,,\n1.jpg,0,,\n2.jpg,4,,\n",
    "carriage returns": PLAIN.replace("\n", "\r\n"),
    "spreadsheet's numbers": PLAIN.replace("0\n", "0.0\n").replace("4\n", "4.0\n"),
    "decimal commas": "image;grade\n1.jpg;0,0\n2.jpg;4,0\n",
    "quotation marks": '"image","grade"\n"1.jpg","0"\n"2.jpg","4"\n',
    "a line break in a note": 'image,grade,note\n1.jpg,0,"a\nb"\n2.jpg,4,c\n',
    "case of the head": PLAIN.replace("image,grade", "Image,GRADE"),
    "stems": PLAIN.replace(".jpg", ""),
    "empty rows": PLAIN.replace("2.jpg", "\n,\n2.jpg"),
    "case of names": PLAIN.replace(".jpg", ".JPG"),
    "folders before names": PLAIN.replace("1.jpg", "./1.jpg"),
}


@pytest.mark.parametrize("name", TABLES)
def test_each_table_means_the_same(folder, name):
    index = take_in(folder, TABLES[name]).index
    assert index["path"].tolist() == ["1.jpg", "2.jpg"]
    assert index["grade"].tolist() == [0, 4]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("image,grade,grade\n1.jpg,0,1\n", "2 columns 'grade'"),
        ("image,grade\n1.jpg,0\n1,2\n", "are one photograph, 1.jpg, with the grades 0 and 2"),
        ("image,grade\n1.jpg,1,0\n", "it has 3 cells"),
        ("image,grade\n1.jpg,1e0\n2.jpg,2.5\n", "row 2: .*row 3: .*2 such rows"),
        ('image,grade\n"1.jpg,0\n', "cannot be split"),
        (b"PK\x03\x04", "an Excel workbook"),
        (b"image,grade\n1.jpg,\0\n", "null characters"),
        ("image,grade\na.npz::x::0,1\n", "no name of a photograph"),
    ],
)
def test_two_readings_are_a_sentence(folder, content, sentence):
    with pytest.raises(InputError, match=sentence):
        take_in(folder, content)


def test_names_with_dots_and_other_accents_are_found(folder):
    accent = unicodedata.normalize("NFD", "é")
    index = take_in(folder, f"image,grade\neye.1,0\neye.2,1\n{accent},2\na,3\n").index
    assert index["path"].tolist() == ["eye.1.jpg", "eye.2.jpg", "é.jpg", "A.JPG"]


def test_twins_of_a_stem_are_named_and_notes_are_no_photographs(folder):
    (folder / "2.txt").write_text("note")
    assert take_in(folder, "image,grade\n2,1\n").index["path"].tolist() == ["2.jpg"]
    (folder / "1.png").write_bytes(encode(EYE))
    with pytest.raises(InputError, match=r"'1' may be '1.jpg' or '1.png'"):
        take_in(folder, "image,grade\n1,1\n")


def test_one_photograph_under_two_names_has_one_grade(folder):
    (folder / "copy.jpg").write_bytes((folder / "1.jpg").read_bytes())
    with pytest.raises(InputError, match="are one photograph, with the grades 0 and 1"):
        take_in(folder, "image,grade\n1.jpg,0\ncopy.jpg,1\n")
    assert "count twice" in take_in(folder, "image,grade\n1.jpg,0\ncopy.jpg,0\n").notes[0]


@pytest.mark.parametrize("blank", ["", " ", "NA", "nan", "n/a", "NULL"])
def test_an_eye_without_a_patient_is_its_own(folder, blank):
    intake = take_in(folder, f"image,grade,who\n1.jpg,0,007\n2.jpg,1,007\neye.1,2,{blank}\n", patient_column="who")
    assert intake.index["patient"].tolist() == ["007", "007", "eye.1"]
    assert intake.summary == "3 eyes, 1 patients, 1 without a patient: counted as its own."


def test_one_photograph_under_two_names_has_one_patient(folder):
    (folder / "copy.jpg").write_bytes((folder / "1.jpg").read_bytes())
    with pytest.raises(InputError, match=r"row 3: 1.jpg = copy.jpg are one photograph, with the patients a and b"):
        take_in(folder, "image,grade,who\n1.jpg,0,a\ncopy.jpg,0,b\n", patient_column="who")
    intake = take_in(folder, "image,grade,who\n1.jpg,0,a\ncopy.jpg,0,\n", patient_column="who")
    assert "count twice" in intake.notes[0]


def test_all_mistakes_of_a_table_are_listed_at_once(folder):
    (folder / "copy.jpg").write_bytes((folder / "1.jpg").read_bytes())
    (folder / "1.png").write_bytes(encode(EYE))
    rows = ["1.jpg,0", "1.jpg,0", "2.jpg,7", ",1", "1,3", "eye.1,1,2,3", "../x.jpg,1", "copy.jpg,4", "/etc/eye.jpg,2"]
    with pytest.raises(InputError) as found:
        take_in(folder, "image,grade\n" + "\n".join(rows) + "\n")
    for reason in (
        "row 3: the eye 1.jpg has more than one row",
        "row 4: the grade of 2.jpg must be a number from 0 to 4, not '7'",
        "row 5: has no image name",
        "row 6: '1' may be '1.jpg' or '1.png'",
        "row 7: it has 4 cells, the header 2",
        "row 8: '../x.jpg' lies outside the root",
        "row 9: 1.jpg = copy.jpg are one photograph, with the grades 0 and 4",
        "row 10: '/etc/eye.jpg' lies outside the root",
        "(8 such rows)",
    ):
        assert reason in str(found.value), reason


@pytest.mark.parametrize(
    ("content", "layout"),
    [*((content, {}) for content in TABLES.values()), ("image,grade\n1.jpg,9\n2.jpg,4\n", {})],
    ids=[*TABLES, "a grade of 9"],
)
def test_data_check_uses_the_same_door(folder, content, layout, capsys):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "labels.csv").write_bytes(data)
    try:
        expected = take_in(folder, content, **layout).summary
    except InputError as error:
        expected = str(error)
    code = main(["data", "check", "folder", str(folder), "--fast"])
    printed = capsys.readouterr()
    assert expected in (printed.out if code in (0, 1) else printed.err)


def test_the_share_of_a_lesion_is_that_of_the_field_of_view():
    quarter = np.zeros((64, 96), np.uint8)
    quarter[10:50, 20:56] = 255  # 23 % of the picture
    assert decode_mask("m", encode(quarter)).notes == ()
    assert (
        "47 % of the field of view, which a lesion rarely covers"
        in decode_mask("m", encode(quarter), field_share=0.5).notes[0]
    )
    with pytest.raises(InputError, match="covers 59 % of the field of view"):
        decode_mask("m", encode(quarter), field_share=0.4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_as_its_photograph(kind, orientation):
    stored = Image.fromarray(LESION.astype(np.uint8) * 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} if kind == "PNG" else {"tiffinfo": {274: orientation}}
    wanted = np.asarray(ImageOps.exif_transpose(_with_orientation(stored, orientation))) > 0
    assert np.array_equal(decode_mask("m", encode(stored, kind, **options), wanted.shape).pixels, wanted)


def _with_orientation(picture, orientation):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(file, "PNG", exif=exif)
    return Image.open(io.BytesIO(file.getvalue()))
