"""DR Lens: which study is open, its models, and what each page answers."""

from dr_ui.shell import page, tour
from dr_ui.views.home import screen as home


def render(study: page.Study) -> None:
    """The study, its models and the questions; then trainings, what was measured on which eyes, and imports."""
    home.show_study(study)
    tour.offer_tour()
    home.show_models(study)
    trainings = home.show_questions()
    home.show_data(study)
    home.show_rest(study, trainings)


page.show("DR Lens", "DR Lens: what did your model look at?", render)
