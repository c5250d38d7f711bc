"""A session is saved and goes on elsewhere; a file that is none, or another's, changes nothing."""

import dataclasses
import hashlib
import io
import json
import shutil
import zipfile

import pytest
import streamlit as st

from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError
from dr_ui.eyes.session_file import (
    MOST_BYTES,
    SavedSession,
    SessionEye,
    StudyIdentity,
    read_session,
    write_session,
)
from tests.app.page_driver import encoded, html_of, page_at, upload
from tests.app.test_case_list import button, eyes, give_grades, listed

PICTURE = b"any bytes"
DIGEST = hashlib.sha256(PICTURE).hexdigest()
SESSION = SavedSession(
    study=StudyIdentity(name="s", title="S", created="2026-01-02", checkpoints={"iwne_fs": "12"}),
    written="2026-11-26 04:00 UTC",
    choices={"threshold": 0.3, "reading": "2-4 (ICDR)"},
    eyes=(
        SessionEye(origin="upload", name="ä ^.jpg", digest=DIGEST),
        SessionEye(origin="study", name="left", data="test"),
        SessionEye(origin="scored", name="a/b.jpg", data="results.csv"),
    ),
    looked_at=1,
    grades_name="grades.csv",
    grades="image,grade\na,1\n",
)


def changed(**entries):
    """The document with other entries; `...` takes one out."""
    document = json.loads(write_session(SESSION)) | entries
    return json.dumps({key: value for key, value in document.items() if value is not ...}).encode()


def archive(files, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("photographs", [{}, {DIGEST: PICTURE}])
def test_a_session_comes_back_as_it_was(photographs):
    session = dataclasses.replace(SESSION, photographs=photographs)
    assert read_session(write_session(session), "session") == session


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "is no session file"),
        (b" " * (MOST_BYTES + 1), "at most 4 MB"),
        (changed(format="another"), "is no session file"),
        (changed(schema=2), "later version"),
        (changed(eyes=...), "an entry that no session has"),
        (changed(eyes=[{"origin": "upload", "name": "a", "data": "", "digest": ""}]), "an entry that no session has"),
        (changed(eyes=[{"origin": "/etc", "name": "a", "data": "", "digest": ""}]), "an entry that no session has"),
        (changed(eyes=[{}] * 4000), "an entry that no session has"),
        (changed(eyes={"a": 1}), "an entry that no session has"),
        (changed(looked_at=3), "an entry that no session has"),
        (changed(looked_at="1"), "an entry that no session has"),
        (changed(written="x" * 300), "an entry that no session has"),
        (changed(grades_name="\ud800"), "an entry that no session has"),
        (changed(choices={"threshold": [1]}), "an entry that no session has"),
        (changed(choices={"threshold": 10**400}), "an entry that no session has"),
        (changed(study="S"), "an entry that no session has"),
        (b"PK\x03\x04 cut off", "cannot be unpacked"),
        (archive({"session.json": write_session(SESSION)}, zipfile.ZIP_DEFLATED), "is a compressed archive"),
        (archive({"other.json": b"{}"}), "holds a photograph that is not the one"),
        (archive({"session.json": write_session(SESSION), f"photographs/{DIGEST}": b"others"}), "is not the one"),
        (
            archive({"session.json": write_session(SESSION)} | {f"x{n}": b"" for n in range(3001)}),
            "more than a session",
        ),
    ],
)
def test_a_damaged_hostile_or_huge_file_is_a_sentence(content, reason):
    with pytest.raises(InputError, match=reason):
        read_session(content, "mine.json")


def test_a_photograph_that_no_eye_names_is_left_behind():
    files = {"session.json": write_session(SESSION), f"photographs/{hashlib.sha256(b'x').hexdigest()}": b"x"}
    assert read_session(archive(files), "session.zip").photographs == {}


@pytest.fixture
def saved(monkeypatch):
    """What each download button would give."""
    found = {}
    monkeypatch.setattr(st, "download_button", lambda label, data, *_, key, **__: found.update({key: data}))
    return found


