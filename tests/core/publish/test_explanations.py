"""The report's sections on the heatmaps: what the tables say, in the same words as the pages."""

import shutil

import pandas as pd
import pytest

from dr_core.publish.report.explanations import list_explanations
from dr_core.study.folder import open_study

RUN = {"setup": "ifi_cl", "seed": 0, "fraction": 100}
INTERVAL = {"low": 0.1, "high": 0.3, "n": 7}


@pytest.fixture
def study(tmp_path, tiny_study):
    shutil.copytree(tiny_study.path, tmp_path / "study")
    return open_study(tmp_path / "study")


def test_without_tables_there_is_no_section(study):
    assert list_explanations(study) == []


def test_sanity_comes_with_its_verdict(study):
    steps = (("cascade", "fc", 0.97), ("cascade", "layer4", 0.91), ("cascade", "conv1", 0.42), ("class", "0", 0.3))
    rows = [
        RUN | {"rule": "alpha1_beta0", "check": check, "step": step, "measure": "spearman", "value": value} | INTERVAL
        for check, step, value in steps
    ]
    study.write_results("sanity_summary", pd.DataFrame(rows))
    html = "".join(f"<h2>{part.title}</h2>{part.html}" for part in list_explanations(study))
    assert "<td>0.91</td><td>0.42</td><td>0.30</td><td>7</td>" in html
    assert "hardly depends on what the late layers have learned" in html
    assert "map depends on the target grade" in html


def test_faithfulness_names_its_controls(study):
    about = RUN | {"rule": "alpha1_beta0", "fill": "road"} | INTERVAL
    rows = [about | {"method": name, "value": 0.2} for name in ("lrp", "edges", "beyond control")]
    study.write_results("faithfulness_summary", pd.DataFrame(rows))
    html = "".join(f"<h2>{part.title}</h2>{part.html}" for part in list_explanations(study))
    assert "heatmap minus its strongest control" in html
    assert "the edges of the picture" in html
    assert "0.100 to 0.300" in html


def test_concepts_lead_with_the_block_that_knows_best(study):
    about = RUN | {"lesion": "hard_exudates", "auc_untrained": 0.7, "positives": 20, "n": 60}
    effect = {"effect": 0.009, "effect_low": 0.002, "effect_high": 0.008}
    rows = [about | effect | {"block": block, "auc": auc} for block, auc in (("layer1.0", 0.95), ("layer4.2", 0.85))]
    study.write_results("concepts", pd.DataFrame(rows))
    html = "".join(f"<h2>{part.title}</h2>{part.html}" for part in list_explanations(study))
    assert "<td>layer1.0</td><td>0.95</td><td>0.70</td><td>0.90</td><td>0.20 to 0.80</td><td>60</td>" in html


def test_similarity_names_the_block_where_two_set_ups_part(study):
    pairs = (("ifi_fs", "ifi_cl"), ("ifi_cl", "ifi_fs"), ("ifi_cl", "ifi_cl"), ("ifi_fs", "ifi_fs"))
    values = (("layer1.0", "layer1.0", 0.9), ("layer4.2", "layer4.2", 0.4), ("layer1.0", "layer4.2", 0.1))
    rows = [
        RUN
        | {"data": "noise", "setup": setup, "other": other, "block": block, "other_block": other_block}
        | {"value": value if setup != other else 1.0, "n": 40, "reason": ""}
        for setup, other in pairs
        for block, other_block, value in values
    ]
    silent = {"setup": "iwne_fs", "block": "", "other": "", "other_block": "", "value": float("nan"), "n": 0}
    rows.append(RUN | {"data": "noise", "reason": "It has no blocks."} | silent)
    study.write_results("similarity", pd.DataFrame(rows))
    html = "".join(f"<h2>{part.title}</h2>{part.html}" for part in list_explanations(study))
    row = "<td>noise</td><td>IFI-FS</td><td>IFI-CL</td><td>0.65</td><td>layer4.2</td><td>0.40</td><td>40</td>"
    assert html.count("<tr><td>") == 1
    assert row in html
