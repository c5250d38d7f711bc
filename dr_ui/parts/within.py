"""Whether an eye is within what the models know, beside its answers: it warns, and withholds nothing."""

from html import escape

from dr_core.experiments.false_referrals import TABLE, find_rates
from dr_core.experiments.judgement import Judgement
from dr_core.study.folder import Study
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.shell import result_tables


def note_html(study: Study, judgement: Judgement, point: OperatingPoint) -> str:
    """What the level means for the answers; empty where nothing speaks against them.

    Args:
        study: The study, whose table of false referrals says what was measured at this level.
        judgement: The judgement about the eye.
        point: The operating point, whose reading counts.
    """
    if not judgement.level.rank:
        return ""
    level = judgement.level
    return (
        f'<p class="lens-warning" role="status"><b>{escape(level.label.capitalize())}.</b> {escape(level.sentence)}'
        f"{_rates(study, judgement, point)}</p>"
    )


def _rates(study: Study, judgement: Judgement, point: OperatingPoint) -> str:
    table = result_tables.load_table(study, TABLE)
    if table is None or table.empty:
        return ""
    names = [reason.name for reason in judgement.reasons]
    rates = find_rates(table, point.reading.name, [*names, judgement.level.name, "within"])
    within = rates.pop("within", None)
    if within is None or not rates:
        return ""
    shown = "; ".join(f"{escape(one.label)} {one.text}" for one in rates.values())
    return (
        f" Of the healthy eyes of {escape(result_tables.data_title(study, within.data))}, at thresholds of 90 % "
        "specificity on those without a warning: without one the "
        f"models refer {within.text}; {shown}."
    )
