"""One eye on one sheet of paper: answers, heatmaps, scores, a scan of the corruptions, and what to keep in mind."""

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape

import numpy as np

from dr_core.analysis.agreement import find_agreement
from dr_core.corruption import CORRUPTIONS, IMAGENET_C
from dr_core.data.grades import GRADES, LESIONS, referable_probability
from dr_core.files import digest_file
from dr_core.models.checkpoint import software_versions
from dr_core.models.setups import SETUPS
from dr_core.publish.palette import GRADE_RAMP
from dr_core.publish.report.document import page
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import photograph
from dr_ui.parts.answer_cards import READINGS, Verdict
from dr_ui.views.explain import heatmaps, localization_scores
from dr_ui.views.explain.heatmaps import OWN, Question
from dr_ui.views.robustness import damaged_eye

_SEVERITY = 3.0
_QUESTION = Question(rule="alpha1_beta0", target=3, pooling="sum_pos", protocol=OWN)
"""As the paper explains: LRP alpha1-beta0 from the severe neuron, the positive sum of the colors."""

_MASKS = {"total": "MA, HE and EX", **{lesion: lesion.replace("_", " ") for lesion in LESIONS}}


def make_sheet(study: Study, specimen: Specimen, verdict: Verdict) -> str:
    """Write the sheet of an eye as a self-contained page of HTML, one side of A4.

    Args:
        study: Whose models answer.
        specimen: The eye, with what is known of its lesions.
        verdict: From which probability of which grades an eye is called referable.

    Raises:
        InputError: If a file cannot be read.
    """
    eye = specimen.eye
    answers, look = cache.answers(eye, study), cache.look(eye, study)
    said = heatmaps.ask(specimen, study, _QUESTION)
    agreement = find_agreement(answers, verdict.referable_from, verdict.threshold)
    yes, all_of = len(agreement.referable), len(answers)
    body = (
        f"<h1>{escape(eye.name)}</h1>"
        f"<div class='top'>{_picture(look.taken, 'the eye as taken')}<div><table>{_answers(answers, verdict)}</table>"
        f"<p><b>{yes} of {all_of} models say referable</b> (grades {verdict.grades}, from {verdict.threshold:.2f} on); "
        f"they lie {agreement.spread:.2f} apart.</p>{photograph.quality_html(look, _told(specimen, look))}</div></div>"
        f"<h2>Where they look for severe DR (LRP alpha1-beta0)</h2>{_maps(study, specimen, said)}"
        f"{_scores(study, specimen, said)}"
        f"<h2>Nineteen corruptions at severity {_SEVERITY:.0f}: score of grades {verdict.grades}</h2>"
        f"{_scan(study, specimen, answers, verdict)}{_caveats(study)}"
    )
    return page(f"DR Lens: {eye.name}", f"<style>{_CSS}</style><main class='sheet'>{body}</main>")


def _told(specimen: Specimen, look: cache.Look) -> str:
    grade = specimen.eye.drawn_grade
    drawn = "" if grade is None else f"phantom, drawn with grade {grade}, {GRADES[grade]} · "
    return f"{drawn}{look.pixels[0]} × {look.pixels[1]} px"


def _picture(jpeg: bytes, told: str) -> str:
    return f'<img alt="{told}" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'


def _answers(answers: Mapping[str, np.ndarray], verdict: Verdict) -> str:
    heads = "".join(f"<th>{reading}</th>" for reading in READINGS)
    rows = ""
    for setup, softmax in answers.items():
        best = int(softmax.argmax())
        bars = "".join(
            f"<i style='width:{100 * share:.1f}%;background:{color}'></i>"
            for share, color in zip(softmax, GRADE_RAMP, strict=True)
        )
        readings = "".join(_reading(softmax, reading, verdict) for reading in READINGS)
        rows += (
            f"<tr><th>{_swatch(setup)}{SETUPS[setup].label}</th><td>{GRADES[best]}, {100 * softmax[best]:.0f} %</td>"
            f"<td class='bars'>{bars}</td>{readings}</tr>"
        )
    return f"<tr><th></th><th>most likely</th><th>grades 0 (light) to 4 (dark)</th>{heads}</tr>{rows}"


def _swatch(setup: str) -> str:
    known = SETUPS[setup]
    color = known.color
    filled = color if known.self_supervised else "transparent"
    return f"<b class='dot' style='border-color:{color};background:{filled}'></b>"


def _reading(softmax: np.ndarray, reading: str, verdict: Verdict) -> str:
    score = float(referable_probability(softmax, READINGS[reading]))
    return f"<td>{'▲' if score >= verdict.threshold else '▽'} {score:.2f}</td>"


def _maps(study: Study, specimen: Specimen, said: heatmaps.Answers) -> str:
    views, ways = cache.look(specimen.eye, study).views, heatmaps.ways_of(study, OWN)
    top = max(float(np.percentile(map_.numpy(), 99)) for map_ in said.pooled.values()) or 1.0
    figures = "".join(
        f"<figure>{_picture(damaged_eye.overlay(views[ways[setup]], map_[0].numpy() / top), 'heatmap')}"
        f"<figcaption>{_swatch(setup)}{SETUPS[setup].label}</figcaption></figure>"
        for setup, map_ in said.pooled.items()
    )
    scale = "<p class='scale'>relevance: none <i></i> 99th percentile and above, one scale for all</p>"
    return f"<div class='maps'>{figures}</div>{scale}"


