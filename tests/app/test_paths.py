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


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("No folder /srv/clinic/other/IDRiD\\_01.tif.", "No folder IDRiD\\_01.tif."),  # escaped for markdown
        ("`/etc/ssl/private/lens.key` cannot be read", "`lens.key` cannot be read"),
        ("in '/home/erika/my eyes/a.png'", "in 'my eyes/a.png'"),
        ("/tmp/ is full", "the folder is full"),
        ("<p>/usr/lib/x</p>", "<p>x</p>"),
    ],
)
def test_any_other_path_of_the_machine_is_its_last_name(text, short):
    message = ForwardMsg()
    message.delta.new_element.alert.body = text
    assert (
        ForwardMsg.FromString(paths.without_folders(message.SerializeToString())).delta.new_element.alert.body == short
    )


@pytest.mark.parametrize(
    "text",
    [
        "The study demo has no table; 3/4 of the eyes, and/or more.",
        f"/media/{'0a' * 28}.jpg",
        f"/media/{'0a' * 16}.html",
        "/component/dr_ui.viewer/index.html",
        "https://lab.example/home/page",
        "<style>a</style><b>/Compare</b>",
        "results/home/x.csv",
    ],
)
def test_everything_else_passes_as_it_is(text):
    message = ForwardMsg()
    message.delta.new_element.alert.body = text
    message.delta.new_element.imgs.imgs.add().url = text
    content = message.SerializeToString()
    assert paths.without_folders(content) == content


def test_a_study_at_the_root_changes_nothing(monkeypatch):
    monkeypatch.setenv("DR_STUDY", "/study")
    paths._folders.cache_clear()
    assert "/" not in paths._folders()
