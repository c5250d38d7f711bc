"""Each public function of the analyses says in its docstring what it computes: the formula, or where it comes from."""

import ast
import re
from pathlib import Path

import pytest

ANALYSIS = Path(__file__).parents[2] / "dr_core" / "analysis"

FORMULA = re.compile(r"\w\)? = |>=|sum over |\|.+\| / \|.+\|")
"""An equation, a comparison, a sum or a ratio in the docstring."""

NOTHING_TO_COMPUTE = {
    "attribution/alpha1_beta0.py": {"why_unknown"},  # names the part of a network that the fast engine does not know
    "calibration.py": {"methods_of", "read_map"},  # look methods up
    "calibration_choice.py": {"check_calibration_eyes"},  # checks arguments
    "conformal.py": {"describe_set"},  # says a set in words
    "controls.py": {  # choose networks and run them; the maps' formulas stand at the rules
        "build_explainers",
        "build_untrained",
        "class_maps",
        "control_maps",
        "kind_of",
        "untrained_explainers",
        "untrained_maps",
        "why_no_explainer",
        "why_no_map",
        "why_no_untrained",
    },
    "probes.py": {"pool_features", "strongest_block"},  # choose layers
    "faithfulness.py": {"describe_faithfulness", "perturb", "take_away"},  # fill pictures, say things in words
    "discrimination.py": {"check_scores"},  # checks arguments
    "explanation.py": {"describe_all", "describe_explanation", "find_best"},  # put shares into words
    "similarity.py": {"split_minibatches"},  # deals eyes out
    "drawn_intervals.py": {"join_warnings", "warn_dropped", "warn_eyes"},  # say things in words
    "intervals.py": {"warn_few"},  # likewise
    "localization.py": {"why_undefined"},  # gives the reason of a NaN
    "measures.py": {"find_measure", "measure_label", "measures_of", "under_damage"},  # look measures up
    "sanity.py": {"describe_cascade", "describe_class_sensitivity"},  # say things in words
    "spectrum.py": {"measured_layers"},  # lists layers
    "attribution/attn_lrp.py": {"why_unfit"},  # names layers
}
"""Public functions without mathematics: module -> names."""


def public_functions(path):
    return [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def has_formula(function):
    text = ast.get_docstring(function) or ""
    return "Source:" in text or bool(FORMULA.search(text.split("Args:")[0]))


def test_every_public_analysis_function_gives_its_formula_or_its_source():
    seen = 0
    for path in sorted(ANALYSIS.rglob("*.py")):
        module = path.relative_to(ANALYSIS).as_posix()
        excused = NOTHING_TO_COMPUTE.get(module, set())
        functions = public_functions(path)
        seen += len(functions)
        without = {function.name for function in functions if not has_formula(function)} - excused
        assert not without, f"{module}: add the formula in the paper's symbols, and `Source:`, to {sorted(without)}"
    assert seen > 30


def test_a_docstring_of_words_alone_is_found():
    function = ast.parse(
        'def share(mask):\n    """Share of the image.\n\n    Args:\n        mask: Bool, N = 3."""'
    ).body[0]
    assert not has_formula(function)
    for text in ("a = b / c", "sum over i of R_i", "Area.\n\n    Source: paper, equation 2."):
        assert has_formula(ast.parse(f'def share(mask):\n    """{text}"""').body[0])


CODE = [
    path
    for folder in ("dr_core", "dr_cli", "dr_ui", "pages", "tests", "benchmarks", "docs")
    for path in sorted((ANALYSIS.parents[1] / folder).rglob("*.py"))
]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ANALYSIS.parents[1]).as_posix())
def test_no_text_stands_where_nothing_reads_it(path):
    """A text on a line of its own begins a module, class or function, or describes the value before it.

    The second half of a sentence on the line after `return` is such a text that nobody sees.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for name in ("body", "orelse", "finalbody"):
            lines = getattr(node, name, None)
            if not isinstance(lines, list):
                continue
            begins = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            for before, line in zip([None, *lines], lines, strict=False):
                if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
                    described = isinstance(before, ast.Assign | ast.AnnAssign) and not isinstance(
                        node, ast.FunctionDef | ast.AsyncFunctionDef
                    )
                    assert line.value.value is ... or described or (begins and before is None), f"{path}:{line.lineno}"
