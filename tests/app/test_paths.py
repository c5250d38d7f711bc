import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dr_ui.shell import paths


@pytest.fixture(autouse=True)
def folders(monkeypatch):
    monkeypatch.setenv("DR_STUDY", "/srv/clinic/studies/demo")
    monkeypatch.delenv("DR_STUDIES", raising=False)
    paths._folders.cache_clear()
    yield
    paths._folders.cache_clear()


def test_a_message_names_studies_without_their_folder():
    message = ForwardMsg()
    message.delta.new_element.html.body = "<code>evaluate --study /srv/clinic/studies/demo --data STORE</code>"
    message.metadata.delta_path[:] = [0, 1]
    short = ForwardMsg.FromString(paths.without_folders(message.SerializeToString()))
    assert short.delta.new_element.html.body == "<code>evaluate --study demo --data STORE</code>"
    assert list(short.metadata.delta_path) == [0, 1]


def test_lists_of_texts_too():
    message = ForwardMsg()
    message.delta.new_element.selectbox.options[:] = ["/srv/clinic/studies/demo", "other"]
    short = ForwardMsg.FromString(paths.without_folders(message.SerializeToString()))
    assert list(short.delta.new_element.selectbox.options) == ["demo", "other"]


def test_everything_else_passes_as_it_is():
    message = ForwardMsg()
    message.delta.new_element.alert.body = "The study demo has no table; see /srv/other/place."
    content = message.SerializeToString()
    assert paths.without_folders(content) is content


def test_a_study_at_the_root_changes_nothing(monkeypatch):
    monkeypatch.setenv("DR_STUDY", "/study")
    paths._folders.cache_clear()
    assert "/" not in paths._folders()
