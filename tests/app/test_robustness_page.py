import re

import numpy as np
import pandas as pd
import pytest
import torch
from streamlit.testing.v1 import AppTest

from dr_core.corruption import IMAGENET_C, corrupt
from dr_core.data.phantom import draw_phantom
from dr_core.data.store import Store
from dr_core.experiments.robustness import RobustnessConfig, compare_training, damage_eyes, summarize_robustness
from dr_core.models.prediction import predict_views
from dr_core.seeds import derive_seed
from dr_ui.eyes.choice import FIRST_SAMPLE, SAMPLES
from tests.app.page_driver import html_of
from tests.conftest import ROOT, make_study


@pytest.fixture
def page(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return AppTest.from_file(ROOT / "pages" / "2_Robustness.py", default_timeout=60)


def scores_of(app):
    """Damaged and clean score of each model, as they stand on its card."""
    found = re.findall(r'<p class="lens-sure"><b>(\d\.\d\d)</b>, clean (\d\.\d\d)</p>', html_of(app))
    return [(float(damaged), float(clean)) for damaged, clean in found]


def expected(study, *steps):
    """The same without the app: probability of grades 3 and 4."""
    grade, seed = SAMPLES[FIRST_SAMPLE]
    image = draw_phantom(grade, 768, seed).image
    scores = []
    for setup in study.setups:
        model = study.load_model(setup)
        view = torch.from_numpy(model.info.preprocessing.to_model_view(image)).permute(2, 0, 1)[None].contiguous()
        damaged = view
        for name, severity in steps:
            damaged = corrupt(damaged, name, severity, derive_seed(0, "damage", f"phantom, {FIRST_SAMPLE}"))
        both = [predict_views(model, one.permute(0, 2, 3, 1).numpy())[0, 3:].sum() for one in (damaged, view)]
        scores.append(tuple(both))
    return scores


def close(app, wanted):
    return np.allclose(scores_of(app), wanted, atol=6e-3)


def test_cold_it_damages_the_sample(page, tiny_study):
    app = page.run()
    assert not app.exception
    assert not app.error
    assert close(app, expected(tiny_study, ("gaussian_noise", 3.0)))


def test_severity_kind_and_a_second_damage_give_the_numbers_of_the_core(page, tiny_study):
    app = page.run()
    app = app.slider(key="severity").set_value(1.4).run()
    assert close(app, expected(tiny_study, ("gaussian_noise", 1.4)))
    app = app.selectbox(key="family").set_value("clinic").run()
    assert not app.exception
    name = app.button_group(key="corruption_clinic").value
    assert close(app, expected(tiny_study, (name, 1.4)))
    app = app.selectbox(key="second").set_value("fog").run()
    assert close(app, expected(tiny_study, (name, 1.4), ("fog", 2.0)))


def test_no_damage_changes_nothing(page):
    app = page.run().slider(key="severity").set_value(0.0).run()
    assert "No decision flips." in html_of(app)
    assert all(damaged == clean for damaged, clean in scores_of(app))


def test_the_scan_opens_a_cell(page, tiny_study):
    app = page.run().button(key="scan").click().run()
    assert not app.exception
    answers = app.session_state["robustness_scan"][1]
    assert {values.shape for values in answers.values()} == {(19, 5, 5)}
    place = list(IMAGENET_C).index("contrast")
    wanted = expected(tiny_study, ("contrast", 4.0))
    assert [answers[setup][place, 3, 3:].sum() for setup in tiny_study.setups] == pytest.approx(
        [damaged for damaged, _ in wanted], abs=1e-6
    )


def test_heatmaps_of_clean_and_damaged(page):
    app = page.run().slider(key="severity").set_value(0.0).run()
    app = app.toggle(key="lrp").set_value(True).run()
    assert not app.exception
    assert html_of(app).count("rank correlation 1.00") == 4


def test_figure_4_from_the_study(monkeypatch, tmp_path):
    study = make_study(tmp_path / "study")
    models = {setup: study.load_model(setup) for setup in study.setups}
    index = pd.DataFrame({"eye": list("abcdef"), "patient": list("uuvvww"), "grade": [0, 1, 2, 3, 4, 0]})
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 64, 64), np.uint8)
    config = RobustnessConfig(corruptions=("contrast", "fog"), severities=(2,), draws=20)
    rows = pd.concat([report.rows for report in damage_eyes("noise", models, Store(images, index), config)])
    study.write_results("robustness", rows)
    study.write_results("robustness_summary", summarize_robustness(rows, config, "iwne_fs"))
    study.write_results("robustness_differences", compare_training(rows, config, study.setups.values()))
    moved = pd.DataFrame({"setup": list(study.setups)}).assign(
        data="masked", eye="a", corruption="fog", severity=2.0, rank_correlation=0.5, mass=0.1
    )
    study.write_results("robustness_heatmaps", moved)
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = AppTest.from_file(ROOT / "pages" / "2_Robustness.py", default_timeout=60)
    app.query_params["damaged"] = "Many eyes: Figure 4"
    app.run()
    assert not app.exception
    assert not app.error
    assert "rank correlation with the clean one, severity 2, 1 eyes of masked" in html_of(app)  # not "real eyes"
    assert "of 2 combinations of corruption and severity" in html_of(app)
    assert "relative to IWNE-FS" in html_of(app)


def test_without_tables_the_command_is_named(page):
    page.query_params["damaged"] = "Many eyes: Figure 4"
    app = page.run()
    assert "train_cli.py robustness" in app.info[0].value
