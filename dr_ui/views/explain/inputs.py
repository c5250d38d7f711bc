"""What the user chooses on the Explain page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from dr_core.analysis.attribution import RULES
from dr_core.analysis.localization import POOLINGS
from dr_core.data.grades import GRADES, LESIONS, POSITIVE, TARGET_GRADE, TOTAL, lesion_code, lesion_label, total_lesions
from dr_core.data.protocol import PROTOCOLS
from dr_core.study.folder import Study
from dr_ui.eyes import cache, masked_eye
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import style
from dr_ui.shell.navigation import kept_input
from dr_ui.views.explain import engines, heatmaps
from dr_ui.views.explain.heatmaps import Question

_Value = TypeVar("_Value")

_PERCENTILES = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0)


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


def _choose_lesions() -> tuple[str, ...]:
    codes = st.pills(
        "Lesions scored",
        [lesion.code for lesion in LESIONS.values()],
        selection_mode="multi",
        default=[lesion_code(name) for name in total_lesions()],
        **kept_input("lesions"),
        help=", ".join(f"{lesion.code} {lesion.label}" for lesion in LESIONS.values())
        + f". The paper's total is {lesion_label(TOTAL)}.",
    )
    return tuple(name for name, lesion in LESIONS.items() if lesion.code in (codes or []))


def _targets(study: Study) -> list[int]:
    """What the models can be asked about: grades where one tells them apart, the positive output where one has two."""
    loaded = cache.models(study).values()
    grades = [TARGET_GRADE, *(grade for grade in reversed(range(len(GRADES))) if grade != TARGET_GRADE)]
    positive = [POSITIVE] if any(model.info.positive_from for model in loaded) else []
    graded = not loaded or any(not model.info.positive_from for model in loaded)
    return (grades if graded else []) + positive


def first_question(study: Study) -> Question:
    """What the models are asked when the page opens: the first choice of every input below."""
    rule, target = engines.fitting_rules(study)[0], _targets(study)[0]
    return Question(rule=rule, target=target, pooling=next(iter(POOLINGS)), protocol=heatmaps.OWN)


def choose(study: Study) -> Choice:
    """Draw the inputs."""
    specimen = masked_eye.choose_masked_eye()
    places = st.columns([2.3, 2.2, 1.9, 1.8, 1.3], gap="small", vertical_alignment="bottom")
    with places[0]:
        lesions = _choose_lesions()
    with places[1]:
        rule = _select(
            "Attribution method",
            rules := engines.fitting_rules(study),
            "rule",
            rule_title,
            " ".join(f"{RULES[rule].label}: {RULES[rule].help}" for rule in rules)
            + " Methods that no model of this study supports are left out.",
        )
    with places[2]:
        target = _select(
            "Target grade",
            _targets(study),
            "target",
            grade_title,
            "The heatmap shows the evidence for this grade. The paper uses severe DR.",
        )
    with places[3]:
        pooling = _select(
            "Channel pooling",
            list(POOLINGS),
            "pooling",
            pooling_title,
            "Positive sum: the three colors added, negative sums count as 0. Squared length: the squares of the three "
            "added. The paper reports both.",
        )
    with places[4]:
        protocol, percentile = _choose_details()
    question = Question(rule=rule, target=target, pooling=pooling, protocol=protocol)
    st.session_state[_ASKED] = question, lesions
    return Choice(specimen=specimen, lesions=lesions, question=question, percentile=percentile)


_ASKED = "asked_on_explain"


def current_question(study: Study) -> tuple[Question, tuple[str, ...]]:
    """What was asked last on Explain, and about which lesions; before that, or of another study, what opens the page.

    The page opens as the paper explains where a model can: LRP alpha1-beta0 from the severe neuron, the positive sum of
    the colors.
    """
    asked: tuple[Question, tuple[str, ...]] | None = st.session_state.get(_ASKED)
    rules, targets = engines.fitting_rules(study), _targets(study)
    if asked is not None and asked[0].rule in rules and asked[0].target in targets:
        return asked
    return first_question(study), total_lesions()


def _select(label: str, options: Sequence[_Value], key: str, title: Callable[[_Value], str], text: str) -> _Value:
    return st.selectbox(label, options, **kept_input(key), format_func=title, help=text)


def rule_title(rule: str) -> str:
    """Name of an attribution method."""
    return RULES[rule].label


def pooling_title(pooling: str) -> str:
    """Name of a channel pooling."""
    return style.POOLING_TITLES.get(pooling, POOLINGS[pooling].label)


def grade_title(grade: int) -> str:
    """Name of a grade with its number."""
    return "positive (models with two outputs)" if grade == POSITIVE else f"grade {grade}: {GRADES[grade]}"


def _choose_details() -> tuple[str, float]:
    with st.popover("More", width="stretch"):
        protocol = st.radio(
            "What the models see, and which pixels count as lesion",
            [heatmaps.OWN, *PROTOCOLS],
            format_func=_protocol_title,
            **kept_input("protocol"),
            help="The models see a small picture of the eye; a lesion covers some of its pixels in part. The two "
            "protocols are those of Table 3, with the same numbers.",
        )
        percentile = st.select_slider(
            "Recall counts pixels above this percentile (%) of the heatmap",
            _PERCENTILES,
            value=1.0,
            **kept_input("percentile"),
        )
    return protocol, percentile


def _protocol_title(protocol: str) -> str:
    if protocol == heatmaps.OWN:
        return "as trained: the models' own view, every pixel that a lesion touches"
    asked = PROTOCOLS[protocol]
    touched = "every pixel that a lesion touches" if asked.mask_rule == "touched" else "pixels covered by half or more"
    seen = "the whole photograph squashed" if asked.crop == "squash" else "the field of view"
    return f"{protocol}: {seen}, {asked.size} px, {touched}"


def covering(protocol: str) -> str:
    """When a pixel belongs to a lesion under a protocol, in words."""
    touched = protocol == heatmaps.OWN or PROTOCOLS[protocol].mask_rule == "touched"
    return "a pixel counts where a lesion " + ("touches it (small lesions grow)" if touched else "covers half of it")
