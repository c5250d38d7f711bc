"""DR Lens: which study is open, its models, and what each page answers."""

from dr_ui.shell import page
from dr_ui.views.home import running_trainings
from dr_ui.views.home import screen as home


def render(study: page.Study) -> None:
    """The study, its models, running trainings, the questions, and what the numbers rest on."""
    home.show_study(study)
    home.show_models(study)
    running_trainings.show_runs(study)
    home.show_questions()
    home.show_data(study)


page.show("DR Lens", "DR Lens: what did your model look at?", render)
