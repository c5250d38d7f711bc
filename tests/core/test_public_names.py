"""What scripts build on: names importable from `dr_core`, and every example of docs/api.md."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import dr_core

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", API, re.MULTILINE | re.DOTALL))


def blocks(section):
    return re.findall(r"```python\n(.*?)```", SECTIONS[section], re.DOTALL)


def run(sections, place):
    names = {"print": lambda *shown: printed.append(" ".join(map(str, shown)))}
    printed = []
    for section in sections:
        for block in blocks(section):
            exec(compile(block, f"docs/api.md, {section}", "exec"), names)
    return names, printed


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder with the demo study where the project has it."""
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_run_as_they_stand(project):
    names, printed = run([section for section in SECTIONS if section != "IDRiD"], project)
    assert names["inputs"].shape == (1, 3, 224, 224)
    assert re.fullmatch(r"grade [0-4], referable [01]\.\d\d, drawn as 3", printed[0])
    pooled, mask = names["pooled"][0].numpy(), names["mask"][0].numpy()
    assert printed[1] == f"mass accuracy {pooled[mask].sum() / pooled.sum():.3f}, random heatmap {mask.mean():.3f}"
    strongest = np.argsort(-pooled.ravel(), kind="stable")[: mask.sum()]
    assert printed[2] == f"rank accuracy {mask.ravel()[strongest].mean():.3f}, random heatmap {mask.mean():.3f}"
    assert [line.split(" (")[0] for line in printed[6:9]] == ["gaussian_noise", "defocus_blur", "brightness"]
    assert names["logits"].shape == (5, 1025)
    assert np.isfinite(names["loss"].item())
    assert printed[-1] == "`nowhere.jpg` does not exist; check the spelling of the path."


def test_the_example_about_idrid_runs(project, shared_data):
    (project / "IDRiD").symlink_to(shared_data / "idrid")
    names, printed = run(["Grade an eye", "See where it looks, and whether that is on the lesions", "IDRiD"], project)
    assert names["image"].shape == (*names["total"].shape, 3) == (2848, 4288, 3)
    assert printed[-2].startswith("IDRiD_01: lesions on ")
    assert re.fullmatch(r"mass accuracy 0\.\d{3}", printed[-1])


def test_no_example_needs_a_name_that_is_not_stable():
    for section in SECTIONS:
        for node in ast.walk(ast.parse("".join(blocks(section)))):
            assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dr_core.")), section
            if isinstance(node, ast.ImportFrom) and node.module == "dr_core":
                assert {alias.name for alias in node.names} <= set(dr_core.__all__), section


def test_the_document_lists_exactly_the_public_names():
    listed = re.findall(r"^\| `(\w+)", API, re.MULTILINE)
    assert sorted(listed) == sorted(dr_core.__all__)
    assert sorted(name for names in dr_core._HOMES.values() for name in names) == sorted(dr_core.__all__)
    for name in dr_core.__all__:
        assert getattr(dr_core, name) is not None
        assert name in dir(dr_core)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = dr_core.nothing
    assert dr_core.pool(torch.ones(1, 3, 2, 2), "sum_pos").shape == (1, 2, 2)


def test_importing_the_package_brings_nothing_along():
    code = "import sys, dr_core; sys.exit(int('torch' in sys.modules or 'numpy' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_there_is_one_version():
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == dr_core.__version__
