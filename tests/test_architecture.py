"""docs/architecture.md tells of the house as tests/test_house.py has it."""

import re
from pathlib import Path

from tests.test_house import KNOWS, SUB_ROOMS

PAGE = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text()


def test_the_page_tells_of_every_room_and_sub_room():
    rows = {}
    for rooms, told in re.findall(r"^\| (`.+?`) \| (.+) \|$", PAGE, re.MULTILINE):
        rows |= dict.fromkeys(re.findall(r"`(\w+)`", rooms), told)

    assert rows.keys() == KNOWS.keys() - {"__main__"}
    for room, sub_room in SUB_ROOMS:
        assert f"`{sub_room}/`" in rows[room], f"{room}/{sub_room}"
