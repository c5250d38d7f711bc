"""What is missing is said on every page by the study's one advice; no page writes a command by hand."""

import ast
import re

import pytest

from dr_cli import commands
from dr_core.errors import InputError
from dr_core.experiments.advice import advise_table
from dr_core.study.advice import advise_checkpoint
from dr_ui.shell import missing
from tests.app.page_driver import html_of, page_at
from tests.conftest import ROOT


def texts(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_no_page_writes_a_command_by_hand():
    files = list((ROOT / "dr_ui").rglob("*.py"))
    assert len(files) > 40
    named = {path.name: text for path in files for text in texts(path) if re.search(r"train_cli|\bdr-lens \w", text)}
    assert not named


def test_an_installed_user_is_given_the_installed_command(monkeypatch, tmp_path, tiny_study):
    assert commands.program() == "python train_cli.py"
    monkeypatch.setattr(commands, "__file__", str(tmp_path / "dr_cli" / "commands.py"))
    assert commands.program() == "dr-lens"
    assert "<code>dr-lens " in missing.missing_table_html(tiny_study, "spectrum")


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("2_Robustness.py", "robustness_summary"),
        ("4_Representations.py", "spectrum"),
        ("5_Performance.py", "fractions"),
    ],
)
def test_a_missing_table_is_said_by_the_advice(monkeypatch, tiny_study, page, table):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    app = page_at(page)
    app.query_params["damaged"] = "Many eyes: Figure 4"
    app.run()
    assert not app.exception
    advice = advise_table(tiny_study, table)
    shown = [one.value for one in app.info]
    assert any(advice.sentence in one and commands.render_remedy(advice.remedy) in one for one in shown), shown


def test_a_missing_checkpoint_is_said_by_the_advice(monkeypatch, tmp_path, tiny_study):
    error = missing.no_model_error(tiny_study)
    assert isinstance(error, InputError)
    assert advise_checkpoint(tiny_study, next(iter(tiny_study.setups))).remedy == error.remedy
    assert "no trained model yet" in str(error)
    monkeypatch.setenv("DR_STUDY", str(tmp_path))
    (tmp_path / "other").mkdir()
    app = page_at("home.py").run()
    assert "holds no study" in app.error[0].value
    assert html_of(app)
