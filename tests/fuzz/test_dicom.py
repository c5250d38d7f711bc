import io
import logging

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from dr_core.data.fundus import encode_jpeg, read_fundus
from dr_core.data.fundus.reading import decode_photograph
from dr_core.errors import InputError
from tests.fuzz.hostile_files import JPEG, JPEG_2000, NATIVE, draw_picture, encode, encode_dicom

PICTURE = draw_picture()
GRAY = np.repeat(PICTURE[..., :1], 3, axis=2)
DEEP = PICTURE.astype(np.uint16) * 257
LITTLE, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def difference(found, expected):
    assert found.dtype == np.uint8
    return int(abs(found.astype(int) - expected.astype(int)).max())


def planar(picture):
    return np.moveaxis(picture, 2, 0).tobytes()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode_dicom(PICTURE.tobytes(), NATIVE, PICTURE), PICTURE),
        (encode_dicom(PICTURE.tobytes(), LITTLE, PICTURE), PICTURE),
        (encode_dicom(planar(PICTURE), NATIVE, PICTURE, PlanarConfiguration=1), PICTURE),
        (encode_dicom(PICTURE[..., 0].tobytes(), NATIVE, PICTURE[..., 0]), GRAY),
        (
            encode_dicom(PICTURE[..., 0].tobytes(), NATIVE, PICTURE[..., 0], PhotometricInterpretation="MONOCHROME1"),
            255 - GRAY,
        ),
        (encode_dicom(DEEP.tobytes(), NATIVE, DEEP), PICTURE),
        (encode_dicom((DEEP >> 4).tobytes(), NATIVE, DEEP, BitsStored=12, HighBit=11), PICTURE),
        (b"II*\0" + encode_dicom(PICTURE.tobytes(), NATIVE, PICTURE)[4:], PICTURE),
        (encode_dicom(PICTURE.tobytes() + (255 - PICTURE).tobytes(), NATIVE, PICTURE, 2), PICTURE),
    ],
    ids=["rgb", "implicit", "planar", "gray", "inverted", "16 bits", "12 bits", "a TIFF as well", "two frames"],
)
def test_uncompressed_pixels_are_read_to_the_bit(data, expected):
    assert difference(read_fundus(data), expected) <= (1 if b"MONOCHROME" not in data and len(data) > 15000 else 0)


def test_jpeg_inside_is_the_jpeg_and_its_exif_does_not_turn_it():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encode(PICTURE, "JPEG", quality=95, exif=exif)
    plain = read_fundus(encode(PICTURE, "JPEG", quality=95))
    for frames in ([turned], [turned, encode(255 - PICTURE, "JPEG")]):
        data = encode_dicom(encapsulate(frames), JPEG, PICTURE, len(frames), PhotometricInterpretation="YBR_FULL_422")
        assert difference(read_fundus(data), plain) == 0


def test_the_first_of_two_frames_in_many_fragments_is_put_together():
    frames = [encode(PICTURE, "JPEG", quality=95), encode(255 - PICTURE, "JPEG")]
    pixels = encapsulate(frames, fragments_per_frame=3)
    data = encode_dicom(pixels, JPEG, PICTURE, 2, PhotometricInterpretation="YBR_FULL_422")
    assert difference(read_fundus(data), read_fundus(frames[0])) == 0


def test_jpeg_2000_is_read_to_the_bit():
    stream = io.BytesIO()
    Image.fromarray(PICTURE).save(stream, "JPEG2000", irreversible=False)
    data = encode_dicom(encapsulate([stream.getvalue()]), JPEG_2000, PICTURE)
    assert difference(read_fundus(data), PICTURE) == 0


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("SC_rgb_jpeg_dcmtk.dcm", 2),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 2),
        ("SC_jpeg_no_color_transform.dcm", 2),
        ("SC_rgb_small_odd.dcm", 0),
        ("examples_rgb_color.dcm", 0),
    ],
)
def test_pydicoms_own_files_are_read_as_pydicom_reads_them(name, tolerance):
    source = pydicom.dcmread(get_testdata_file(name, download=False))
    source.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    expected = np.asarray(source.pixel_array)
    if source.Rows < 32:
        pytest.skip("smaller than any eye")
    file = io.BytesIO()
    source.save_as(file, enforce_file_format=True)
    assert difference(read_fundus(file.getvalue()), expected) <= tolerance


def test_nothing_of_the_patient_is_parsed_shown_or_logged(caplog, capfd, monkeypatch):
    parsed = []
    convert = pydicom.dataset.convert_raw_data_element
    monkeypatch.setattr(
        pydicom.dataset,
        "convert_raw_data_element",
        lambda raw, **options: (parsed.append(raw.tag), convert(raw, **options))[1],
    )
    data = encode_dicom(encapsulate([encode(PICTURE, "JPEG")]), JPEG, PICTURE, PhotometricInterpretation="YBR_FULL_422")
    assert b"Muster^Erika" in data
    with caplog.at_level(logging.DEBUG):
        shown = encode_jpeg(read_fundus(data), 64)  # by another process, whose words come here, too
        decode_photograph("eye.dcm", data)  # by this one, in which the parser is watched
        with pytest.raises(InputError) as caught:
            read_fundus(data[:-800])
    assert parsed
    assert not [tag for tag in parsed if tag.group == 0x0010]  # the patient's group
    told = (shown.decode("latin-1"), str(caught.value), caplog.text, *capfd.readouterr())
    for secret in ("Muster", "Erika", "4711", "19580214"):
        assert not [text for text in told if secret in text]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (encode_dicom(PICTURE.tobytes(), NATIVE, PICTURE, SOPClassUID="1.2.840.10008.5.1.4.1.1.2"), "no photograph"),
        (encode_dicom(PICTURE.tobytes(), NATIVE, PICTURE, Rows=30000, Columns=30000), "not 30000 x 30000"),
        (encode_dicom(PICTURE.tobytes(), NATIVE, PICTURE, 5000), "1 to 1000 frames, not 5000"),
        (encode_dicom(PICTURE.tobytes()[:-500], NATIVE, PICTURE), "damaged"),
        (encode_dicom(PICTURE.tobytes(), NATIVE, PICTURE, PixelRepresentation=1), "signed"),
        (encode_dicom(encapsulate([bytes(100)]), "1.2.840.10008.1.2.5", PICTURE), "a rare way"),
        (bytes(128) + b"DICM1.2.840.10008.1.2.1.99" + bytes(50), "deflated"),
    ],
    ids=["ct", "huge", "frames", "cut off", "signed", "rle", "deflated"],
)
def test_what_is_not_read_gets_its_sentence(data, sentence):
    with pytest.raises(InputError, match=sentence):
        read_fundus(data)


def test_millions_of_empty_elements_are_not_walked_over():
    head = encode_dicom(PICTURE.tobytes(), NATIVE, PICTURE)[: -PICTURE.nbytes - 12]
    with pytest.raises(InputError, match="damaged"):
        read_fundus(head + b"\x09\x00\x10\x10LO\x00\x00" * 1_000_000)
