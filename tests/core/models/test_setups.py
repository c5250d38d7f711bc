import pytest

from dr_core.errors import InputError
from dr_core.models.setups import MAX_SETUPS, PAPER, SETUPS, Setup, declare_setups, parse_setup


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
