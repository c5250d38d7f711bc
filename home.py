"""DR Lens: which study is open, its models, and what each page answers."""

from dr_ui.shell import page, result_tables, tour
from dr_ui.views.home import experiments, import_form, running_trainings, trainings_table
from dr_ui.views.home import screen as home


def render(study: page.Study) -> None:
    """The study, its models and trainings, the questions, what was measured on which eyes, and the form of imports."""
    home.show_study(study)
    tour.offer_tour()
    home.show_models(study)
    result_tables.rest_on_all_tables()
    trainings_table.show_trainings(study)
    running_trainings.show_runs(study)
    home.show_questions()
    home.show_data(study)
    experiments.show_experiments(study)
    import_form.show(study)


page.show("DR Lens", "DR Lens: what did your model look at?", render)
