"""Does the paper hold?"""

from dr_ui import page, reproduction

page.show("Reproduction", "Does the paper hold?", reproduction.show_page)
