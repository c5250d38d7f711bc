import numpy as np
import pandas as pd
import pytest

from dr_cli.main import main
from dr_core.study.folder import open_study
from tests.conftest import make_study


@pytest.fixture(scope="module")
def study_path(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("measured") / "study").path


def write_store(folder, n=30, size=64, grades=None, seed=0):
    folder.mkdir()
    np.save(folder / "images.npy", np.random.default_rng(seed).integers(0, 256, (n, 3, size, size), np.uint8))
    grades = np.arange(n) % 5 if grades is None else grades
    eyes = [f"eye-{number}" for number in range(n)]
    sides = np.where(np.arange(n) % 2, "left", "right")
    table = pd.DataFrame({"eye": eyes, "patient": np.arange(n) // 2, "side": sides, "grade": grades})
    table.to_parquet(folder / "index.parquet")
    return folder


def test_evaluate_writes_the_tables_and_is_the_same_twice(study_path, tmp_path):
    store = write_store(tmp_path / "eyes")
    run = study_path / "runs" / "iwne_cl-f10-s3"
    run.mkdir(parents=True)
    (run / "best.safetensors").write_bytes((study_path / "checkpoints" / "iwne_cl.safetensors").read_bytes())
    command = ["evaluate", "--study", str(study_path), "--data", str(store), "--draws", "20"]
    assert main(command) == 0
    study = open_study(study_path)
    first = study.read_results("performance")
    assert set(first["data"]) == {"noise", "eyes"}
    assert {"auc", "average_precision", "quadratic_kappa", "calibration_error"} <= set(first["measure"])
    assert len(study.read_results("comparisons")) == 2 * 6 * 3
    fractions = study.read_results("fractions")
    assert set(zip(fractions["percent"], fractions["seed"], strict=True)) == {(10, 3), (100, 0)}
    assert (fractions["fraction"] == fractions["percent"]).all()
    assert set(study.read_results("predictions")["fraction"]) == {10, 100}  # those on few labels, too
    low = fractions[fractions["percent"] == 10]["value"].to_numpy()
    whole = first[(first["data"] == "eyes") & (first["setup"] == "iwne_cl") & (first["measure"] == "auc")]
    assert low == pytest.approx(whole["value"].to_numpy()[:3])  # the same weights
    assert main(command) == 0
    pd.testing.assert_frame_equal(study.read_results("performance"), first)
    assert len(study.read_results("fractions")) == len(fractions)


def test_spectrum_writes_the_tables(study_path, tmp_path):
    store = write_store(tmp_path / "six", n=6)
    assert main(["spectrum", "--study", str(study_path), "--data", str(store), "--batch-size", "4"]) == 0
    study = open_study(study_path)
    layers = study.read_results("spectrum")
    assert len(layers) == 4 * 52
    assert list(layers["place"][:52]) == list(range(52))
    assert set(layers["stage"]) == {"stem", "layer1", "layer2", "layer3", "layer4"}
    values = study.read_results("eigenvalues")
    assert (values.groupby(["setup", "layer"])["eigenvalue"].count() >= 16).all()
    assert set(study.read_results("distributions")["setup"]) == set(study.setups)
    single = study.read_results("image_spectra")
    assert single.groupby(["setup", "eye"]).size().to_dict() == {
        (setup, f"eye-{number}"): 64 for setup in study.setups for number in range(6)
    }
    assert set(study.read_results("image_distributions")["setup"]) == set(study.setups)


def test_bad_stores(study_path, tmp_path, capsys):
    study = ["--study", str(study_path), "--data"]
    assert main(["evaluate", *study, str(write_store(tmp_path / "large", size=32))]) == 2
    assert "prepare them with 64 px" in capsys.readouterr().err
    assert main(["evaluate", *study, str(write_store(tmp_path / "ungraded", grades=-1))]) == 2
    assert "must be 0 to 4" in capsys.readouterr().err
    assert main(["spectrum", *study, str(tmp_path / "nothing")]) == 2
    assert "holds no prepared data" in capsys.readouterr().err


def test_ungraded_eyes_are_left_out_and_the_command_says_so(study_path, tmp_path, capsys):
    store = write_store(tmp_path / "some", n=10, grades=[0, 1, 2, 3, 4, -1, -1, 4, 0, 3])
    assert main(["evaluate", "--study", str(study_path), "--data", str(store), "--draws", "5"]) == 0
    assert "2 eyes have no grade and were left out." in capsys.readouterr().out
    study = open_study(study_path)
    answers = study.read_results("predictions").query("data == 'some'")
    eyes = [f"eye-{number}" for number in range(10) if number not in (5, 6)]
    assert list(answers.query("setup == 'ifi_cl'")["eye"]) == eyes
    of_store = study.read_results("eyes").query("data == 'some'")
    assert list(of_store["row"]) == [0, 1, 2, 3, 4, 7, 8, 9]


def test_one_class_is_measured_as_far_as_it_goes(study_path, tmp_path):
    store = write_store(tmp_path / "healthy", grades=0)
    assert main(["evaluate", "--study", str(study_path), "--data", str(store), "--draws", "5"]) == 0
    rows = open_study(study_path).read_results("performance")
    rows = rows[rows["data"] == "healthy"].set_index("measure")
    assert rows.loc["auc", "value"].isna().all()
    assert rows.loc["accuracy", "value"].notna().all()
