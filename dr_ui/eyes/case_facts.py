"""What this session knows of an eye of its case list: a thumbnail, its quality, and what the models say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from dr_core.data.fundus import decode_jpeg, encode_jpeg
from dr_core.data.fundus.checks import LEVELS
from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.cache import Eye

_KNOWN = "case_facts"
_THUMBNAIL_SIDE, _MOST = 64, 2000


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """What is known of an eye.

    Attributes:
        thumbnail: Small JPEG; empty where the photograph cannot be read.
        warnings: What speaks against an answer, plain sentences.
        level: How far it is from what the models know.
        answers: Set-up -> softmax, float64 (5,); empty where there is no answer.
        error: Why there is no answer; empty where there is one.
    """

    thumbnail: bytes = b""
    warnings: tuple[str, ...] = ()
    level: str = ""
    answers: Mapping[str, np.ndarray] = field(default_factory=dict)
    error: str = ""

    @property
    def is_outside(self) -> bool:
        """Whether the picture is outside what the models know."""
        return self.level == LEVELS["outside"].label


def known_facts(eyes: Sequence[Eye], study: Study) -> list[CaseFacts | None]:
    """What the session has found of eyes already, or tables hold of them; nothing is computed."""
    known, stamp = _known(), cache.study_stamp(study)  # of hundreds of eyes the files are looked at once
    return [known.get((eye.key, stamp)) or _recorded_facts(eye) for eye in eyes]


def find_facts(eye: Eye, study: Study) -> CaseFacts:
    """What is known of an eye; one of which nothing is known is read, and the models are asked about it."""
    return known_facts([eye], study)[0] or read_facts(eye, study)


def find_all_facts(eyes: Sequence[Eye], study: Study) -> Iterator[CaseFacts]:
    """`find_facts` of each eye, one after the other."""
    for eye, facts in zip(eyes, known_facts(eyes, study), strict=True):
        yield facts or read_facts(eye, study)


def read_facts(eye: Eye, study: Study) -> CaseFacts:
    """Read an eye and ask the models about it, once; a file that cannot be read gives its reason."""
    key = (eye.key, cache.study_stamp(study))
    known = _known()
    if key not in known:
        if len(known) >= _MOST:
            known.pop(next(iter(known)))
        known[key] = _find(eye, study)
    return known[key]


def _recorded_facts(eye: Eye) -> CaseFacts | None:
    recorded = eye.recorded
    if recorded is None:
        return None
    level = LEVELS[recorded.level].label if recorded.level in LEVELS else ""
    error = "" if recorded.answers else recorded.error or "its table holds no answer for it"
    return CaseFacts(warnings=recorded.warnings, level=level, answers=recorded.answers, error=error)


def _known() -> dict[tuple[str, cache.Stamp], CaseFacts]:
    found: dict[tuple[str, cache.Stamp], CaseFacts] = st.session_state.setdefault(_KNOWN, {})
    return found


def _find(eye: Eye, study: Study) -> CaseFacts:
    try:
        answers, look, judgement = cache.answers(eye, study), cache.look(eye, study), cache.judgement(eye, study)
    except InputError as error:
        return CaseFacts(error=str(error))
    reason = "" if answers else "no model's answer for this eye is a probability"
    warnings = tuple(one.sentence for one in judgement.reasons)
    return CaseFacts(
        thumbnail=_shrink(look.taken), warnings=warnings, level=judgement.level.label, answers=answers, error=reason
    )


def _shrink(jpeg: bytes) -> bytes:
    return encode_jpeg(decode_jpeg(jpeg), _THUMBNAIL_SIDE)
