"""What a report rests on: eyes and their roles, weights, tables with their digests, and what computed them."""

import json
import math
from html import escape

from dr_core.files import digest_file
from dr_core.publish.report.tables import Section
from dr_core.publish.training_eyes import name_training_eyes
from dr_core.study.folder import CONFIGURATION, Study
from dr_core.study.provenance import describe_environment
from dr_core.study.roles import certify_roles
from dr_core.study.run_history import CONFIG, PROVENANCE, read_object
from dr_core.study.staleness import find_stale
from dr_core.study.tables import TABLES


def show_sources(study: Study) -> Section:
    """The last part of a report; raises InputError where a table or a checkpoint is damaged."""
    info = study.info
    data = "".join(
        f"<li><b>{escape(source.role)}: {escape(source.title)}</b>, {source.images} images, "
        f"{'photographs' if source.real else 'drawn'}, fingerprint {escape(source.fingerprint or 'none')}. "
        f"{escape(source.description)}</li>"
        for source in info.data
    )
    versions = {"study written with": info.versions, "report written with": describe_environment()}
    settings = dict(info.settings)
    toml = settings.pop(CONFIGURATION, None)
    html = (
        f"{_stale(study)}<h3>Data sets</h3><ul>{data}</ul>"
        f"<h3>Roles of the eyes</h3>{_certificate(study)}<h3>Checkpoints</h3><ul>{_checkpoints(study)}</ul>"
        f"<h3>Tables</h3><ul>{_digests(study)}</ul><h3>Computed by</h3>{_computers(study)}"
        f"<h3>Versions</h3><pre>{escape(json.dumps(versions, indent=1))}</pre>"
        f"{'' if toml is None else f'<h3>study.toml</h3><pre>{escape(str(toml))}</pre>'}"
        f"<h3>Settings</h3><pre class='settings'>{escape(json.dumps(settings, indent=1))}</pre>"
    )
    return Section(title="Sources", html=html)


def _number(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.3f}"


def _checkpoints(study: Study) -> str:
    lines = []
    for setup in study.setups:
        if study.has_checkpoint(setup):
            info = study.read_checkpoint_info(setup)
            eyes = name_training_eyes(study, info.training_data)
            lines.append(
                f"<li><b>{escape(study.setups[setup].label)}</b>: {escape(info.arch)}, "
                f"trained on {escape(eyes)} (fingerprint {escape(info.data_fingerprint)}), "
                f"validation AUC {_number(info.validation_auc)}, seed "
                f"{info.training.get('seed', '?')}; SHA-256 {digest_file(study.checkpoint_path(setup))}</li>"
            )
        else:
            lines.append(f"<li><b>{escape(study.setups[setup].label)}</b>: not trained</li>")
    return "".join(lines)


def digest_tables(study: Study) -> dict[str, str]:
    """SHA-256 of every table of a study, by its name in the study's folder."""
    paths = sorted(path for path in (study.path / "results").glob("*.parquet") if path.is_file())
    return {f"results/{path.name}": digest_file(path) for path in paths}


def _digests(study: Study) -> str:
    return "".join(f"<li>{escape(name)}: SHA-256 {digest}</li>" for name, digest in digest_tables(study).items())


def _stale(study: Study) -> str:
    """What no longer follows from the study's models and eyes, struck through."""
    lines = "".join(
        f"<li><s>{escape(one.describe())}</s>, {one.rows} rows: {escape(one.reason)}</li>" for one in find_stale(study)
    )
    return f"<p class='warning'><b>Not up to date.</b></p><ul>{lines}</ul>" if lines else ""


def _certificate(study: Study) -> str:
    """How many patients and pictures each pair of roles shares, and how it was checked."""
    overlaps = certify_roles(study.path)
    if not overlaps:
        return "<p>Nothing was compared: the study was made before roles were recorded, or has eyes of one store.</p>"
    lines = "".join(
        f"<li>{'<b>Shared.</b> ' if one.leaks else ''}{escape(one.describe())}"
        f"{': ' + escape(', '.join(' ~ '.join(pair) for pair in one.near[:_SHOWN])) if one.near else ''}</li>"
        for one in overlaps
    )
    return (
        f"<ul>{lines}</ul><p>Patients are compared by name where both stores come from one data set, pictures by their "
        "stored pixels, and likeness by a perceptual hash of 256 bits.</p>"
    )


_SHOWN = 6
"""Pairs of pictures that look alike that are named."""


def _computers(study: Study) -> str:
    """What computed tables and trainings, each environment once."""
    users: dict[str, list[str]] = {}
    for table in (name for name in TABLES if study.has_results(name)):
        computed = study.read_provenance(table)
        text = ", ".join(f"{name} {value}" for name, value in computed.items()) if computed else "not recorded"
        users.setdefault(text, []).append(table)
    for path in sorted(study.path.glob(f"runs/*/{CONFIG}")):
        provenance = read_object(path).get(PROVENANCE, [])
        for computed in provenance if isinstance(provenance, list) else []:
            if isinstance(computed, dict):
                text = ", ".join(f"{name} {value}" for name, value in computed.items())
                users.setdefault(text, []).append(path.parent.name)
    lines = "".join(f"<li>{escape(text)}: {escape(', '.join(names))}</li>" for text, names in users.items())
    return f"<ul>{lines}</ul>"
