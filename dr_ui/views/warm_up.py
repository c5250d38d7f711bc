"""What a visit of a page would compute first, computed before anybody comes: the models, and the sample that opens."""

from dr_core.corruption import FAMILIES
from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import cache, choice
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.shell import result_tables, studies
from dr_ui.views.explain import controls, heatmaps, inputs
from dr_ui.views.reproduction import screen as reproduction
from dr_ui.views.robustness import damaged_eye
from dr_ui.views.robustness import screen as robustness


def answer_first_questions() -> None:
    """Ask of the first study what every page asks when it opens; the answers are kept for all sessions."""
    try:
        study = studies.open_named(None)
        result_tables.stale_results(study)
        if cache.models(study):
            _ask_about_sample(study)
        reproduction.find_verdicts(study)
    except InputError:
        return  # the page that needs it says why, and what to do about it


def _ask_about_sample(study: Study) -> None:
    specimen = Specimen(choice.first_sample())
    cache.answers(specimen.eye, study)
    cache.judgement(specimen.eye, study)
    family = next(iter(FAMILIES))
    first = damaged_eye.names(family)[0]
    damaged_eye.thumbnails(specimen.eye, study, family)
    for steps in ((), ((first, robustness.FIRST_SEVERITY),)):
        damaged_eye.damage(specimen.eye, study, steps)
    damaged_eye.curve(specimen.eye, study, first, ())
    question = inputs.first_question(study)
    heatmaps.ask(specimen, study, question)
    heatmaps.probabilities(specimen, study, question.protocol)
    controls.controls(specimen, study, question)
