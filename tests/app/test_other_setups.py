"""A study of two or of eight set-ups that the paper does not have: every page and the report speak of its own alone."""

import base64
import dataclasses
import re

import pytest

from dr_core.models.setups import PAPER
from dr_core.publish.report.document import make_report
from dr_core.study.folder import write_study_info
from tests.app.page_driver import html_of, page_at
from tests.conftest import ROOT
from tests.copied_study import copy_demo, name_setups

PAGES = ["home.py", *sorted(path.name for path in (ROOT / "pages").glob("*.py"))]
THEIRS = re.compile("|".join(setup.label for setup in PAPER))


@pytest.fixture(scope="module", params=[2, 8])
def copied(request, tmp_path_factory):
    return copy_demo(tmp_path_factory.mktemp("copied") / "study", name_setups(request.param))


def opened(monkeypatch, study, page, **query):
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at(page)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, (page, app.exception)
    assert not app.error, (page, app.error[0].value)
    return app


def shown_on(app):
    """Everything that a page says, its tables and its charts' legends among it."""
    tables = " ".join(table.value.to_csv() for table in app.dataframe)
    charts = " ".join(chart.proto.spec for chart in app.get("plotly_chart"))
    texts = " ".join(element.value for kind in ("markdown", "caption", "info") for element in getattr(app, kind))
    return " ".join([html_of(app), tables, charts, texts])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_speaks_of_the_set_ups_of_the_study(monkeypatch, copied, page):
    app = opened(monkeypatch, copied, page)
    text = shown_on(app)
    assert "<own>" not in html_of(app), "a label from a study's file is escaped"
    if page == "6_Reproduction.py":
        assert "none of the claims has an answer here" in text
        return
    if page == "7_Help.py":  # the glossary says what the paper's set-ups are
        return
    assert not THEIRS.findall(text)
    for number in range(len(copied.setups)):
        assert f"Lab {number} &" in text, f"Lab {number} is missing"
    if page in ("home.py", "1_Compare.py"):
        assert html_of(app).count('<section class="lens-card') == len(copied.setups)


def test_figure_4_is_drawn_for_any_pair(monkeypatch, copied):
    text = shown_on(opened(monkeypatch, copied, "2_Robustness.py", damaged="Many eyes: Figure 4"))
    assert "Lab 1 &amp; &lt;own&gt; scores clearly higher than Lab 0 &amp; &lt;own&gt;" in text
    app = opened(monkeypatch, copied, "2_Robustness.py", damaged="Many eyes: Figure 4")
    app.selectbox(key="reference").set_value("lab_1")
    app.selectbox(key="compared").set_value("lab_0").run()
    assert "Lab 0 &amp; &lt;own&gt; scores clearly higher than Lab 1 &amp; &lt;own&gt;" in shown_on(app)
    assert "relative to Lab 1 &amp; &lt;own&gt;" in shown_on(app)
    app.selectbox(key="compared").set_value("all").run()
    assert not app.exception
    panels = len(copied.setups) - 1
    assert html_of(app).count("scores clearly higher than") == panels


def test_differences_are_taken_from_the_chosen_set_up(monkeypatch, copied):
    app = opened(monkeypatch, copied, "5_Performance.py")
    assert app.selectbox(key="reference").value == "lab_0", "the first that another one names as its partner"
    app.selectbox(key="reference").set_value("lab_1").run()
    assert not app.exception
    others = [setup.label for name, setup in copied.setups.items() if name != "lab_1"]
    columns = [list(table.value.columns) for table in app.dataframe]
    assert ["measure", "reading", *others] in columns


def test_the_report_draws_and_names_its_own_set_ups(copied):
    text = make_report(copied)
    titles = re.findall(r"<h2 id='part\d+'>(Figure \w+)", text)
    assert list(dict.fromkeys(titles)) == ["Figure 2", "Figure 3a", "Figure 3b", "Figure 4"]
    for picture in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", text):
        drawn = base64.b64decode(picture).decode()  # each text of a picture stands in a comment beside its outlines
        assert not THEIRS.findall(drawn)
        assert "<!-- Lab 1 " in drawn
    assert "none of the claims has an answer here" in text
    assert "<td>Lab 1 &amp; &lt;own&gt;</td>" in text
    assert not THEIRS.findall(text.split(">All measures of the answers</h2>")[1])


def test_rows_of_a_set_up_that_was_taken_out_are_not_shown(monkeypatch, tmp_path):
    whole = copy_demo(tmp_path / "study", name_setups(3))
    fewer = tuple(whole.setups.values())[:2]
    study = write_study_info(whole.path, dataclasses.replace(whole.info, setups=fewer))
    tables = [path.stem for path in (study.path / "results").glob("*.parquet")]
    present = {table: set(study.read_checkpoint_results(table).get("setup", fewer[0].name)) for table in tables}
    assert len(tables) > 15
    assert "lab_2" in set(study.read_results("performance")["setup"])
    assert not [table for table, names in present.items() if "lab_2" in names]
    for page in ("2_Robustness.py", "6_Reproduction.py"):
        assert "Lab 2 " not in shown_on(opened(monkeypatch, study, page)), page
