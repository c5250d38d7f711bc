"""What did the models learn to see?"""

from dr_ui.shell import page
from dr_ui.views.representations import screen as representations

page.show("Representations", "What did the models learn to see?", representations.show_page)
