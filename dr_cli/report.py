"""`report`: one page with a study's figures, tables, sources and the verdicts on the paper's claims."""

import argparse
from pathlib import Path

from dr_cli.output import give, say
from dr_core.errors import InputError
from dr_core.files import replacing
from dr_core.publish.pdf import html_to_pdf
from dr_core.publish.report.document import PAGE_MARK, TABLES_MARK, make_report, write_tables
from dr_core.study.folder import open_study
from dr_core.study.ownership import check_folder, check_page


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser("report", help=summary, description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder")
    parser.add_argument("--out", type=Path, help="the page, .html (default: STUDY/report.html)")
    parser.add_argument("--pdf", action="store_true", help="beside it a PDF, printed by Chromium")
    parser.add_argument(
        "--tables", type=Path, metavar="DIR", help="every table of the page as CSV and as LaTeX, in this folder"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    study = open_study(options.study)
    out = options.out or study.path / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out must end in .html, not {out.name!r}; --pdf writes the PDF beside it.")
    check_page(out, PAGE_MARK)
    if options.tables:
        check_folder(options.tables, TABLES_MARK)
    html = make_report(study)
    files = {out: html.encode()}
    if options.pdf:
        files[out.with_suffix(".pdf")] = html_to_pdf(html)
    pages = list(files)
    if options.tables:
        files |= {options.tables / name: content for name, content in write_tables(study).items()}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    for path in pages:
        say(f"The report is in {path}.")
    if options.tables:
        say(f"Its tables are in {options.tables}.")
    give(files=list(files))
