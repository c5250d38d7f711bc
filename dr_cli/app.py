"""`dr-lens app`: start the server of the app."""

import argparse
import os
import sys
from pathlib import Path

from dr_core.errors import InputError
from dr_ui.shell.app_files import find_app_folder


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("app", help=summary, description=f"{summary.capitalize()}. Ctrl-C ends the server.")
    parser.add_argument("--study", type=Path, metavar="DIR", help="the study to open; the demo study if left out")
    parser.add_argument("--port", type=int, default=8501, help="port on localhost (default: %(default)s)")
    parser.add_argument(
        "streamlit_options", nargs="*", metavar="-- OPTION", help="options of `streamlit run`, after two hyphens"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.study:
        if not options.study.is_dir():
            raise InputError(f"`{options.study}` is not a folder; --study names the folder that holds study.json.")
        os.environ["DR_STUDY"] = str(options.study.resolve())
    script = find_app_folder() / "app.py"
    # Streamlit reads .streamlit/config.toml beside the script, whichever folder the command was given in.
    server = ["-m", "streamlit", "run", str(script), "--server.port", str(options.port), *options.streamlit_options]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *server])
