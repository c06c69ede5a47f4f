"""docs/architecture.md tells of the house as tests/test_house.py has it."""

import re
import subprocess
import sys
from pathlib import Path

from tests.test_house import KNOWS, SUB_ROOMS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_picture_is_that_of_the_table(tmp_path):
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "draw-house", "--out", tmp_path / "house.svg"], check=True
    )

    drawn, kept = (tmp_path / "house.svg").read_text(), (ROOT / "docs" / "house.svg").read_text()
    assert drawn == kept, "run ./scripts/draw-house"


def test_the_picture_has_a_dot_for_each_import_that_is_allowed():
    kept = (ROOT / "docs" / "house.svg").read_text()

    dots = set(re.findall(r"<title>(\w+) may import (\w+)</title>", kept))
    assert dots == {(room, below) for room, known in KNOWS.items() for below in known}


def test_the_page_tells_of_every_room_and_sub_room():
    rows = {}
    for rooms, told in re.findall(r"^\| (`.+?`) \| (.+) \|$", PAGE, re.MULTILINE):
        rows |= dict.fromkeys(re.findall(r"`(\w+)`", rooms), told)

    assert rows.keys() == KNOWS.keys() - {"__main__"}
    for room, sub_room in SUB_ROOMS:
        assert f"`{sub_room}/`" in rows[room], f"{room}/{sub_room}"
