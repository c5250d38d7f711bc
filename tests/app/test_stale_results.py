"""Every page that shows a table shows which of its rows no longer follow from the study, and why."""

import shutil

import pandas as pd
import pytest

from dr_core.study.folder import open_study
from dr_core.study.schemas import CHECKPOINT
from tests.app.page_driver import html_of, page_at
from tests.conftest import ROOT

PAGES = {
    "home.py": "predictions",
    "pages/1_Compare.py": "predictions",
    "pages/2_Robustness.py": "robustness_summary",
    "pages/3_Explain.py": "localization_summary",
    "pages/4_Representations.py": "spectrum",
    "pages/5_Performance.py": "performance",
    "pages/6_Reproduction.py": "localization_summary",
}
REASON = "its set-up was trained anew since"


@pytest.fixture(scope="module")
def stale_study(tmp_path_factory):
    """The demo study with tables that were measured on weights which it no longer has."""
    folder = tmp_path_factory.mktemp("stale") / "demo"
    shutil.copytree(ROOT / "assets" / "demo_study", folder)
    for table in set(PAGES.values()):
        path = folder / "results" / f"{table}.parquet"
        rows = pd.read_parquet(path)
        rows.assign(**{CHECKPOINT: "0" * 16}).to_parquet(path, index=False)
    return open_study(folder)


def test_every_page_is_looked_at():
    shown = {path.name for path in (ROOT / "pages").glob("*.py")} - {"7_Help.py"}  # it rests on no table
    assert shown == {name.split("/")[-1] for name in PAGES} - {"home.py"}


@pytest.mark.parametrize("page", PAGES)
def test_stale_rows_are_struck_through_with_the_reason(stale_study, page, monkeypatch):
    monkeypatch.setenv("DR_STUDY", str(stale_study.path))
    app = page_at(page.removeprefix("pages/"))
    app.session_state["damaged"] = "Many eyes: Figure 4"  # the part of Robustness that shows a table
    app.run(timeout=300)
    assert not app.exception
    text = html_of(app)
    struck = f"<s>{PAGES[page].replace('_', ' ')} of "
    assert struck in text
    assert f"</s>: {REASON}" in text


def test_a_page_does_not_name_what_it_does_not_rest_on(stale_study, monkeypatch):
    monkeypatch.setenv("DR_STUDY", str(stale_study.path))
    text = html_of(page_at("4_Representations.py").run(timeout=300))
    assert "<s>performance" not in text
