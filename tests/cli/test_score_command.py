"""`score`: one table about any photographs, whatever stops the run on its way."""

import csv
import errno
import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import dr_core
from dr_cli.main import main
from dr_core.analysis.attribution import Explainer
from dr_core.data.fundus import encode_jpeg, read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.operating import find_thresholds
from dr_core.experiments.performance import PERFORMANCE
from dr_core.files import held
from dr_core.models.prediction import predict_views
from dr_core.models.setups import SETUPS
from dr_core.score import plan, run
from dr_core.score.results import read_score_table
from dr_core.study.digests import digest_of
from dr_core.study.shards import Shard, parse_shard
from tests.conftest import make_study
from tests.fuzz.hostile_files import NATIVE, encode_dicom

COUNT = 11
BAD = {"clinic/cut.jpg", "old.bmp"}


def draw(folder):
    """Eleven photographs in two folders, one of them a DICOM file, and two that cannot be read."""
    (folder / "clinic").mkdir(parents=True)
    for number in range(COUNT - 1):
        jpeg = encode_jpeg(draw_phantom(number % 5, 96, number).image, 96)
        (folder / ("clinic" if number % 2 else ".") / f"{number}.jpg").write_bytes(jpeg)
    image = draw_phantom(4, 96, 50).image
    (folder / "clinic" / "IM7").write_bytes(encode_dicom(image.tobytes(), NATIVE, image))
    (folder / "clinic" / "cut.jpg").write_bytes(jpeg[:700])
    (folder / "old.bmp").write_bytes(b"BM" + bytes(100))
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("photographs") / "Jane Doe")


def command(photographs, study, out, *options):
    basics = ("--study", str(study.path), "--out", str(out), "--batch-size", "4", "--processes", "1", "--device", "cpu")
    return ["score", str(photographs), *basics, *options]


