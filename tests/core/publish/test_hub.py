"""A packed study goes to a hub and comes back: by the real library, against a stand-in server on this machine."""

import sys

import pytest

from dr_cli.main import main
from dr_core.errors import InputError
from dr_core.publish.sharing.hub import HubAddress, parse_address, pull_study, push_archive
from dr_core.publish.sharing.members import CARD
from dr_core.publish.sharing.pack import pack_study
from tests.core.publish.hub_server import TOKEN, Answers, standing_in

settings = pytest.importorskip("huggingface_hub.constants")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's own, of its client
LAB = HubAddress(repository="lab/dr-study")


@pytest.fixture(scope="module")
def archive(tiny_study, tmp_path_factory):
    return pack_study(tiny_study, tmp_path_factory.mktemp("archives") / "mine.zip").archive


@pytest.fixture
def hub(monkeypatch):
    """A hub to which the library is set, signed in."""
    monkeypatch.setattr(settings, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with standing_in() as server:
        monkeypatch.setattr(settings, "ENDPOINT", server.address)
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(settings, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


def test_there_and_back_by_the_commands(hub, tiny_study, tmp_path, capsys):
    assert main(["pack", str(tiny_study.path), "--out", str(tmp_path / "a.zip"), "--push", "lab/dr-study"]) == 0
    assert hub.private == {"lab/dr-study"}
    (files,) = hub.repositories["lab/dr-study"]
    assert set(files) == {"study.zip", "README.md"}
    assert files["study.zip"] == (tmp_path / "a.zip").read_bytes()
    address = capsys.readouterr().out.partition("It is at ")[2].split()[0].rstrip(".")
    assert main(["open", address, "--out", str(tmp_path / "back")]) == 0
    for path in (tiny_study.path / "checkpoints").iterdir():
        assert (tmp_path / "back" / "checkpoints" / path.name).read_bytes() == path.read_bytes()
    card = (tmp_path / "back" / CARD).read_text()
    assert files["README.md"].decode().endswith(card)


def test_a_revision_is_the_one_that_was_pushed(hub, archive, tmp_path):
    first = push_archive(archive, LAB)
    hub.repositories["lab/dr-study"].append({"README.md": b"the archive was taken out"})
    assert pull_study(first, tmp_path / "first").info.title == "Tiny"
    with pytest.raises(InputError, match=r"holds no study\.zip"):
        pull_study(LAB, tmp_path / "newest")
    with pytest.raises(InputError, match="has no revision 'v9'"):
        pull_study(HubAddress(repository=LAB.repository, revision="v9"), tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_damaged_archive_leaves_nothing(hub, archive, tmp_path):
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    hub.repositories["lab/dr-study"] = [{"study.zip": bytes(content)}]
    with pytest.raises(InputError, match="Nothing was written"):
        pull_study(LAB, tmp_path / "study")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(401, "needs a sign-in"), (403, "may not do this"), (404, "was not found"), (418, "status 418")],
)
def test_refusals_are_sentences(hub, archive, tmp_path, status, sentence):
    hub.refusing = status
    with pytest.raises(InputError, match=sentence):
        push_archive(archive, LAB)
    assert TOKEN not in sentence


def test_an_upload_that_breaks_off_is_a_sentence(hub, archive, monkeypatch):
    monkeypatch.setattr(Answers, "do_PUT", lambda request: (request.body(), request.answer(400)))
    with pytest.raises(InputError, match="push again"):
        push_archive(archive, LAB)
    assert hub.repositories[LAB.repository] == []


def test_who_is_not_signed_in_is_told_how(hub, archive, tmp_path, monkeypatch):
    push_archive(archive, LAB)
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr(settings, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(InputError, match="set the variable HF_TOKEN"):
        pull_study(LAB, tmp_path / "study")
    with pytest.raises(InputError, match="set the variable HF_TOKEN"):
        push_archive(archive, LAB)


def test_no_network_no_library_and_no_archive_are_sentences(hub, archive, tmp_path, monkeypatch):
    (tmp_path / "odd.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match="pack the study again"):
        push_archive(tmp_path / "odd.zip", LAB)
    monkeypatch.setattr(settings, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="offline"):
        push_archive(archive, LAB)
    monkeypatch.undo()
    monkeypatch.setattr(settings, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="cannot be reached"):
        push_archive(archive, LAB)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="the extra `hub`"):
        pull_study(LAB, tmp_path / "study")


@pytest.mark.parametrize(
    "text", ["", "name", "hub:", "hub:a/b/c", "../a", "a/b@", "a/b@../c", "hub:http://a/b", "a/b@-x"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InputError, match="must be OWNER/NAME"):
        parse_address(text)


def test_addresses_are_read_as_they_are_written():
    for text in ("hub:lab/dr.study", "hub:lab/dr_study@v1", "hub:lab/x@refs/pr/1"):
        assert str(parse_address(text)) == text
    assert parse_address("lab/x") == parse_address("hub:lab/x")
