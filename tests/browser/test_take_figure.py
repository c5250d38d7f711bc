"""Every chart leaves the browser as PNG, SVG and CSV, with where it comes from."""

import json
import re

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from dr_core.study.digests import digest_of
from dr_core.study.folder import open_study
from tests.conftest import ROOT

pytestmark = pytest.mark.browser

FACTS = ["study", "checkpoints", "program", "date", "settings", "link"]


def taken(page, kind, tmp_path):
    with page.expect_download() as download:
        page.locator(".lens-take").first.get_by_role("button", name=kind, exact=True).click()
    assert download.value.suggested_filename == f"demo_study-conditions.{kind.lower()}"
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def saved(page, button, path):
    with page.expect_download() as download:
        button.click()
    download.value.save_as(path)
    return path


def test_the_roc_chart_and_a_table_of_html_are_taken(page, demo_server, tmp_path):
    study = open_study(ROOT / "assets" / "demo_study")
    page.goto(demo_server + "/Performance")
    buttons = page.locator(".lens-operating + .lens-take")
    png = Image.open(saved(page, buttons.get_by_role("button", name="PNG", exact=True), tmp_path / "roc.png"))
    assert list(png.text) == FACTS
    svg = saved(page, buttons.get_by_role("button", name="SVG", exact=True), tmp_path / "roc.svg").read_text()
    assert all(setup.label in svg for setup in study.setups.values())
    values = pd.read_csv(saved(page, buttons.get_by_role("button", name="CSV", exact=True), tmp_path / "roc.csv"))
    points = values[values["kind"] == "operating point"]
    assert points["series"].tolist() == [setup.label for setup in study.setups.values()]
    shown = page.locator(".lens-operating .lens-card").first.inner_text()
    assert f"{points['sensitivity'].iloc[0]:.2f}" in shown
    page.goto(demo_server + "/Reproduction")
    button = page.locator(".st-key-take_claims").get_by_role("button", name="CSV")
    claims = pd.read_csv(saved(page, button, tmp_path / "claims.csv"))
    assert len(claims) == page.locator(".lens-claims").first.locator("tbody tr").count()
    assert {"where", "the paper claims", "verdict", *FACTS} <= set(claims.columns)


def test_a_chart_is_taken_with_its_origin_in_all_forms(page, demo_server, tmp_path):
    study = open_study(ROOT / "assets" / "demo_study")
    page.goto(demo_server + "/Representations?layer=layer1.0.conv1")
    expect(page.locator(".st-key-conditions .js-plotly-plot .main-svg").first).to_be_visible()
    png = Image.open(taken(page, "PNG", tmp_path))
    assert list(png.text) == FACTS
    assert study.info.title in png.text["study"]
    assert digest_of(study.checkpoint_path("ifi_cl")) in png.text["checkpoints"]
    assert png.text["settings"] == "layer: layer1.0.conv1"
    assert len(png.convert("RGB").getcolors(1 << 24)) > 50  # a picture, not an empty canvas
    svg = taken(page, "SVG", tmp_path).read_text()
    assert json.loads(re.search("<metadata>(.*?)</metadata>", svg)[1].replace("&amp;", "&"))["link"] == page.url
    assert "condition number" in svg
    values = pd.read_csv(taken(page, "CSV", tmp_path))
    assert list(values.columns) == ["panel", "series", "x", "y", "value", "low", "high", *FACTS]
    measured = study.read_results("spectrum")
    layers = measured["layer"].nunique()
    assert values.groupby("series").size().to_dict() == {setup.label: layers for setup in study.setups.values()}
    shown = values[values["series"] == study.setups["ifi_cl"].label]["y"]
    rows = study.read_checkpoint_results("spectrum")
    assert shown.min() == pytest.approx(rows[rows["setup"] == "ifi_cl"]["condition"].min())
