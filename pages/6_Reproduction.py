"""Does the paper hold?"""

from dr_ui.shell import page
from dr_ui.views.reproduction import screen as reproduction

page.show("Reproduction", "Does the paper hold?", reproduction.show_page)
