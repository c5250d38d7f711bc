"""A study of imported models alone opens every page: what needs a training run says so."""

import pytest
import torch

from dr_core.data.preprocessing import Preprocessing
from dr_core.models.architectures import build_backbone
from dr_core.models.setups import Setup
from dr_core.study.importing import ImportRequest, import_model
from tests.app.page_driver import html_of, page_at
from tests.conftest import ROOT

HEADS = {"grades": 5, "cumulative": 4}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Two imported ResNet-18, one with an ordinal head."""
    folder = tmp_path_factory.mktemp("imported")
    for seed, (outputs, count) in enumerate(HEADS.items()):
        file = folder / f"{outputs}.pth"
        torch.save(build_backbone("resnet18", count, seed).state_dict(), file)
        setup = Setup(name=f"lab_{outputs}", label=f"Lab {outputs}", initialization="imagenet")
        size = Preprocessing(size=64)
        import_model(ImportRequest(file=file, study=folder / "study", setup=setup, arch="resnet18", preprocessing=size))
    return folder / "study"


@pytest.mark.parametrize("page", ["home.py", *sorted(path.name for path in (ROOT / "pages").glob("*.py"))])
def test_every_page_opens(imported, page, monkeypatch):
    monkeypatch.setenv("DR_STUDY", str(imported))
    app = page_at(page).run(timeout=300)
    assert not app.exception
    assert not [error.value for error in app.error]
    if page in ("home.py", "1_Compare.py", "3_Explain.py"):
        text = html_of(app)
        assert "Lab grades" in text
        assert "Lab cumulative" in text
    if page == "home.py":
        assert "not known" in html_of(app)