def _scores(study: Study, specimen: Specimen, said: heatmaps.Answers) -> str:
    if not specimen.masked:
        return "<p>Where its lesions lie is not known, so how well the heatmaps lie on them was not measured.</p>"
    prepared, ways = heatmaps.prepare(specimen, study, OWN), heatmaps.ways_of(study, OWN)
    heads = "".join(f"<th>{SETUPS[setup].label}</th>" for setup in said.pooled)
    rows = ""
    for lesion, title in _MASKS.items():
        masks = {setup: prepared.masks[ways[setup]].get(lesion) for setup in said.pooled}
        known = {setup: mask for setup, mask in masks.items() if mask is not None and mask.any()}
        if len(known) == len(masks):
            row = localization_scores.measure(lesion, title, said.pooled, known)
            cells = "".join(f"<td>{_times(value, row.share)}</td>" for value in row.values["mass"].values())
            rows += f"<tr><th>{title}</th><td>{100 * row.share:.2f} %</td>{cells}</tr>"
    if not rows:
        return "<p>No lesion is marked in this eye.</p>"
    told = "Weight of the heatmap on the lesions (RMA), and how many times chance, which is their share of the view."
    return f"<table><tr><th></th><th>share</th>{heads}</tr>{rows}</table><p>{told}</p>"


def _times(value: float, chance: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f} ({value / chance:.1f}×)"


def _scan(study: Study, specimen: Specimen, clean: Mapping[str, np.ndarray], verdict: Verdict) -> str:
    before = {setup: _score(softmax, verdict) for setup, softmax in clean.items()}
    rows = [f"<tr><th>clean</th>{''.join(f'<td>{score:.2f}</td>' for score in before.values())}</tr>"]
    for name in IMAGENET_C:
        found = damaged_eye.damage(specimen.eye, study, ((name, _SEVERITY),)).answers
        cells = "".join(_damaged(before[setup], _score(found[setup], verdict), verdict) for setup in before)
        rows.append(f"<tr><th>{escape(CORRUPTIONS[name].label)}</th>{cells}</tr>")
    heads = f"<tr><th></th>{''.join(f'<th>{SETUPS[setup].label}</th>' for setup in before)}</tr>"
    half = (len(rows) + 1) // 2
    tables = "".join(f"<table>{heads}{''.join(part)}</table>" for part in (rows[:half], rows[half:]))
    return f"<div class='scan'>{tables}</div><p>⚠ the decision differs from that on the clean eye.</p>"


def _score(softmax: np.ndarray, verdict: Verdict) -> float:
    return float(referable_probability(softmax, verdict.referable_from))


def _damaged(before: float, after: float, verdict: Verdict) -> str:
    flips = (before >= verdict.threshold) != (after >= verdict.threshold)
    return f"<td>{after:.2f}{' ⚠' if flips else ''}</td>"


def _caveats(study: Study) -> str:
    info, versions = study.info, software_versions()
    drawn = " These networks were trained on drawn eyes, not photographs." if study.info.rests_on_drawings else ""
    prints = ", ".join(
        f"{SETUPS[setup].label} {digest_file(study.checkpoint_path(setup))[:12]}"
        for setup in study.setups
        if study.has_checkpoint(setup)
    )
    return (
        "<p class='caveats'><b>Research use only, not for diagnosis.</b> A heatmap says where a network looks, not "
        f"whether it is right.{drawn} Study “{escape(info.title)}”, seed {info.seed}, {escape(info.protocol)}; "
        f"checkpoints (SHA-256): {prints}. DR Lens on torch {escape(versions['torch'])}; "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</p>"
    )


_CSS = """
@page { margin: 9mm 11mm; }
.sheet { font-size: 9pt; line-height: 1.28; }
.sheet h1 { font-size: 14pt; margin: .1em 0 .3em; overflow-wrap: anywhere; }
.sheet h2 { font-size: 10.5pt; margin: .6em 0 .2em; } .sheet p { margin: .25em 0; }
.sheet table { font-size: 8.6pt; } .sheet th, .sheet td { padding: .12em .5em .12em 0; white-space: nowrap; }
.top { display: grid; grid-template-columns: 52mm 1fr; gap: 4mm; } .top img { width: 100%; border-radius: 2px; }
.bars { width: 38mm; } .bars i { display: inline-block; height: 2.6mm; outline: .2mm solid #555; }
.dot { display: inline-block; width: 2mm; height: 2mm; border: .5mm solid; border-radius: 50%; margin-right: 1mm; }
.maps { display: grid; grid-template-columns: repeat(4, 1fr); gap: 3mm; } .maps img { width: 100%; }
.maps figure { max-width: 44mm; } .maps figcaption { text-align: center; }
.scale i { display: inline-block; width: 25mm; height: 2.4mm; margin: 0 1mm;
  background: linear-gradient(90deg, #444, #ff6e00, #ffb832, #ffffc8); }
.scan { display: grid; grid-template-columns: 1fr 1fr; gap: 6mm; align-items: start; }
.caveats { border-top: .3mm solid #111; padding-top: .4em; font-size: 7.5pt; overflow-wrap: anywhere; }
"""
