import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train_cli
from dr_core.study.folder import open_study

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def quick_demo(tmp_path_factory):
    """A demo that was killed in its middle and finished by the same command."""
    out = tmp_path_factory.mktemp("demo") / "study"
    command = [sys.executable, "-W", "ignore", "train_cli.py", "demo", "--quick", "--seed", "3", "--out", str(out)]
    command += [word for table in ("evaluate", "robustness", "localize") for word in ("--set", f"{table}.draws=50")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    for _ in range(1200):
        if (out / "runs" / "iwne_fs-f100-s3" / "last.ckpt").is_file():
            break
        assert process.poll() is None, "the demo ended by itself"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "results").exists()
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return out, finished


def test_a_killed_demo_is_finished_by_the_same_command(quick_demo):
    out, finished = quick_demo
    assert finished.returncode == 0, finished.stderr
    assert f"DR_STUDY={out} streamlit run app.py" in finished.stdout.replace("\n", "")


def test_the_study_is_whole(quick_demo):
    study = open_study(quick_demo[0])
    assert tuple(study.setups) == ("iwne_fs", "iwne_cl", "ifi_fs", "ifi_cl")
    assert all(study.load_model(setup).info.setup == setup for setup in study.setups)
    predictions = study.read_results("predictions")
    assert predictions.groupby("fraction").size().to_dict() == {50: 4 * 32, 100: 4 * 32}
    assert predictions[["p0", "p1", "p2", "p3", "p4"]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    aucs = study.read_results("performance").query("measure == 'auc'")
    assert {"grades 3-4 against 0-2", "grades 2-4 against 0-1", "any DR"} <= set(aucs["reading"])
    assert set(study.read_results("fractions")["percent"]) == {50, 100}
    stand_in = study.data("textures")
    assert stand_in.title == "procedural stand-in for ImageNet"
    assert not stand_in.real
    patients = predictions.drop_duplicates("eye").groupby("patient").size()
    assert (patients == 2).all()


def test_contrastive_set_ups_differ_from_supervised_ones(quick_demo):
    study = open_study(quick_demo[0])
    weights = {setup: study.load_model(setup).model.conv1.weight for setup in study.setups}
    assert not weights["iwne_fs"].equal(weights["iwne_cl"])
    assert not weights["ifi_fs"].equal(weights["ifi_cl"])


def test_no_half_written_file_stays(quick_demo):
    assert not list(quick_demo[0].rglob("*.tmp*"))


def test_another_seed_in_the_same_folder_is_refused(quick_demo, capsys):
    assert train_cli.main(["demo", "--quick", "--seed", "4", "--out", str(quick_demo[0])]) == 2
    assert "its seed is 3, not 4" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert train_cli.main(["demo", "--quick", "--out", str(tmp_path / "file" / "study")]) == 2
    assert "file" in capsys.readouterr().err


def test_unknown_commands_and_help(capsys):
    with pytest.raises(SystemExit) as stop:
        train_cli.main(["dema"])
    assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        train_cli.main(["demo", "--help"])
    assert stop.value.code == 0
    assert "seed of everything" in capsys.readouterr().out


def test_the_list_of_commands_comes_at_once():
    code = "import sys, train_cli\ntry: train_cli.main(['--help'])\nfinally: sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0  # without importing PyTorch, which takes seconds
    assert "localize" in done.stdout
