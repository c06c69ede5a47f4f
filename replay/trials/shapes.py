"""Load without a trace of one's own: sessions at equal distances, single requests, a tool's calls, a preset, probes."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.trace.errors import TraceError
from replay.trace.file.rules import LONGEST_NAME, find_problem
from replay.trace.file.stream import TraceWriter, read_sessions, scan
from replay.trace.redaction.requests import clean_path
from replay.trace.synthesis.making import from_recipe, recipe_header
from replay.trace.synthesis.presets import preset_text
from replay.trace.synthesis.recipe import parse_recipe
from replay.trace.types import FORMAT, VERSION, Edge, Header, McpCall, Request, Session, Step

_SESSIONS = 100
_GAP_MS = 1000.0
_PRESET_SESSIONS = 300
# As an agent calls: a session with the server is opened once for several.
_CALLS = 10


def write_constant(folder: Path, trace: Path | None, path: str) -> Path:
    """A trace in this folder whose sessions start evenly: at their mean rate, or single requests at one a second."""
    out = folder / "constant.jsonl"
    if trace is None:
        step = Step("request", "http", f"GET {clean_path(path)}", request=Request("GET", path))
        problem = find_problem(Session("constant", 0.0, [step]))
        if problem is not None:
            # Said here, where no file stands between it and who named the path.
            raise TraceError(f"the request {problem.text}.")
        header = Header(FORMAT, VERSION, "constant", "single requests at one a second")
        gap_ms = _GAP_MS

        def sessions() -> Iterator[Session]:
            for n in range(_SESSIONS):
                yield Session(f"s-{n}", 0.0, [step])
    else:
        found = scan(trace, references=False)
        header = msgspec.structs.replace(found.header, name=f"{found.header.name}, evenly")
        gap_ms = found.mean_gap_ms or found.span_ms or _GAP_MS

        def sessions() -> Iterator[Session]:
            yield from read_sessions(trace, checked=False)

    with TraceWriter(out, header) as writer:
        for n, session in enumerate(sessions()):
            writer.write(msgspec.structs.replace(session, start_ms=n * gap_ms))
    return out


def write_calls(folder: Path, tool: str, arguments: bytes) -> Path:
    """A trace in this folder whose sessions start at one a second and call this tool ten times, one after the other.

    arguments: a JSON object. Raises TraceError where the tool cannot be called so.
    """
    out = folder / "calls.jsonl"
    call = McpCall("tools/call", tool=tool, arguments=msgspec.Raw(arguments))
    steps = [
        Step(f"call-{n}", "mcp", tool[:LONGEST_NAME], (Edge(f"call-{n - 1}"),) if n else (), mcp=call)
        for n in range(_CALLS)
    ]
    header = Header(FORMAT, VERSION, "calls", "calls of a tool, ten in a session, at one session a second")
    with TraceWriter(out, header) as writer:
        for n in range(_SESSIONS):
            writer.write(Session(f"s-{n}", n * _GAP_MS, steps))
    return out


def write_preset(folder: Path, preset: str, sessions: int = _PRESET_SESSIONS, seed: int = 1) -> Path:
    """A trace in this folder, made by the recipe of that name."""
    out = folder / f"{preset}.jsonl"
    recipe = parse_recipe(preset_text(preset), preset)
    with TraceWriter(out, recipe_header(recipe, seed)) as writer:
        for session in from_recipe(recipe, seed, None, sessions):
            writer.write(session)
    return out


def write_probes(folder: Path, step: Step, requests: int, *, is_at_once: bool) -> Path:
    """A trace in this folder of so many of this step: all at once, or each as soon as the one before has ended."""
    out = folder / "probes.jsonl"
    steps = [
        msgspec.structs.replace(step, id=f"{step.id}-{n}", after=(Edge(f"{step.id}-{n - 1}"),) if n else ())
        for n in range(requests)
    ]
    with TraceWriter(out, Header(FORMAT, VERSION, "probes", "requests to see how a target answers")) as writer:
        if not is_at_once:
            writer.write(Session("s-0", 0.0, steps))
            return out
        for n in range(requests):
            writer.write(Session(f"s-{n}", 0.0, [step]))
    return out
