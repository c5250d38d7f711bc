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
from dr_ui.shell import server
server._PAUSE = 0
server.warm_up()
assert {"scipy", "dr_ui.shell.page", "dr_ui.views.explain.screen"} <= set(sys.modules)
"""


def test_pytorch_is_whole_before_scipy_is_imported():
    """SciPy looks for `torch.Tensor`: where one thread imports SciPy and another PyTorch, a page would fail."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_home_opens_without_libraries_that_only_analyses_need():
    code = "import sys; import dr_ui.shell.page, dr_ui.views.home.screen; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"sklearn", "skimage", "statsmodels", "distfit"} & set(done.stdout.split())
