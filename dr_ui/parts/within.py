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
    level = judgement.level
    if not level.rank:
        return ""
    reason = next(reason for reason in judgement.reasons if reason.level == level.name)
    return (
        f'<p class="lens-warning" role="status"><b>{escape(level.label.capitalize())}.</b> {escape(reason.sentence)} '
        f"{escape(level.sentence)}{'' if judgement.is_outside else _rates(study, judgement, point)}</p>"
    )


def _rates(study: Study, judgement: Judgement, point: OperatingPoint) -> str:
    """How many healthy eyes with such warnings were referred, beside those without one; empty where not measured."""
    table = result_tables.load_table(study, TABLE)
    if table is None or table.empty:
        return ""
    rates = find_rates(table, point.reading.name, ["within", *(reason.name for reason in judgement.reasons)])
    within = rates.pop("within", None)
    if within is None or not rates:
        return ""
    shown = "".join(f", {one.text} with the warning “{escape(one.label)}”" for one in rates.values())
    title = (
        f"Photographs: {escape(result_tables.data_title(study, within.data))}. Thresholds of 90 % specificity on those "
        "without a warning; the lowest and the highest of the set-ups."
    )
    return f' <span title="{title}">Healthy eyes that the models refer: {within.text} without a warning{shown}.</span>'
