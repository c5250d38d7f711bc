"""The report itself: a summary of two pages, contents, and an appendix with everything that a reader can check."""

import base64
import json
from collections.abc import Sequence
from html import escape

from dr_core import __version__
from dr_core.files import digest_file
from dr_core.publish.paper.review import review_claims
from dr_core.publish.report.claims import show_claims, show_implications
from dr_core.publish.report.explanations import list_explanations
from dr_core.publish.report.figures import Drawing, draw_figures
from dr_core.publish.report.measures import show_knockouts, show_measures, show_table2, show_table3, show_tests
from dr_core.publish.report.sources import digest_tables, show_sources
from dr_core.publish.report.summary import show_head, show_summary
from dr_core.publish.report.tables import ReportTable, Section
from dr_core.study.folder import Study

PAGE_MARK = '<meta name="viewport" content="width=device-width">'
"""What every page has near its beginning that this module made."""


def make_report(study: Study) -> str:
    """Write the report of a study.

    Args:
        study: The study.

    Returns:
        A page of HTML that needs no other file and no network: a summary of two pages, contents, and an appendix with
        claims and verdicts, figures by the paper's numbers, Tables 2 and 3, all measures, data sets, checkpoints,
        settings, versions, and the digest of every table.

    Raises:
        InputError: If a table or a checkpoint is damaged.
    """
    findings = review_claims(study)
    claims = [show_claims(study, findings), show_implications()]
    figures = [_show_figure(drawing) for drawing in draw_figures(study)]
    appendix = [*claims, *figures, *_list_numbers(study), show_sources(study)]
    body = (
        show_head(study, findings)
        + _heading(show_summary(study, findings), "summary")
        + _contents(appendix)
        + "".join(_heading(section, f"part{number}") for number, section in enumerate(appendix, start=1))
    )
    return page(f"{study.info.title}: report", body)


def list_report_tables(study: Study) -> list[ReportTable]:
    """Every table of the report; raises as `make_report` does."""
    findings = review_claims(study)
    sections = [show_summary(study, findings), show_claims(study, findings), show_implications(), *_list_numbers(study)]
    return [table for section in sections for table in section.tables]


def write_tables(study: Study) -> dict[str, bytes]:
    """Every table of the report as CSV and as LaTeX.

    Args:
        study: The study.

    Returns:
        Name of a file -> its content; `TABLES_MARK` says of which study, checkpoints and tables the others are.

    Raises:
        InputError: If a table or a checkpoint is damaged.
    """
    checkpoints = {name: study.checkpoint_path(name) for name in study.setups if study.has_checkpoint(name)}
    origin = {
        "study": study.info.title,
        "program": f"DR Lens {__version__}",
        "checkpoints": {name: digest_file(path) for name, path in checkpoints.items()},
        "tables": digest_tables(study),
    }
    files = {TABLES_MARK: json.dumps(origin, indent=1).encode()}
    for table in list_report_tables(study):
        files[f"{table.name}.csv"] = table.csv().encode()
        files[f"{table.name}.tex"] = table.latex().encode()
    return files


TABLES_MARK = "origin.json"
"""The file by which a folder of a report's tables is known."""


def _list_numbers(study: Study) -> list[Section]:
    """The sections whose tables the study has."""
    numbers = (show_table2(study), show_table3(study), show_tests(study), show_measures(study), show_knockouts(study))
    return [section for section in numbers if section is not None] + list_explanations(study)


def _heading(section: Section, anchor: str) -> str:
    return f"<h2 id='{anchor}'>{escape(section.title)}</h2>{section.html}"


def _contents(appendix: Sequence[Section]) -> str:
    lines = "".join(
        f"<li><a href='#part{number}'>{escape(section.title)}</a></li>" for number, section in enumerate(appendix, 1)
    )
    return f"<h2 class='contents'>Contents of the appendix</h2><ol>{lines}</ol>"


def page(title: str, body: str) -> str:
    """A self-contained page of HTML in the project's print style, with the note that must stand on every page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"{PAGE_MARK}<style>" + _CSS + "</style></head><body>"
        '<p class="note">DR Lens · research use only, not for diagnosis</p>' + body + "</body></html>"
    )


def _show_figure(drawing: Drawing) -> Section:
    source = base64.b64encode(drawing.svg.encode()).decode()
    html = (
        f'<figure><img alt="{escape(drawing.title)}" src="data:image/svg+xml;base64,{source}">'
        f"<figcaption>{escape(drawing.caption)}</figcaption></figure>"
    )
    return Section(title=drawing.title, html=html)


_CSS = """
@page { size: A4; margin: 14mm 12mm; }
body { font: 10pt/1.4 system-ui, sans-serif; color: #111; background: #fff; max-width: 190mm; margin: 1rem auto;
  padding: 0 1rem; font-variant-numeric: tabular-nums; }
h1 { font-size: 18pt; margin: .3em 0; } h2 { font-size: 13pt; margin: 1.2em 0 .4em; } h3 { font-size: 11pt; }
.brief li, .brief table { font-size: 8.6pt; } .brief .numbers td:first-child { white-space: nowrap; }
h2, h3 { break-after: avoid; } .contents + ol { break-inside: avoid; } #part1 { break-before: page; }
li { margin: .15em 0; } a { color: inherit; }
.note { border: 1px solid #111; border-radius: 1em; padding: .1em .8em; display: inline-block; font-size: 9pt; }
.warning { border-left: 4px solid #E69F00; padding-left: .7em; } .counts { font-size: 12pt; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: 8.2pt; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; border-bottom: 1px solid #ccc; }
thead { display: table-header-group; } tr { break-inside: avoid; }
.claim td { border-bottom: 0; padding-bottom: 0; } .told { columns: 2; list-style: none; font-size: 7.6pt; }
td ul { margin: .2em 0; padding-left: 1em; }
.numbers td { white-space: nowrap; padding-top: .1em; padding-bottom: .1em; }
.numbers td:first-child { white-space: normal; }
figure { margin: 0; break-inside: avoid; } figure img { width: 100%; } figcaption { font-size: 9pt; color: #333; }
li { overflow-wrap: anywhere; } pre { font-size: 7.5pt; white-space: pre-wrap; } .settings { columns: 3; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""
