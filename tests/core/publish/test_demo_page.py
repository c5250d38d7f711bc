"""The demo's tables in the docs are those of the demo study."""

import importlib.util

import pytest

from dr_core.study.folder import open_study
from tests.conftest import ROOT

SPEC = importlib.util.spec_from_file_location("demo_tables", ROOT / "docs" / "demo_tables.py")
demo_tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(demo_tables)

TEXT = "".join(page.read_text(encoding="utf-8") for page in demo_tables.PAGES)
FOUND = {found["name"]: found["table"] for found in demo_tables.MARK.finditer(TEXT)}


def test_the_pages_have_every_table():
    assert set(FOUND) == set(demo_tables.TABLES)
    assert TEXT.count("<!-- table:") == len(FOUND)


@pytest.mark.parametrize("name", demo_tables.TABLES)
def test_a_table_is_the_studys_own(name):
    assert FOUND[name] == demo_tables.TABLES[name](open_study(demo_tables.DEMO))
