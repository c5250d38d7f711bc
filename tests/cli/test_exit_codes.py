"""One rule for all commands: a photograph that cannot be read is counted (0); what a check finds is a finding (1)."""

import pytest

import train_cli
from tests.app.page_driver import encoded
from tests.zoo.photographs import EYE


@pytest.fixture
def root(tmp_path):
    """A folder of three photographs, of which one is cut off."""
    folder = tmp_path / "root"
    folder.mkdir()
    for name in ("a", "b", "c"):
        content = encoded(EYE)
        (folder / f"{name}.png").write_bytes(content[: len(content) // 2] if name == "c" else content)
    (folder / "b.png").write_bytes(encoded(EYE[::-1]))
    (folder / "labels.csv").write_text("image,grade\na,0\nb,1\nc,2\n")
    return folder


def run(*arguments):
    return train_cli.main([str(argument) for argument in arguments])


def test_a_photograph_that_cannot_be_read_is_counted(root, tiny_study, tmp_path, capsys):
    score = ["score", root, "--study", tiny_study.path, "--out", tmp_path / "out.csv", "--device", "cpu"]
    prepare = ["data", "prepare", "folder", root, "--out", tmp_path / "store", "--size", 32]
    for command, sentence in ((score, "1 could not be read"), (prepare, "1 photographs were left out")):
        for _ in range(2):  # the second time there is nothing left to do, and the count is still said
            assert run(*command, "--processes", 1) == 0
            assert sentence in capsys.readouterr().out


def test_a_check_finds_it(root, capsys):
    assert run("data", "check", "folder", root, "--processes", 1) == 1
    assert "unreadable: 1" in capsys.readouterr().out
