"""Parts of the Explain page: the choices, the viewer, the scores, the curve, and what happens without a lesion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

import numpy as np
import streamlit as st
import torch

from dr_core.analysis.attribution import RULES
from dr_core.analysis.localization import POOLINGS
from dr_core.data.grades import GRADES, LESIONS, lesion_code, total_lesions
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.protocol import PROTOCOLS
from dr_core.errors import InputError
from dr_core.models.setups import SETUPS
from dr_core.study.folder import Study
from dr_ui.eyes import cache, masked_eye
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import eye_report_button, style, viewer
from dr_ui.parts.answer_cards import READINGS, Verdict
from dr_ui.parts.viewer import Panel, Picture, Region, Scene
from dr_ui.views.explain import cohort, heatmaps, knockouts, localization_scores
from dr_ui.views.explain.heatmaps import Prepared, Question
from dr_ui.views.explain.localization_scores import Row

_Asked = tuple[str, cache.Stamp, Question, float]
"""Eye, study, question and percentile: what a row of scores depends on besides its masks."""

_Value = TypeVar("_Value")

_CODES = {lesion.code: name for name, lesion in LESIONS.items()}
_TOTAL_CODES = [lesion_code(name) for name in total_lesions()]
_PERCENTILES = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0)
_SEVERE = 3
"""The grade whose output the paper explains."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user has set above the viewer.

    Attributes:
        specimen: The eye.
        lesions: The lesions that count together.
        question: What the models are asked.
        percentile: Above which a pixel counts for the recall.
    """

    specimen: Specimen
    lesions: tuple[str, ...]
    question: Question
    percentile: float


def choose() -> Choice:
    """Draw the inputs."""
    specimen = masked_eye.choose()
    places = st.columns([2.3, 2.2, 1.9, 1.8, 1.3], gap="small", vertical_alignment="bottom")
    with places[0]:
        codes = st.pills(
            "Lesions that count",
            list(_CODES),
            selection_mode="multi",
            default=_TOTAL_CODES,
            key="lesions",
            bind="query-params",
            help="MA microaneurysms, HE haemorrhages, EX hard exudates, SE soft exudates (cotton wool). "
            "The paper's total is MA, HE and EX together.",
        )
    with places[1]:
        rule = _select(
            "How the model is asked",
            list(RULES),
            "rule",
            _rule_title,
            " ".join(f"{rule.label}: {rule.description}" for rule in RULES.values()),
        )
    with places[2]:
        target = _select(
            "What it is asked about",
            [_SEVERE, 4, 2, 1, 0],
            "target",
            _grade_title,
            "The heatmap shows what speaks for this grade. The paper asks about severe DR.",
        )
    with places[3]:
        pooling = _select(
            "Colors to one value",
            list(POOLINGS),
            "pooling",
            _pooling_title,
            "Positive sum: the three colors added, negative sums count as 0. Squared length: the squares of the three "
            "added. The paper reports both.",
        )
    with places[4]:
        protocol, percentile = _choose_details()
    return Choice(
        specimen=specimen,
        lesions=tuple(lesion for code, lesion in _CODES.items() if code in (codes or [])),
        question=Question(rule=rule, target=target, pooling=pooling, protocol=protocol),
        percentile=percentile,
    )


def _select(label: str, options: Sequence[_Value], key: str, title: Callable[[_Value], str], told: str) -> _Value:
    return st.selectbox(label, options, key=key, bind="query-params", format_func=title, help=told)


def _rule_title(rule: str) -> str:
    return RULES[rule].label


def _pooling_title(pooling: str) -> str:
    return style.POOLING_TITLES.get(pooling, POOLINGS[pooling].label)


def _grade_title(grade: int) -> str:
    return f"grade {grade}: {GRADES[grade]}"


def _choose_details() -> tuple[str, float]:
    with st.popover("More", width="stretch"):
        protocol = st.radio(
            "What the models are shown, and which pixels a lesion covers there",
            [heatmaps.OWN, *PROTOCOLS],
            format_func=_protocol_title,
            key="protocol",
            bind="query-params",
            help="The models see a small picture of the eye; a lesion covers some of its pixels in part. The two "
            "protocols are those of Table 3: `train_cli.py localize` gives the same numbers.",
        )
        percentile = st.select_slider(
            "A pixel counts for the recall above this percentile (%) of its heatmap",
            _PERCENTILES,
            value=1.0,
            key="percentile",
            bind="query-params",
        )
    return protocol, percentile


def _protocol_title(protocol: str) -> str:
    if protocol == heatmaps.OWN:
        return "as trained: the models' own view, every pixel that a lesion touches"
    asked = PROTOCOLS[protocol]
    touched = "every pixel that a lesion touches" if asked.mask_rule == "touched" else "pixels covered by half or more"
    seen = "the whole photograph squashed" if asked.crop == "squash" else "the field of view"
    return f"{protocol}: {seen}, {asked.size} px, {touched}"


def _covering(protocol: str) -> str:
    touched = protocol == heatmaps.OWN or PROTOCOLS[protocol].mask_rule == "touched"
    return "a pixel counts where a lesion " + ("touches it (small lesions grow)" if touched else "covers half of it")


def show(study: Study, choice: Choice) -> None:
    """Show where the models look, and whether it is at the lesions."""
    if not cache.models(study):
        raise InputError(
            f"The study {study.name} has no trained model yet; "
            f"`python train_cli.py demo --out {study.path}` trains them."
        )
    with st.spinner("Asking the models where they look ..."):
        prepared = heatmaps.prepare(choice.specimen, study, choice.question.protocol)
        said = heatmaps.ask(choice.specimen, study, choice.question)
    region = viewer.show(_scene(study, choice, prepared, said.pictures), "explain")
    for note in [*prepared.notes, *_engine_notes(study, choice.question.rule)]:
        st.html(f'<p class="lens-warning" role="alert">{escape(note)}</p>')
    _show_scores(study, choice, prepared, said.pooled, region)
    eye_report_button.show(study, choice.specimen, Verdict(next(iter(READINGS)), 0.5))
    if choice.specimen.masked:
        knockouts.show(study, choice.specimen, choice.question.target)
    cohort.show(study)


def _engine_notes(study: Study, rule: str) -> list[str]:
    return [
        f"{SETUPS[setup].label}: {reason}; zennit, the slower reference, drew its heatmap."
        for setup, reason in heatmaps.slow_engines(study, rule).items()
    ]


def _scene(study: Study, choice: Choice, prepared: Prepared, pictures: Mapping[str, Picture]) -> Scene:
    asked = choice.question
    answers = heatmaps.probabilities(choice.specimen, study, asked.protocol)
    ways = heatmaps.ways_of(study, asked.protocol)
    panels = [
        Panel(
            label=SETUPS[setup].label,
            note=f"P({GRADES[asked.target]}) {100 * answers[setup][asked.target]:.0f} %",
            color=SETUPS[setup].color,
            line=SETUPS[setup].css_line,
            heatmap=picture,
            place=prepared.places[ways[setup]],
        )
        for setup, picture in pictures.items()
    ]
    name = choice.specimen.eye.name
    return Scene(
        eye=choice.specimen.eye.key,
        name=name,
        photograph=prepared.photograph,
        ratio=prepared.ratio,
        panels=panels,
        outlines=prepared.outlines,
        caption=f"{name}. {_rule_title(asked.rule)} from {_grade_title(asked.target)}, "
        f"{_pooling_title(asked.pooling)} of the colors.",
        file=f"{name.rsplit('.', 1)[0]}-{asked.rule}-{asked.pooling}",
    )


def _show_scores(
    study: Study, choice: Choice, prepared: Prepared, pooled: Mapping[str, torch.Tensor], region: Region | None
) -> None:
    rows, masks = _rows(study, choice, prepared, pooled, region)
    if not rows:
        st.info(_nothing_known(choice))
        return
    st.html(f'<p class="lens-said" role="status">{localization_scores.sentence(rows[0])}</p>')
    st.html(localization_scores.table_html(rows, list(pooled), choice.percentile) + _told(study, choice))
    if not rows[0].empty:
        with st.expander(f"Recall at every percentile: {rows[0].name}"):
            figure = localization_scores.curve_figure(
                localization_scores.recall_curves(pooled, masks), choice.percentile
            )
            st.plotly_chart(figure, key="recall", config={"displayModeBar": False})


def _nothing_known(choice: Choice) -> str:
    if choice.specimen.masked:
        return "No lesion is chosen: choose at least one above, or draw a region in the viewer."
    return (
        "Where the lesions of this eye lie is not known, so nothing can be measured yet. Press “draw region” in the "
        "viewer and go around one, or upload lesion masks with the photograph (IDRiD's TIFF or PNG)."
    )


def _rows(
    study: Study, choice: Choice, prepared: Prepared, pooled: Mapping[str, torch.Tensor], region: Region | None
) -> tuple[list[Row], dict[str, np.ndarray]]:
    """The scores, what the user chose first; and the masks of the first row by set-up."""
    ways = heatmaps.ways_of(study, choice.question.protocol)
    wanted: list[tuple[str, str, dict[str, np.ndarray]]] = []
    if region is not None:
        drawn = {way: prepared.region_mask(region, way) for way in set(ways.values())}
        wanted.append(("region", "the drawn region", {setup: drawn[ways[setup]] for setup in pooled}))
    if choice.specimen.masked:
        alone = [(lesion,) for lesion in LESIONS if choice.lesions != (lesion,)]
        for lesions in [choice.lesions, *alone] if choice.lesions else alone:
            masks = {setup: _union(prepared, ways[setup], lesions) for setup in pooled}
            wanted.append((*_union_name(lesions), masks))
    asked = (choice.specimen.key, cache.study_stamp(study), choice.question, choice.percentile)
    rows = [
        _row(name, asked, region if code == "region" else None, code, pooled, masks) for code, name, masks in wanted
    ]
    return rows, wanted[0][2] if wanted else {}


@st.cache_data(max_entries=256, show_spinner=False, scope="session")
def _row(
    name: str,
    asked: _Asked,
    region: Region | None,
    _code: str,
    _pooled: Mapping[str, torch.Tensor],
    _masks: Mapping[str, np.ndarray],
) -> Row:
    """Another choice of lesions needs one new row; the others are kept."""
    return localization_scores.measure(_code, name, _pooled, _masks, asked[-1])


def _union(prepared: Prepared, way: Preprocessing, lesions: tuple[str, ...]) -> np.ndarray:
    mask = np.zeros((way.size, way.size), bool)
    for lesion in ["total"] if lesions == total_lesions() else lesions:
        mask |= prepared.masks[way].get(lesion, False)
    return mask


def _union_name(lesions: tuple[str, ...]) -> tuple[str, str]:
    names = [lesion.replace("_", " ") for lesion in lesions]
    code = "total" if lesions == total_lesions() else "+".join(lesion_code(lesion) for lesion in lesions)
    return code, " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _told(study: Study, choice: Choice) -> str:
    """How the numbers came about, in small letters."""
    ways = dict.fromkeys(heatmaps.ways_of(study, choice.question.protocol).values())
    seen = " or ".join(
        f"{way.size} × {way.size} px, "
        + ("cropped to the field of view" if way.crop == "field_of_view" else "the whole photograph squashed")
        for way in ways
    )
    return (
        f'<p class="lens-small">Small figures: times chance, what a random heatmap scores; ▲ the best of the row. '
        f"Measured in the view that the models are shown ({seen}); {_covering(choice.question.protocol)}.</p>"
    )
