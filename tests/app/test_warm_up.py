"""What the server imports beside the first requests."""

import subprocess
import sys

from tests.conftest import ROOT

CODE = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "scipy":
            torch = sys.modules.get("torch")
            assert torch is not None and not torch.__spec__._initializing, "SciPy came before PyTorch was whole"

sys.meta_path.insert(0, Watch())
from dr_ui.shell import page, server
page.SHOWN.set()
server.warm_up()
assert {"scipy", "dr_ui.shell.page", "dr_ui.views.explain.screen"} <= set(sys.modules)

from streamlit.testing.v1 import AppTest
from dr_ui.eyes import cache
from dr_ui.views.explain import engines, heatmaps

def refuse(*_):
    raise AssertionError("a visit asked a model what the server had asked it before")

cache.each = engines.each = heatmaps.each = refuse
for name in ("1_Compare", "2_Robustness", "3_Explain", "6_Reproduction"):
    app = AppTest.from_file("home.py", default_timeout=120).switch_page(f"pages/{name}.py").run()
    assert app.get("html") and not app.error and not app.exception, name
"""


def test_pages_open_with_answers_and_pytorch_is_whole_before_scipy_is_imported():
    """SciPy looks for `torch.Tensor`: where one thread imports SciPy and another PyTorch, a page would fail."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_home_opens_without_libraries_that_only_models_and_analyses_need():
    code = "import sys; import dr_ui.shell.page, dr_ui.views.home.screen; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"torch", "scipy", "sklearn", "skimage", "statsmodels", "distfit"} & set(done.stdout.split())
