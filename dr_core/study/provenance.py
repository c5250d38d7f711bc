"""What computed a number: the code's version, the libraries, the processor, and how it was computed."""

import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from dr_core.models.checkpoint import software_versions

_ROOT = Path(__file__).parents[2]

_LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "zennit", "kornia", "lightning-fabric")
"""Libraries whose versions a number may depend on, beside those of `software_versions`."""

_PACKAGE = "dr-lens"


def describe_environment(device: str = "cpu", precision: str = "32-true") -> dict[str, str]:
    """What computes here, as plain texts.

    Args:
        device: Device of the models, such as `"cpu"` or `"cuda:0"`.
        precision: Precision of the computation.

    Returns:
        `code` (the git commit, with a mark where files differ from it, or the package's version), `processor`,
        `device`, `precision`, `threads`, and the version of each library by its name.
    """
    on_gpu = device.startswith("cuda") and torch.cuda.is_available()
    return {
        "code": find_code_version(),
        "processor": find_processor(),
        "device": torch.cuda.get_device_name(device) if on_gpu else device,
        "precision": precision,
        "threads": str(torch.get_num_threads()),
        **software_versions(),
        **_library_versions(),
    }


@lru_cache(maxsize=1)
def find_code_version() -> str:
    """The git commit of this code, with `+changes` where files differ from it; the package's version elsewhere."""
    if (_ROOT / ".git").exists():
        commit = _ask_git("rev-parse", "--short=12", "HEAD")
        if commit:
            return commit + ("+changes" if _ask_git("status", "--porcelain", "--untracked-files=no") else "")
    try:
        return f"{_PACKAGE} {version(_PACKAGE)}"
    except PackageNotFoundError:
        return "unknown"


def _ask_git(*words: str) -> str:
    """What git says of this code; nothing where there is no git, or it takes too long."""
    command = ["git", "-C", str(_ROOT), *words]
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


@lru_cache(maxsize=1)
def find_processor() -> str:
    """The processor's model, as it calls itself."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@lru_cache(maxsize=1)
def _library_versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
