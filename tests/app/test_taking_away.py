"""Every chart and every table of the app can be taken away; what is taken says what it is of."""

import ast

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dr_core.data.grades import referable_readings
from dr_core.data.phantom import draw_phantom
from dr_core.study.digests import digest_of
from dr_ui.parts import take_figure
from dr_ui.parts.operating_point import referable_grades
from dr_ui.parts.take_figure import describe_origin, with_origin
from tests.app.page_driver import encoded, upload
from tests.conftest import ROOT

HOMES = {
    "plotly_chart": {"dr_ui/parts/charts.py"},
    "dataframe": {"dr_ui/parts/tables.py", "dr_ui/views/compare/eye_table.py", "dr_ui/eyes/case_strip.py"},
}
"""Who may draw a chart or a table: the parts that offer it for taking, and two lists that are for choosing."""


@pytest.mark.parametrize("name", HOMES)
def test_no_chart_or_table_is_drawn_without_a_way_to_take_it(name):
    users = set()
    for path in (ROOT / "dr_ui").rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        if any(isinstance(call.func, ast.Attribute) and call.func.attr == name for call in calls):
            users.add(path.relative_to(ROOT).as_posix())
    assert users == HOMES[name]


BARE = {"dr_ui/parts/calibrated.py", "dr_ui/parts/eye_report.py", "dr_ui/views/compare/side_by_side.py"}
"""Tables of HTML that are part of cards of Compare, whose answers are taken whole, or of a file that is taken."""


def test_no_table_of_html_is_drawn_without_a_way_to_take_it():
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "dr_ui").rglob("*.py")}
    drawing = {name for name, text in texts.items() if "<table" in text} - BARE
    offering = {name for name, text in texts.items() if "tables.show_html(" in text}
    helpers = {"dr_ui/views/explain/localization_scores.py"}  # drawn by the page's screen
    assert drawing - helpers <= offering
    assert "dr_ui/views/explain/screen.py" in offering


def test_the_answers_of_every_eye_are_taken_whole(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    offered = {}
    monkeypatch.setattr(take_figure, "offer_table", lambda table, key: offered.update({key: table}))
    app = AppTest.from_file(ROOT / "home.py", default_timeout=120).switch_page("pages/1_Compare.py").run()
    upload(app, *((f"{seed}.png", encoded(draw_phantom(3, 160, seed).image)) for seed in range(2)))
    assert not app.exception
    table = offered["answers"]
    assert list(table["eye"].unique()) == ["0.png", "1.png"]
    assert len(table) == 2 * len(tiny_study.setups)
    grades = [f"p{grade}" for grade in range(5)]
    assert table[grades].sum(axis=1).to_numpy() == pytest.approx(1)
    for reading in referable_readings():
        name = referable_grades(reading)
        assert table[f"p {name}"].to_numpy() == pytest.approx(table[grades[reading.positive_from :]].sum(axis=1))
        assert (table[f"referable {name}"] == (table[f"p {name}"] >= table["threshold"])).all()
    for setup in tiny_study.setups.values():
        digests = set(table[table["setup"] == setup.label]["checkpoint"])
        assert digests == {digest_of(tiny_study.checkpoint_path(setup.name))}


def test_what_is_taken_names_its_study_and_its_own_columns_stay(tiny_study):
    table = with_origin(pd.DataFrame({"study": ["mine"], "value": [1.0]}), describe_origin(tiny_study))
    assert table["study"].item() == "mine"
    for setup in tiny_study.setups.values():
        assert digest_of(tiny_study.checkpoint_path(setup.name)) in table["checkpoints"].item()
