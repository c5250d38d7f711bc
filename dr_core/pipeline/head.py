"""The head of a study, begun before its first cell: whose it is, what it compares, what it was asked for."""

from dataclasses import replace
from pathlib import Path

from dr_core.data.contract import check_preparation
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.protocol import PROTOCOLS
from dr_core.data.store import open_store
from dr_core.errors import InputError
from dr_core.files import locked
from dr_core.pipeline.config import StudyConfig
from dr_core.study.drawn_data import DRAWN_DATA
from dr_core.study.folder import CONFIGURATION, DataSet, StudyInfo, open_study, write_study_info
from dr_core.study.ownership import StudyClaim, check_claim
from dr_core.study.role_members import Role
from dr_core.study.roles import check_published_split, take_roles

MADE_BY = "study"
"""What a study's head says of a study that was made from a configuration."""

_PROTOCOLS = {"paper": "whole image squashed, 224 px", "fine": "field of view, 512 px"}


def check_stores(config: StudyConfig) -> None:
    """Make sure before hours pass that the stores are there and were prepared by the preset's protocol.

    Raises:
        InputError: If one is missing, or of another size or crop.
    """
    data, drawn = config.data, config.data.draw
    wanted = PROTOCOLS["fine" if config.preset == "fine" else "paper"]
    size, crop = (drawn.size, "field_of_view") if drawn is not None else (wanted.size, wanted.crop)
    taken = Preprocessing(size=size, crop=crop)  # type: ignore[arg-type]
    stores = (*data.test.values(),) if drawn is not None else (data.train, data.validation, *data.test.values())
    for path in (one for one in stores if one is not None):
        check_preparation(path, open_store(path), [(f"the preset {config.preset}", taken)])
    starts = (path for start in config.starts.values() for path in (start.run, start.weights, start.pretrain_data))
    for named in (data.idrid, *starts):
        if named is not None and not named.exists():
            raise InputError(f"There is no {named}; correct its path in the configuration.")


def check_roles(config: StudyConfig, out: Path) -> None:
    """Make sure before hours pass that no patient and no picture has two roles; nothing is written.

    Raises:
        InputError: If one has, or eyes that were published for testing are to be trained on.
    """
    data, wanted = config.data, list[tuple[Role, Path]]()
    if data.draw is None and data.train is not None:
        check_published_split(data.train, allow_test=data.allow_test_split)
        wanted.append(("training", data.train))
        wanted += [("validation", data.validation)] if data.validation is not None else []
    tested = [*data.test.values(), *([data.idrid] if data.idrid is not None and data.test else [])]
    take_roles(out, [*wanted, *(("test", folder) for folder in tested)], allow_overlap=data.allow_overlap)


def check_owner(config: StudyConfig, out: Path) -> None:
    """Make sure that a study may be written into a folder; nothing is written.

    Raises:
        InputError: If the folder holds another study, or checkpoints that its own training runs did not make.
    """
    check_claim(out, _claim(config))


def _claim(config: StudyConfig) -> StudyClaim:
    settings = {"preset": config.preset, "arch": config.arch, "contrast": config.contrast}
    return StudyClaim(made_by=MADE_BY, title=config.title, seed=config.seed, settings=settings)


def begin_study(config: StudyConfig, source: str, out: Path) -> None:
    """Write the head of a study, or bring it up to date with the configuration.

    Args:
        config: The study.
        source: The configuration as it was written, for the report.
        out: The study's folder.

    Raises:
        InputError: As `check_owner`.
    """
    study = check_claim(out, claim := _claim(config))
    out.mkdir(parents=True, exist_ok=True)
    settings = {**claim.settings, CONFIGURATION: source}
    with locked(out / "study.json"):
        if study is None:
            info = StudyInfo(
                title=config.title or out.resolve().name,
                summary="",
                protocol=_describe_protocol(config),
                seed=config.seed,
                setups=config.setups,
                data=_list_drawn(config),
                made_by=MADE_BY,
            )
        else:
            info = open_study(out).info
        declared = {setup.name: setup for setup in config.setups}
        kept = [setup for setup in info.setups if setup.name not in declared and setup.name in info.checkpoints]
        write_study_info(
            out,
            replace(
                info,
                summary=config.summary or describe_study(config),
                setups=(*config.setups, *kept),
                settings=info.settings | settings,
                made_by=MADE_BY,
            ),
        )


def describe_study(config: StudyConfig) -> str:
    """One or two sentences on what a study does, derived from its configuration."""
    count = len(config.setups)
    setups = f"{count} set-up{'s' * (count > 1)} ({', '.join(setup.label for setup in config.setups)})"
    if config.preset == "quick":
        return f"{setups}: every step in minutes; the networks learned almost nothing and prove nothing."
    changed = sorted({*config.pretrain, *config.iwne, *config.ifi})
    recipe = "by the paper's recipes" if not changed else f"by the paper's recipes with another {', '.join(changed)}"
    arch = "" if config.arch == "resnet50" else f", with {config.arch} in place of ResNet-50"
    fine = ", at 512 px with the field of view cropped" if config.preset == "fine" else ""
    return f"{setups} {recipe}{arch}{fine}."


def _describe_protocol(config: StudyConfig) -> str:
    drawn = config.data.draw
    return f"field of view, {drawn.size} px" if drawn is not None else _PROTOCOLS.get(config.preset, "as prepared")


def _list_drawn(config: StudyConfig) -> tuple[DataSet, ...]:
    """The data sets that the study draws; digests are filled in when they are used."""
    drawn = config.data.draw
    if drawn is None:
        return ()
    counts = {
        "textures": drawn.textures,
        "train": 2 * drawn.patients,
        "validation": 2 * drawn.validation_patients,
        "test": 2 * drawn.test_patients,
    }
    return tuple(replace(DRAWN_DATA[name], images=count) for name, count in counts.items())
