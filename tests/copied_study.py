"""Studies of other set-ups than the paper's: the demo's weights and tables under other names, cheap and whole."""

import dataclasses
from itertools import product

import pandas as pd

from dr_core.experiments.registry import EXPERIMENTS
from dr_core.models.checkpoint import load_model, save_model
from dr_core.models.setups import Setup, declare_setups
from dr_core.study.folder import open_study, write_study_info
from dr_core.study.schemas import CHECKPOINT, OTHER_CHECKPOINT
from tests.conftest import ROOT

SOURCES = ("iwne_fs", "iwne_cl", "ifi_fs", "ifi_cl")

UNREAD = ("localization", "knockout", "faithfulness", "sanity", "image_spectra", "image_distributions")
"""Large tables of single eyes, which no page and no report needs."""

WORDS = ("none", "imagenet", "fundus", "a <b>lab</b> of $1$")


def name_setups(number):
    """That many set-ups that the paper does not have, from four sources, every second one with a partner."""
    return declare_setups(
        Setup(
            name=f"lab_{at}",
            label=f"Lab {at} & <own>",
            initialization=WORDS[at % len(WORDS)],
            pretraining="dino" if at % 2 else "none",
            partner=f"lab_{at - 1}" if at % 2 else "",
        )
        for at in range(number)
    )


def copy_demo(folder, setups, size=64):
    """A study of these set-ups, each with the weights and the rows of one of the demo's.

    Args:
        folder: The study's folder.
        setups: Its set-ups.
        size: Side of their input in pixels; small ones are quick, and no number means anything.
    """
    demo = open_study(ROOT / "assets" / "demo_study")
    sources = {setup.name: SOURCES[at % len(SOURCES)] for at, setup in enumerate(setups)}
    (folder / "checkpoints").mkdir(parents=True)
    models = {name: load_model(demo.checkpoint_path(name)) for name in set(sources.values())}
    for setup, source in sources.items():
        info = models[source].info
        info = dataclasses.replace(info, setup=setup, preprocessing=dataclasses.replace(info.preprocessing, size=size))
        save_model(folder / "checkpoints" / f"{setup}.safetensors", models[source].model, info, half=True)
    study = write_study_info(
        folder, dataclasses.replace(demo.info, title="Copied", setups=tuple(setups), checkpoints={})
    )
    for table in dict.fromkeys(name for experiment in EXPERIMENTS.values() for name in experiment.tables):
        if demo.has_results(table) and table not in UNREAD:
            study.write_results(table, rename(demo.read_results(table), sources))
    return study


def rename(rows, sources):
    """The rows of each set-up's source under its own name; those of pairs for every pair of two sources."""
    if "setup" not in rows:
        return rows
    rows = rows.assign(**dict.fromkeys({CHECKPOINT, OTHER_CHECKPOINT} & set(rows), ""))
    if "other" not in rows:
        return pd.concat([rows[rows["setup"] == source].assign(setup=setup) for setup, source in sources.items()])
    parts = [
        rows[(rows["setup"] == sources[first]) & (rows["other"] == sources[second])].assign(setup=first, other=second)
        for first, second in product(sources, sources)
    ]
    renamed = pd.concat(parts)
    return renamed.assign(initialization=renamed["setup"]) if "initialization" in renamed else renamed
