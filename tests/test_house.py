"""Imports run downwards through the rooms, as the design says."""

import ast
import functools
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "replay"

# Each room with the rooms that it may import; the order is the house from the roof down.
KNOWS = {
    "__main__": {"cli"},
    "cli": {
        "trials",
        "scale",
        "live",
        "simulation",
        "engine",
        "report",
        "schemas",
        "choice",
        "importers",
        "assembly",
        "reading",
        "judge",
        "money",
        "planes",
        "recording",
        "target",
        "results",
        "trace",
        "http",
        "keys",
        "system",
        "toml",
    },
    "pytest_plugin": {"api", "trials", "engine", "report", "wire", "judge", "target", "results", "trace"},
    "testing": {"importers", "assembly", "trace", "system"},
    "api": {"trials", "simulation", "engine", "judge", "money", "target", "results", "trace"},
    "trials": {
        "scale",
        "simulation",
        "engine",
        "choice",
        "wire",
        "judge",
        "money",
        "planes",
        "target",
        "results",
        "trace",
        "system",
    },
    "scale": {"engine", "target", "results", "trace", "system", "words"},
    "live": {"report", "results", "system"},
    "simulation": {"engine", "wire", "planes", "target", "results", "trace", "keys", "system"},
    "engine": {"wire", "target", "results", "trace", "dialects", "websocket", "http", "system"},
    "report": {"choice", "judge", "money", "results", "system"},
    "schemas": {"choice", "judge", "money", "planes", "target", "results", "trace"},
    "choice": {"judge", "money", "results", "keys", "toml"},
    "wire": {"target", "dialects", "websocket", "http", "system"},
    "importers": {"assembly", "reading", "trace", "websocket", "http", "system"},
    "judge": {"results"},
    "money": {"results", "keys", "toml"},
    "planes": {"trace", "relay", "dialects", "websocket", "http", "system"},
    "recording": {"trace", "relay", "dialects", "websocket", "http", "system"},
    "target": {"trace", "dialects", "keys", "toml", "system"},
    "results": {"system"},
    "assembly": {"reading", "trace", "system"},
    "reading": {"trace"},
    "trace": {"dialects", "websocket", "http", "system", "toml"},
    "errors": {"exit_codes"},
    "relay": {"http", "system"},
    "dialects": set(),
    "exit_codes": set(),
    "websocket": set(),
    "http": set(),
    "keys": set(),
    "system": set(),
    "toml": set(),
    "words": set(),
}
# How a command ends, and how a number is written, is the same everywhere.
FOR_ALL = {"errors", "exit_codes", "words"}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def room_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.stem if len(inside.parts) == 1 else inside.parts[0]


def imported_paths(path: Path, *, for_types_alone: bool = False) -> set[tuple[str, ...]]:
    """What a module imports of this package, as the names below `replay`: `("trace", "file", "stream")`.

    for_types_alone: only what is named under `if TYPE_CHECKING`.
    """
    found = set()
    for node in nodes_for_types(tree_of(path)) if for_types_alone else ast.walk(tree_of(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A module may be named on either side: `from replay.trace import graph`.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = tuple(name.split("."))
            if parts[0] == "replay" and len(parts) > 1:
                found.add(parts[1:])
    return found


def nodes_for_types(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from ast.walk(node)


def imported_rooms(path: Path) -> set[str]:
    return {parts[0] for parts in imported_paths(path) if parts[0] in KNOWS}


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_below_it(path):
    room = room_of(path)
    assert imported_rooms(path) - {room} <= KNOWS[room] | FOR_ALL


def test_the_picture_of_the_house_is_that_of_the_table(tmp_path):
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "draw-house", "--out", tmp_path / "house.svg"], check=True
    )

    drawn = (tmp_path / "house.svg").read_text()
    dots = set(re.findall(r"<title>(\w+) may import (\w+)</title>", drawn))
    assert dots == {(room, below) for room, known in KNOWS.items() for below in known}
    assert drawn == (ROOT / "docs" / "house.svg").read_text(), "run ./scripts/draw-house"


SUB_ROOMS = sorted(
    {path.parent.relative_to(PACKAGE).parts[:2] for path in MODULES if len(path.relative_to(PACKAGE).parts) > 2}
)
# All that have rooms of their own inside, the pilot's for example.
FOLDERS = sorted(
    {path.parent.parent for path in MODULES if path.name == "__init__.py"} - {PACKAGE.parent, PACKAGE}
)


def test_the_page_of_the_house_tells_of_every_room_and_sub_room():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = {}
    for rooms, told in re.findall(r"^\| (`.+?`) \| (.+) \|$", page, re.MULTILINE):
        rows |= dict.fromkeys(re.findall(r"`(\w+)`", rooms), told)

    assert rows.keys() == KNOWS.keys() - {"__main__"}
    for room, sub_room in SUB_ROOMS:
        assert f"`{sub_room}/`" in rows[room], f"{room}/{sub_room}"


def in_circles(knows: Mapping[Any, set[Any]]) -> set[Any]:
    """Those that know one another in a circle, and those that know one of these."""
    left = dict(knows)
    while lowest := {name for name, known in left.items() if not known & left.keys()}:
        left = {name: known for name, known in left.items() if name not in lowest}
    return set(left)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE)))
