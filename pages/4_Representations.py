"""What did the models learn to see?"""

from dr_ui import page, representations

page.show("Representations", "What did the models learn to see?", representations.show_page)
