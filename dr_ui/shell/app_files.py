"""Where the app's own files lie: in the checkout, or inside the installed package."""

from pathlib import Path


def find_app_folder() -> Path:
    """The folder that holds app.py, home.py, pages, assets, .streamlit and docs/glossary.md.

    In a checkout it is the root of the repository; in a wheel the build puts these files into `dr_ui/_app`
    (pyproject.toml, `force-include`).
    """
    package = Path(__file__).parents[1]
    installed = package / "_app"
    return installed if installed.is_dir() else package.parent
