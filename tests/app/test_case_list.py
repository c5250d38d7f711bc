"""The case list is the same on every page: it is filtered, sorted, walked through, and nothing of it is lost."""

import dataclasses
import time

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dr_core.data.phantom import draw_phantom
from dr_core.data.store import fingerprint_store
from dr_core.study.digests import digest_of
from dr_core.study.folder import DataSet, add_data
from dr_ui.eyes.cache import Eye
from dr_ui.eyes.case_facts import CaseFacts
from dr_ui.eyes.case_strip import DISAGREE, NO_ANSWER, REFERABLE, WARNED, Case, select_cases
from dr_ui.parts import tables
from tests.app.page_driver import encoded, html_of, upload
from tests.conftest import ROOT

PAGES = ["home.py", *sorted(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))]


@pytest.fixture
def app(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return AppTest.from_file(ROOT / "home.py", default_timeout=120)


def eyes(*names):
    return [(name, encoded(draw_phantom(4, 160, seed).image)) for seed, name in enumerate(names)]


def listed(app):
    tables = [table.value for table in app.sidebar.dataframe if "referable" in table.value]
    return [name.removeprefix("▸ ") for name in tables[0]["eye"]] if tables else []


def button(app, key):
    return next(one for one in app.button if one.key == key)


def test_the_list_stands_on_every_page(app):
    app.switch_page("pages/1_Compare.py").run()
    assert not listed(app)
    upload(app, *eyes("a.png", "b.png", "c.png"))
    for page in PAGES:
        app.switch_page(page).run()
        assert not app.exception
        assert listed(app) == ["a.png", "b.png", "c.png"]


def test_next_and_previous_move_the_eye_of_the_page(app):
    app.switch_page("pages/2_Robustness.py").run()
    upload(app, *eyes("a.png", "b.png"))
    assert button(app, "case_previous").disabled
    button(app, "case_next").click().run()
    app.switch_page("pages/1_Compare.py").run()
    assert 'alt="b.png, as taken"' in html_of(app)
    button(app, "case_previous").click().run()
    assert 'alt="a.png, as taken"' in html_of(app)
    assert not button(app, "case_next").disabled
    app.switch_page("pages/3_Explain.py").run()
    assert not app.exception
    button(app, "case_next").click().run()
    app.switch_page("pages/1_Compare.py").run()
    assert 'alt="b.png, as taken"' in html_of(app)


def test_a_removed_eye_is_gone_though_the_uploader_holds_it(app):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("a.png", "b.png"))
    button(app, "case_remove").click().run()
    app.switch_page("pages/1_Compare.py").run()
    assert listed(app) == ["b.png"]
    assert 'alt="b.png, as taken"' in html_of(app)


def test_a_broken_file_has_no_answer_and_can_be_removed(app):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, ("broken.png", b"nothing"))
    assert app.error
    assert listed(app) == ["broken.png"]
    button(app, "case_remove").click().run()
    assert not app.error
    assert not listed(app)


@pytest.mark.parametrize("page", ["1_Compare", "2_Robustness", "3_Explain"])
def test_an_eye_that_the_page_asks_about_stands_in_the_list_with_its_answers(app, page):
    app.switch_page(f"pages/{page}.py").run()
    upload(app, *eyes("a.png"))
    (verdict,) = app.sidebar.dataframe[0].value["referable"]
    assert verdict.endswith(" of 4")


def test_eyes_are_asked_about_where_the_user_wants_it(app):
    app.switch_page("pages/2_Robustness.py").run()
    upload(app, *eyes("a.png", "b.png"), ("broken.png", b"nothing"))
    asked, *rest = app.sidebar.dataframe[0].value["referable"]
    assert asked.endswith(" of 4")  # the page's own eye
    assert rest == ["not analyzed"] * 2
    button(app, "case_ask").click().run()
    verdicts = list(app.sidebar.dataframe[0].value["referable"])
    assert verdicts[2] == "no answer"
    assert all(verdict.endswith(" of 4") for verdict in verdicts[:2])
    app.pills(key="case_filters").set_value([NO_ANSWER]).run()
    assert listed(app) == ["broken.png"]
    app.pills(key="case_filters").set_value([]).run()
    app.text_input(key="case_search").set_value("B").run()
    assert listed(app) == ["b.png", "broken.png"]


@pytest.fixture
def measured(monkeypatch, tmp_path, tiny_study):
    """A study whose prepared eyes lie on this machine."""
    store, names = tmp_path / "eyes", ["left-1", "right-1"]
    store.mkdir()
    images = np.stack([draw_phantom(3, 64, seed).image.transpose(2, 0, 1) for seed in (1, 2)])
    np.save(store / "images.npy", images)
    index = pd.DataFrame({"eye": names, "patient": ["p", "p"], "grade": [3, 3]})
    index.to_parquet(store / "index.parquet")
    rows = index[["eye"]].assign(
        data="test", side="", sharpness=np.nan, luminance=np.nan, warnings=None, store=str(store), row=[0, 1]
    )
    tiny_study.write_results("eyes", rows)
    head = (tiny_study.path / "study.json").read_bytes()
    described = DataSet(key="test", title="Test", role="test", images=2, real=False, description="Two drawn eyes.")
    add_data(tiny_study.path, dataclasses.replace(described, fingerprint=fingerprint_store(store)), replacing=True)
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    yield "test", names
    (tiny_study.path / "results" / "eyes.parquet").unlink()
    (tiny_study.path / "study.json").write_bytes(head)


