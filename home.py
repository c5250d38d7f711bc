"""DR Lens: which study is open, its models, and what each page answers."""

from dr_ui.shell import page
from dr_ui.views.home import experiments, running_trainings
from dr_ui.views.home import screen as home


def render(study: page.Study) -> None:
    """The study, its models, running trainings, the questions, what the numbers rest on, and what was measured."""
    home.show_study(study)
    home.show_models(study)
    running_trainings.show_runs(study)
    home.show_questions()
    home.show_data(study)
    experiments.show_experiments(study)


page.show("DR Lens", "DR Lens: what did your model look at?", render)
