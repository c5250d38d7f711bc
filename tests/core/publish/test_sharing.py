"""An archive of a study: the same bytes there and back, and nothing of one that was tampered with."""

import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from dr_cli.main import main
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import read_info, save_model
from dr_core.publish.sharing.card import write_card
from dr_core.publish.sharing.members import CARD, MANIFEST, is_member, list_members
from dr_core.publish.sharing.pack import pack_study
from dr_core.publish.sharing.unpack import unpack_study
from dr_core.study.digests import digest_of
from dr_core.study.folder import open_study
from dr_core.study.run_history import MONITOR
from dr_core.study.runs import BEST, list_training_runs
from dr_core.study.staleness import find_stale
from dr_core.study.trainings import list_trainings
from dr_core.study.verify import SOUND, verify_study
from tests.cli.test_measure_commands import write_store
from tests.conftest import make_study
from tests.core.study.test_staleness import measure

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with the run folder of a training, and files that do not belong to it."""
    study = make_study(tmp_path_factory.mktemp("packed") / "mine")
    run = study.path / "runs" / "iwne_fs-f10-s1"
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"epochs": 2}')
    (run / "metrics.jsonl").write_text('{"epoch": 1, "loss": 0.5}\n')
    (run / "last.ckpt").write_bytes(pickle.dumps("a training's state"))
    (study.path / "notes.txt").write_text("private")
    return study


@pytest.fixture(scope="module")
def archive(study, tmp_path_factory):
    return pack_study(study, tmp_path_factory.mktemp("archives") / "mine.zip").archive


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewrite(archive, out, change=None, manifest=None, **how):
    """Write an archive anew: members changed by `change`, the manifest by `manifest`; digests are set right."""
    with zipfile.ZipFile(archive) as before:
        members = {name: before.read(name) for name in before.namelist()}
    about = json.loads(members.pop(MANIFEST))
    members = change(members) if change else members
    about["files"] = [
        {"name": name, "size": len(text), "sha256": hashlib.sha256(text).hexdigest()} for name, text in members.items()
    ]
    about = manifest(about) if manifest else about
    with zipfile.ZipFile(out, "w", **how) as after:
        for name, text in {**members, MANIFEST: json.dumps(about).encode()}.items():
            member = zipfile.ZipInfo(name)
            member.external_attr, member.create_system = 0o100644 << 16, 3
            member.compress_type = how.get("compression", zipfile.ZIP_STORED)
            after.writestr(member, text)
    return out


def refuse(archive, folder):
    """The sentence about an archive that is not opened; nothing may be left of it."""
    before = sorted(folder.iterdir())
    with pytest.raises(InputError) as caught:
        unpack_study(archive, folder / "opened")
    assert sorted(folder.iterdir()) == before
    return str(caught.value)


def test_there_and_back_byte_for_byte(study, archive, tmp_path):
    opened = unpack_study(archive, tmp_path / "deep" / "opened")
    files = contents(opened.path)
    card = files.pop(CARD).decode()
    assert files == {name: (study.path / name).read_bytes() for name in list_members(study)}
    assert {"study.json", "runs/iwne_fs-f10-s1/config.json", "results/performance.parquet"} <= files.keys()
    assert not {"notes.txt", "runs/iwne_fs-f10-s1/last.ckpt"} & files.keys()
    assert card == write_card(study) == write_card(opened)
    assert all(node.state in SOUND for node in verify_study(opened))
    assert pack_study(opened, tmp_path / "again.zip").archive.read_bytes() == archive.read_bytes()


def test_the_same_study_gives_the_same_bytes_again(study, archive, tmp_path):
    for path in study.path.rglob("*.parquet"):
        os.utime(path, (1e9, 1e9))
    out = tmp_path / "mine.zip"
    assert pack_study(study, out).archive.read_bytes() == archive.read_bytes()
    assert pack_study(study, out).archive.read_bytes() == archive.read_bytes()  # its own archive is replaced


def test_the_manifest_has_the_digests_that_sha256sum_gives(archive, tmp_path):
    with zipfile.ZipFile(archive) as members:
        about = json.loads(members.read(MANIFEST))
        assert {one["name"]: one["sha256"] for one in about["files"]} == {
            name: hashlib.sha256(members.read(name)).hexdigest() for name in members.namelist() if name != MANIFEST
        }


def test_a_changed_byte_anywhere_is_noticed(archive, tmp_path):
    content = archive.read_bytes()
    with zipfile.ZipFile(archive) as members:
        places = [one.header_offset + 30 + len(one.filename) + one.file_size // 2 for one in members.infolist()]
    for place in [*places, len(content) - 10, len(content) - 40]:
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "changed.zip").write_bytes(changed)
        assert "Nothing was written." in refuse(tmp_path / "changed.zip", tmp_path)


def test_a_member_that_differs_from_the_manifest_is_named(archive, tmp_path):
    def lie(about):
        next(one for one in about["files"] if one["name"] == "study.json")["sha256"] = "0" * 64
        return about

    assert "study.json is not what its manifest.json says" in refuse(
        rewrite(archive, tmp_path / "a.zip", None, lie), tmp_path
    )


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.json", "/etc/evil.json", "runs/../../evil.json", "checkpoints\\a.safetensors", "C:/study.json"),
        *(
            "runs/a/last.ckpt",
            "evil.py",
            "checkpoints/a.pkl",
            "results/a.parquet/",
            "runs/../config.json",
            "STUDY.JSON",
        ),
        *("results/.a.parquet", "checkpoints/..safetensors"),
    ],
)
def test_only_files_of_a_study_may_lie_in_it(name, archive, tmp_path):
    assert not is_member(name)
    out = rewrite(archive, tmp_path / "a.zip", lambda members: members | {name: b"{}"})
    assert "Nothing was written." in refuse(out, tmp_path)
    assert not (tmp_path.parent / "evil.json").exists()


def test_a_link_is_no_member(archive, tmp_path):
    out = rewrite(archive, tmp_path / "a.zip")
    content = bytearray(out.read_bytes())
    place = content.rindex(b"study.json") - 46
    assert content[place : place + 4] == b"PK\1\2"
    struct.pack_into("<L", content, place + 38, 0o120777 << 16)
    out.write_bytes(content)
    assert "study.json is a link" in refuse(out, tmp_path)


def test_a_compressed_member_is_refused_before_it_is_read(archive, tmp_path):
    big = {"runs/a/metrics.jsonl": bytes(2**26)}
    out = rewrite(archive, tmp_path / "a.zip", lambda members: members | big, compression=zipfile.ZIP_DEFLATED)
    assert "compressed" in refuse(out, tmp_path)


def test_sizes_that_are_larger_than_the_archive_are_refused(archive, tmp_path):
    def lie(about):
        for one in about["files"]:
            one["size"] = 2**31 if one["name"] == CARD else one["size"]
        return about

    out = rewrite(archive, tmp_path / "a.zip", None, lie)
    content = bytearray(out.read_bytes())
    place = content.rindex(CARD.encode()) - 46
    struct.pack_into("<2L", content, place + 20, 2**31, 2**31)
    out.write_bytes(content)
    assert "more than the archive has" in refuse(out, tmp_path)


def test_a_pickle_under_the_name_of_weights_is_refused(archive, tmp_path):
    trick = {"checkpoints/ifi_cl.safetensors": pickle.dumps([1]), "results/eyes.parquet": pickle.dumps([1])}
    for name, text in trick.items():
        out = rewrite(archive, tmp_path / "a.zip", lambda members, one={name: text}: members | one)
        assert name.split("/")[1] in refuse(out, tmp_path)


def test_foreign_and_broken_files_are_a_sentence_each(archive, tmp_path):
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as foreign:
        foreign.writestr("a.txt", "a")
    assert "DR Lens did not write it" in refuse(tmp_path / "foreign.zip", tmp_path)
    for content in (b"", b"<html>", pickle.dumps([1]), archive.read_bytes()[:-5], archive.read_bytes() + b"more"):
        (tmp_path / "a.zip").write_bytes(content)
        assert "not an archive of a study" in refuse(tmp_path / "a.zip", tmp_path)
    os.mkfifo(tmp_path / "pipe.zip")
    assert "cannot be read" in refuse(tmp_path / "pipe.zip", tmp_path)
    assert "does not exist" in refuse(tmp_path / "nothing.zip", tmp_path)
    newer = rewrite(archive, tmp_path / "newer.zip", None, lambda about: about | {"schema": 99})
    assert "a newer DR Lens" in refuse(newer, tmp_path)
    for files in ([{"name": 1}], [3], {}, [{"name": "study.json", "size": -1, "sha256": ""}]):
        odd = rewrite(archive, tmp_path / "odd.zip", None, lambda about, files=files: about | {"files": files})
        assert "Nothing was written." in refuse(odd, tmp_path)


def test_nobodys_study_and_nobodys_file_is_overwritten(study, archive, tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for out in (taken, taken / "mine.txt", tmp_path / "link"):
        with pytest.raises(InputError, match="exists already"):
            unpack_study(archive, out)
    assert contents(taken) == {"mine.txt": b"mine"}
    other = tmp_path / "other.zip"
    other.write_bytes(b"other")
    with pytest.raises(InputError, match="not written by DR Lens"):
        pack_study(study, other)
    assert other.read_bytes() == b"other"
    with pytest.raises(InputError, match=r"must end in \.zip"):
        pack_study(study, tmp_path / "mine.tar")


def test_a_damaged_study_is_not_packed(tmp_path):
    study = make_study(tmp_path / "mine")
    study.checkpoint_path("ifi_cl").write_bytes(b"broken")
    with pytest.raises(InputError, match="ifi_cl"):
        pack_study(study, tmp_path / "mine.zip")
    study.checkpoint_path("ifi_cl").unlink()
    (tmp_path / "secret.safetensors").write_bytes(b"secret")
    study.checkpoint_path("ifi_cl").symlink_to(tmp_path / "secret.safetensors")
    with pytest.raises(InputError, match="leads out"):
        pack_study(study, tmp_path / "mine.zip")
    assert not (tmp_path / "mine.zip").exists()


def test_every_number_of_the_card_is_the_tables_own(study):
    card = write_card(study)
    rows = study.read_results("performance")
    lines = [line for line in card.splitlines() if line.startswith("| ") and "---" not in line and "set-up" not in line]
    assert len(lines) == len(rows) > 20
    for line, (_, row) in zip(lines, rows.iterrows(), strict=True):
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        assert cells[0] == study.setups[row["setup"]].label
        assert cells[3] == ("not defined" if pd.isna(row["value"]) else f"{row['value']:.3f}")
        if not pd.isna(row["low"]):
            assert cells[4] == f"{row['low']:.3f} to {row['high']:.3f}"
    for heading in ("## Data", "## Recipe", "## Metrics", "## Limits"):
        assert heading in card
    assert "One training run of each set-up" in card
    assert "caution: only 4 positive eyes" in card


def test_rows_of_earlier_weights_are_not_in_the_card(tmp_path):
    study = make_study(tmp_path / "mine")
    rows = study.read_results("performance")
    study.write_results("performance", rows.assign(checkpoint="0" * 16))
    assert "Nothing was measured." in write_card(study)


def test_a_strangers_text_forms_no_markup(tmp_path):
    study = make_study(tmp_path / "mine")
    head = json.loads((study.path / "study.json").read_text())
    head["title"] = "a\n# b <script>alert(1)</script> | [c](http://d)"
    (study.path / "study.json").write_text(json.dumps(head))
    first = write_card(open_study(study.path)).splitlines()[0]
    assert first == r"# a \# b &lt;script&gt;alert(1)&lt;/script&gt; \| \[c\](http://d)"


@pytest.mark.parametrize("command", ["verify", "pack"])
def test_tables_of_every_experiment_belong_to_a_study(command, tmp_path):
    """In a process of its own: what another test imported must not decide which tables are known."""
    demo, out = ROOT / "assets" / "demo_study", tmp_path / "demo.zip"
    words = [command, str(demo), *(["--out", str(out)] if command == "pack" else [])]
    code = f"from dr_cli.main import main; raise SystemExit(main({[*words, '--json']}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    if command == "verify":
        assert not [node["name"] for node in answer["nodes"] if node["state"] == "foreign"]
    else:
        packed = {one["name"] for one in answer["files"]}
        assert packed == {path.relative_to(demo).as_posix() for path in demo.rglob("*") if path.is_file()}


@pytest.fixture
def seeds(tiny_study, tmp_path):
    """A study with a second seed, measured."""
    study = open_study(shutil.copytree(tiny_study.path, tmp_path / "seeds"))
    run = study.path / "runs" / "ifi_cl-f100-s1"
    run.mkdir(parents=True)
    save_model(run / BEST, build_backbone("resnet50_slim", 5, 7), read_info(study.checkpoint_path("ifi_cl")))
    (run / "config.json").write_text('{"epochs": 1}')
    (run / "metrics.jsonl").write_text(json.dumps({"epoch": 1, MONITOR: 0.7}) + "\n")
    measure(study, write_store(tmp_path / "eyes", n=10))
    return open_study(study.path)


def test_weights_that_the_app_does_not_show_may_stay_behind(seeds, tmp_path):
    whole = pack_study(seeds, tmp_path / "whole.zip").archive
    small = pack_study(seeds, tmp_path / "small.zip", weights="shown").archive
    assert small.stat().st_size < whole.stat().st_size - 5e6
    opened = unpack_study(small, tmp_path / "opened")
    (run,) = [run for run in list_training_runs(opened, without_weights=True) if not run.has_weights]
    assert run.name == "ifi_cl-f100-s1" not in [run.name for run in list_training_runs(opened)]
    assert run.digest == digest_of(seeds.path / "runs" / run.name / BEST)
    assert find_stale(opened) == ()
    (node,) = [node for node in verify_study(opened) if node.name == run.name]
    assert (node.state, node.digest) == ("unknown", run.digest)
    assert "left out of the archive" in node.reason
    rows = list_trainings(opened, "eyes"), list_trainings(seeds, "eyes")
    columns = ["setup", "fraction", "seed", "test_auc", "digest"]
    pd.testing.assert_frame_equal(rows[0][columns], rows[1][columns])
    assert "of 1 of 5 training runs the digest, without the weights" in (opened.path / CARD).read_text()
    again = pack_study(opened, tmp_path / "again.zip").archive  # nothing is lost on the way on
    with zipfile.ZipFile(again) as members:
        assert f"runs/{run.name}/weights.json" in members.namelist()
    (opened.path / "runs" / run.name / "weights.json").write_text(json.dumps({"sha256": 64 * "0"}))
    assert {row.reason for row in find_stale(opened)} == {"its set-up was trained anew since"}
    (opened.path / "runs" / run.name / "weights.json").write_text("{}")
    with pytest.raises(InputError, match="holds no digest"):
        find_stale(opened)


def test_folders_of_this_machine_are_forgotten_on_request(seeds, tmp_path):
    assert set(seeds.read_results("eyes").query("data == 'eyes'")["store"]) == {str(tmp_path / "eyes")}
    opened = unpack_study(pack_study(seeds, tmp_path / "a.zip", folders=False).archive, tmp_path / "opened")
    eyes = opened.read_results("eyes")
    assert set(eyes["store"]) == {""}
    pd.testing.assert_frame_equal(eyes.drop(columns="store"), seeds.read_results("eyes").drop(columns="store"))
    assert opened.read_provenance("eyes") == seeds.read_provenance("eyes")
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in opened.path.rglob("*.parquet"))
    assert all(node.state in SOUND for node in verify_study(opened))


def test_the_commands(study, tmp_path, capsys):
    out = tmp_path / "a.zip"
    assert main(["pack", str(study.path), "--out", str(out)]) == 0
    assert main(["open", str(out), "--out", str(tmp_path / "b")]) == 0
    assert open_study(tmp_path / "b").info == study.info
    capsys.readouterr()
    assert main(["open", str(out), "--out", str(tmp_path / "b")]) == 2
    assert "exists already" in capsys.readouterr().err
