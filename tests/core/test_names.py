"""One name has one meaning across the product, and no variable bears a word that says nothing."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ENTRY_POINTS = {
    "add_command": "every command's module adds itself to the parser",
    "show": "every part of a page draws itself",
    "show_page": "every view draws its page",
}
"""Names that several modules share because they mean the same thing in each."""

EMPTY_WORDS = {"told", "said", "way", "ways", "place", "many", "of"}


def product_modules():
    return [path for folder in ("dr_core", "dr_cli", "dr_ui") for path in sorted((ROOT / folder).rglob("*.py"))]


def public_names(source):
    body = ast.parse(source).body
    return [
        node.name
        for node in body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]


def bound_names(source):
    """Variables, parameters, fields, functions and classes that a module gives a name to."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names


def test_no_public_name_means_two_things():
    homes = defaultdict(list)
    for path in product_modules():
        for name in public_names(path.read_text(encoding="utf-8")):
            homes[name].append(path.relative_to(ROOT).as_posix())
    assert len(homes) > 500
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    assert twice.keys() == ENTRY_POINTS.keys(), twice


def test_variables_bear_names_that_say_something():
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in product_modules()
        for name in bound_names(path.read_text(encoding="utf-8")) & EMPTY_WORDS
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "for way in ways: pass",
        "def of(n): ...",
        "def f(told): ...",
        "class A:\n    place: int",
        "with open('a') as said: pass",
        "[many for many in x]",
    ],
)
def test_an_empty_word_is_found(source):
    assert bound_names(source) & EMPTY_WORDS


def test_public_names_are_those_of_the_module_itself():
    assert public_names("class A:\n    def b(self): ...\ndef c(): ...\ndef _d(): ...") == ["A", "c"]
