"""`replay trace import` with formats that other packages bring: by an entry point, loaded when it is needed."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.failures import failure_of
from replay.cli.traces.trace import trace
from replay.trace.file.stream import read_sessions

DOCS = Path(__file__).parents[3] / "docs" / "importing.md"
[DOOR_LOG] = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    if "class DoorLog" in block
]
RECORDING = "# door log\n1000 /a\n1250 /b\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package with this module and these entry points: name to module:attribute."""
    count = 0

    def install(module_name, text, **entries):
        nonlocal count
        count += 1
        site = tmp_path / f"site-{count}"
        info = site / f"package_{count}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: package-{count}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {where}\n" for name, where in entries.items())
        (info / "entry_points.txt").write_text(f"[replay.importers]\n{lines}")
        (site / f"{module_name}.py").write_text(text)
        monkeypatch.syspath_prepend(site)

    return install


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "door.log").write_text(RECORDING)

    def invoke(*words):
        return CliRunner().invoke(trace, ["import", *words, "-o", "out.jsonl"])

    return invoke


@pytest.mark.parametrize("words", [["door-log", "door.log"], ["--from", "door-log", "door.log"], ["door.log"]])
def test_the_importer_of_the_docs_is_found_by_its_name_and_by_what_it_reads(package, run, tmp_path, words):
    package("door_log", DOOR_LOG, **{"door-log": "door_log:DoorLog"})

    result = run(*words)

    assert (result.exit_code, result.stderr) == (0, "2 requests.\nread        2  steps in 2 sessions\n")
    found = [(session.start_ms, session.steps[0].name) for session in read_sessions(tmp_path / "out.jsonl")]
    assert found == [(0.0, "GET /a"), (250.0, "GET /b")]


def test_what_it_says_of_its_input_is_said_as_ours_is(package, run, tmp_path):
    package("door_log", DOOR_LOG, **{"door-log": "door_log:DoorLog"})
    (tmp_path / "door.log").write_text("# door log\nsoon /a\n")

    result = run("door-log", "door.log")

    assert failure_of(result.exception)[:2] == (2, "door.log, line 2: not a time in ms and a path.")


def test_help_lists_what_other_packages_bring_the_broken_ones_too(package, run):
    package("door_log", DOOR_LOG, **{"door-log": "door_log:DoorLog"})
    package("no_module", "import nothing_of_this_name", **{"x-log": "no_module:X"})
    package("door_log_too", DOOR_LOG, har="door_log_too:DoorLog")

    shown = " ".join(CliRunner().invoke(trace, ["import", "--help"]).output.split())

    assert "door-log door logs: the time in ms and the path of each request" in shown
    assert (
        "x-log the importer x-log of the package package-2 1.0 is broken: ModuleNotFoundError: No module named "
        "'nothing_of_this_name'."
    ) in shown
    assert (
        '(none) the importer "har" of the package package-3 1.0 is left out: the format of that name is built in.'
        in shown
    )


def test_help_says_nothing_of_other_packages_where_there_are_none(run):
    assert "other packages" not in CliRunner().invoke(trace, ["import", "--help"]).output


def test_a_format_of_ours_is_never_anothers_and_nothing_of_theirs_is_loaded_for_it(package, run, tmp_path):
    package("boom", "raise SystemExit(7)", **{"vegeta": "boom:X", "x-log": "boom:X"})
    (tmp_path / "targets.txt").write_text("GET http://localhost/a\n")

    for words in (["vegeta", "targets.txt"], ["targets.txt"]):
        result = run(*words)
        assert result.exit_code == 0
        assert "boom" not in result.output


def test_a_name_that_two_packages_bring_is_neithers(package, run):
    for module in ("one", "two"):
        package(module, DOOR_LOG, **{"door-log": f"{module}:DoorLog"})

    result = run("door-log", "door.log")

    assert result.exit_code == 2
    assert '"door-log" is not a known format. Known are: claude-sessions, ' in result.stderr
    for n in (1, 2):
        assert (
            f'The importer "door-log" of the package package-{n} 1.0 is left out: several packages bring one of that '
            "name."
        ) in result.stderr


BROKEN = {
    "raise ValueError('no\\nlicence')": "ValueError: no\\nlicence",
    "raise SystemExit(7)": "SystemExit: 7",
    "X = 5": "TypeError: 'int' object is not callable",
    "class X:\n    name = 'a-log'": "it has no describe and no sniff and no read",
    DOOR_LOG + "\nX = DoorLog": 'it calls itself "door-log"',
    "y = 1": "AttributeError: module 'broken' has no attribute 'X'",
}


@pytest.mark.parametrize("text", BROKEN)
def test_one_that_is_broken_costs_itself_only_and_is_told(package, run, tmp_path, monkeypatch, text):
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    package("broken", text, **{"a-log": "broken:X"})
    package("door_log", DOOR_LOG, **{"door-log": "door_log:DoorLog"})
    said = f"he importer a-log of the package package-1 1.0 is broken: {BROKEN[text]}."

    asked_for = run("a-log", "door.log")
    told_by_content = run("door.log")

    assert failure_of(asked_for.exception)[:2] == (4, f"t{said}")
    assert told_by_content.stderr.startswith(f"T{said} It is not asked whether a-log is the format.\n")
    assert told_by_content.exit_code == 0
    assert len(list(read_sessions(tmp_path / "out.jsonl"))) == 2


WHILE_READING = {
    "sniff": ("return 1 / 0", None),
    "read": ("return 1 / 0", "ZeroDivisionError: division by zero"),
    "result": ("return 5", "read is of the type int, not ImportResult"),
    "session": ("return ImportResult(HEADER, lambda: [5], ())", "sessions is of the type int, not Session"),
    "sessions": ("return ImportResult(HEADER, lambda: (1 / 0 for _ in 'x'), ())", "ZeroDivisionError: division by zero"),
}  # fmt: skip


@pytest.mark.parametrize("where", WHILE_READING)
def test_one_that_fails_while_it_reads_is_told_and_leaves_nothing_behind(
    package, run, tmp_path, monkeypatch, where
):
    monkeypatch.delitem(sys.modules, "failing", raising=False)
    body, said = WHILE_READING[where]
    sniff, read = (body, "return 5") if where == "sniff" else ("return False", body)
    text = (
        "from replay.assembly.types import ImportResult\nfrom replay.trace.types import FORMAT, VERSION, Header\n"
        "HEADER = Header(FORMAT, VERSION, 'n')\nclass X:\n    name = 'x-log'\n    describe = 'x'\n"
        f"    def sniff(self, first_bytes):\n        {sniff}\n    def read(self, paths, options):\n        {read}\n"
    )
    package("failing", text, **{"x-log": "failing:X"})

    result = run("door.log") if where == "sniff" else run("x-log", "door.log")

    if where == "sniff":
        assert result.exit_code == 2
        assert (
            "is broken: ZeroDivisionError: division by zero. It is not asked whether x-log is" in result.stderr
        )
    else:
        fault = f"the importer x-log of the package package-1 1.0 is broken: {said}."
        assert failure_of(result.exception)[:2] == (4, fault)
    assert not (tmp_path / "out.jsonl").exists()
