"""How good are the models?"""

from dr_ui.shell import page
from dr_ui.views.performance import screen as performance

page.show("Performance", "How good are the models?", performance.show_page)
