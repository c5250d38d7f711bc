"""How good are the four models?"""

from dr_ui import page, performance

page.show("Performance", "How good are the four models?", performance.show_page)