def test_an_eye_of_the_study_joins_the_uploads_and_follows_by_the_menu(measured, app):
    data, names = measured
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("mine.png"))
    app.switch_page("pages/1_Compare.py")
    app.query_params["eye"] = f"{data}/{names[0]}"
    app.run()
    assert not app.error, app.error[0].value
    assert listed(app) == ["mine.png", names[0]]
    assert names[0] in html_of(app)
    del app.query_params["eye"]
    app.switch_page("pages/2_Robustness.py").run()
    assert listed(app) == ["mine.png", names[0]]
    assert dict(app.query_params)["eye"] == f"{data}/{names[0]}"
    button(app, "case_previous").click().run()
    assert "eye" not in app.query_params, "an upload is in no link"


def test_a_link_to_an_eye_that_is_gone_is_a_sentence_and_loses_nothing(measured, app):
    data, _ = measured
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("mine.png"))
    app.query_params["eye"] = f"{data}/nobody"
    app.run()
    assert "nobody" in app.error[0].value
    assert listed(app) == ["mine.png"]
    app.run()
    assert not app.error


def case(name, answers, warnings=()):
    facts = CaseFacts(answers=dict.fromkeys("abcd"[:answers]), warnings=warnings)
    return Case(Eye(name, name), facts)


def test_filters_search_and_orders():
    split = dataclasses.replace(case("Split", 4), referable=2, models=4, highest=0.7, spread=0.6)
    sick = dataclasses.replace(case("sick", 4, ("dark",)), referable=4, models=4, highest=0.9, spread=0.1)
    silent, unread = case("silent", 0), Case(Eye("unread", "unread"), None)
    cases = [split, sick, silent, unread]

    def names(filters=(), text="", order="as added"):
        return [one.eye.name for one in select_cases(cases, filters, text, order)]

    assert names([DISAGREE]) == ["Split"]
    assert names([REFERABLE]) == ["Split", "sick"]
    assert names([REFERABLE, WARNED]) == ["sick"]
    assert names([NO_ANSWER]) == ["silent"]
    assert names(text="SI") == ["sick", "silent"]
    assert names(order="name") == ["sick", "silent", "Split", "unread"]
    assert names(order="highest P first")[:2] == ["sick", "Split"]
    assert names(order="largest spread first")[0] == "Split"
    assert names(order="warned first")[0] == "sick"


def give_grades(app, table):
    uploader = next(one for one in app.file_uploader if one.key == "given_grades_file")
    uploader.set_value([("grades.csv", table, "text/csv")])
    return app.run()


def test_a_table_of_known_grades_counts_the_models_on_this_list(app, monkeypatch):
    shown = {}
    monkeypatch.setattr(tables, "show", lambda table, key, **_: shown.update({key: table}))
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("a.png", "b.png", "c.png", "d.png"))
    assert "list" not in shown
    give_grades(app, b"image,grade\na,4\nb,0\nc,3\nz,1\n")
    assert not app.exception
    assert "3 of 4 photographs have a grade." in [caption.value for caption in app.caption]
    assert "1 rows name no photograph of this list\\: z." in [caption.value for caption in app.caption]
    counts = shown["list"].set_index("set-up")
    assert (counts["eyes"] == 3).all()
    assert (counts["true positives"] + counts["false negatives"] == 2).all()
    assert (counts["false positives"] + counts["true negatives"] == 1).all()
    assert counts["caution"].str.len().gt(0).all()  # three eyes: any interval is a rough one
    assert "of this list whose grade is known" in html_of(app)


def test_a_bad_table_of_grades_is_a_sentence_and_the_list_stays(app):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("a.png", "b.png"))
    give_grades(app, b"image,grade\na,9\n")
    assert not app.exception
    assert any("none of 0 to 4" in error.value for error in app.error)
    give_grades(app, b"image,grade\n" + b"a,1\n" * 2**19)
    assert any("at most 1 MB" in error.value for error in app.error)
    assert listed(app) == ["a.png", "b.png"]


def test_known_grades_and_filters_follow_to_every_page(app):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("a.png", "b.png"))
    give_grades(app, b"image,grade\na,4\nnobody,2\n")
    app.text_input(key="case_search").set_value("a").run()
    app.switch_page("pages/4_Representations.py").run()
    assert listed(app) == ["a.png"]
    assert list(app.sidebar.dataframe[0].value["grade"]) == ["4"]
    assert "1 rows name no photograph of this list\\: nobody." in [caption.value for caption in app.caption]
    button(app, "remove_grades").click().run()
    assert "grade" not in app.sidebar.dataframe[0].value


