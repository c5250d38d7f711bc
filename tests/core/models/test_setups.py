import ast
import re
from pathlib import Path

import pytest

from dr_core.errors import InputError
from dr_core.models.setups import (
    MAX_SETUPS,
    PAPER,
    SETUPS,
    Setup,
    declare_setups,
    default_reference,
    parse_setup,
)


def looks(setups):
    return [(setup.color, setup.line, setup.filled) for setup in setups]


def test_the_papers_four_have_the_looks_of_the_screens_contract():
    assert looks(PAPER) == [
        ("#D55E00", "dash", False),
        ("#D55E00", "solid", True),
        ("#0072B2", "dash", False),
        ("#0072B2", "solid", True),
    ]


def test_eight_setups_look_eight_ways():
    more = [
        Setup(name="ifi_dino", label="IFI-DINO", initialization="imagenet", pretraining="dino"),
        Setup(name="ifi_byol", label="IFI-BYOL", initialization="imagenet", pretraining="byol"),
        Setup(name="retfound", label="RETFound", initialization="retfound", pretraining="mae"),
        Setup(name="ours", label="Ours", initialization="private"),
    ]
    setups = declare_setups([*SETUPS.values(), *more])
    assert len({(setup.color, setup.line) for setup in setups}) == len(setups) == MAX_SETUPS
    assert looks(setups[:4]) == looks(PAPER)
    assert declare_setups(setups) == setups


def test_a_chosen_color_is_nobody_elses():
    setups = declare_setups(
        [Setup(name="a", label="A", color="#009E73"), Setup(name="b", label="B", initialization="x")]
    )
    assert setups[0].color == "#009E73" != setups[1].color


def test_a_setup_is_not_its_own_partner():
    with pytest.raises(InputError, match="partner of a"):
        declare_setups([Setup(name="a", label="A", partner="a")])


def test_a_table_of_fields_is_a_setup_and_a_label_may_be_left_out():
    assert parse_setup({"name": "mine", "pretraining": "dino"}) == Setup(name="mine", label="mine", pretraining="dino")


ROOT = Path(__file__).parents[3]
OF_THE_PAPER = (
    "dr_core/models/setups.py",
    "dr_core/training/jobs/",
    "dr_core/pipeline/config.py",
    "dr_core/publish/paper/",
)
"""Where the paper's four set-ups may be listed or named; everything else takes the study's own."""

NAMING = ("dr_core/experiments/robustness_summary.py", "dr_cli/pretrain.py", "dr_cli/finetune.py")
"""Names the rows of the paper's Figure 4 in the tables; says which set-up a pretraining is for; lists known names."""

NAMED = re.compile(r"\b(?:iwne|ifi)_(?:fs|cl)\b")


def of_paper(source):
    """Whether a module lists the paper's set-ups, or names one in a text that is no docstring."""
    tree = ast.parse(source)
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return bool(imported & {"SETUPS", "PAPER", "FOUR"}) or any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.search(node.value)
        for node in ast.walk(tree)
        if id(node) not in texts
    )


def test_nothing_but_the_paper_takes_the_papers_set_ups_for_all():
    modules = [path for room in ("dr_core", "dr_ui", "dr_cli") for path in sorted((ROOT / room).rglob("*.py"))]
    names = [path.relative_to(ROOT).as_posix() for path in modules if of_paper(path.read_text(encoding="utf-8"))]
    assert [name for name in names if not name.startswith((*OF_THE_PAPER, *NAMING))] == []
    assert of_paper("from dr_core.models.setups import SETUPS") and of_paper("x = 'iwne_fs'")
    assert not of_paper('def f():\n    """Such as iwne_fs."""')


def test_the_reference_is_the_declared_partner_or_the_first():
    assert default_reference({one.name: one for one in PAPER[2:]}) == "ifi_fs"
    assert default_reference({one.name: one for one in (PAPER[3], PAPER[2])}) == "ifi_fs"
    assert default_reference({one.name: one for one in (PAPER[3], PAPER[0])}) == "ifi_cl"
