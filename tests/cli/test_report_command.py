import pytest

from dr_cli.main import main


def test_report_writes_a_page(tiny_study, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert main(["report", "--study", str(tiny_study.path), "--out", str(out)]) == 0
    assert "All measures" in out.read_text()
    assert "page.html" in capsys.readouterr().out


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