def add_test_eyes(app, data=None):
    if data:
        app.selectbox(key="case_source").set_value(data)
    button(app, "add_test_eyes").click()
    return app.run()


def test_test_eyes_without_pictures_are_listed_with_their_recorded_answers(app, tiny_study):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("mine.png"))
    add_test_eyes(app)
    assert not app.exception
    assert not app.error
    names = listed(app)
    assert names[:2] == ["mine.png", "0 (patient 0)"]
    assert len(names) == 1 + 20
    assert any("20 eyes, without pictures" in caption.value for caption in app.caption)
    rows = tiny_study.read_results("predictions")
    scores = rows[(rows["patient"] == 0)].set_index("setup")[["p3", "p4"]].sum(axis=1)
    assert app.sidebar.dataframe[0].value["referable"].iloc[1] == f"{(scores >= 0.5).sum()} of 4"
    button(app, "case_next").click().run()
    assert "is not on this machine" in html_of(app)
    for setup, score in scores.items():
        assert f"{score:.2f}</b>" in html_of(app), setup
    assert "eye" not in app.query_params
    app.switch_page("pages/3_Explain.py").run()
    assert not app.exception
    assert "is not on this machine" in app.error[0].value
    button(app, "case_remove_listed").click().run()
    assert listed(app) == ["mine.png"]


def test_test_eyes_with_pictures_open(measured, app, tiny_study):
    data, names = measured
    answers = tiny_study.read_results("predictions").head(8).assign(data=data, eye=names * 4, patient="p")
    kept = (tiny_study.path / "results" / "predictions.parquet").read_bytes()
    tiny_study.write_results("predictions", answers.assign(setup=np.repeat(list(tiny_study.setups), 2)))
    try:
        app.switch_page("pages/2_Robustness.py").run()
        add_test_eyes(app, data)
        assert not app.error, app.error[0].value
        assert listed(app) == names
        app.switch_page("pages/1_Compare.py").run()
        assert not app.exception
        assert f'alt="{names[0]}, as taken"' in html_of(app)
        assert app.query_params["eye"] == f"{data}/{names[0]}"
    finally:
        (tiny_study.path / "results" / "predictions.parquet").write_bytes(kept)


def give_scores(app, study, *paths):
    digests = {setup: digest_of(study.checkpoint_path(setup)) for setup in study.setups}
    rows = [
        f"{path},{setup},.1,.1,.1,.3,.4,,within,{digest[:12]},," for path in paths for setup, digest in digests.items()
    ]
    head = "path,setup,p0,p1,p2,p3,p4,warnings,level,checkpoint,error,reason"
    uploader = next(one for one in app.file_uploader if one.key.startswith("score_tables"))
    uploader.set_value([("results.csv", "\n".join([head, *rows]).encode(), "text/csv")])
    return app.run()


def test_a_table_of_scores_fills_the_list_and_a_photograph_takes_its_place(app, tiny_study):
    app.switch_page("pages/1_Compare.py").run()
    give_scores(app, tiny_study, "ward/a.png", "b.png", "c.png")
    assert not app.exception
    assert listed(app) == ["ward/a.png", "b.png", "c.png"]
    assert "0.70</b>" in html_of(app)
    assert "Upload the photograph to see it" in html_of(app)
    give_grades(app, b"image,grade\nward/a.png,4\nc,0\n")
    assert list(app.sidebar.dataframe[0].value["grade"]) == ["4", "", "0"]
    upload(app, *eyes("a.png"))
    assert listed(app) == ["a.png", "b.png", "c.png"]


def test_eyes_stand_side_by_side(app, tiny_study):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("a.png", "b.png"), ("broken.png", b"nothing"))
    give_grades(app, b"image,grade\na,3\n")
    beside = app.multiselect(key="side_by_side")
    keys = [file.key for file in app.session_state["case_rows"]]
    beside.set_value([keys[0]]).run()
    assert '"lens-beside"' not in html_of(app)
    beside.set_value(keys).run()
    shown = html_of(app)
    assert not app.exception
    assert shown.count("<figure>") == 3
    assert "known grade 3, severe" in shown
    assert "No answer, because: The photograph must be" in shown
    for setup in tiny_study.setups.values():
        assert shown.count(f"<i></i>{setup.label}</th>") == 2
    app.switch_page("pages/2_Robustness.py").run()
    app.switch_page("pages/1_Compare.py").run()
    assert '"lens-beside"' in html_of(app)
    button(app, "case_remove").click().run()
    assert len(app.multiselect(key="side_by_side").value) == 2


def test_a_thousand_files_stay_usable(app, monkeypatch):
    """Only the eye that is looked at is read at once; the others when they are asked about."""
    app.switch_page("pages/2_Robustness.py").run()
    files = [(f"{number}.png", b"no picture") for number in range(999)]
    upload(app, *eyes("first.png"), *files)
    assert not app.exception
    assert len(listed(app)) == 1000
    started = time.process_time()
    button(app, "case_next").click().run()
    assert time.process_time() - started < 4
    assert "\u25b8 0.png" in list(app.sidebar.dataframe[0].value["eye"])
