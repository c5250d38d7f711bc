"""Formats of phones and archives: what needs an extra package says so."""

import importlib.util

import pytest

from dr_core.data.fundus.reading import decode_photograph
from dr_core.errors import InputError

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def test_without_its_package_a_heic_file_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == "pillow_heif" else find(name))
    with pytest.raises(InputError, match=r"HEIC picture, which needs .*pip install pillow-heif, or save .* as JPEG"):
        decode_photograph("The photograph", HEIC)
