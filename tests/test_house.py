"""Imports run downwards through the rooms, as the design says."""

import ast
import functools
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "replay"

# Each room with the rooms that it may import; the order is the house from the roof down.
KNOWS = {
    "__main__": {"cli"},
    "cli": {
        "trials",
        "live",
        "simulation",
        "engine",
        "report",
        "choice",
        "importers",
        "judge",
        "money",
        "planes",
        "recording",
        "target",
        "results",
        "trace",
        "keys",
        "system",
        "toml",
        "words",
    },
    "pytest_plugin": {"trials", "engine", "report", "wire", "judge", "target", "results", "trace"},
    "trials": {
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
        "words",
    },
    "live": {"report", "results", "words"},
    "simulation": {"engine", "wire", "planes", "target", "results", "trace", "keys", "system"},
    "engine": {"wire", "planes", "target", "results", "trace", "dialects", "http", "system"},
    "report": {"choice", "judge", "money", "results", "system", "words"},
    "choice": {"judge", "money", "results", "keys", "toml", "words"},
    "wire": {"target", "dialects", "http", "system"},
    "importers": {"trace", "http"},
    "judge": {"results", "words"},
    "money": {"results", "keys", "toml", "words"},
    "planes": {"trace", "relay", "http", "system"},
    "recording": {"trace", "relay", "dialects", "http", "system"},
    "target": {"trace", "keys", "toml"},
    "results": {"system"},
    "trace": {"http", "system", "toml"},
    "errors": {"exit_codes"},
    "relay": {"http", "system"},
    "dialects": set(),
    "exit_codes": set(),
    "http": set(),
    "keys": set(),
    "system": set(),
    "toml": set(),
    "words": set(),
}
# What ends a command is said alike everywhere.
FOR_ALL = {"errors", "exit_codes"}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def room_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.stem if len(inside.parts) == 1 else inside.parts[0]


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree_of(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "replay" and len(parts) > 1:
                found.add(parts[1])
    return found


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_below_it(path):
    room = room_of(path)
    assert imported_rooms(path) - {room} <= KNOWS[room] | FOR_ALL


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("types.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_types_import_no_behaviour(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("replay."):
            assert node.module.endswith("types"), f"{path} imports {node.module}"


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

    assert found == {"system/files.py"}


def _is_safe(argument: ast.expr) -> bool:
    """Whether what is printed is written out here, or is no string that was put together on the spot."""
    is_made = isinstance(argument, ast.JoinedStr | ast.BinOp) or (
        isinstance(argument, ast.Call)
        and isinstance(argument.func, ast.Attribute)
        and argument.func.attr in ("join", "format")
    )
    return not is_made
