import shutil

import pytest

import train_cli
from dr_core.study.folder import open_study


@pytest.fixture(scope="module")
def two_eyes(shared_data, tmp_path_factory):
    """IDRiD's layout with its first two eyes."""
    root = tmp_path_factory.mktemp("idrid")
    for path in (shared_data / "idrid").rglob("IDRiD_0[12]*.*"):
        copy = root / path.relative_to(shared_data / "idrid")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path)
    return root


def run(*arguments):
    return train_cli.main(["localize", *map(str, arguments)])


def test_shards_together_write_table_3(two_eyes, tiny_study, tmp_path, capsys):
    study = tmp_path / "study"
    shutil.copytree(tiny_study.path, study)
    common = ["--study", study, "--idrid", two_eyes, "--protocol", "paper", "--draws", 20, "--controls", 1]
    assert run(*common, "--shard", "1/2") == 0
    assert "Part 1 of 2 is done" in capsys.readouterr().out
    assert run(*common, "--shard", "2/2") == 0
    opened = open_study(study)
    assert set(opened.read_results("localization")["eye"]) == {"IDRiD_01", "IDRiD_02"}
    assert set(opened.read_results("knockout")["kind"]) == {"removed", "kept_only", "control"}
    falls = opened.read_results("knockout_summary")
    assert set(falls["kind"]) == {"removed", "kept_only", "control", "beyond control"}
    summary = opened.read_results("localization_summary")
    assert set(summary["setup"]) == {"iwne_fs", "iwne_cl", "ifi_fs", "ifi_cl"}
    assert len(opened.read_results("localization_tests")) > 0
    assert (study / "results" / "table3_paper.tex").is_file()
    (part,) = (study / "results" / "parts").glob("localization-*/localization-1-of-2.parquet")
    written = part.stat().st_mtime_ns
    assert run(*common, "--shard", "1/2") == 0
    assert part.stat().st_mtime_ns == written  # nothing is measured again


def test_a_wrong_folder_is_one_sentence(tiny_study, tmp_path, capsys):
    assert run("--study", tiny_study.path, "--idrid", tmp_path) == 2
    assert "A. Segmentation" in capsys.readouterr().err
    assert run("--study", tmp_path, "--idrid", tmp_path) == 2
