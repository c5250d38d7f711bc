"""Preparing a store: what is written, what is rejected, and what a killed or hindered run leaves."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pandas as pd
import pytest

from dr_core.data import prepare
from dr_core.data.fundus import encode_jpeg
from dr_core.data.intake.index import index_eyes
from dr_core.data.phantom import draw_phantom
from dr_core.data.prepare import REJECTED, PrepareConfig, prepare_store
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import NpyAppender, open_store, read_header
from dr_core.errors import InputError

COUNT = 40
CONFIG = PrepareConfig(size=64)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    """Forty photographs of 20 patients; the sixth is cut off, the eighth is missing."""
    root = tmp_path_factory.mktemp("eyes")
    for number in range(COUNT):
        jpeg = encode_jpeg(draw_phantom(number % 5, 160, number).image, 160)
        (root / f"{number}.jpg").write_bytes(jpeg)
    (root / "5.jpg").write_bytes((root / "5.jpg").read_bytes()[:900])
    (root / "7.jpg").unlink()
    rows = [{"eye": str(n), "path": f"{n}.jpg", "grade": n % 5, "patient": str(n // 2)} for n in range(COUNT)]
    return root, index_eyes(pd.DataFrame(rows), "phantoms").index


def run(eyes, folder, config=CONFIG):
    return list(prepare_store("phantoms", *eyes, folder, config, processes=1))


@pytest.fixture(scope="module")
def prepared(eyes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "store"
    return folder, run(eyes, folder)


def test_every_readable_eye_is_stored_as_the_models_see_it(eyes, prepared):
    store = open_store(prepared[0])
    assert store.images.shape == (COUNT - 2, 3, 64, 64)
    assert store.index["eye"].tolist() == [str(n) for n in range(COUNT) if n not in (5, 7)]
    photograph = cv2.imread(str(eyes[0] / "12.jpg"))[..., ::-1]
    expected = Preprocessing(size=64).to_model_view(photograph)
    row = store.index.index[store.index["eye"] == "12"][0]
    assert np.array_equal(store.images[row].transpose(1, 2, 0), expected)


def test_the_table_says_how_good_each_photograph_is(prepared):
    table = open_store(prepared[0]).index
    assert table["field_found"].mean() > 0.9  # a dark or flooded one has no round field on a dark surround
    assert table["sharpness"].between(0, 1).all()
    assert table["luminance"].between(20, 200).all()


def test_bad_photographs_are_listed_and_do_not_stop_the_run(prepared):
    folder, reports = prepared
    assert (reports[-1].done, reports[-1].total, reports[-1].rejected) == (COUNT, COUNT, 2)
    rejected = pd.read_csv(folder / REJECTED)
    assert rejected["path"].tolist() == ["5.jpg", "7.jpg"]
    assert "does not exist" in rejected["reason"][1]


def test_the_header_has_a_fingerprint_of_the_content(eyes, prepared, tmp_path):
    header = read_header(prepared[0])
    assert header["fingerprint"] == open_store(prepared[0]).fingerprint()
    assert (header["images"], header["photographs"], header["size"]) == (COUNT - 2, COUNT, 64)
    run(eyes, tmp_path / "again")
    assert read_header(tmp_path / "again") == header
    run(eyes, tmp_path / "squashed", PrepareConfig(size=64, crop="squash"))
    assert read_header(tmp_path / "squashed")["fingerprint"] != header["fingerprint"]


def test_a_finished_store_is_left_as_it_is(eyes, prepared):
    before = {path: path.stat().st_mtime_ns for path in prepared[0].iterdir() if path.name != ".lock"}
    assert run(eyes, prepared[0]) == []
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(InputError, match=r"prepared differently \(size differs\)"):
        run(eyes, prepared[0], PrepareConfig(size=32))


def test_a_store_that_is_not_finished_is_not_opened(eyes, tmp_path):
    reports = prepare_store("phantoms", *eyes, tmp_path, CONFIG, processes=1)
    for _ in range(3):
        next(reports)
    reports.close()
    with pytest.raises(InputError, match="is not finished"):
        open_store(tmp_path)
    with pytest.raises(InputError, match="holds no prepared data"):
        open_store(tmp_path / "empty")


def test_a_run_stopped_anywhere_goes_on_to_the_same_bytes(eyes, prepared, tmp_path):
    for stop in (1, 9, COUNT - 1):
        folder = tmp_path / str(stop)
        reports = prepare_store("phantoms", *eyes, folder, CONFIG, processes=1)
        for _ in range(stop):
            next(reports)
        reports.close()
        with (folder / "journal.jsonl").open("a") as journal:
            journal.write('{"path": "3.jp')  # half a line, and bytes of a row that no line tells of
        with (folder / "images.part").open("ab") as part:
            part.write(b"\x07" * 1000)
        run(eyes, folder)
        assert (folder / "images.npy").read_bytes() == (prepared[0] / "images.npy").read_bytes()
        assert read_header(folder) == read_header(prepared[0])


def test_killed_between_the_last_image_and_the_table(eyes, prepared, tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "write_json", lambda path, value: die() if "fingerprint" in value else None)
        with pytest.raises(KeyboardInterrupt):
            run(eyes, tmp_path)
    run(eyes, tmp_path)
    assert open_store(tmp_path).fingerprint() == read_header(prepared[0])["fingerprint"]


KILLED = """
import sys
import pandas as pd
from pathlib import Path
from dr_core.data.prepare import PrepareConfig, prepare_store
if __name__ == "__main__":
    root, folder = Path(sys.argv[1]), Path(sys.argv[2])
    index = pd.read_parquet(root / "index.parquet")
    for report in prepare_store("phantoms", root, index, folder, PrepareConfig(size=64), processes=1):
        print(report.done, flush=True)
        if report.done == 20:
            import time
            time.sleep(600)
