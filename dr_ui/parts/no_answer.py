"""Set-ups that give no answer about an eye, and why, beside the answers of the others."""

from collections.abc import Collection
from html import escape

from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.shell import missing


def reasons_html(study: Study, answered: Collection[str]) -> str:
    """A sentence for each set-up that has a checkpoint and gives no answer.

    Args:
        study: The study.
        answered: Set-ups whose answers are shown.
    """
    return "".join(
        f'<p class="lens-warning" role="alert">No answer of {escape(study.setups[setup].label)}, because: '
        f"{escape(reason)}</p>"
        for setup, reason in cache.unanswered(study, answered).items()
    )


def require_answers(study: Study, answered: Collection[str]) -> None:
    """Make sure that at least one model has answered.

    Raises:
        InputError: If none has, with the reasons.
    """
    if not answered:
        raise InputError("No answer, because: " + " ".join(cache.unanswered(study, answered).values()))


def require_models(study: Study) -> None:
    """Make sure that a model can be asked.

    Raises:
        InputError: If there is none, or each is broken.
    """
    if cache.models(study):
        return
    if refused := cache.refused_models(study):
        raise InputError("No answer, because: " + " ".join(refused.values()))
    raise missing.no_model_error(study)
