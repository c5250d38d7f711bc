"""Readers of the published layouts, on small copies of them and on the real label files."""

import cv2
import numpy as np
import pytest
from PIL import Image

from dr_core.data.idrid import load_segmentation
from dr_core.data.intake.index import INDEX_COLUMNS, read_eye
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.data.published.folder import FolderLayout
from dr_core.data.published.sources import SOURCES, folder_source
from dr_core.errors import InputError


def write_picture(path, value=120, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 60, 30)).save(path)


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def index(name, root):
    return SOURCES[name].read_index(root)


def grades_by_split(table):
    return {split: np.bincount(rows["grade"], minlength=5).tolist() for split, rows in table.groupby("split")}


# --- EyePACS ------------------------------------------------------------------------------------------------------


@pytest.fixture
def eyepacs(tmp_path):
    write_text(tmp_path / "trainLabels.csv", "image,level\n10_left,0\n10_right,2\n13_left,4\n")
    write_text(tmp_path / "retinopathy_solution.csv", "image,level,Usage\n1_left,3,Private\n1_right,0,Public\n")
    for name in ("train/10_left", "train/10_right", "train/13_left", "test/1_left", "test/1_right"):
        write_picture(tmp_path / f"{name}.jpeg")
    return tmp_path


def test_eyepacs_has_patients_sides_and_three_splits(eyepacs):
    table = index("eyepacs", eyepacs)
    assert list(table.columns) == list(INDEX_COLUMNS)
    assert table["patient"].tolist() == ["10", "10", "13", "1", "1"]
    assert table["side"].tolist() == ["left", "right", "left", "left", "right"]
    assert table["split"].tolist() == ["train", "train", "train", "private", "public"]
    assert table["grade"].tolist() == [0, 2, 4, 3, 0]
    assert all((eyepacs / path).is_file() for path in table["path"])


def test_eyepacs_may_lack_one_part_but_not_both(eyepacs):
    (eyepacs / "retinopathy_solution.csv").unlink()
    assert set(index("eyepacs", eyepacs)["split"]) == {"train"}
    (eyepacs / "trainLabels.csv").unlink()
    with pytest.raises(InputError, match=r"neither trainLabels\.csv nor"):
        index("eyepacs", eyepacs)


def test_real_label_files_of_eyepacs(shared_data):
    assert grades_by_split(index("eyepacs", shared_data / "labels" / "eyepacs")) == {
        "train": [25810, 2443, 5292, 873, 708],
        "public": [8130, 720, 1579, 237, 240],
        "private": [31403, 3042, 6282, 977, 966],
    }


# --- Messidor-2 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable",
        "id_code,diagnosis,adjudicated_dme,adjudicated_gradable",
    ],
)
def test_messidor2_in_both_spellings_and_any_case(tmp_path, head):
    write_text(
        tmp_path / "messidor_data.csv", f"{head}\n20051020_1_PP.png,1,0,1\nIM000012.JPG,2,0,1\nIM000013.JPG,,,0\n"
    )
    write_picture(tmp_path / "images" / "20051020_1_PP.png")
    write_picture(tmp_path / "images" / "IM000012.jpg")
    table = index("messidor2", tmp_path)
    assert table["eye"].tolist() == ["20051020_1_PP", "IM000012"]  # the third is not gradable
    assert table["path"].tolist() == ["images/20051020_1_PP.png", "images/IM000012.jpg"]
    assert table["grade"].tolist() == [1, 2]


def test_messidor2_with_other_columns_names_them(tmp_path):
    write_text(tmp_path / "messidor_data.csv", "name,grade\na,1\n")
    with pytest.raises(InputError, match="has the columns name, grade"):
        index("messidor2", tmp_path)


def test_real_label_file_of_messidor2(shared_data):
    assert grades_by_split(index("messidor2", shared_data / "labels" / "messidor2")) == {
        "all": [1017, 270, 347, 75, 35]
    }


# --- IDRiD --------------------------------------------------------------------------------------------------------

MASKS = "A. Segmentation/2. All Segmentation Groundtruths/a. Training Set"
PHOTOGRAPHS = "A. Segmentation/1. Original Images/a. Training Set"