@pytest.fixture(scope="module")
def scored(photographs, tiny_study, tmp_path_factory):
    """The table of one run from its beginning to its end, one thread as in all others here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("scored") / "results.csv"
    assert main(command(photographs, tiny_study, out)) == 0  # two cannot be read
    torch.set_num_threads(before)
    return out


def read(out):
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_photograph_and_set_up_has_a_row(scored, photographs, tiny_study):
    rows = read(scored)
    assert list(rows[0]) == list(plan.SCORE_COLUMNS)
    good = [row for row in rows if not row["error"]]
    assert len(good) == COUNT * len(SETUPS)
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    row = next(row for row in good if (row["path"], row["setup"]) == ("clinic/3.jpg", "ifi_cl"))
    model = tiny_study.load_model("ifi_cl")
    inputs = model.preprocess(read_fundus(photographs / "clinic" / "3.jpg"))[None]
    expected = torch.softmax(model.model(inputs).double(), dim=1)[0].numpy()
    assert [float(row[f"p{grade}"]) for grade in range(5)] == pytest.approx(expected, abs=2e-6)
    assert int(row["grade"]) == expected.argmax()
    assert float(row["referable_3"]) == pytest.approx(expected[3:].sum(), abs=2e-6)
    assert float(row["referable_2"]) == pytest.approx(expected[2:].sum(), abs=2e-6)
    assert row["field_found"] == "1"
    assert {row["setup"] for row in good if row["path"] == "clinic/IM7"} == set(SETUPS)


def test_what_cannot_be_read_is_listed_and_nothing_names_the_folder(scored):
    bad = {row["path"]: row for row in read(scored) if row["error"]}
    assert set(bad) == BAD
    assert "cut off" in bad["clinic/cut.jpg"]["error"]
    assert "old.bmp` is damaged" in bad["old.bmp"]["error"]
    assert not any(row["setup"] + row["p0"] + row["grade"] for row in bad.values())
    for path in scored.parent.rglob("*"):
        assert path.is_dir() or "Jane Doe" not in path.read_text()


def test_the_header_says_what_the_numbers_follow_from(scored, tiny_study):
    header = json.loads(scored.with_suffix(".json").read_text())
    assert (header["photographs"], header["unreadable"]) == (COUNT + 2, 2)
    assert header["versions"]["dr_lens"] == dr_core.__version__
    assert header["columns"] == plan.SCORE_COLUMNS
    digests = {row["setup"]: row["checkpoint"] for row in read(scored) if row["setup"]}
    assert digests == {setup: model["sha256"][:12] for setup, model in header["models"].items()}
    assert len(set(digests.values())) == len(SETUPS)


def stop_at(monkeypatch, batch, error, half_a_line=b""):
    """Let the run meet `error` where it would keep the rows of a batch, with a part of them on the disk already."""
    ask = run._ask

    def interrupted(scoring, batches):
        for number, found in enumerate(ask(scoring, batches)):
            if number == batch:
                with (scoring.parts / "1-of-1.jsonl").open("ab") as journal:
                    journal.write(half_a_line)
                raise error
            yield found

    monkeypatch.setattr(run, "_ask", interrupted)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "To resume, run: "),
        (OSError(errno.ENOSPC, "No space left on device", "results.parts"), 2, "No space left on device"),
    ],
)
def test_a_stopped_run_goes_on_to_the_same_bytes(
    error, code, said, scored, photographs, tiny_study, tmp_path, monkeypatch, one_thread, capsys
):
    out = tmp_path / "results.csv"
    with monkeypatch.context() as patch:
        stop_at(patch, 2, error, b'{"path": "clinic/9.jpg", "rows": [{"pa')
        assert main(command(photographs, tiny_study, out)) == code
    assert said in capsys.readouterr().err
    assert not out.exists()
    asked = watch(monkeypatch)
    assert main(command(photographs, tiny_study, out)) == 0
    assert sum(map(len, asked)) < COUNT + 2
    assert out.read_bytes() == scored.read_bytes()
    assert out.with_suffix(".json").read_bytes() == scored.with_suffix(".json").read_bytes()


def watch(monkeypatch):
    """The batches that are asked about from now on."""
    ask, asked = run._ask, []

    def noting(scoring, batches):
        asked.extend(batches)
        return ask(scoring, batches)

    monkeypatch.setattr(run, "_ask", noting)
    return asked


def test_parts_come_together_to_the_same_bytes(scored, photographs, tiny_study, tmp_path, one_thread, capsys):
    out = tmp_path / "results.csv"
    assert main(command(photographs, tiny_study, out, "--shard", "2/2")) == 0
    assert "Part 2 of 2 is done" in capsys.readouterr().out
    assert not out.exists()
    assert main(command(photographs, tiny_study, out, "--shard", "1/2")) == 0
    assert out.read_bytes() == scored.read_bytes()


def test_no_digit_depends_on_who_else_is_in_the_batch(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "_digits", lambda probability: float(probability).hex())
    (tmp_path / "eyes").mkdir()
    for number in range(3):
        jpeg = encode_jpeg(draw_phantom(number, 96, number).image, 96)
        (tmp_path / "eyes" / f"{number}.jpg").write_bytes(jpeg)
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"
    assert main(command(tmp_path / "eyes", tiny_study, whole)) == 0
    for number in (2, 1):
        assert main(command(tmp_path / "eyes", tiny_study, parts, "--shard", f"{number}/2")) == 0
    assert parts.read_bytes() == whole.read_bytes()


def test_srun_tells_its_processes_their_part(monkeypatch):
    for name, value in {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "2"}.items():
        monkeypatch.setenv(name, value)
    assert parse_shard(None) == Shard(number=3, count=4)
    assert parse_shard("1/2") == Shard(number=1, count=2)


def test_only_what_is_new_changed_or_unreadable_is_asked_again(tiny_study, tmp_path, monkeypatch):
    folder, out = draw(tmp_path / "eyes"), tmp_path / "results.csv"
    assert main(command(folder, tiny_study, out, "--setups", "iwne_cl")) == 0
    before = read(out)
    jpeg = encode_jpeg(draw_phantom(2, 96, 99).image, 96)
    for name in ("clinic/cut.jpg", "old.bmp", "zz.jpg", "0.jpg"):  # mended, mended, new, changed
        (folder / name).write_bytes(jpeg)
    asked = watch(monkeypatch)
    assert main(command(folder, tiny_study, out, "--setups", "iwne_cl")) == 0
    after = read(out)
    assert len(after) == len(before) + 1
    of_one = {row["path"]: row["p3"] for row in after}
    assert len({of_one[name] for name in ("clinic/cut.jpg", "old.bmp", "zz.jpg", "0.jpg")}) == 1
    asked.clear()
    assert main(command(folder, tiny_study, out, "--setups", "iwne_cl")) == 0
    assert asked == []
    assert read(out) == after


def test_another_runs_table_is_refused(scored, photographs, tiny_study, tmp_path, capsys):
    before = scored.read_bytes(), scored.with_suffix(".json").read_bytes()

    def refused(*arguments):
        assert main(command(*arguments)) == 2
        return capsys.readouterr().err

    assert "(models differ); choose another folder" in refused(photographs, tiny_study, scored, "--setups", "iwne_cl")
    assert "(heatmaps differ)" in refused(photographs, tiny_study, scored, "--heatmaps")
    assert "(folders differ)" in refused(photographs / "clinic", tiny_study, scored)
    assert "holds 12 photographs that are not given now" in refused(photographs / "0.jpg", tiny_study, scored)
    assert (scored.read_bytes(), scored.with_suffix(".json").read_bytes()) == before
    strange = tmp_path / "strange.csv"
    strange.write_text("a,b\n1,2\n")
    assert "was not written by this command" in refused(photographs, tiny_study, strange)
    for content in ("[]", "{", '{"written_by": "me"}'):
        (tmp_path / "table.json").write_text(content)
        assert "table.json was not written by this command" in refused(photographs, tiny_study, tmp_path / "table.csv")
    assert strange.read_text() == "a,b\n1,2\n"
    assert not list(tmp_path.glob("*.parts"))


def test_wrong_input_is_told_before_anything_is_written(photographs, tiny_study, tmp_path, capsys):
    out = tmp_path / "results.csv"
    for place, options, said in (
        (tmp_path / "nowhere", [], "There is no file or folder"),
        (photographs, ["--batch-size", "0"], "The batch size must be at least 1"),
        (photographs, ["--processes", "0"], "at least 1 process"),
        (photographs, ["--out", str(tmp_path / "results.txt")], "must end in .csv"),
        (photographs, ["--study", str(tmp_path / "no")], "There is no study folder"),
        (photographs, ["--shard", "3/2"], "A shard must be written as 2/8"),
    ):
        assert main([*command(place, tiny_study, out), *options]) == 2
        assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_write_one_part(photographs, tiny_study, tmp_path, capsys):
    out = tmp_path / "results.csv"
    assert main(command(photographs / "0.jpg", tiny_study, out)) == 0
    with held(out.with_suffix(".parts") / ".1-of-1.lock", "works"):
        assert main(command(photographs / "0.jpg", tiny_study, out)) == 2
    assert "writes part 1-of-1 of" in capsys.readouterr().err


def test_heatmaps_are_lrp_of_the_severe_neuron(photographs, tiny_study, tmp_path):
    out = tmp_path / "results.csv"
    options = ("--heatmaps", "--setups", "ifi_fs", "iwne_cl")
    assert main(command(photographs / "clinic", tiny_study, out, *options)) == 0
    folder = out.with_suffix(".heatmaps") / "3.jpg"
    assert sorted(path.name for path in folder.iterdir()) == ["ifi_fs.npz", "ifi_fs.png", "iwne_cl.npz", "iwne_cl.png"]
    assert not (out.with_suffix(".heatmaps") / "cut.jpg").exists()
    model = tiny_study.load_model("ifi_fs")
    inputs = model.preprocess(read_fundus(photographs / "clinic" / "3.jpg"))[None]
    with np.load(folder / "ifi_fs.npz") as stored:
        expected = Explainer(model.model).attribute(inputs, 3)[0].numpy()
        assert stored["relevance"] == pytest.approx(expected, abs=1e-6)
        assert stored["target"] == 3
        assert stored["part"].shape == (4,)
    picture = cv2.imread(str(folder / "ifi_fs.png"))
    assert picture.shape == (448, 448, 3)
    strength = np.maximum(expected.sum(axis=0), 0)
    strong = cv2.resize(strength, (448, 448), interpolation=cv2.INTER_NEAREST) > np.quantile(strength, 0.99)
    assert picture[strong].mean() > 2 * picture[~strong].mean()


def test_tables_inside_the_folder_are_not_taken_for_photographs(tiny_study, tmp_path):
    folder = tmp_path / "eyes"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(encode_jpeg(draw_phantom(0, 96, 0).image, 96))
    line = command(folder, tiny_study, folder / "results.csv", "--heatmaps", "--setups", "iwne_fs")
    assert main(line) == 0
    before = (folder / "results.csv").read_bytes()
    shutil.rmtree(folder / "results.parts")  # it may be removed; all is asked again
    assert main(line) == 0
    assert (folder / "results.csv").read_bytes() == before
    assert [row["path"] for row in read(folder / "results.csv")] == ["1.jpg"]


def test_a_broken_model_gives_no_grades(photographs, tiny_study, tmp_path, monkeypatch):
    nothing = np.full((1, 5), np.nan)
    monkeypatch.setattr(run, "predict_shared", lambda models, *_, **__: dict.fromkeys(models, nothing))
    assert main(command(photographs / "0.jpg", tiny_study, tmp_path / "results.csv")) == 1
    rows = read(tmp_path / "results.csv")
    assert [row["setup"] for row in rows] == list(tiny_study.setups)
    assert all(row["grade"] + row["p0"] == "" and "no probabilities" in row["reason"] for row in rows)


def test_the_mean_and_flips_are_asked_for(photographs, tiny_study, tmp_path, capsys):
    out, names = tmp_path / "mean.csv", ("iwne_fs", "ifi_cl")
    one = photographs / "0.jpg"
    assert main(command(one, tiny_study, out, "--ensemble", "--flips", "--setups", *names)) == 0
    rows = {row["setup"]: row for row in read(out)}
    assert list(rows) == [*names, "ensemble"]
    model = tiny_study.load_model("iwne_fs")
    view = model.info.preprocessing.to_model_view(read_fundus(one))
    flipped = np.stack([view, view[:, ::-1], view[::-1], view[::-1, ::-1]])
    expected = predict_views(model, flipped).mean(axis=0)
    columns = [f"p{grade}" for grade in range(5)]
    found = {setup: np.array([float(row[column]) for column in columns]) for setup, row in rows.items()}
    np.testing.assert_allclose(found["iwne_fs"], expected, atol=2e-6)
    np.testing.assert_allclose(found["ensemble"], (found["iwne_fs"] + found["ifi_cl"]) / 2, atol=2e-6)
    assert rows["ensemble"]["threshold_3"] == "0.500000"
    assert rows["ensemble"]["checkpoint"] == ""
    assert main(command(one, tiny_study, out, "--ensemble", "--setups", *names)) == 2
    assert "flips differ" in capsys.readouterr().err
    assert main(command(one, tiny_study, tmp_path / "one.csv", "--ensemble", "--setups", "ifi_cl")) == 2
    assert "needs two models" in capsys.readouterr().err


def test_an_operating_point_is_applied_by_name(tmp_path):
    study = make_study(tmp_path / "study")
    list(PERFORMANCE.run(study, Inputs()))
    Image.fromarray(draw_phantom(3, 96, 1).image).save(tmp_path / "a.png")
    given = ["score", str(tmp_path / "a.png"), "--study", str(study.path), "--processes", "1", "--device", "cpu"]
    assert main([*given, "--out", str(tmp_path / "half.csv")]) == 0
    named = ["--criterion", "specificity 0.9", "--chosen-on", "noise"]
    assert main([*given, *named, "--out", str(tmp_path / "named.csv")]) == 0
    half, rows = (pd.read_csv(tmp_path / f"{name}.csv").set_index("setup") for name in ("half", "named"))
    assert (half[["threshold_3", "threshold_2"]] == 0.5).all(axis=None)
    assert (half["flagged_3"] == (half["referable_3"] >= 0.5)).all()
    for start, reading in ((3, "grades 3-4 against 0-2"), (2, "grades 2-4 against 0-1")):
        thresholds = find_thresholds(study, "specificity 0.9", "noise", reading)
        for setup, row in rows.iterrows():
            assert row[f"threshold_{start}"] == pytest.approx(thresholds[setup], abs=1e-6)
            if abs(row[f"referable_{start}"] - row[f"threshold_{start}"]) > 2e-6:  # more than the table's rounding
                assert row[f"flagged_{start}"] == (row[f"referable_{start}"] > row[f"threshold_{start}"])
    header = json.loads((tmp_path / "named.json").read_text())
    assert header["operating_point"]["name"] == "90 % specificity on noise"
    assert main([*given, "--criterion", "specificity 0.9", "--out", str(tmp_path / "x.csv")]) == 2
    assert not (tmp_path / "x.csv").exists()


def test_the_table_is_read_back_as_it_was_answered(scored, tiny_study):
    digests = {setup: digest_of(tiny_study.checkpoint_path(setup)) for setup in tiny_study.setups}
    found = {eye.name: eye for eye in read_score_table(scored.read_bytes(), "results.csv", digests, 100).eyes}
    rows = read(scored)
    assert found.keys() == {row["path"] for row in rows}
    assert {name for name, eye in found.items() if eye.error} == BAD
    for row in rows:
        if not row["error"]:
            answer = [float(row[f"p{grade}"]) for grade in range(5)]
            assert found[row["path"]].answers[row["setup"]].tolist() == answer
