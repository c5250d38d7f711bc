"""One eye on one sheet of paper: answers, heatmaps, scores, a scan of the corruptions, and what to keep in mind."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

import cv2
import numpy as np

from dr_core.analysis.attribution import RULES
from dr_core.analysis.explanation import describe_explanation
from dr_core.corruption import CORRUPTIONS, IMAGENET_C
from dr_core.data.fundus import decode_jpeg, encode_jpeg
from dr_core.data.grades import (
    GRADES,
    TWO_OUTPUTS,
    Reading,
    referable_readings,
    tells_grades,
)
from dr_core.files import digest_file
from dr_core.models.checkpoint import software_versions
from dr_core.models.setups import Setup
from dr_core.publish import overlay
from dr_core.publish.palette import GRADE_RAMP
from dr_core.publish.report.document import page
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import no_answer, photograph
from dr_ui.parts.answer_cards import spread_sentence
from dr_ui.parts.operating_point import OperatingPoint, referable_grades
from dr_ui.parts.viewer import Outline, Rectangle
from dr_ui.views.explain import controls, heatmaps, inputs, localization_scores
from dr_ui.views.explain.heatmaps import Question
from dr_ui.views.explain.localization_scores import asked_of
from dr_ui.views.robustness import damaged_eye

_SEVERITY = 3.0
_HEATMAP_SIDE = 420


def write_eye_report(study: Study, specimen: Specimen, point: OperatingPoint) -> str:
    """Write the report about an eye as a self-contained page of HTML, one side of A4.

    Args:
        study: Whose models answer.
        specimen: The eye, with what is known of its lesions.
        point: From which probability of which grades an eye counts as referable.

    Raises:
        InputError: If a file cannot be read.
    """
    eye = specimen.eye
    answers, look, judgement = cache.answers(eye, study), cache.look(eye, study), cache.judgement(eye, study)
    no_answer.require_answers(study, answers)
    question, lesions = inputs.current_question(study)
    found = heatmaps.ask(specimen, study, question)
    agreement = point.agree(answers)
    yes, all_of = len(agreement.referable), len(point.answered(answers))
    body = (
        f"<h1>{escape(eye.name)}</h1>"
        f"<div class='top'>{_picture(look.taken, 'the eye as taken')}<div>"
        f"<table>{_answers(study, answers, point)}</table>"
        f"<p><b>{yes} of {all_of} models say referable</b> (grades {point.grades}, from the {point.range}; "
        f"operating point: {escape(point.label)}). "
        f"{spread_sentence(agreement)}</p>{no_answer.reasons_html(study, answers)}"
        f"{photograph.quality_html(look, judgement, _description(specimen, look))}</div></div>"
        f"<h2>What speaks for {escape(inputs.grade_title(question.target))} ({escape(RULES[question.rule].label)}, "
        f"{escape(inputs.pooling_title(question.pooling))} of the colors)</h2>"
        f"{_maps(study, specimen, question, found)}{_scores(study, specimen, question, lesions)}"
        f"<h2>{len(IMAGENET_C)} corruptions at severity {_SEVERITY:.0f}: score of grades {point.grades}</h2>"
        f"{_scan(study, specimen, answers, point)}{_caveats(study)}"
    )
    return page(f"DR Lens: {eye.name}", f"<style>{_CSS}</style><main class='eye-report'>{body}</main>")


def _description(specimen: Specimen, look: cache.Look) -> str:
    grade = specimen.eye.drawn_grade
    drawn = "" if grade is None else f"phantom, drawn with grade {grade}, {GRADES[grade]} · "
    return f"{drawn}{look.pixels[0]} × {look.pixels[1]} px"


def _picture(jpeg: bytes, alternative: str) -> str:
    return f'<img alt="{alternative}" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'


def _answers(study: Study, answers: Mapping[str, np.ndarray], point: OperatingPoint) -> str:
    heads = "".join(f"<th>grades {referable_grades(reading)}</th>" for reading in referable_readings())
    rows = ""
    for setup, softmax in answers.items():
        readings = "".join(_reading(setup, softmax, reading, point) for reading in referable_readings())
        rows += f"<tr><th>{_label(study.setups[setup])}</th>{_grades(softmax)}{readings}</tr>"
    return f"<tr><th></th><th>most likely</th><th>grades 0 (light) to 4 (dark)</th>{heads}</tr>{rows}"


def _grades(softmax: np.ndarray) -> str:
    """Cells of the likeliest grade and of the bars; of a model that does not tell grades apart, that it does not."""
    if not tells_grades(softmax):
        return f"<td colspan='2'>{TWO_OUTPUTS}</td>"
    best = int(softmax.argmax())
    bars = "".join(
        f"<i style='width:{100 * share:.1f}%;background:{color}'></i>"
        for share, color in zip(softmax, GRADE_RAMP, strict=True)
    )
    return f"<td>{GRADES[best]}, {100 * softmax[best]:.0f} %</td><td class='bars'>{bars}</td>"


def _label(setup: Setup) -> str:
    """Name of a set-up behind its marker."""
    filled = setup.color if setup.filled else "transparent"
    return f"<b class='dot' style='border-color:{setup.color};background:{filled}'></b>{escape(setup.label)}"


def _reading(setup: str, softmax: np.ndarray, reading: Reading, point: OperatingPoint) -> str:
    score = float(reading.score(softmax))
    if np.isnan(score):
        return "<td>no answer</td>"
    if point.chosen and reading != point.reading:  # its threshold was chosen for the other reading's score
        return f"<td>{score:.2f}</td>"
    return f"<td>{'▲' if score >= point.threshold_of(setup) else '▽'} {score:.2f}</td>"


def _maps(study: Study, specimen: Specimen, question: Question, found: heatmaps.Answers) -> str:
    prepared = heatmaps.prepare(specimen, study, question.protocol)
    end, photograph = overlay.shared_scale_end(found.shown.values()), decode_jpeg(prepared.photograph)
    figures = "".join(
        f"<figure>{_map(found, setup, photograph, prepared.outlines, prepared.places[preprocessing], end)}"
        f"<figcaption>{_label(study.setups[setup])}</figcaption></figure>"
        for setup, preprocessing in heatmaps.ways_of(study, question.protocol).items()
    )
    signed = any((heatmap < 0).any() for heatmap in found.shown.values())
    key = "".join(f"<span>{_ring(one)} {escape(one.code)} {escape(one.name)}</span>" for one in prepared.outlines)
    return f"<div class='maps'>{figures}</div><p>{overlay.scale_bar_html(signed=signed)} {key}</p>"


def _map(
    found: heatmaps.Answers,
    setup: str,
    photograph: np.ndarray,
    outlines: Sequence[Outline],
    extent: Rectangle,
    end: float,
) -> str:
    if setup in found.reasons:
        return f"<p class='blank'>{escape(found.reasons[setup])}</p>"
    size = (_HEATMAP_SIDE, _HEATMAP_SIDE)
    heatmap = cv2.resize(found.shown[setup], size, interpolation=cv2.INTER_LINEAR)
    drawn = overlay.render_overlay(_cut_photograph(photograph, extent), heatmap, end)
    return f"<div>{_picture(encode_jpeg(drawn, _HEATMAP_SIDE), 'heatmap')}{_outlines(outlines, extent)}</div>"


def _cut_photograph(picture: np.ndarray, extent: Rectangle) -> np.ndarray:
    """The part of a photograph, uint8 (H, W, 3), under a heatmap, uint8 (S, S, 3); black beside it."""
    left, top, width, height = (picture.shape[1] * value for value in extent)
    steps = width / _HEATMAP_SIDE, height / _HEATMAP_SIDE
    back = np.array([[steps[0], 0, left + 0.5 * (steps[0] - 1)], [0, steps[1], top + 0.5 * (steps[1] - 1)]])
    side = (_HEATMAP_SIDE, _HEATMAP_SIDE)
    return np.asarray(cv2.warpAffine(picture, back, side, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))


def _outlines(outlines: Sequence[Outline], extent: Rectangle) -> str:
    """The lesions over a heatmap, as the viewer draws them: a dark halo, then color and dashes."""
    paths = ""
    for one in outlines:
        path = "".join(f"M{' '.join(f'{value:.4f}' for value in ring)}z" for ring in one.rings)
        paths += f"<path d='{path}' stroke='#000' stroke-opacity='.65' stroke-width='1.3'/>"
        paths += f"<path d='{path}' stroke='{one.color}' stroke-width='.7' stroke-dasharray='{_dashes(one)}'/>"
    box = " ".join(f"{value:.5f}" for value in extent)
    return f"<svg viewBox='{box}' preserveAspectRatio='none'>{paths}</svg>"


def _ring(one: Outline) -> str:
    return (
        "<svg class='ring' viewBox='0 0 14 14'><circle cx='7' cy='7' r='7' fill='#16181c'/>"
        f"<circle cx='7' cy='7' r='4.5' fill='none' stroke='{one.color}' stroke-width='2' "
        f"stroke-dasharray='{one.dash or 'none'}'/></svg>"
    )


def _dashes(one: Outline) -> str:
    """Dashes for lines that are half as wide as on the screen."""
    return " ".join(f"{float(length) / 2:g}" for length in one.dash.split()) or "none"


def _scores(study: Study, specimen: Specimen, question: Question, lesions: tuple[str, ...]) -> str:
    """Where each heatmap's relevance lies, beside its strongest control, and what may be said of it."""
    maps = controls.controls(specimen, study, question)
    prepared, preprocessings = (
        heatmaps.prepare(specimen, study, question.protocol),
        heatmaps.ways_of(study, question.protocol),
    )
    if known := specimen.masked and bool(lesions):
        code, name = localization_scores.name_lesions(lesions)
        masks = {setup: prepared.join(preprocessings[setup], lesions) for setup in maps}
    else:
        code, name = "disc", "the optic disc"
        masks = {setup: prepared.regions[preprocessings[setup]].disc for setup in maps}
    row = localization_scores.measure_controlled(code, name, maps, masks, asked_of(study, specimen, question))
    if known and row.empty:
        return f"<p>No {escape(name)} are marked in this eye.</p>"
    sentences = "".join(f"<p>{escape(describe_explanation(one), quote=False)}</p>" for one in row.explanations.values())
    lack = "" if known else "<p>The positions of its lesions are not known; the optic disc is scored instead.</p>"
    return lack + sentences


