"""Texts of strangers on every page: shown as they are, and never a link, a picture, a formula or a tag."""

import dataclasses
import re
import shutil

import pandas as pd
import pytest

from dr_core.analysis.controls import MAP
from dr_core.experiments.table3 import write_table3
from dr_core.files import csv_of, defuse_cell
from dr_core.models.setups import SETUPS
from dr_core.study.folder import open_study, write_study_info
from dr_ui.parts.plain_text import plain
from tests.app.page_driver import encoded, page_at
from tests.zoo.photographs import EYE

CANARY = (
    '[x](http://evil.example/a) ![i](http://evil.example/b.png) $\\frac{1}{2}$ <img src="//evil.example/c"> :red[z]'
)
TAG = re.compile(r'(?<!\\)<img src="//evil')
MARKDOWN = re.compile(r"(?<!\\)\[[xi]\]|(?<!\\)\$\\frac|(?<!\\):red\[|" + TAG.pattern)
"""The canary where it is alive: a tag, and unescaped markdown, formula or color."""

PAGES = ["home.py", "1_Compare.py", "2_Robustness.py", "3_Explain.py", "5_Performance.py", "6_Reproduction.py"]

DATA = ("PlotlyChart", "Arrow", "ArrowDataFrame", "FileUploader", "BidiComponent")
"""Elements that take their texts as data."""


@pytest.fixture(scope="module")
def study(tiny_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("strangers") / "study"
    shutil.copytree(tiny_study.path, folder)
    (data,) = tiny_study.info.data
    data = dataclasses.replace(data, title=CANARY, description=CANARY, label=CANARY)
    first, *others = tiny_study.info.setups
    setups = (dataclasses.replace(first, label=CANARY[:60], summary=CANARY), *others)
    info = dataclasses.replace(tiny_study.info, title=CANARY, summary=CANARY, data=(data,), setups=setups)
    write_study_info(folder, info)
    return open_study(folder)


def texts(message):
    """Every text that an element sends to the browser, but the options of a select box, which are no markdown."""
    for field, value in message.ListFields():
        if type(message).__name__ in ("Selectbox", "MultiSelect") and field.name != "label":
            continue
        values = value if field.is_repeated else [value]
        for one in values.values() if hasattr(values, "values") else values:
            if hasattr(one, "ListFields"):
                yield from texts(one)
            elif isinstance(one, str):
                yield one


def shows(node):
    """Whether a page shows the canary at all, alive or not."""
    message = getattr(node, "proto", None)
    if hasattr(message, "SerializeToString") and b"evil.example" in message.SerializeToString():
        return True
    return any(shows(child) for child in getattr(node, "children", {}).values())


def alive(node):
    """Texts of a page in which the canary is alive."""
    message = getattr(node, "proto", None)
    kind = type(message).__name__
    if hasattr(message, "ListFields") and kind not in DATA:
        pattern = TAG if kind == "Html" else MARKDOWN
        yield from (f"{kind}: {found[0]} in {text[:200]}" for text in texts(message) if (found := pattern.search(text)))
    for child in getattr(node, "children", {}).values():
        yield from alive(child)


def test_the_canary_is_seen_where_it_is_alive():
    assert MARKDOWN.search(CANARY)
    assert not MARKDOWN.search(plain(CANARY))


@pytest.mark.parametrize("page", PAGES)
def test_a_studys_texts_are_texts_on_every_page(monkeypatch, study, page):
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at(page).run()
    assert not app.exception
    assert shows(app.main)
    assert [*alive(app.main), *alive(app.sidebar)] == []


@pytest.mark.parametrize("page", ["1_Compare.py", "2_Robustness.py", "3_Explain.py"])
def test_a_files_name_is_text_on_every_page(monkeypatch, tiny_study, page):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    app = page_at(page).run()
    files = [(f"{number}{CANARY}.png", encoded(EYE), "image/png") for number in range(2)]
    files += [(f"{CANARY}.jpg", b"no picture", "image/jpeg")]
    app.file_uploader[0].set_value(files)
    app.run()
    assert not app.exception
    assert shows(app.main)
    assert [*alive(app.main), *alive(app.sidebar)] == []


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_cells_are_no_formulas(text):
    table = pd.DataFrame({text: [text]}, index=[text])
    assert defuse_cell(text).startswith("'")
    assert csv_of(table, index=True).count("'") == 3


def test_table_3_is_no_formula(tmp_path):
    row = {"protocol": "paper", "setup": "=cmd", "method": MAP, "lesion": "haemorrhages", "pooling": "sum_pos"}
    rows = [row | {"score": "mass", "statistic": statistic, "value": 0.5} for statistic in ("mean", "median")]
    (csv, _) = write_table3(pd.DataFrame(rows), tmp_path, SETUPS)
    assert "'=cmd" in csv.read_text()
