"""Networks that are no ResNets go the whole way: imported, asked, measured, explained, trained."""

import numpy as np
import pandas as pd
import pytest
import torch

from dr_cli.main import main
from dr_core.data.fundus import encode_jpeg
from dr_core.data.phantom import draw_phantom
from dr_core.models.architectures import build_network
from dr_core.models.checkpoint import read_info
from dr_core.pipeline.drawn_stores import draw_segmented
from dr_core.study.folder import open_study
from tests.cli.test_measure_commands import write_store

STAGES = {
    "timm/test_vit": {"stem", *(f"blocks.{number}" for number in range(6))},
    "timm/test_convnext": {"stem", *(f"stages.{number}" for number in range(4))},
}
SIZES = {"timm/test_vit": 160, "timm/test_convnext": 64}


@pytest.fixture(scope="module", params=STAGES)
def lab(request, tmp_path_factory):
    """A study of one imported network, and graded eyes."""
    arch, folder = request.param, tmp_path_factory.mktemp("any")
    size = SIZES[arch]
    torch.save(build_network(arch, 5, seed=1, size=size).state_dict(), folder / "a.pth")
    words = ["import", str(folder / "a.pth"), "--study", str(folder / "study"), "--name", "lab", "--arch", arch]
    assert main([*words, "--size", str(size)]) == 0
    return arch, write_store(folder / "eyes", n=20, size=size), folder


def test_it_is_measured(lab):
    arch, store, folder = lab
    common = ["--study", str(folder / "study"), "--data", str(store)]
    assert main(["evaluate", *common, "--draws", "5"]) == 0
    damage = ["--corruption", "saturate", "--severity", "3", "--eyes", "5", "--draws", "5"]
    assert main(["robustness", *common, *damage]) == 0
    assert main(["spectrum", *common, "--limit", "3", "--image-spectra", "2"]) == 0
    layers = open_study(folder / "study").read_results("spectrum")
    assert set(layers["stage"]) == STAGES[arch]
    assert (layers["rank"] > 0).all()


def test_its_heatmaps_are_written_and_localized_by_a_method_that_fits(lab, tmp_path):
    _, _, folder = lab
    (tmp_path / "eye.jpg").write_bytes(encode_jpeg(draw_phantom(3, 96, 0).image, 96))
    words = ["score", str(tmp_path / "eye.jpg"), "--study", str(folder / "study"), "--out", str(tmp_path / "s.csv")]
    words += ["--processes", "1", "--device", "cpu", "--heatmaps"]
    assert main([*words, "--rule", "attn_lrp"]) == 0
    relevance = np.load(tmp_path / "s.heatmaps" / "eye.jpg" / "lab.npz")["relevance"]
    assert np.abs(relevance).sum() > 0
    list(draw_segmented(tmp_path / "masked", 1, size=96, seed=0))
    words = ["localize", "--study", str(folder / "study"), "--idrid", str(tmp_path / "masked"), "--draws", "5"]
    words += ["--controls", "1", "--protocol", "paper"]
    assert main([*words, "--rule", "grad_cam"]) == 0
    assert main(words) == 0  # the paper's method, which does not fit: its rows say why, and the others stay
    rows = open_study(folder / "study").read_results("localization_summary").query("method == 'lrp'")
    by_rule = rows.groupby("rule")["reason"].first()
    assert not by_rule["grad_cam"]
    assert "has layers that LRP has no rule for" in by_rule["alpha1_beta0"]
    assert rows[rows["rule"] == "grad_cam"]["value"].notna().all()


def test_it_is_finetuned_from_random_weights_and_from_a_file(lab, tmp_path):
    arch, store, folder = lab
    common = ["finetune", "--data", str(store), "--study", str(tmp_path / "trained"), "--arch", arch]
    common += ["--epochs", "1", "--batch-size", "8"]
    assert main([*common, "--setup", "iwne_fs"]) == 0
    assert main([*common, "--setup", "ifi_fs", "--weights", str(folder / "a.pth")]) == 0
    info = read_info(tmp_path / "trained" / "checkpoints" / "ifi_fs.safetensors")
    assert (info.arch, info.preprocessing.size) == (arch, SIZES[arch])
    assert pd.notna(info.validation_auc)
