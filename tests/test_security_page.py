"""The bounds that docs/security.md states are those of the code."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNITS = {"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " GiB": 1 << 30, " times its size": 1}
ROWS = re.findall(
    r"^\| (.+?) \| ([\d,]+)( [KMG]iB| times its size|)[^|]*\| `(replay\.[\w.]+)\.(\w+)` \|$",
    (ROOT / "docs" / "security.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_bound_is_as_stated(row):
    _, number, unit, module, name = row

    assert getattr(importlib.import_module(module), name) == int(number.replace(",", "")) * UNITS[unit]


def test_every_row_of_the_table_is_read():
    table = (ROOT / "docs" / "security.md").read_text().split("## Bounds")[1].split("##")[0]
    assert len(ROWS) == table.count("| `replay.") > 10
