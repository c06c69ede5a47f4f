"""Packages that a few tests need, imported when the first of these runs: each worker of the suite collects every test."""

import importlib
import importlib.util
from typing import Any

import pytest


class Later:
    """A module that is imported when it is first asked for anything but private names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<{self._name}, later>"

    def __getattr__(self, attribute: str) -> Any:
        # pytest asks whatever stands in a module whether it is a test, and would have all of them imported.
        if attribute.startswith("_"):
            raise AttributeError(f"{self!r} gives nothing private, such as {attribute}")
        return getattr(importlib.import_module(self._name), attribute)


def later(name: str) -> Any:
    """The module of this name, as importlib gives it. A file whose module is of no installed package is skipped."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"the {name.partition('.')[0]} package is not installed", allow_module_level=True)
    return Later(name)
