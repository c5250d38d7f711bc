import dataclasses
import shutil
from html import escape

import pandas as pd
from streamlit.testing.v1 import AppTest

from dr_core.publish.paper.implied import list_implications
from dr_core.publish.paper.review import count_checkpoints, count_verdicts, review_claims
from dr_core.publish.paper.wording import describe_scope, describe_study_rate
from dr_core.study.folder import open_study, write_study_info
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
    app.selectbox(key="on").set_value("All").run()
    text = html_of(app)
    findings = review_claims(open_study(demo))
    for verdict, count in count_verdicts(findings).items():
        assert f"{count} {verdict}</span>" in text
    for verdict, count in count_checkpoints(findings).items():  # beside those about set-ups that were trained once
        assert f"{count} {verdict}</span>" in text or not any(finding.checkpoints for finding in findings)
    assert f"{escape(describe_scope(findings))} {escape(describe_study_rate(findings))}" in text
    tests = open_study(demo).read_checkpoint_results("localization_tests")
    clear = int((tests["p_holm"] < 0.05).sum())
    assert any(f"Of the paired tests {clear} of {len(tests)} are below" in markdown.value for markdown in app.markdown)
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


def test_claims_on_several_data_sets_are_shown_of_the_first(monkeypatch, tmp_path):
    shutil.copytree(ROOT / "assets" / "demo_study", tmp_path / "two")
    study = open_study(tmp_path / "two")
    (first,) = (data for data in study.info.data if data.key == "phantoms_test")
    for table in ("predictions", "performance", "fractions"):
        rows = study.read_results(table)
        rows = rows[rows["data"] == first.key]
        study.write_results(table, pd.concat([rows, rows.assign(data="again")], ignore_index=True))
    again = dataclasses.replace(first, key="again", title="the same again")
    write_study_info(study.path, dataclasses.replace(study.info, data=(first, again)))
    findings = review_claims(open_study(study.path))
    twice = [one for one in findings if one.data in (first.key, "again") and one.claim.exhibit == "Figure 2"]
    assert [one.data for one in twice] == [first.key, "again"] * (len(twice) // 2)
    app = page_of(monkeypatch, study.path)
    assert app.selectbox(key="on").value == first.key
    counted = {
        key: html_of(app).count(f">{title}</td>")
        for key, title in ((first.key, first.title), ("again", "the same again"))
    }
    assert counted["again"] == 0
    assert counted[first.key] >= len(twice) // 2
    for choice, shown in (("again", len(twice) // 2), ("All", len(twice) // 2)):
        app.selectbox(key="on").set_value(choice).run()
        assert not app.exception
        assert html_of(app).count(">the same again</td>") == shown
    for verdict, count in count_verdicts(findings).items():
        assert f"{count} {verdict}</span>" in html_of(app)
