"""A short run of every fuzzing harness, the inputs that once broke a parser, and that no parser goes without."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from replay.importers import IMPORTERS
from tests.fuzz.contract import tried
from tests.fuzz.fuzzing import by_mutation
from tests.fuzz.harnesses import HARNESSES

ROOT = Path(__file__).parent.parent.parent
CRASHES = Path(__file__).parent / "crashes"
SEED = 20261128

# Modules that decode bytes, but no one's but ours or the user's own program's.
NOT_FUZZED = {
    "replay.api.options": "keyword arguments of the user's own program",
    "replay.cli.replaying.ceiling": "the arguments of a tool on the command line",
    "replay.cli.planes.asked": "a model file, converted as the run options of its command line are",
    "replay.engine.requests.templates": "a file that the user's own target file names",
    "replay.live.screen": "snapshots of our own process",
    "replay.scale.engine": "orders of the process that started it",
    "replay.scale.worker": "lines of a process that it started",
    "replay.trials.aborting": "lines of our own process",
    "replay.trials.gate.early": "lines of our own process",
    "replay.trials.watching": "lines of a run that our own process writes",
}
_DECODES = {"decode_lines", "loads", "decompressobj", "convert"}
_UNPACKS = {"iter_unpack", "unpack", "unpack_from"}


def _decodes(path: Path) -> bool:
    """Whether a module turns bytes into values by a decoder of JSON, TOML, a compression or headers, or as a struct."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr in _UNPACKS or (node.attr == "Decoder" and owner == "hpack"):
            return True
        if node.attr in _DECODES and owner in ("json", "tomllib", "zlib", "msgspec"):
            return True
        if (
            node.attr in ("decode", "Decoder")
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "json"
        ):
            return True
    return False


def test_every_importer_is_fuzzed():
    assert {f"import:{name}" for name in IMPORTERS} <= HARNESSES.keys()


def test_what_is_said_to_be_fuzzed_is_there():
    covered = {module for harness in HARNESSES.values() for module in harness.covers}

    assert {module for module in covered | NOT_FUZZED.keys() if find_spec(module) is None} == set()


def test_every_module_that_decodes_bytes_is_fuzzed_or_says_why_not():
    covered = {module for harness in HARNESSES.values() for module in harness.covers}
    decoding = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "replay").rglob("*.py")
        if _decodes(path)
    }
    assert decoding <= covered | NOT_FUZZED.keys()
    assert decoding - covered >= NOT_FUZZED.keys()


def test_what_a_harness_claims_to_cover_is_there():
    for harness in HARNESSES.values():
        for module in harness.covers:
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), f"{harness.name} covers {module}"


@pytest.mark.parametrize("name", HARNESSES)
def test_a_parser_takes_bytes_or_refuses_them_as_documented(name, tmp_path):
    harness = HARNESSES[name]
    tally = by_mutation(harness, harness.short_run, SEED, tmp_path)
    assert not tally.findings, list(tally.findings.values())
    assert tally.inputs == harness.short_run
    assert tally.accepted, "the seeds are refused, so nothing behind the first check was tried"


@pytest.mark.parametrize(
    "path",
    sorted(path for path in CRASHES.rglob("*") if path.is_file()),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_what_once_broke_a_parser_does_so_no_more(path, tmp_path):
    [harness] = [harness for name, harness in HARNESSES.items() if name.replace(":", "-") == path.parent.name]
    found = tried(harness, path.read_bytes(), tmp_path)
    assert found.finding is None, f"{found.finding}: {found.why}"