def write_mask(path, box, size=(64, 48)):
    """A palette picture of 0 and 1, as published."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.new("P", size, 0)
    mask.putpalette([0, 0, 0, 255, 0, 0])
    mask.paste(1, box)
    mask.save(path)


@pytest.fixture(params=["", "A. Segmentation/"])
def idrid(tmp_path, request):
    """As published, and nested twice as Kaggle's copy."""
    root = tmp_path / request.param
    write_picture(root / PHOTOGRAPHS / "IDRiD_01.jpg")
    write_picture(root / PHOTOGRAPHS / "IDRiD_02.jpg")
    write_picture(root / PHOTOGRAPHS.replace("a. Training", "b. Testing") / "IDRiD_55.jpg")
    write_mask(root / MASKS / "1. Microaneurysms" / "IDRiD_01_MA.tif", (0, 0, 4, 4))
    write_mask(root / MASKS / "3. Hard Exudates" / "IDRiD_01_EX.tif", (2, 0, 6, 4))
    write_mask(root / MASKS / "4. Soft Exudates" / "IDRiD_01_SE.tif", (20, 20, 30, 30))
    return tmp_path


def test_idrid_lists_eyes_and_reads_masks_when_asked(idrid):
    first, second, third = load_segmentation(idrid)
    assert [eye.name for eye in (first, second, third)] == ["IDRiD_01", "IDRiD_02", "IDRiD_55"]
    assert [eye.split for eye in (first, second, third)] == ["train", "train", "test"]
    assert first.read_image().shape == (48, 64, 3)
    assert first.read_mask("microaneurysms").sum() == 16
    assert first.read_mask("total").sum() == 24  # MA or EX; SE does not count
    assert set(first.mask_paths) == {"microaneurysms", "hard_exudates", "soft_exudates"}


def test_a_missing_mask_file_means_no_such_lesion(idrid):
    first, second, _ = load_segmentation(idrid)
    for mask in (first.read_mask("haemorrhages"), second.read_mask("total")):
        assert mask.shape == (48, 64)
        assert not mask.any()


def test_the_index_of_idrid_names_masks(idrid):
    table = index("idrid", idrid)
    assert table["grade"].tolist() == [-1, -1, -1]
    assert table["mask_microaneurysms"].tolist()[1:] == ["", ""]
    assert decode_mask("m", (idrid / table["mask_microaneurysms"][0]).read_bytes()).pixels.sum() == 16


def test_a_mask_of_another_photograph_is_refused(idrid):
    eye = load_segmentation(idrid)[0]
    write_mask(eye.mask_paths["microaneurysms"], (0, 0, 4, 4), size=(64, 64))
    with pytest.raises(InputError, match=r"IDRiD_01_MA\.tif has 64 × 64 pixels, the photograph 64 × 48"):
        eye.read_mask("microaneurysms")
    eye.mask_paths["microaneurysms"].write_bytes(b"II*\x00nothing")
    with pytest.raises(InputError, match="cannot be read"):
        eye.read_mask("total")
    with pytest.raises(InputError, match="must be one of"):
        eye.read_mask("drusen")


