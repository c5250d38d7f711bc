"""DR Lens: which study is open, its models, and what each page answers."""

from dr_ui.shell import page, result_tables
from dr_ui.views.home import running_trainings, trainings_table
from dr_ui.views.home import screen as home


def render(study: page.Study) -> None:
    """The study, its models, its trainings, running ones, the questions, and what the numbers rest on."""
    home.show_study(study)
    home.show_models(study)
    result_tables.show_stale(study)
    trainings_table.show_trainings(study)
    running_trainings.show_runs(study)
    home.show_questions()
    home.show_data(study)


page.show("DR Lens", "DR Lens: what did your model look at?", render)
