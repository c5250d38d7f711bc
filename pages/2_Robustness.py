"""How much damage does each model take?"""

from dr_ui import page, robustness


def render(study: page.Study) -> None:
    """One eye under damage, or Figure 4 over many."""
    robustness.show(study)


page.show("Robustness", "How much damage does each model take?", render)
