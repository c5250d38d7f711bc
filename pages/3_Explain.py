"""Did it look at the lesions?"""

from dr_ui import explain, page


def render(study: page.Study) -> None:
    """Inputs, then the heatmaps and how well they lie on the lesions."""
    explain.show(study, explain.choose())


page.show("Explain", "Did it look at the lesions?", render)
