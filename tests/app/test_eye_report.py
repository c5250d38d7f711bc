"""One eye on one sheet: the numbers are the page's, the page is one, nothing stays behind."""

import io
import re

import pytest
from pypdf import PdfReader

from dr_core.publish import pdf
from dr_core.publish.pdf import find_browser
from dr_core.study.folder import open_study
from dr_ui.parts import eye_report_button
from tests.app.page_driver import html_of, page_at
from tests.conftest import ROOT

DEMO = ROOT / "assets" / "demo_study"
MODELS = len(open_study(DEMO).setups)


def open_page(monkeypatch, study, name):
    monkeypatch.setenv("DR_STUDY", str(study))
    return page_at(name).run()


@pytest.fixture
def written(monkeypatch):
    """The HTML that is printed, and what is saved."""
    kept = {}
    print_it = eye_report_button.html_to_pdf

    def look(html):
        kept["html"] = html
        kept["pdf"] = print_it(html) if find_browser() else b"%PDF-"
        return kept["pdf"]

    monkeypatch.setattr(eye_report_button, "html_to_pdf", look)
    return kept


def test_compare_prints_its_own_numbers_on_one_page(monkeypatch, written):
    app = open_page(monkeypatch, DEMO, "1_Compare.py")
    scores = re.findall(r"<b>(\d\.\d\d)</b>", html_of(app))
    assert len(scores) == MODELS + 1  # the models', and their mean's
    app.button(key="eye_report").click().run()
    assert not app.exception
    assert not app.error
    html = written["html"]
    for score in scores[:MODELS]:
        assert re.search(rf"[▲▽] {score}</td>", html)
    assert html.count("data:image/jpeg") == 1 + MODELS  # the eye and its heatmaps
    assert (
        len(re.findall(rf"<tr><th>[^<]+</th>(?:<td>\d\.\d\d[^<]*</td>){{{MODELS}}}</tr>", html)) == 20
    )  # clean and 19
    assert "not for diagnosis" in html
    assert "drawn eyes, not photographs" in html
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    if find_browser():
        pages = PdfReader(io.BytesIO(written["pdf"])).pages
        assert len(pages) == 1
        assert "19 corruptions at severity 3" in pages[0].extract_text()


def test_explain_prints_its_own_scores(monkeypatch, written):
    app = open_page(monkeypatch, DEMO, "3_Explain.py")
    headline = re.search(r'class="lens-sentence .*?</p>', html_of(app), re.DOTALL)[0]
    shares = re.search(r"\S+ % of the relevance lies on [^;]*;", headline)[0]
    app.button(key="eye_report").click().run()
    assert not app.exception
    assert shares in written["html"]  # the same sentence, from the same code
    assert written["html"].count("the strongest control, ") == MODELS
    assert "× chance" not in written["html"]
    assert "times chance" not in written["html"]


def test_without_chromium_the_sheet_is_html(monkeypatch, tiny_study):
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    app = open_page(monkeypatch, tiny_study.path, "1_Compare.py")
    app.button(key="eye_report").click().run()
    assert not app.exception
    assert any("A PDF needs Chromium" in caption.value for caption in app.caption)
    assert app.get("download_button")[0].proto.label.endswith(".html")
