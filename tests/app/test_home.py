import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dr_core.study.folder import open_study, write_study_info
from dr_ui.views.home.story import tell_story
from tests.app.page_driver import html_of
from tests.conftest import make_study

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_home(monkeypatch):
    def run(**environment):
        for name in ("DR_STUDY", "DR_STUDIES"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        return AppTest.from_file(ROOT / "home.py", default_timeout=60).run()

    return run


def test_the_open_study_its_models_and_figures(run_home, tiny_study):
    app = run_home(DR_STUDY=tiny_study.path)
    assert not app.exception
    assert not app.error
    page = html_of(app)
    assert "Research use only, not for diagnosis" in page
    assert "Untrained models." in page
    for label in ("IWNE-FS", "IWNE-CL", "IFI-FS", "IFI-CL"):
        assert label in page
    value = tiny_study.read_results("performance").query("setup == 'ifi_cl' and reading == 'grades 3-4 against 0-2'")
    assert f"{value['value'].iloc[0]:.3f}" in page


def test_a_missing_study_names_the_command(run_home, tmp_path):
    app = run_home(DR_STUDY=tmp_path / "none")
    assert not app.exception
    assert "There is no study folder" in app.error[0].value
    assert "train_cli.py demo" in app.error[0].value


def test_an_empty_and_a_half_written_and_a_newer_study(run_home, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no study" in run_home(DR_STUDY=tmp_path / "empty").error[0].value
    (tmp_path / "empty" / "runs").mkdir()
    assert "not finished" in run_home(DR_STUDY=tmp_path / "empty").error[0].value
    (tmp_path / "empty" / "study.json").write_text('{"schema": 99}')
    assert "newer DR Lens" in run_home(DR_STUDY=tmp_path / "empty").error[0].value


def test_missing_checkpoints_and_tables_are_said(run_home, tiny_study, tmp_path):
    folder = tmp_path / "partial"
    write_study_info(folder, dataclasses.replace(tiny_study.info, title="Partial"))
    (folder / "checkpoints").mkdir()
    shutil.copy(tiny_study.checkpoint_path("ifi_fs"), folder / "checkpoints")
    app = run_home(DR_STUDY=folder)
    assert not app.error
    assert html_of(app).count("has no checkpoint of") == 3
    assert "no table of performance yet" in app.info[0].value


def test_a_folder_of_studies_gives_a_picker(run_home, tiny_study):
    write_study_info(tiny_study.path.parent / "another", dataclasses.replace(tiny_study.info, title="Another"))
    try:
        app = run_home(DR_STUDIES=tiny_study.path.parent)
        assert app.selectbox[0].options == ["another", "tiny"]
        assert "Another" in html_of(app)
        app.selectbox[0].set_value("tiny").run()
        assert "Tiny" in html_of(app)
    finally:
        shutil.rmtree(tiny_study.path.parent / "another")


def test_an_unexpected_error_shows_a_number_and_logs_the_rest(run_home, tiny_study, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("secret of the eye")

    monkeypatch.setattr("dr_ui.views.home.screen.show_models", fail)
    app = run_home(DR_STUDY=tiny_study.path)
    assert not app.exception
    sentence = app.error[0].value
    assert "An unexpected error occurred" in sentence
    assert "secret" not in sentence
    assert sentence.split()[-1].rstrip(".") in caplog.text


def test_a_training_that_goes_on_is_drawn_and_followed(monkeypatch, tmp_path):
    study = make_study(tmp_path / "study")
    run = study.path / "runs" / "iwne_fs-f100-s0"
    run.mkdir(parents=True)
    line = {"epoch": 1, "loss": 1.25, "auc_referable_3": 0.7, "images_per_second": 41.0, "seconds": 60.0}
    (run / "config.json").write_text(json.dumps({"epochs": 4}))
    (run / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = AppTest.from_file(ROOT / "home.py", default_timeout=60).run()
    assert not app.exception
    assert "loss 1.250, 41 images a second, about 0:03:00 left." in [caption.value for caption in app.caption]
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(line | {"epoch": 2, "loss": 1.0}) + "\n")
    app.run()
    assert "loss 1.000, 41 images a second, about 0:02:00 left." in [caption.value for caption in app.caption]
    with (run / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(line | {"epoch": epoch}) + "\n" for epoch in (3, 4))
    app.run()
    assert not any("left." in caption.value for caption in app.caption)


def test_every_fragment_says_what_a_user_can_mend():
    """Streamlit's own one hands an error to the page as another exception, which takes the page for broken."""
    users = {path.name for path in (ROOT / "dr_ui").rglob("*.py") if "@st.fragment" in path.read_text(encoding="utf-8")}
    assert users == {"page.py"}


def test_the_story_is_three_sentences_from_the_tables(tiny_study, tmp_path):
    study = open_study(shutil.copytree(tiny_study.path, tmp_path / "study"))
    rows = study.read_checkpoint_results("performance")
    aucs = rows[rows["measure"] == "auc"]
    story = tell_story(study, aucs)
    found = aucs.loc[aucs["reading"] == "grades 3-4 against 0-2", "value"]
    assert f"for grades 3-4 against 0-2 {found.min():.2f} to {found.max():.2f} on " in story
    assert "One training each: a difference is between these models" in story
    for seed in (1, 2):
        folder = study.path / "runs" / f"ifi_cl-f100-s{seed}"
        folder.mkdir(parents=True)
        (folder / "weights.json").write_text(json.dumps({"sha256": 64 * "a"}))
    assert "1 to 3 trainings each, with other seeds; this page shows those of seed 0." in tell_story(study, aucs)
    any_dr = aucs[aucs["reading"] == "any DR"]
    assert "lowest to highest: for any DR " in tell_story(study, any_dr)
    assert "AUC" not in tell_story(study, aucs.assign(value=float("nan")))
    assert tell_story(study, None).startswith("Untrained models. 1 to 3 trainings each")
