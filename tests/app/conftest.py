"""What the tests of pages share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def own_main_module(monkeypatch):
    """Streamlit makes the page that it runs the main module, which every later worker process would run as well."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
