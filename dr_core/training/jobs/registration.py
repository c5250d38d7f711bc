"""A finished training run in the head of its study: the checkpoint, the set-up and the eyes."""

import shutil
from dataclasses import replace
from pathlib import Path

from dr_core.data.store import fingerprint_store, read_header
from dr_core.files import digest_file, locked, replacing
from dr_core.models.setups import SETUPS, Setup, declare_setups
from dr_core.study.folder import DataSet, Study, StudyInfo, add_data, open_study, write_study_info
from dr_core.study.runs import BEST


def register_run(
    study: Path, setup: Setup, run: Path, seed: int, stores: tuple[Path, Path], images: tuple[int, int]
) -> None:
    """Make the best epoch of a run on all patients the study's checkpoint, and write down what the study now holds.

    Args:
        study: Folder of the study; its head is begun where there is none.
        setup: The set-up.
        run: Run folder, finished.
        seed: Seed of the run; of several seeds the study's alone makes the checkpoint.
        stores: Folders of the training and the validation eyes.
        images: Number of training and of validation eyes that were used.
    """
    with locked(study / "study.json"):  # trainings of one study may end at the same moment
        opened = _open_or_begin(study, stores[0], seed)
        if seed != opened.info.seed:
            return  # one of several seeds, which is measured by its run folder
        checkpoint = opened.checkpoint_path(setup.name)
        checkpoint.parent.mkdir(exist_ok=True)
        with replacing(checkpoint) as temporary:
            shutil.copyfile(run / BEST, temporary)
        digests = opened.info.checkpoints | {setup.name: digest_file(checkpoint)}
        known = {**opened.setups, **({} if setup.name in opened.setups else {setup.name: setup})}
        order = sorted(known, key=_place) if opened.info.made_by == "finetune" else list(known)
        info = replace(opened.info, setups=declare_setups(known[name] for name in order), checkpoints=digests)
        write_study_info(study, info)
        add_data(study, *_describe_data(stores, images))


def _place(name: str) -> int:
    """Place of a set-up in the preset's order, behind it for others."""
    return list(SETUPS).index(name) if name in SETUPS else len(SETUPS)


def _open_or_begin(path: Path, data: Path, seed: int) -> Study:
    if (path / "study.json").is_file():
        return open_study(path)
    header = read_header(data)
    info = StudyInfo(
        title=path.name,
        summary=f"Set-ups trained one by one on {header.get('title', data.name)}.",
        protocol=f"{header.get('crop', 'field_of_view').replace('_', ' ')}, {header.get('size', '?')} px",
        seed=seed,
        setups=(),
        data=(),
        made_by="finetune",
    )
    return Study(path, info)


def _describe_data(stores: tuple[Path, Path], images: tuple[int, int]) -> list[DataSet]:
    header = read_header(stores[0])
    title = header.get("title", stores[0].name)
    split = "" if stores[0] == stores[1] else ", a store of their own"
    texts = ("Eyes of the training patients.", f"Eyes by which the best epoch was chosen{split or ', split off'}.")
    return [
        DataSet(
            key={"training": "train"}.get(role, role),
            title=f"{title}, {role} eyes",
            role=role,
            images=count,
            real=bool(header),
            description=text,
            fingerprint=fingerprint_store(store),
        )
        for role, store, count, text in zip(("training", "validation"), stores, images, texts, strict=True)
    ]