def test_sub_rooms_of_a_room_do_not_import_each_other_in_circles(folder):
    """A room's own modules may lie above its sub-rooms or below them, and are not looked at here."""
    place = folder.relative_to(PACKAGE).parts
    sub_rooms = {inside.parent.name for inside in folder.glob("*/__init__.py")}
    knows = {
        sub_room: {
            parts[len(place)]
            for path in (folder / sub_room).rglob("*.py")
            for parts in imported_paths(path)
            if parts[: len(place)] == place and len(parts) > len(place)
        }
        & sub_rooms - {sub_room}
        for sub_room in sub_rooms
    }

    assert in_circles(knows) == set()


def test_no_modules_import_each_other_in_a_circle():
    """Those that are named for a type checker alone are not imported."""
    names = {
        path.relative_to(PACKAGE).with_suffix("").parts: path for path in MODULES if path.name != "__init__.py"
    }
    knows = {
        name: (imported_paths(path) - imported_paths(path, for_types_alone=True)) & names.keys()
        for name, path in names.items()
    }

    assert in_circles(knows) == set()


def test_a_circle_and_what_leads_into_it_are_found():
    assert in_circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"d"}}) == {"a", "b", "c"}


def test_no_room_is_above_a_sixth_of_the_house():
    lines = Counter[str]()
    for path in MODULES:
        lines[room_of(path)] += len(path.read_text().splitlines())

    assert {room for room, count in lines.items() if count > lines.total() / 6} == set()


def test_no_room_has_more_than_twenty_modules_directly_in_it():
    """Beyond that, names no longer tell a reader where to look: a room then needs sub-rooms, named by what is asked."""
    modules = Counter(path.parent for path in MODULES if path.name != "__init__.py")

    assert {str(room.relative_to(PACKAGE)) for room, count in modules.items() if count > 20} == set()


MOST_CLASS_LINES = 300


def test_no_class_is_a_room_of_its_own():
    long = {
        f"{path.relative_to(PACKAGE)}:{node.name}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and node.end_lineno - node.lineno + 1 > MOST_CLASS_LINES
    }

    assert long == set()


TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT / "tests")))
def test_no_test_imports_a_test(path):
    """What several share is in tests/support, where a reader looks for it, and its fixtures in a conftest."""
    named = {
        part
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("tests."))
        for part in [*(node.module or "").split("."), *(alias.name for alias in node.names)]
    }

    assert {part for part in named if part.startswith("test_") or part == "conftest"} == set()


# An item of a docstring, `name: what it is`, begins a sentence or a clause; several may share one: `low, high: ...`.
ITEM = re.compile(r"(?:^|(?<=[.;:] ))([a-z_]\w*(?:(?:, | and )[a-z_]\w*)*): ")


def items_of(docstring: str) -> Iterator[str]:
    """The names that a docstring has an item for. What stands in backquotes is a quotation."""
    text = " ".join(re.sub(r"`[^`]*`", "`", docstring).split())
    for item in ITEM.finditer(text):
        yield from re.split(", | and ", item[1])


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Those of what it defines inside, too: a fixture's are the ones of the function that it gives."""
    return {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}