def _scan(study: Study, specimen: Specimen, clean: Mapping[str, np.ndarray], point: OperatingPoint) -> str:
    before = {setup: float(point.score(softmax)) for setup, softmax in point.answered(clean).items()}
    rows = [f"<tr><th>clean</th>{''.join(f'<td>{score:.2f}</td>' for score in before.values())}</tr>"]
    for name in IMAGENET_C:
        found = damaged_eye.damage(specimen.eye, study, ((name, _SEVERITY),)).answers
        cells = "".join(
            _damaged(before[setup], float(point.score(found[setup])), point.threshold_of(setup))
            if setup in found
            else "<td>no answer</td>"
            for setup in before
        )
        rows.append(f"<tr><th>{escape(CORRUPTIONS[name].label)}</th>{cells}</tr>")
    heads = f"<tr><th></th>{''.join(f'<th>{escape(study.setups[setup].label)}</th>' for setup in before)}</tr>"
    half = (len(rows) + 1) // 2
    tables = "".join(f"<table>{heads}{''.join(part)}</table>" for part in (rows[:half], rows[half:]))
    return f"<div class='scan'>{tables}</div><p>⚠ the decision differs from that on the clean eye.</p>"


def _damaged(before: float, after: float, threshold: float) -> str:
    flips = (before >= threshold) != (after >= threshold)
    return f"<td>{after:.2f}{' ⚠' if flips else ''}</td>"


