"""How long what is found of an eye is kept: of a drawn sample for everybody, of any other eye for its session alone."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

_P = ParamSpec("_P")
_Found = TypeVar("_Found")

SAMPLE = "phantom-"
"""Begins the key of a drawn sample; that of an upload is a digest."""


def kept(
    cache: Callable[..., Any], max_entries: int
) -> Callable[[Callable[Concatenate[str, _P], _Found]], Callable[Concatenate[str, _P], _Found]]:
    """Keep what a function finds of an eye.

    Args:
        cache: `st.cache_data` or `st.cache_resource`.
        max_entries: How many answers are kept, of all samples and in each session.

    Returns:
        A decorator of functions whose first argument is the key of an eye; Streamlit's cache takes the others.
    """

    def decorate(find: Callable[Concatenate[str, _P], _Found]) -> Callable[Concatenate[str, _P], _Found]:
        of_samples = cache(max_entries=max_entries, show_spinner=False)(find)
        of_session = cache(max_entries=max_entries, show_spinner=False, scope="session")(find)

        @wraps(find)
        def look_up(key: str, /, *args: _P.args, **kwargs: _P.kwargs) -> _Found:
            found: _Found = (of_samples if key.startswith(SAMPLE) else of_session)(key, *args, **kwargs)
            return found

        return look_up

    return decorate
