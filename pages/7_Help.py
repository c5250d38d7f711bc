"""What do the words mean, and where do I start?"""

from dr_ui.shell import page
from dr_ui.views.help import screen as help_page

page.show("Help", "What do the words mean, and where do I start?", help_page.show_page)
