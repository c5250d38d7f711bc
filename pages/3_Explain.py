"""Did it look at the lesions?"""

from dr_ui.shell import page
from dr_ui.views.explain import inputs
from dr_ui.views.explain import screen as explain


def render(study: page.Study) -> None:
    """Inputs, then the heatmaps and how well they lie on the lesions."""
    explain.show(study, inputs.choose(study))


page.show("Explain", "Did it look at the lesions?", render, is_long=True)