def _caveats(study: Study) -> str:
    info, versions = study.info, software_versions()
    drawn = " These networks were trained on drawn eyes, not photographs." if study.info.rests_on_drawings else ""
    prints = ", ".join(
        f"{escape(setup.label)} {digest_file(study.checkpoint_path(name))[:12]}"
        for name, setup in study.setups.items()
        if study.has_checkpoint(name)
    )
    return (
        "<p class='caveats'><b>Research use only, not for diagnosis.</b> A heatmap shows where a network looks, not "
        f"whether it is right.{drawn} Study “{escape(info.title)}”, seed {info.seed}, {escape(info.protocol)}; "
        f"checkpoints (SHA-256): {prints}. DR Lens on torch {escape(versions['torch'])}; "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</p>"
    )


_CSS = """
@page { margin: 9mm 11mm; }
.eye-report { font-size: 9pt; line-height: 1.28; }
.eye-report h1 { font-size: 14pt; margin: .1em 0 .3em; overflow-wrap: anywhere; }
.eye-report h2 { font-size: 10.5pt; margin: .6em 0 .2em; } .eye-report p { margin: .25em 0; }
.eye-report table { font-size: 8.6pt; }
.eye-report th, .eye-report td { padding: .12em .5em .12em 0; white-space: nowrap; }
.top { display: grid; grid-template-columns: 52mm 1fr; gap: 4mm; } .top img { width: 100%; border-radius: 2px; }
.bars { width: 38mm; } .bars i { display: inline-block; height: 2.6mm; outline: .2mm solid #555; }
.dot { display: inline-block; width: 2mm; height: 2mm; border: .5mm solid; border-radius: 50%; margin-right: 1mm; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(38mm, 1fr)); gap: 3mm; }
.maps img { width: 100%; display: block; } .maps figure > div { position: relative; }
.maps svg { position: absolute; inset: 0; width: 100%; height: 100%; fill: none; }
.maps path { vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.maps + p span { white-space: nowrap; } .ring { width: 3mm; height: 3mm; vertical-align: middle; margin-left: 2mm; }
.blank { aspect-ratio: 1; background: #0b0b0d; color: #f2f4f6; padding: 2mm; font-size: 7.5pt; overflow: hidden; }
.maps figure { max-width: 44mm; } .maps figcaption { text-align: center; }
.scan { display: grid; grid-template-columns: 1fr 1fr; gap: 6mm; align-items: start; }
.caveats { border-top: .3mm solid #111; padding-top: .4em; font-size: 7.5pt; overflow-wrap: anywhere; }
"""
