"""What the house counts goes through `counted` and its like, so that nobody reads `1 steps`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import replay
from replay.words.phrases import agreed

ROOMS = Path(replay.__file__).parent
THINGS = (
    "steps|sessions|requests|streams|rows|lines|workers|values|columns|fields|places|edges|polls|entries|flows"
)
COUNTS = re.compile(rf" (?:more )?(?:{THINGS})\b(?!/)")
# Limits (`MOST_STEPS`) are of several, and figures that are measured (`number(rate)`) are hardly ever one.
NEVER_ONE = re.compile(r"_?[A-Z][A-Z_]+|number\(.*\)|count\([A-Z_]+\)")
# One more than a limit, one of several, what only a developer sees.
KNOWN_TO_BE_SEVERAL = {
    ("engine/users/rows.py", "len(names)"),
    ("judge/tail/critical_path.py", "every"),
    ("judge/tail/saturation.py", "least"),
    ("results/tables/column_file.py", "read.num_rows"),
    ("results/tables/column_file.py", "rows.num_rows"),
    ("scale/dividing.py", "workers"),
    ("testing.py", "steps"),
    ("trace/file/rules.py", "len(steps)"),
    ("trace/values/extracting.py", "len(extracts)"),
}


def bare_counts(source: str) -> Iterator[str]:
    """The expressions that stand before a plural as they are, in what people read."""
    tree = ast.parse(source)
    reprs = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__repr__"]
    unread = {inside for function in reprs for inside in ast.walk(function)}
    for text in ast.walk(tree):
        if not isinstance(text, ast.JoinedStr) or text in unread:
            continue
        for value, behind in zip(text.values, text.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(behind, ast.Constant):
                shown = ast.unparse(value.value)
                if COUNTS.match(str(behind.value)) and not NEVER_ONE.fullmatch(shown):
                    yield shown


def test_what_is_counted_agrees_with_its_number():
    found = {
        (path.relative_to(ROOMS).as_posix(), shown)
        for path in ROOMS.rglob("*.py")
        for shown in bare_counts(path.read_text())
    }

    assert found == KNOWN_TO_BE_SEVERAL


# What stands behind `(s) that` and is the same of one as of several.
THE_SAME_OF_ONE = {"may", "began", "took", "wrote", "another", "functions", "mitmproxy", "the"}
VERBS = re.compile(r"\(s\) that (?:only |all )?(\w+)")


def test_verbs_behind_what_is_counted_agree_with_one():
    written = {
        verb
        for path in ROOMS.rglob("*.py")
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        for verb in VERBS.findall(text.value)
    }
    unchanged = {verb for verb in written if agreed(f"1 thing(s) that {verb} so") == f"1 thing that {verb} so"}

    assert {"hold", "occur"} <= written
    assert unchanged <= THE_SAME_OF_ONE


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('f"{n} steps waited"', ["n"]),
        ('f"of {len(rows):,} rows"', ["len(rows)"]),
        ('f"and {n} more steps"', ["n"]),
        ("f\"{counted(n, 'step')} waited\"", []),
        ('f"{n} steps/s"', []),
        ('f"at most {MOST_STEPS:,} steps"', []),
        ('class A:\n def __repr__(self): return f"<A of {n} steps>"', []),
    ],
)
def test_a_bare_count_is_found(source, found):
    assert list(bare_counts(source)) == found
