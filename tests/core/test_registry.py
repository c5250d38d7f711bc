from dataclasses import dataclass

import pytest

from dr_core.errors import InputError
from dr_core.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str


def test_members_keep_their_order_and_are_found():
    things = Registry("thing", [Thing("b"), Thing("a")])
    assert list(things) == ["b", "a"]
    assert things.find("a") == things["a"] == Thing("a")
    assert len(things) == 2


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="`thing` must be one of b, not 'c'"):
        Registry("thing", [Thing("b")]).find("c")


def test_a_name_is_given_once():
    things = Registry("thing", [Thing("b")])
    with pytest.raises(InputError, match="already"):
        things.add(Thing("b"))


def test_what_is_added_for_a_while_goes_again_even_after_an_error():
    things = Registry("thing", [Thing("b")])
    with pytest.raises(ValueError), things.extended(Thing("c")):
        assert list(things) == ["b", "c"]
        raise ValueError
    assert list(things) == ["b"]
