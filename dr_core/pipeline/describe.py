"""What a study says of itself, and whether its stores are what its preset wants."""

from dataclasses import replace
from pathlib import Path

from dr_core.data.protocol import PROTOCOLS
from dr_core.data.store import open_store, read_header
from dr_core.errors import InputError
from dr_core.files import locked
from dr_core.pipeline.config import StudyConfig
from dr_core.study.drawn_data import DRAWN_DATA
from dr_core.study.folder import CONFIGURATION, add_data, open_study, write_study_info

_SUMMARIES = {
    "paper": "The four set-ups by the paper's recipes.",
    "fine": "The four set-ups by the paper's recipes, at 512 px with the field of view cropped.",
    "quick": "Every step on phantoms in minutes; its networks learned next to nothing and prove nothing.",
}


def check_stores(config: StudyConfig) -> None:
    """Make sure before hours pass that the stores are there and were prepared by the preset's protocol.

    Raises:
        InputError: If one is missing, or of another size or crop.
    """
    data = config.data
    if data.draw is not None:
        return
    wanted = PROTOCOLS[config.preset]
    for path in (data.train, data.validation, *data.test.values()):
        if path is None:
            continue
        size, header = open_store(path).images.shape[-1], read_header(path)
        crop = header.get("crop", wanted.crop)
        if (size, crop) != (wanted.size, wanted.crop):
            raise InputError(
                f"{path} has {size} px, {crop}; the preset {config.preset} wants {wanted.size} px, {wanted.crop}: "
                f"`python train_cli.py data prepare NAME ROOT --protocol {wanted.name} --out {path}`."
            )
    for path in (data.idrid, *config.imagenet.values()):
        if path is not None and not path.exists():
            raise InputError(f"There is no {path}; mend its path in the configuration.")


def describe_study(config: StudyConfig, source: Path, out: Path) -> None:
    """Write the configuration into the head of the study, so that the report has it; without a head nothing is done."""
    if not (out / "study.json").is_file():
        return
    with locked(out / "study.json"):
        info = open_study(out).info
        write_study_info(
            out,
            replace(
                info,
                title=config.title or info.title,
                summary=_SUMMARIES[config.preset],
                settings=info.settings | {"preset": config.preset, CONFIGURATION: source.read_text(encoding="utf-8")},
            ),
        )
        if config.data.draw is not None:
            add_data(out, replace(DRAWN_DATA["textures"], images=config.data.draw.textures))