@pytest.fixture
def app(monkeypatch, tiny_study, saved):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return page_at("1_Compare.py").run()


def load(app, content, name="session.json"):
    uploader = next(one for one in app.file_uploader if one.key.startswith("session_file"))
    uploader.set_value([(name, content, "application/json")])
    return app.run()


def save_one(app, saved, *, photographs):
    """Two eyes, the second looked at, other choices and a table of grades."""
    upload(app, *eyes("a.png", "b.png"))
    app.slider(key="threshold").set_value(0.3)
    app.segmented_control(key="reading").set_value("2-4 (ICDR)")
    give_grades(app, b"image,grade\na,4\nb,0\n")
    button(app, "case_next").click().run()
    if photographs:
        app.checkbox(key="session_photographs").check().run()
    return saved["save_session"]()


def test_with_photographs_a_session_goes_on_in_another_tab(app, saved):
    content = save_one(app, saved, photographs=True)
    other = page_at("2_Robustness.py").run()
    load(other, content, "session.zip")
    assert not other.exception
    assert not other.error
    assert listed(other) == ["a.png", "b.png"]
    other.switch_page("pages/1_Compare.py").run()
    assert 'alt="b.png, as taken"' in html_of(other)
    assert other.slider(key="threshold").value == pytest.approx(0.3)
    assert other.segmented_control(key="reading").value == "2-4 (ICDR)"
    assert list(other.sidebar.dataframe[0].value["grade"]) == ["4", "0"]
    button(other, "case_remove").click().run()
    assert listed(other) == ["a.png"]


def test_without_photographs_their_names_are_awaited(app, saved):
    content = save_one(app, saved, photographs=False)
    assert b"PNG" not in content
    other = page_at("1_Compare.py").run()
    load(other, content)
    captions = " ".join(caption.value for caption in other.caption)
    assert "upload again\\: a.png, b.png." in captions
    upload(other, ("a.png", eyes("a.png")[0][1]), ("b.png", encoded(draw_phantom(0, 160, 9).image)))
    assert "upload again\\: b.png. Another photograph is here as b.png." in " ".join(one.value for one in other.caption)
    upload(other, *eyes("a.png", "b.png"))
    assert "upload again" not in " ".join(one.value for one in other.caption)


def test_a_session_of_another_study_changes_nothing(app, saved, monkeypatch, tmp_path, tiny_study):
    content = save_one(app, saved, photographs=True)
    stranger = shutil.copytree(tiny_study.path, tmp_path / "stranger")
    info = json.loads((stranger / "study.json").read_text())
    (stranger / "study.json").write_text(json.dumps(info | {"title": "Another"}))
    monkeypatch.setenv("DR_STUDY", str(stranger))
    other = page_at("1_Compare.py").run()
    upload(other, *eyes("mine.png"))
    load(other, content, "session.zip")
    assert any("session of the study Tiny" in one.value and "Nothing was changed" in one.value for one in other.error)
    assert listed(other) == ["mine.png"]
    assert other.slider(key="threshold").value == pytest.approx(0.5)
    load(other, b"nonsense")
    assert any("cannot be read" in one.value for one in other.error)
    assert listed(other) == ["mine.png"]


def test_choices_that_no_page_offers_and_eyes_that_are_gone_are_passed_over(app, saved):
    document = json.loads(save_one(app, saved, photographs=False))
    document["choices"] = {"threshold": float("nan"), "reading": "0-4", "sample": "<b>", "point": "x", "secret": "y"}
    document["eyes"].append({"origin": "study", "name": "nobody", "data": "noise", "digest": ""})
    document["study"]["checkpoints"]["iwne_fs"] = "another"
    other = page_at("1_Compare.py").run()
    load(other, json.dumps(document).encode())
    assert not other.exception
    assert not other.error
    assert other.slider(key="threshold").value == pytest.approx(0.5)
    assert other.segmented_control(key="reading").value == "3-4 (paper)"
    captions = " ".join(caption.value for caption in other.caption)
    assert "no longer has 1 of the eyes\\: nobody" in captions
    assert "some checkpoints have changed since" in captions
