"""How much damage does each model take?"""

from dr_ui.shell import page
from dr_ui.views.robustness import screen as robustness


def render(study: page.Study) -> None:
    """One eye under damage, or Figure 4 over many."""
    robustness.show(study)


page.show("Robustness", "How much damage does each model take?", render)
