"""The table of formats says of each importer what that says of itself, and none is imported before it is asked for."""

import subprocess
import sys

import pytest

from replay.importers import IMPORTERS
from replay.importers.built_in import BuiltIn
from replay.importers.formats import FORMATS


@pytest.mark.parametrize("of", FORMATS, ids=lambda of: of.name)
def test_the_table_says_of_an_importer_what_it_says_of_itself(of):
    importer = BuiltIn(of).importer

    assert (importer.name, importer.describe) == (of.name, of.describe)


def test_no_format_stands_in_the_table_twice():
    assert [of.name for of in FORMATS] == list(IMPORTERS)


def test_no_importer_is_imported_before_it_is_asked_for():
    asks = (
        "import sys, replay.cli.traces.trace_import; "
        "print(*(name for name in sys.modules if name.startswith('replay.importers.')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", asks], capture_output=True, text=True, check=True
    ).stdout.split()

    modules = {f"replay.importers.{where.partition(':')[0]}" for of in FORMATS for where in (of.where, of.told)}
    assert modules.isdisjoint(loaded)
