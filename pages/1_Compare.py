"""What do the four models say about this eye?"""

from dr_ui import compare, page


def render(study: page.Study) -> None:
    """Inputs, then the answers."""
    compare.show_answers(study, compare.choose())


page.show("Compare", "What do the four models say about this eye?", render)
