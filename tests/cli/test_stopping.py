"""Ctrl-C advises the command that works."""

import shlex

import pytest

import dr_cli.study
from dr_cli.commands import program
from dr_cli.main import build_parser, main

CONFIG = 'preset = "quick"\n'


@pytest.mark.parametrize(
    "command",
    [
        ["study"],
        ["study", "--resume"],
        ["demo", "--quick"],
    ],
)
def test_a_study_that_is_stopped_says_how_it_goes_on(tmp_path, monkeypatch, capsys, command):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dr_cli.study, "build_cells", stop)
    (tmp_path / "study.toml").write_text(CONFIG)
    given = ["--config", str(tmp_path / "study.toml")] if command[0] == "study" else []
    assert main([*command, *given, "--out", str(tmp_path / "out")]) == 130
    text = " ".join(capsys.readouterr().err.split())
    assert "Stopped. To resume, run: " in text
    words = shlex.split(text.partition(f"To resume, run: {program()} ")[2])
    assert build_parser(words).parse_args(words).out == tmp_path / "out"
    assert ("--resume" in words) == (command[0] == "study")
