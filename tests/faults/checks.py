"""What must hold of whatever a command left behind, however it ended: read by the project's own readers and commands."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click

from replay.cli.failures import failure_of
from replay.cli.main import cli
from replay.results.record import ReadTally, read_steps
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.types import MANIFEST_FILE, STEPS_FILE
from replay.trace.errors import TraceError
from replay.trace.file.stream import scan
from replay.trials.evidence import read_verdict
from tests.faults.commands import IMPORTED

_CONCLUSIVE = ("pass", "fail", "inconclusive")


def problems_of(folder: Path, *, may_be_torn: bool = False) -> Iterator[str]:
    """What is wrong in a command's folder. may_be_torn: the power went, so what is appended to may end in anything."""
    out = folder / "out"
    for path in sorted(out.rglob(MANIFEST_FILE)):
        yield from _run_problems(path.parent, may_be_torn=may_be_torn)
    for path in sorted(out.rglob("*.json")):
        if not path.name.startswith("."):
            yield from _json_problems(path)
    for path in sorted(out.rglob("verdict.json")):
        with contextlib.suppress(Exception):
            verdict = read_verdict(path.parent)
            if verdict is not None and getattr(verdict, "verdict", "pass") == "":
                yield f"{path}: a verdict without a word"
    for path in sorted(out.rglob("*.xml")):
        try:
            ElementTree.parse(path)
        except ElementTree.ParseError as error:
            yield f"{path.name}: half a file under its own name ({error})"
    for path in sorted((*out.glob("*.md"), *out.glob("*.html"))):
        if not path.read_text(errors="replace").strip():
            yield f"{path.name}: empty under its own name"
    yield from _trace_problems(out, may_be_torn=may_be_torn)


def _run_problems(run: Path, *, may_be_torn: bool) -> Iterator[str]:
    """A run can be read, its counts are whole, and a gate passes it only if it came to its end."""
    name = run.name
    try:
        # Of several workers it may be the reader who merges what they left, and so knows how the run ended.
        summary = rebuild(run)
        manifest = RunDir(run).read_manifest()
    except Exception as error:
        yield f"{name}: cannot be read: {error!r}"
        return
    counts = summary.counts
    told = counts.ok + counts.failed + counts.unsent
    if told != counts.steps:
        yield f"{name}: {counts.ok} ok, {counts.failed} failed, {counts.unsent} unsent of {counts.steps} steps"
    # Steps of which nothing is recorded are told as unsent, which is right only for a run that did not come to its end.
    if manifest.status == "finished" and (lost := counts.unsent_reasons.get("not_reached", 0)):
        yield f"{name}: says that it is finished, and nothing is recorded of {lost} steps"
    if (run / STEPS_FILE).exists():
        tally = ReadTally()
        seen = [(record.session, record.step) for record in read_steps(run / STEPS_FILE, tally) if record.final]
        if len(seen) != len(set(seen)):
            yield f"{name}: a step ended twice"
        # The last line of each process that writes lines may be cut.
        if tally.unreadable > max(1, len(manifest.workers)) and not may_be_torn:
            yield f"{name}: {tally.unreadable} lines cannot be read"
    for words in (("report", str(run)), ("report", str(run), "--json")):
        code, said = command(words)
        if code not in (0, None):
            yield f"{name}: {' '.join(words[:1])} ends with {code}: {said}"
    code, said = command(("gate", "--run", str(run), "--slo", "errors < 100%"))
    if code not in (0, 1, 3, 4, 130):
        yield f"{name}: gate --run ends with {code}: {said}"
    if code == 0 and manifest.status != "finished":
        yield f"{name}: a gate passes a run that is {manifest.status}"


def _json_problems(path: Path) -> Iterator[str]:
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        yield f"{path.parent.name}/{path.name}: half a file under its own name ({error})"


def _trace_problems(out: Path, *, may_be_torn: bool) -> Iterator[str]:
    """A trace is whole or absent; what a recording had flushed can be recovered."""
    for path in sorted(out.glob("*.jsonl")):
        try:
            found = scan(path)
        except TraceError as error:
            yield f"{path.name}: half a trace under its own name: {error}"
            continue
        if path.name == "imported.jsonl" and found.sessions != IMPORTED:
            yield f"{path.name}: {found.sessions} sessions of {IMPORTED}"
    for journal in sorted(out.glob("*.journal")):
        # Before its first line was flushed, or on the disk, a journal holds nothing that could be lost.
        if b"\n" not in journal.read_bytes():
            continue
        recovered = out / "recovered.jsonl"
        code, said = command(("trace", "record", "--recover", str(journal), "-o", str(recovered)))
        lines = len(journal.read_bytes().splitlines())
        if code not in (0, 2) or (code == 2 and lines > 2 and not may_be_torn):
            yield f"{journal.name}: recovery of {lines} lines ends with {code}: {said}"
        recovered.unlink(missing_ok=True)


def command(words: tuple[str, ...]) -> tuple[int | None, str]:
    """A command in this process: its exit code, and what it said went wrong."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = cli.main(list(words), standalone_mode=False)
        except click.exceptions.Exit as ended:
            return ended.exit_code, ""
        except SystemExit as ended:
            return (ended.code if isinstance(ended.code, int) else 1), ""
        except Exception as error:
            failure = failure_of(error)
            return (99 if failure.is_ours else failure.exit_code), failure.sentence
    return (code if isinstance(code, int) else 0), ""


def gate_problems(folder: Path, code: int) -> Iterator[str]:
    """A gate that ends with 0 has a verdict that says pass, of a run that came to its end."""
    if code != 0:
        return
    run = folder / "out" / "run"
    try:
        verdict, manifest = read_verdict(run), RunDir(run).read_manifest()
    except Exception as error:
        yield f"the gate ends with 0, and its verdict cannot be read: {error!r}"
        return
    if verdict is None or verdict.verdict != "pass" or manifest.status != "finished":
        yield f"the gate ends with 0 of a run that is {manifest.status}, with the verdict {verdict and verdict.verdict}"