"""


def test_kill_9_and_a_second_process(eyes, prepared, tmp_path):
    root, index = eyes
    index.to_parquet(root / "index.parquet")
    folder, script = tmp_path / "store", tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(script), str(root), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        assert any(line.strip() == "20" for line in process.stdout)
        with pytest.raises(InputError, match=f"Process {process.pid} prepares"):
            run(eyes, folder)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    time.sleep(0.1)
    assert len((folder / "journal.jsonl").read_text().splitlines()) == 20
    assert run(eyes, folder)[0].done == 21
    assert read_header(folder) == read_header(prepared[0])


def test_a_full_disk_leaves_what_was_done(eyes, prepared, tmp_path, monkeypatch):
    append, room = NpyAppender.append, 9

    def fill(self, row):
        if self.rows == room:
            self._file.write(row.tobytes()[:500])
            raise OSError(errno.ENOSPC, "No space left on device", str(self.path))
        append(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(NpyAppender, "append", fill)
        with pytest.raises(OSError, match="No space left"):
            run(eyes, tmp_path)
    assert sum(not json.loads(line)["reason"] for line in (tmp_path / "journal.jsonl").read_text().splitlines()) == 9
    run(eyes, tmp_path)
    assert read_header(tmp_path) == read_header(prepared[0])


def test_no_readable_photograph_at_all_is_an_error(tmp_path):
    index = index_eyes(pd.DataFrame([{"eye": "a", "path": "a.jpg", "grade": 0}]), "nothing").index
    with pytest.raises(InputError, match=r"None of the 1 photographs could be read.*rejected\.csv"):
        list(prepare_store("nothing", tmp_path, index, tmp_path / "store", CONFIG, processes=1))
    assert "does not exist" in (tmp_path / "store" / REJECTED).read_text()


def test_a_file_shorter_than_its_journal_is_told(tmp_path):
    with NpyAppender(tmp_path / "a.npy", (3, 4, 4), 0) as out:
        out.append(np.ones((3, 4, 4), np.uint8))
    assert np.load(tmp_path / "a.npy").shape == (1, 3, 4, 4)
    with pytest.raises(InputError, match="shorter than its journal"), NpyAppender(tmp_path / "a.npy", (3, 4, 4), 2):
        pass


def test_real_eyes_are_seen_alike_at_full_and_reduced_size(full_size_eyes):
    """The decoder's own scaling must not show: at most a gray level from the plain way on average."""
    from dr_core.data.fundus import read_fundus

    for path in full_size_eyes[:2]:
        for crop in ("field_of_view", "squash"):
            way = Preprocessing(size=224, crop=crop)
            plain = way.to_model_view(read_fundus(path)).astype(int)
            fast, _ = prepare.prepare_view(path.parent, way, path.name)
            assert np.abs(fast.transpose(1, 2, 0) - plain).mean() < 1.0
