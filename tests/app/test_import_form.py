"""Importing a model on Home: off unless allowed, shown before it is written, and nothing of a refusal stays."""

import io
import pickle
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

from dr_core.data.grades import READINGS
from dr_core.data.preprocessing import Preprocessing
from dr_core.models.architectures import build_backbone
from dr_core.models.setups import Setup
from dr_core.study.folder import open_study
from dr_core.study.importing import ImportRequest, import_model
from tests.app.page_driver import page_at


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A study that began with an imported model."""
    folder, file = tmp_path_factory.mktemp("begun") / "study", tmp_path_factory.mktemp("weights") / "first.pth"
    torch.save(build_backbone("resnet18", 5, 0).state_dict(), file)
    setup, size = Setup(name="lab_first", label="First"), Preprocessing(size=64)
    import_model(ImportRequest(file=file, study=folder, setup=setup, arch="resnet18", preprocessing=size))
    return folder


@pytest.fixture
def study(monkeypatch, tmp_path, begun):
    """A copy of it that the page opens, and a folder for files that lie on disk for a while."""
    shutil.copytree(begun, tmp_path / "study")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("DR_STUDY", str(tmp_path / "study"))
    monkeypatch.setenv("DR_ALLOW_IMPORT", "1")
    return tmp_path / "study"


def weights(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def labeled(widgets, label):
    """The widget of this label."""
    return next(one for one in widgets if one.label == label)


def checked(app, content, name="lab_swav", arch="resnet18", mean="0.5 0.5 0.5", outputs=None, reading=None):
    labeled(app.file_uploader, "Weights").set_value([("mine.pth", content, "application/octet-stream")])
    labeled(app.text_input, "Name").set_value(name)
    labeled(app.text_input, "Label on pages").set_value("SwAV *of the lab*")
    labeled(app.selectbox, "Architecture").set_value(arch)
    labeled(app.number_input, "Input, px").set_value(64)
    labeled(app.text_input, "Mean of red, green, blue").set_value(mean)
    if outputs:
        labeled(app.selectbox, "Outputs of the last layer").set_value(outputs)
    if reading:
        labeled(app.selectbox, "Reading that referable outputs answer").set_value(reading)
    labeled(app.button, "Check: how do the weights fit?").click()
    return app.run()


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_the_setting_there_is_no_form(monkeypatch, study):
    monkeypatch.delenv("DR_ALLOW_IMPORT")
    app = page_at("home.py").run()
    assert not app.exception
    assert "Weights" not in [one.label for one in app.file_uploader]
    assert "Import a model into this study" not in [one.label for one in app.expander]


def test_the_mapping_is_shown_first_and_written_on_request_alone(study):
    before, content = files_of(study), weights({"state_dict": build_backbone("resnet18", 5, 3).state_dict()})
    app = checked(page_at("home.py").run(), content)
    assert not app.exception
    assert not app.error
    (table,) = (one.value for one in app.dataframe if "tensor in the file" in one.value)
    assert "conv1.weight" in set(table["weight"])
    assert files_of(study) == before
    next(button for button in app.button if button.label == "Import it").click().run()
    assert not app.exception
    assert not app.error
    assert "is a set-up of this study now" in app.success[0].value
    imported = open_study(study)
    assert imported.setups["lab_swav"].label == "SwAV *of the lab*"
    assert torch.equal(
        imported.load_model("lab_swav").model.conv1.weight, build_backbone("resnet18", 5, 3).conv1.weight
    )
    assert not list(Path(tempfile.gettempdir()).iterdir())


@pytest.mark.parametrize("count", [1, 2])
def test_a_head_that_says_yes_or_no_is_imported_with_the_reading_it_answers(study, count):
    content = weights(build_backbone("resnet18", count, 3).state_dict())
    refused = checked(page_at("home.py").run(), content, outputs="referable")
    assert "give the lowest grade that its yes means" in refused.error[0].value
    refused = checked(page_at("home.py").run(), content, outputs="regression", reading="any DR")
    assert "for no other" in refused.error[0].value
    app = checked(page_at("home.py").run(), content, outputs="referable", reading="grades 2-4 against 0-1")
    assert not app.exception
    assert not app.error
    assert "tells grades 0-1 from grades 2-4" in " ".join(one.value for one in app.caption)
    next(button for button in app.button if button.label == "Import it").click().run()
    assert not app.exception
    info = open_study(study).load_model("lab_swav").info
    assert (info.outputs, info.positive_from, info.classes) == ("referable", 2, ("grades 0-1", "grades 2-4"))


def test_every_reading_is_offered(study):
    offered = labeled(page_at("home.py").run().selectbox, "Reading that referable outputs answer").options
    assert offered[1:] == list(READINGS)


class Evil:
    def __reduce__(self):
        return (Path.write_text, (Path(tempfile.gettempdir()) / "evil", "ran"))


@pytest.mark.parametrize(
    ("content", "changes", "sentence"),
    [
        (b"<html>not found</html>", {}, ""),
        (pickle.dumps(Evil()), {}, ""),
        (weights({"weights": 1}), {}, ""),
        (weights(build_backbone("resnet18", 1000, 0).state_dict()), {}, "1000 numbers"),
        (weights({}), {"mean": "0.5 0.5"}, "three numbers"),
    ],
)
def test_a_refused_file_is_a_sentence_and_leaves_nothing(study, content, changes, sentence):
    before = files_of(study)
    app = checked(page_at("home.py").run(), content, **changes)
    assert not app.exception
    assert sentence in app.error[0].value
    assert "An unexpected error occurred" not in app.error[0].value
    assert files_of(study) == before
    assert not list(Path(tempfile.gettempdir()).iterdir())


def test_what_does_not_fit_cannot_be_imported_and_a_taken_name_is_refused(study):
    content = weights(build_backbone("resnet18", 5, 0).state_dict())
    app = checked(page_at("home.py").run(), content, arch="resnet34")
    assert "nothing can be imported" in " ".join(one.value for one in app.caption)
    assert "most like resnet18" in " ".join(one.value for one in app.markdown)
    assert not [button for button in app.button if button.label == "Import it"]
    app = checked(page_at("home.py").run(), content, name="lab_first")
    assert "Two set-ups have the name" in app.error[0].value
    app = checked(page_at("home.py").run(), content, name="Not a name")
    assert "lower-case letter" in app.error[0].value


def test_a_study_of_trainings_takes_no_stranger(monkeypatch, study, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    app = checked(page_at("home.py").run(), weights(build_backbone("resnet18", 5, 0).state_dict()))
    assert "was not made by the study" in app.error[0].value
