"""A zoo of awkward inputs, drawn here: each member has one right outcome."""

import io
import unicodedata

import numpy as np
import pytest
from PIL import Image

from dr_core.data.fundus import read_fundus
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.data.phantom import draw_phantom
from dr_core.data.published.folder import FolderLayout
from dr_core.data.published.sources import folder_source
from dr_core.errors import InputError

EYE = draw_phantom(3, 256, 1).image
LESION = np.zeros((64, 96), bool)
LESION[20:30, 40:52] = True


def encode(picture, kind="PNG", **options):
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


# --- damaged JPEGs ------------------------------------------------------------------------------------------------

JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "optimized": {"optimize": True},
    "444": {"subsampling": 0},
    "420": {"subsampling": 2},
    "restart rows": {"restart_marker_rows": 1},
    "restart blocks": {"restart_marker_blocks": 3, "progressive": True},
}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("damage", ["zeroed", "cut and closed"])
@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("side", [None, 64])
def test_a_damaged_scan_is_never_a_picture(name, damage, share, side):
    data = encode(EYE, "JPEG", quality=92, **JPEGS[name])
    assert read_fundus(data, longest_side=side).ndim == 3
    start = data.index(b"\xff\xda") + 14
    place = start + int(share * (len(data) - start - 1100))
    broken = data[:place] + bytes(1024) + data[place + 1024 :] if damage == "zeroed" else data[:place] + b"\xff\xd9"
    with pytest.raises(InputError, match="damaged"):
        read_fundus(broken, longest_side=side)


@pytest.mark.parametrize("tail", [b"\0" * 500, b"SEFT" * 99, encode(EYE, "JPEG")], ids=["zeros", "trailer", "second"])
def test_what_cameras_write_behind_the_end_is_no_damage(tail):
    data = encode(EYE, "JPEG")
    assert np.array_equal(read_fundus(data + tail), read_fundus(data))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("BMP", {}), ("WEBP", {"lossless": True}), ("JPEG2000", {}), ("WEBP", {"quality": 95}), ("AVIF", {"quality": 95})],
)
def test_newer_formats_are_read_and_cut_ones_refused(kind, options):
    data = encode(EYE, kind, **options)
    assert abs(read_fundus(data).astype(int) - EYE).mean() < 3
    with pytest.raises(InputError, match="damaged"):
        read_fundus(data[: len(data) // 2])


def test_the_largest_page_of_a_tiff_is_read():
    small = Image.fromarray(EYE).resize((64, 64))
    data = encode(small, "TIFF", save_all=True, append_images=[Image.fromarray(EYE)])
    assert np.array_equal(read_fundus(data), EYE)


# --- masks --------------------------------------------------------------------------------------------------------


def two(off, on, dtype=np.uint8):
    return np.where(LESION, on, off).astype(dtype)


def colored(off, on, mode="RGB"):
    return Image.fromarray(np.where(LESION[..., None], on, off).astype(np.uint8), mode=None)


VALUES = [(0, 1), (0, 255), (1, 2), (128, 255), (255, 0), (254, 255)]
MASKS = {
    **{
        f"{off} and {on}": encode(two(off, on))
        for off, on in [(0, 1), (0, 255), (1, 2), (128, 255), (255, 0), (254, 255)]
    },
    "bits": encode(Image.fromarray(LESION)),
    "inverted bits": encode(Image.fromarray(~LESION)),
    "16 bits": encode(two(0, 65535, np.uint16)),
    "16 bits, 1": encode(two(0, 1, np.uint16)),
    "red on white": encode(colored((255, 255, 255), (255, 0, 0))),
    "green on black": encode(colored((0, 0, 0), (0, 200, 0))),
    "alpha on white": encode(colored((255, 255, 255, 0), (255, 255, 255, 255))),
    "red, opaque on transparent": encode(colored((0, 0, 0, 0), (255, 0, 0, 255))),
    "red on opaque white": encode(colored((255, 255, 255, 255), (255, 0, 0, 255))),
    "tiff": encode(two(0, 255), "TIFF"),
}


@pytest.mark.parametrize("name", MASKS)
def test_each_mask_marks_the_lesion(name):
    assert np.array_equal(decode_mask("m", MASKS[name], LESION.shape).pixels, LESION)


@pytest.mark.parametrize("name", ["1 and 2", "128 and 255", "255 and 0", "inverted bits", "red on white"])
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
    with pytest.raises(InputError, match="are one photograph, with the grades 0, 1"):
        take_in(folder, "image,grade\n1.jpg,0\ncopy.jpg,1\n")
    assert "count twice" in take_in(folder, "image,grade\n1.jpg,0\ncopy.jpg,0\n").notes[0]


@pytest.mark.parametrize("blank", ["", " ", "NA", "nan", "n/a", "NULL"])
def test_an_eye_without_a_patient_is_its_own(folder, blank):
    intake = take_in(folder, f"image,grade,who\n1.jpg,0,007\n2.jpg,1,007\neye.1,2,{blank}\n", patient_column="who")
    assert intake.index["patient"].tolist() == ["007", "007", "eye.1"]
    assert intake.summary == "3 eyes, 1 patients, 1 without a patient: counted as its own."
