import json

import pytest
from streamlit.testing.v1 import AppTest

from dr_ui.shell import audit


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("DR_AUDIT_LOG", str(tmp_path / "audit.log"))
    audit._log.cache_clear()
    yield tmp_path / "audit.log"
    audit._log().handlers[0].close()
    audit._log.cache_clear()


def test_a_line_has_user_time_and_event_and_nothing_of_an_upload(log):
    audit.record("leave", "erika@clinic.example", uploads=3, minutes=12)
    (line,) = log.read_text().splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {"event": "leave", "user": "erika@clinic.example", "uploads": 3, "minutes": 12}


def test_old_files_go(log, monkeypatch):
    audit._log().handlers[0].maxBytes = 1000
    for _ in range(200):
        audit.record("sign in", "erika@clinic.example")
    files = list(log.parent.glob("audit.log*"))
    assert len(files) == 10
    assert all(file.stat().st_size <= 1000 for file in files)


def test_a_study_is_noted_once_a_session(log):
    def page():
        from dr_ui.shell import audit

        audit.note_study("demo")
        audit.note_study("demo")

    app = AppTest.from_function(page).run().run()
    assert not app.exception
    (entry,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (entry["event"], entry["study"]) == ("open study", "demo")


def test_without_a_file_nothing_is_written(monkeypatch):
    monkeypatch.delenv("DR_AUDIT_LOG", raising=False)
    audit._log.cache_clear()
    audit.record("sign in", "erika@clinic.example")
    assert audit._log() is None
