"""A study of imported models alone opens every page: what needs a training run says so."""

import shutil
from dataclasses import replace

import pytest
import torch

from dr_cli.main import main
from dr_core.data.grades import POSITIVE
from dr_core.data.preprocessing import Preprocessing
from dr_core.models.architectures import build_backbone, build_network
from dr_core.models.setups import Setup
from dr_core.study.folder import open_study, write_study_info
from dr_core.study.importing import ImportRequest, import_model
from tests.app.page_driver import html_of, page_at
from tests.cli.test_measure_commands import write_store
from tests.conftest import ROOT

HEADS = {"grades": 5, "cumulative": 4, "referable": 2}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Three imported ResNet-18, one with an ordinal head, one that says yes or no, and what they say of some eyes."""
    folder = tmp_path_factory.mktemp("imported")
    for seed, (outputs, count) in enumerate(HEADS.items()):
        file = folder / f"{outputs}.pth"
        torch.save(build_backbone("resnet18", count, seed).state_dict(), file)
        setup = Setup(name=f"lab_{outputs}", label=f"Lab {outputs}", initialization="imagenet")
        size = Preprocessing(size=64)
        request = ImportRequest(file=file, study=folder / "study", setup=setup, arch="resnet18", preprocessing=size)
        import_model(replace(request, positive_from=2 if outputs == "referable" else None))
    store = write_store(folder / "eyes", n=30)
    assert main(["evaluate", "--study", str(folder / "study"), "--data", str(store), "--draws", "5"]) == 0
    return folder / "study"


@pytest.mark.parametrize("page", ["home.py", *sorted(path.name for path in (ROOT / "pages").glob("*.py"))])
def test_every_page_opens(imported, page, monkeypatch):
    monkeypatch.setenv("DR_STUDY", str(imported))
    app = page_at(page).run(timeout=300)
    assert not app.exception
    assert not [error.value for error in app.error]
    text = html_of(app)
    if page in ("home.py", "1_Compare.py", "3_Explain.py"):
        assert "Lab grades" in text
        assert "Lab cumulative" in text
    if page == "home.py":
        assert text.count("<span>eyes</span>") == 2
        assert text.count("<span>eyes, 2-4 (ICDR)</span>") == 1  # its AUC is of another reading than the others'
    if page == "1_Compare.py":
        assert "Single grades: no answer, because this model has two outputs." in text
        assert "Lab referable distinguishes grades 0-1 from grades 2-4." in text
    if page == "3_Explain.py":
        assert "because this model has two outputs, grades 0-1 and grades 2-4; choose one of them" in text
        assert "attention rollout" not in app.selectbox(key="rule").options
    if page == "5_Performance.py":
        assert "no answer, because this model has two outputs" in html_of(app)


def test_a_model_that_says_yes_or_no_is_asked_by_its_reading(imported, monkeypatch):
    monkeypatch.setenv("DR_STUDY", str(imported))
    app = page_at("1_Compare.py").run(timeout=300)
    assert "2 models" in html_of(app) or "All 2 models" in html_of(app)
    app.segmented_control(key="reading").set_value("2-4 (ICDR)").run(timeout=300)
    assert not app.exception
    assert "3 models" in html_of(app) or "All 3 models" in html_of(app)
    app = page_at("3_Explain.py").run(timeout=300)
    app.selectbox(key="target").set_value(POSITIVE).run(timeout=300)
    assert not app.exception
    assert "because this model has 5 outputs, the grades 0 to 4; choose one of them" in html_of(app)
    assert "Lab referable: No answer" not in html_of(app)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """A study of one network of tokens."""
    folder = tmp_path_factory.mktemp("tokens")
    torch.save(build_network("timm/test_vit", 5, seed=1, size=160).state_dict(), folder / "vit.pth")
    setup = Setup(name="lab_vit", label="Lab ViT")
    request = ImportRequest(file=folder / "vit.pth", study=folder / "study", setup=setup, arch="timm/test_vit")
    import_model(replace(request, preprocessing=Preprocessing(size=160)))
    return folder / "study"


def test_explain_opens_with_a_method_that_fits_the_models_asked_first(tokens, tmp_path, monkeypatch):
    """The first of the registry fits a model with two outputs alone, which nobody has asked yet."""
    study = shutil.copytree(tokens, tmp_path / "study")
    torch.save(build_backbone("resnet18", 2, 0).state_dict(), tmp_path / "yes.pth")
    setup, size = Setup(name="lab_yes", label="Lab yes or no"), Preprocessing(size=64)
    request = ImportRequest(file=tmp_path / "yes.pth", study=study, setup=setup, arch="resnet18", preprocessing=size)
    import_model(replace(request, positive_from=2))
    monkeypatch.setenv("DR_STUDY", str(study))
    app = page_at("3_Explain.py").run(timeout=300)
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="rule").options[0] == "AttnLRP"
    assert "LRP alpha1-beta0" in app.selectbox(key="rule").options


@pytest.mark.parametrize("page", ["1_Compare.py", "2_Robustness.py", "3_Explain.py"])
def test_a_network_of_tokens_is_asked_by_what_fits_it(tokens, page, monkeypatch):
    monkeypatch.setenv("DR_STUDY", str(tokens))
    app = page_at(page).run(timeout=300)
    assert not app.exception
    assert not [error.value for error in app.error]
    assert "Lab ViT" in html_of(app)
    if page == "3_Explain.py":
        offered = app.selectbox(key="rule").options
        assert offered[0] == "AttnLRP"
        assert {"attention rollout", "Grad-CAM", "integrated gradients"} <= set(offered)
        assert "LRP alpha1-beta0" not in offered
    if page == "2_Robustness.py":
        app.toggle(key="lrp").set_value(True).run(timeout=300)
        assert not app.exception
        assert "No answer from LRP alpha1-beta0, because it has layers that LRP has no rule for" in html_of(app)


def test_of_models_that_do_not_answer_a_reading_performance_says_so(imported, tmp_path, monkeypatch):
    """A study of one model that tells grades 0-1 from 2-4 has no answer about grades 3-4, and says why."""
    study = shutil.copytree(imported, tmp_path / "study")
    info = open_study(study).info
    write_study_info(study, replace(info, setups=tuple(one for one in info.setups if one.name == "lab_referable")))
    monkeypatch.setenv("DR_STUDY", str(study))
    app = page_at("5_Performance.py").run(timeout=300)
    assert not app.exception
    assert not app.error
    said = " ".join(one.value for one in app.info) + html_of(app)
    assert "no answer, because this model has two outputs" in said
