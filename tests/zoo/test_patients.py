"""A patient's name, wherever a file holds it, comes out nowhere: no table, no page, no message, no log."""

import io
import logging

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dr_cli.main import main
from dr_core.data.fundus import open_fundus
from dr_core.errors import InputError
from tests.app.page_driver import page_at
from tests.zoo.photographs import EYE, dicom, encode

NAME = "Mustermann^Erika"
CANARY = "Mustermann"


def _files():
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x9286] = NAME, NAME, NAME
    text = PngInfo()
    text.add_text("Title", NAME)
    text.add_itxt("Patient", NAME)
    named = {"PatientName": NAME, "PatientID": NAME, "OtherPatientNames": NAME, "ImageComments": NAME}
    whole = {
        "a.jpg": encode(EYE, "JPEG", exif=exif, comment=NAME.encode()),
        "a.png": encode(EYE, "PNG", pnginfo=text, exif=exif),
        "a.tif": encode(EYE, "TIFF", tiffinfo={270: NAME, 315: NAME}),
        "a.webp": encode(EYE, "WEBP", exif=exif, xmp=NAME.encode()),
        "a.dcm": dicom(EYE, **named),
    }
    for name, content in whole.items():
        yield name, content, True
        yield f"cut-{name}", content[: len(content) * 3 // 4], False
    yield "ct.dcm", dicom(EYE, SOPClassUID="1.2.840.10008.5.1.4.1.1.2", **named), False
    yield "rare.dcm", dicom(EYE, PixelRepresentation=1, **named), False


FILES = list(_files())


@pytest.fixture(autouse=True)
def logged(caplog):
    caplog.set_level(logging.DEBUG)
    yield
    assert CANARY not in caplog.text


def test_the_files_hold_it():
    assert all(CANARY.encode() in content for name, content, _ in FILES if name != "cut-a.webp")


@pytest.mark.parametrize(("name", "content", "is_whole"), FILES, ids=[name for name, _, _ in FILES])
def test_no_message_of_the_library_has_it(name, content, is_whole, capfd):
    try:
        opened = open_fundus(content)
        assert is_whole
        assert CANARY not in " ".join(opened.notes)
    except InputError as error:
        assert not is_whole
        assert CANARY not in str(error)
    assert CANARY not in "".join(capfd.readouterr())


def test_nothing_that_score_writes_or_says_has_it(tiny_study, tmp_path, capfd):
    folder, out = tmp_path / "eyes", tmp_path / "out"
    for one in (folder, out):
        one.mkdir()
    for name, content, _ in FILES:
        (folder / name).write_bytes(content)
    options = ["--study", str(tiny_study.path), "--out", str(out / "out.csv"), "--device", "cpu", "--processes", "1"]
    assert main(["score", str(folder), *options, "--setups", "ifi_cl"]) == 0
    assert out.joinpath("out.csv").read_text().count("\n") == 1 + len(FILES)
    assert [path for path in out.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in "".join(capfd.readouterr())


def test_no_page_has_it(monkeypatch, tiny_study, capfd):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    app = page_at("1_Compare.py").run()
    app.file_uploader[0].set_value([(name, content, "image/png") for name, content, _ in FILES])
    app.run()
    assert not app.exception
    assert CANARY not in "".join(message_of(app.main))
    assert CANARY not in "".join(capfd.readouterr())


def message_of(node):
    """Everything that a page sends to the browser."""
    message = getattr(node, "proto", None)
    if hasattr(message, "SerializeToString"):
        yield io.BytesIO(message.SerializeToString()).read().decode("latin-1")
    for child in getattr(node, "children", {}).values():
        yield from message_of(child)
