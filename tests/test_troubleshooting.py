"""Each message that the page on troubleshooting quotes is one that the program still says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text()
# In code, a message may stand in back ticks itself: the cell ends where the column does.
MESSAGES = re.findall(r"^\| `(.+?)` \| ", TEXT, re.MULTILINE) + re.findall(
    r"^`(a fault .+?)` ", TEXT, re.MULTILINE
)
GAP = "…"


def said():
    """Every string of the package, with a gap where a value stands."""
    for path in sorted((ROOT / "replay").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value.replace("{}", GAP)


@pytest.fixture(scope="module")
def strings():
    return "\n".join(" ".join(text.split()) for text in said())


def test_messages_are_found_on_the_page():
    assert len(MESSAGES) == len(re.findall(r"^\| `", TEXT, re.MULTILINE)) + 1 > 30


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_that_the_program_says(message, strings):
    anything = r"[^\n]*"
    pattern = anything.join(re.escape(part.strip()) for part in message.split(GAP))

    assert re.search(pattern, strings)
