"""Tables of the report."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd

from dr_core.files import csv_of
from dr_core.study.folder import Study


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """A table of the report, which also stands alone as CSV and LaTeX.

    Attributes:
        name: Name of its files.
        rows: What it shows, its columns by their headings.
        digits: Digits of its numbers in the report and in LaTeX; the CSV has all.
    """

    name: str
    rows: pd.DataFrame
    digits: int = 3

    def html(self) -> str:
        """The table as HTML."""
        heads = "".join(f"<th>{escape(str(name))}</th>" for name in self.rows.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(self._write(value))}</td>" for value in row) + "</tr>"
            for row in self.rows.itertuples(index=False)
        )
        return f"<table class='numbers'><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"

    def csv(self) -> str:
        """The table as CSV."""
        return csv_of(self.rows)

    def latex(self) -> str:
        """The table as LaTeX, for the packages booktabs and longtable."""
        numbers = [bool(pd.api.types.is_numeric_dtype(kind)) for kind in self.rows.dtypes]
        lines = [r"\begin{longtable}{" + "".join("r" if number else "l" for number in numbers) + "}", r"\toprule"]
        lines += [_latex_row(map(str, self.rows.columns)), r"\midrule", r"\endhead"]
        lines += [_latex_row(map(self._write, row)) for row in self.rows.itertuples(index=False)]
        return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])

    def _write(self, value: object) -> str:
        if isinstance(value, float):
            return "" if math.isnan(value) else f"{value:.{self.digits}f}"
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report.

    Attributes:
        title: Its heading.
        html: What stands below.
        tables: Its tables, which can be taken away.
    """

    title: str
    html: str
    tables: tuple[ReportTable, ...] = ()


def take_columns(name: str, rows: pd.DataFrame, names: Mapping[str, str], digits: int) -> ReportTable:
    """The columns that `names` has, by their headings, as a table."""
    return ReportTable(name=name, rows=rows[list(names)].set_axis(list(names.values()), axis=1), digits=digits)


def _latex_row(cells: "map[str]") -> str:
    return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"


_LATEX = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
    "○": r"$\circ$",
}
"""What letters that mean something in LaTeX are there; the marks of the verdicts need the package amssymb."""


def label_setups(study: Study, setups: pd.Series) -> list[str]:
    """Names of a study's set-ups for people; the name itself where the study does not declare it."""
    labels = {name: setup.label for name, setup in study.setups.items()}
    return [labels.get(str(setup), str(setup)) for setup in setups]


def write_intervals(rows: pd.DataFrame, digits: int) -> list[str]:
    """Ends of each row's interval; nothing where it has none."""
    return [
        "" if math.isnan(low + high) else f"{low:.{digits}f} to {high:.{digits}f}"
        for low, high in zip(rows["low"], rows["high"], strict=True)
    ]


def label_rows(study: Study, rows: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """Rows with the names of set-ups for people, and the column `interval`."""
    return rows.assign(setup=label_setups(study, rows["setup"]), interval=write_intervals(rows, digits))