def literals_in(annotation: ast.expr) -> set[str]:
    """The strings that a field may be, as `Literal["paired", "interleaved"]` says, here or by a name of it."""
    found = set()
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Name):
            found |= literals_by_name().get(node.id, set())
    return found


@functools.cache
def literals_by_name() -> dict[str, set[str]]:
    found = defaultdict(set)
    for path in MODULES:
        for node in tree_of(path).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal["):
                strings = {n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)}
                found[ast.unparse(node.targets[0])] |= strings
    return found


@functools.cache
def classes_by_name() -> dict[str, list[ast.ClassDef]]:
    found = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(node)
    return found


def members_of(made: ast.ClassDef) -> set[str]:
    """What a class docstring may have an item for: fields and what they may be, attributes, methods, parameters."""
    found = {
        node.attr
        for node in ast.walk(made)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    }
    for node in made.body:
        if isinstance(node, ast.AnnAssign):
            found |= {ast.unparse(node.target)} | literals_in(node.annotation)
        elif isinstance(node, ast.Assign):
            found |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
            if node.name in ("__init__", "__new__", "__call__"):
                found |= parameters_of(node)
    for base in made.bases:
        name = ast.unparse(base).split("[")[0].split(".")[-1]
        for inherited in classes_by_name().get(name, []):
            if inherited is not made:
                found |= members_of(inherited)
    return found


def wrong_items(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            known = members_of(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            known = parameters_of(node)
        else:
            continue
        yield from ((node.name, name) for name in items_of(ast.get_docstring(node) or "") if name not in known)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_docstrings_have_items_for_nothing_but_what_is_there(path):
    assert list(wrong_items(tree_of(path))) == []


def test_an_item_for_a_field_that_is_gone_is_found():
    source = '''
class Run(Struct):
    """A run: of one trace. speed: how fast. place, of: its share; late and lost: counts.

    It is written as `name: value`. Note: nothing. paired: both at once. lag_ms: of its steps.
    """
    speed: float
    place: int
    mode: Literal["paired", "sequential"]

def runs(speed):
    """All runs. speed: how fast. order: of what."""
'''

    assert list(wrong_items(ast.parse(source))) == [
        ("Run", "of"), ("Run", "late"), ("Run", "lost"), ("Run", "lag_ms"), ("runs", "order")
    ]  # fmt: skip


# A module as a docstring or a comment names it: by its path, or by its name where it is a neighbour.
MODULE = re.compile(r"(?<![\w.*/])(?:[\w-]+/)*[a-z_][a-z_0-9]*\.py\b")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_that_a_text_in_the_code_names_are_there(path):
    named = set(MODULE.findall(path.read_text()))

    assert {
        name for name in named if not any((start / name).exists() for start in (ROOT, path.parent))
    } == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("types.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_types_import_no_behaviour(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("replay."):
            is_types = node.module.endswith("types") or node.module.startswith("replay.words.")
            assert is_types, f"{path} imports {node.module}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_people_read_takes_no_string_for_markup(path):
    """rich's own tables and text do, and print escape codes: a step named [/x] ended a run."""
    tree = tree_of(path)
    taken = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("rich.table", "rich.text")
    }
    bare = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "print"
        and any(not _is_safe(argument) for argument in node.args)
    ]

    assert not taken, "take Table and Text from replay.report.plain"
    assert not bare, "put what is printed into Text"


def test_json_and_consoles_come_by_one_door_each():
    """There what a terminal or a CI system would act on is taken away."""
    calls = {"json.format": "cli/documents.py", "Console": "report/plain.py"}
    found = {
        (called, str(path.relative_to(PACKAGE)))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        for called in calls
        if f".{ast.unparse(node.func)}".endswith(f".{called}")
        if called == "Console" or path.parent.name == "cli"
    }

    assert found == set(calls.items())


def test_files_are_written_whole_by_one_door():
    """Written in place, a full disk or a crash leaves half of one under its name."""
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("write_text", "write_bytes")
    }

    assert found == set()


def _is_safe(argument: ast.expr) -> bool:
    """Whether what is printed is written out here, or is no string that was put together on the spot."""
    is_made = isinstance(argument, ast.JoinedStr | ast.BinOp) or (
        isinstance(argument, ast.Call)
        and isinstance(argument.func, ast.Attribute)
        and argument.func.attr in ("join", "format")
    )
    return not is_made
