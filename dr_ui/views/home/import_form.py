"""The form on Home that brings a model of somebody's own into the open study, where whoever runs the server allows it.

An uploaded file lies in a folder of this request alone while it is read, and is gone with it, whatever comes of it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.data.grades import READINGS, ReferableFrom
from dr_core.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Crop, Preprocessing
from dr_core.errors import InputError
from dr_core.models.architectures import ARCHITECTURES
from dr_core.models.heads import Outputs, name_groups
from dr_core.models.setups import MAX_SETUPS, Setup, declare_setups
from dr_core.study.folder import Study
from dr_core.study.importing import ImportPlan, ImportRequest, import_model, plan_import
from dr_core.study.ownership import check_training
from dr_core.study.runs import ALL_LABELS
from dr_ui.parts import tables
from dr_ui.parts.plain_text import plain
from dr_ui.shell import audit

SETTING = "DR_ALLOW_IMPORT"
"""Variable of the environment by which whoever runs the server allows imports: it writes to a study."""

_ENDINGS = ["pth", "pt", "tar", "ckpt", "bin", "safetensors"]
_CHECKED, _DONE = "import_checked", "import_done"
_BY_COUNT = "by their number"
_NO_READING = "– (five grades)"


def show(study: Study) -> None:
    """Draw the form, folded away; nothing where the server does not allow it.

    Args:
        study: The open study.
    """
    if os.environ.get(SETTING) != "1":
        return
    if done := st.session_state.pop(_DONE, None):
        st.success(done)
    with st.expander("Import a model into this study"):
        if not os.access(study.path, os.W_OK):
            st.info("The server cannot write to this study's folder; change its permissions, or import by the command.")
        elif len(study.setups) >= MAX_SETUPS:
            st.info(f"A study compares {MAX_SETUPS} set-ups at most, which this one has.")
        else:
            _show_form(study)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What the form holds, but the file's content."""

    setup: Setup
    arch: str
    preprocessing: Preprocessing
    outputs: Outputs | None
    positive_from: ReferableFrom | None
    training_data: str


def _show_form(study: Study) -> None:
    with st.form("import", border=False):
        file = st.file_uploader(
            "Weights",
            type=_ENDINGS,
            help="A state dict of PyTorch or a safetensors file. Nothing in it is run, and it is kept only once it is "
            "imported.",
        )
        fields = _ask()
        checked = st.form_submit_button("Check: how do the weights fit?")
    if file is None:
        if checked:
            st.warning("Choose a file of weights first.")
        return
    asked = _read_fields(fields)
    key = (file.file_id, asked)
    if checked:
        declare_setups([*study.setups.values(), asked.setup])
        check_training(study.path, asked.setup.name, ALL_LABELS, study.info.seed)
        with _on_disk(file) as path:
            st.session_state[_CHECKED] = (key, plan_import(_request(study, path, asked)))
    known = st.session_state.get(_CHECKED)
    if known is None or known[0] != key:
        return
    _show_plan(known[1], asked.positive_from)
    if known[1].mapping.fits and st.button("Import it", type="primary"):
        _import(study, file, asked)


def _ask() -> dict[str, str]:
    first, second, third = st.columns(3, gap="medium")
    with first:
        name = st.text_input("Name", placeholder="lab_swav", help="Lower-case letters, digits and _.")
        label = st.text_input("Label on pages", placeholder="SwAV")
        trained = st.text_input("Trained on", placeholder="eyes of the lab, 2019 to 2024")
    with second:
        arch = st.selectbox(
            "Architecture",
            [*ARCHITECTURES],
            accept_new_options=True,
            help="One of these, or timm/NAME where installed.",
        )
        outputs = _ask_outputs()
        size = st.number_input("Input, px", 16, 4096, 224)
    with third:
        crop = st.selectbox("Crop", get_args(Crop), format_func=lambda name: name.replace("_", " "))
        mean = st.text_input("Mean of red, green, blue", " ".join(map(str, IMAGENET_MEAN)))
        std = st.text_input("Standard deviation", " ".join(map(str, IMAGENET_STD)))
    reading = _ask_reading()
    origin, method = st.columns(2, gap="medium")
    initialization = origin.text_input("First weights", "none", help="none, imagenet, or another source in a word.")
    pretraining = method.text_input("Pretraining", "none", help="none, supervised, moco, dino, ...")
    return {
        "name": name,
        "label": label or name,
        "trained": trained,
        "arch": arch or "",
        "outputs": outputs,
        "reading": reading,
        "size": str(size),
        "crop": crop or "",
        "mean": mean,
        "std": std,
        "initialization": initialization,
        "pretraining": pretraining,
    }