@pytest.mark.parametrize(
    ("height", "outcome"), [(60, None), (110, "which a lesion rarely covers"), (200, "no lesion is that large")]
)
def test_a_mask_is_judged_by_its_share_of_the_field_of_view(idrid, height, outcome):
    """As where it is uploaded: a disc that fills a third of a wide photograph."""
    eye = load_segmentation(idrid)[0]
    picture = np.zeros((256, 512, 3), np.uint8)
    cv2.circle(picture, (256, 128), 120, (60, 110, 180), -1)
    Image.fromarray(picture).save(eye.image_path, quality=95)
    mask = np.zeros((256, 512), np.uint8)
    mask[128 - height // 2 : 128 + height // 2, 196:316] = 1
    Image.fromarray(mask).save(eye.mask_paths["microaneurysms"])
    share = mask.mean() / eye.field_share
    assert eye.field_share == pytest.approx(np.pi * 120**2 / mask.size, rel=0.03)
    assert mask.mean() < 0.25
    if height == 200:
        with pytest.raises(InputError, match=rf"covers {round(100 * share)} % of the field of view.*{outcome}"):
            eye.read_mask("microaneurysms")
        return
    notes = eye.decode_mask("microaneurysms").notes
    assert outcome in notes[0] if outcome else notes == ()


def test_real_idrid(shared_data):
    eyes = load_segmentation(shared_data / "idrid")
    assert len(eyes) == 20
    assert eyes[0].read_mask("microaneurysms").shape == (2848, 4288)
    assert grades_by_split(index("idrid-grading", shared_data / "idrid")) == {
        "train": [134, 20, 136, 74, 49],
        "test": [34, 5, 32, 19, 13],
    }


# --- RetinaMNIST, APTOS, folders ----------------------------------------------------------------------------------


def test_retinamnist_rows_are_read_from_the_archive(tmp_path):
    images = np.arange(3 * 32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(3, 32, 32, 3)
    arrays = {f"{split}_images": images for split in ("train", "val", "test")}
    arrays |= {f"{split}_labels": np.array([[0], [3], [4]], np.uint8) for split in ("train", "val", "test")}
    np.savez(tmp_path / "retinamnist.npz", **arrays)
    table = index("retinamnist", tmp_path)
    assert grades_by_split(table) == {split: [1, 0, 0, 1, 1] for split in ("train", "val", "test")}
    assert np.array_equal(read_eye(tmp_path, table["path"][4]), images[1])


def test_retinamnist_must_be_one_whole_file(tmp_path):
    with pytest.raises(InputError, match="not 0"):
        index("retinamnist", tmp_path)
    (tmp_path / "retinamnist.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match="damaged"):
        index("retinamnist", tmp_path)


def test_aptos(tmp_path):
    write_text(tmp_path / "train.csv", "id_code,diagnosis\n000c,2\n001d,0\n")
    write_picture(tmp_path / "train_images" / "000c.png")
    table = index("aptos", tmp_path)
    assert table["path"].tolist() == ["train_images/000c.png", "train_images/001d"]
    assert table["patient"].tolist() == ["000c", "001d"]


def test_any_folder_with_named_columns(tmp_path):
    write_text(tmp_path / "eyes.csv", "file,icdr,person,eye side\nward/a.jpg,1,p1,OD\nward/b,2,p1,os\n")
    write_picture(tmp_path / "ward" / "a.jpg")
    write_picture(tmp_path / "ward" / "b.PNG")
    layout = FolderLayout(
        csv="eyes.csv", image_column="file", grade_column="icdr", patient_column="person", side_column="eye side"
    )
    table = folder_source(layout).read_index(tmp_path)
    assert table["path"].tolist() == ["ward/a.jpg", "ward/b.PNG"]
    assert table["side"].tolist() == ["right", "left"]
    assert table["patient"].tolist() == ["p1", "p1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,grade\na.jpg,5\n", "grade of a.jpg must be a number from 0 to 4, not '5'"),
        ("image,grade\na.jpg,severe\n", "not 'severe'"),
        ("image,grade\na.jpg,\n", "not none"),
        ("image,grade\na.jpg,1\na.jpg,1\n", "a.jpg has more than one row"),
        ("image,grade\ntrain\\a.jpg,1\n", "is a Windows path"),
        ("image,grade\nC:/eyes/a.jpg,1\n", "is a Windows path"),
        ("image,grade\n../a.jpg,1\n", "lies outside the root"),
        ("image,level\na.jpg,1\n", "has no column 'grade'; its columns are 'image', 'level'"),
        ("image,grade\n,1\n", "has no image name"),
        ("", "is no table"),
    ],
)
def test_bad_tables_say_what_is_wrong(tmp_path, text, message):
    write_text(tmp_path / "labels.csv", text)
    with pytest.raises(InputError, match=message.replace(".", r"\.").replace("(", r"\(")):
        folder_source(FolderLayout()).read_index(tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_a_wrong_root_is_named(tmp_path, name):
    with pytest.raises(InputError, match="There is no folder"):
        index(name, tmp_path / "nowhere")
    with pytest.raises(InputError, match=tmp_path.name):
        index(name, tmp_path)
