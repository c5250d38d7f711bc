"""A module fits a sitting, a function fits a screen: at most 350 lines, and 45 lines of code."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE_LINES, FUNCTION_LINES = 350, 45

STILL_TOO_LONG = {
    "dr_ui/views/explain/screen.py: choose",
}
"""What is still to be divided; nothing may be added here."""


def product_files():
    folders = ("dr_core", "dr_cli", "dr_ui", "pages")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    code = [path for path in files if path.suffix in (".py", ".js", ".css", ".html")]
    return [*code, *(ROOT / name for name in ("app.py", "home.py", "train_cli.py"))]


def count_code_lines(function, lines):
    """Lines of the body without its docstring, empty lines and comments."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    code = (line.strip() for line in lines[body[0].lineno - 1 : function.end_lineno])
    return sum(1 for line in code if line and not line.startswith("#"))


def find_long_parts(name, source):
    lines = source.splitlines()
    long = {name} if len(lines) > MODULE_LINES else set()
    if not name.endswith(".py"):
        return long
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return long | {f"{name}: {node.name}" for node in functions if count_code_lines(node, lines) > FUNCTION_LINES}


def test_no_module_and_no_function_is_too_long():
    files = product_files()
    assert len(files) > 150
    found = {
        part
        for path in files
        for part in find_long_parts(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    }
    assert not found - STILL_TOO_LONG


def test_what_is_too_long_is_found():
    body = "    x = 1\n" * 45
    assert find_long_parts("a.py", f'def f():\n    """Text.\n\n    More."""\n    # why\n\n{body}') == set()
    assert find_long_parts("a.py", f"def f():\n{body}    y = 2\n") == {"a.py: f"}
    assert find_long_parts("a.js", "x\n" * 351) == {"a.js"}
