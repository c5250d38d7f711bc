"""A set-up of a study for other programs."""

from pathlib import Path

from dr_core.errors import InputError
from dr_core.models.onnx_export import OnnxReport, export_onnx
from dr_core.study.folder import Study


def export_setup(study: Study, setup: str, out: Path) -> OnnxReport:
    """Write the model of a set-up as ONNX, with its preprocessing written down.

    Args:
        study: The study.
        setup: Name of the set-up.
        out: The file, `.onnx`.

    Returns:
        What was written.

    Raises:
        InputError: If the study has no such set-up, or as `export_onnx`.
    """
    if setup not in study.setups:
        known = ", ".join(study.setups) or "none"
        raise InputError(f"The study {study.name} has no set-up {setup!r}; its set-ups are {known}.")
    return export_onnx(study.checkpoint_path(setup), setup, out)
