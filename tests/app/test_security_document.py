"""Every promise of docs/security.md has a test, and every test named there exists."""

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in (ROOT / "docs" / "security.md").read_text().splitlines()
    if line.startswith("| ") and "---" not in line
]
TABLES = [row for row in ROWS if len(row) >= 2 and "::" in row[-1]]
NAMED = sorted({test for row in TABLES for test in re.findall(r"`(tests/[\w/]+\.py::\w+)`", row[-1])})


@cache
def functions(file):
    return {node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_exists(named):
    file, _, name = named.partition("::")
    assert name in functions(file)


def test_every_promise_names_a_test():
    """Rows of the other table, the budget, have three cells of their own and no test."""
    text = (ROOT / "docs" / "security.md").read_text()
    parts = re.findall(r"^\| promise \|.*\n\|[- |]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [row for part in parts for row in part.splitlines()]
    assert len(rows) == len(TABLES) > 40
    assert all("::" in row.rpartition(" | ")[2] for row in rows)
