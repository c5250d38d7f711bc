"""What do the models say about this eye?"""

from dr_ui.shell import page
from dr_ui.views.compare import screen as compare


def render(study: page.Study) -> None:
    """Inputs, then the answers."""
    compare.show_answers(study, compare.choose_inputs(study))


page.show("Compare", "What do the models say about this eye?", render)
