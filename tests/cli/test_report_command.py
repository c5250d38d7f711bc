import pytest
import torch

from dr_cli.main import main


def test_report_writes_a_page(tiny_study, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert main(["report", "--study", str(tiny_study.path), "--out", str(out)]) == 0
    assert "All measures" in out.read_text()
    assert "page.html" in capsys.readouterr().out


def test_tables_go_into_a_folder_of_their_own(tiny_study, tmp_path, capsys):
    command = ["report", "--study", str(tiny_study.path), "--out", str(tmp_path / "page.html"), "--tables"]
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    assert main([*command, str(foreign)]) == 2
    assert "was not written by DR Lens" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]
    for _ in range(2):  # a folder of tables is written again
        assert main([*command, str(tmp_path / "tables")]) == 0
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {"origin.json", "claims.csv", "claims.tex", "measures.csv"} <= names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.pdf"], "must end in .html"),
        (["--study", "nowhere"], "no study folder nowhere"),
    ],
)
def test_report_complains(tiny_study, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    given = ["report", "--study", str(tiny_study.path), *arguments]
    assert main(given) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: device-side assert\nmore")]
)
def test_a_gpu_that_fails_is_a_sentence(tiny_study, monkeypatch, capsys, error):
    def fail(study):
        raise error

    monkeypatch.setattr("dr_cli.report.make_report", fail)
    assert main(["report", "--study", str(tiny_study.path)]) == 2
    told = capsys.readouterr().err
    assert "--device cpu" in told
    assert str(error).splitlines()[0] in told
    assert "more" not in told


def test_another_failure_is_not_hidden(tiny_study, monkeypatch):
    def fail(study):
        raise RuntimeError("a bug")

    monkeypatch.setattr("dr_cli.report.make_report", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["report", "--study", str(tiny_study.path)])