def _ask_outputs() -> str:
    outputs = st.selectbox(
        "Outputs of the last layer",
        [_BY_COUNT, *get_args(Outputs)],
        help="grades: five logits; cumulative: four, of being worse; regression: the grade as a number; referable: "
        "one or two, of yes or no.",
    )
    return outputs or _BY_COUNT


def _ask_reading() -> str:
    reading = st.selectbox(
        "Reading that referable outputs answer",
        [_NO_READING, *READINGS],
        help="The grades meant by the yes of a last layer with one or two outputs. Such a model answers only this "
        "reading, not single grades.",
    )
    return reading or _NO_READING


def _read_fields(fields: dict[str, str]) -> _Asked:
    return _Asked(
        setup=Setup(
            name=fields["name"],
            label=fields["label"],
            initialization=fields["initialization"] or "none",
            pretraining=fields["pretraining"] or "none",
            summary="Imported on this page.",
        ),
        arch=fields["arch"],
        preprocessing=Preprocessing(
            size=int(fields["size"]),
            crop=next(one for one in get_args(Crop) if one == fields["crop"]),
            mean=_read_numbers("mean", fields["mean"]),
            std=_read_numbers("standard deviation", fields["std"]),
        ),
        outputs=next((one for one in get_args(Outputs) if one == fields["outputs"]), None),
        positive_from=READINGS[fields["reading"]].positive_from if fields["reading"] in READINGS else None,
        training_data=fields["trained"] or "eyes that are not known here",
    )


def _read_numbers(name: str, text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = map(float, text.replace(",", " ").split())
    except ValueError:
        raise InputError(f"The {name} must be three numbers such as 0.485 0.456 0.406, not {text!r}.") from None
    return red, green, blue


@contextmanager
def _on_disk(file: UploadedFile) -> Iterator[Path]:
    """The uploaded file in a folder that nobody else may read, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="dr-lens-import-") as folder:
        path = Path(folder) / f"weights{Path(file.name).suffix.lower()}"
        path.write_bytes(file.getbuffer())
        yield path


def _request(study: Study, path: Path, asked: _Asked) -> ImportRequest:
    return ImportRequest(
        file=path,
        study=study.path,
        setup=asked.setup,
        arch=asked.arch,
        preprocessing=asked.preprocessing,
        outputs=asked.outputs,
        positive_from=asked.positive_from,
        training_data=asked.training_data,
    )


def _show_plan(plan: ImportPlan, positive_from: ReferableFrom | None) -> None:
    """The mapping, before anything is written."""
    differences = plan.mapping.differences()
    for sentence in (*plan.notes, *differences):
        st.markdown(plain(sentence))
    if plan.nearest:
        st.markdown(f"By its shapes the file is most like {plain(plan.nearest)}.")
    names = pd.DataFrame(list(plan.mapping.names.items()), columns=["weight", "tensor in the file"])
    tables.show(names, "import_mapping", height=200)
    state = "Every weight is found" if plan.mapping.fits else "It does not fit, and nothing can be imported"
    gives = "gives {}" if positive_from is None else "tells {} from {}"
    named = gives.format(*(name_groups(positive_from) if positive_from else [plan.outputs]))
    st.caption(f"{state}. The last layer {named}. SHA-256 of the file: {plan.digest}")


def _import(study: Study, file: UploadedFile, asked: _Asked) -> None:
    with _on_disk(file) as path, st.spinner("Importing ..."):
        import_model(_request(study, path, asked))
    audit.note_import(study.name, asked.setup.name)
    del st.session_state[_CHECKED]
    st.session_state[_DONE] = f"{plain(asked.setup.label)} is a set-up of this study now."
    st.rerun()
