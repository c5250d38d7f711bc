import shutil

from streamlit.testing.v1 import AppTest

from dr_core.publish.paper.implied import list_implications
from dr_core.publish.paper.review import count_checkpoints, count_verdicts, review_claims
from dr_core.study.folder import open_study
from tests.app.page_driver import html_of
from tests.conftest import ROOT


def page_of(monkeypatch, study):
    monkeypatch.setenv("DR_STUDY", str(study))
    return AppTest.from_file(ROOT / "pages" / "6_Reproduction.py", default_timeout=60).run()


def test_every_claim_has_its_verdict_and_drawn_eyes_are_said_first(monkeypatch):
    demo = ROOT / "assets" / "demo_study"
    app = page_of(monkeypatch, demo)
    assert not app.exception
    assert not app.error
    text = html_of(app)
    assert "This study cannot confirm or refute the paper." in text
    findings = review_claims(open_study(demo))
    for verdict, count in count_verdicts(findings).items():
        assert f"{count} {verdict}</span>" in text
    for verdict, count in count_checkpoints(findings).items():
        assert f"{count} {verdict}</span>" in text
    assert "One training run of each set-up: what is found here holds for these very checkpoints" in text
    tests = open_study(demo).read_results("localization_tests")
    clear = int((tests["p_holm"] < 0.05).sum())
    assert any(f"**{clear} of {len(tests)}** paired tests" in markdown.value for markdown in app.markdown)
    audit = len(list_implications())
    assert text.count('<th scope="row">') == len(findings) + audit
    app.segmented_control(key="place").set_value("Table 2").run()
    assert html_of(app).count('<th scope="row">') == 6 + audit


def test_without_tables_the_page_names_the_commands(monkeypatch, tmp_path, tiny_study):
    shutil.copytree(tiny_study.path, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "results")
    app = page_of(monkeypatch, tmp_path / "bare")
    assert not app.exception
    assert "python train_cli.py localize" in html_of(app)
    assert any("train_cli.py spectrum" in info.value for info in app.info)
