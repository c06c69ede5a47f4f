"""Real recordings that nobody here wrote: imported whole, and replayed.

They are found by REPLAY_DATA, or beside the checkout.
"""

import json
import os
import threading
from collections import Counter
from pathlib import Path

import anyio
import pytest

from replay.assembly.types import ImportOptions
from replay.engine.forecast.dryrun import foresee
from replay.engine.run import replay_trace
from replay.engine.types import Knobs, RunOptions
from replay.importers import IMPORTERS
from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.types import ServiceModel
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter, read_sessions, scan

BESIDE = Path(__file__).parent.parent.parent / "shared" / "data"
DATA = Path(os.environ.get("REPLAY_DATA") or BESIDE)

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the recorded data is not here; REPLAY_DATA names its folder"
)


def imported(name, source, path):
    result = IMPORTERS[name].read([source], ImportOptions())
    with TraceWriter(path, result.header) as writer:
        for session in result.sessions():
            writer.write(session)
    return path


@pytest.fixture(scope="module")
def coding_sessions(tmp_path_factory):
    return imported("claude-sessions", DATA / "claude-code-sessions", tmp_path_factory.mktemp("t") / "t.jsonl")


def test_every_coding_session_is_imported_with_all_its_calls_and_sub_agents(coding_sessions):
    found = scan(coding_sessions)
    documents = [
        json.loads(path.read_text()) for path in sorted((DATA / "claude-code-sessions").glob("*.json"))
    ]

    def calls_in(entries):
        for entry in entries:
            if entry.get("type") == "subagent":
                yield from calls_in(entry["requests"])
            else:
                yield entry

    calls = [call for document in documents for call in calls_in(document["requests"])]
    steps = [step for session in read_sessions(coding_sessions) for step in session.steps]

    assert (found.sessions, found.requests) == (53, 1082) == (len(documents), len(calls))
    assert sum(step.llm.input_tokens for step in steps) == sum(call["in"] for call in calls)
    assert Counter(step.llm.output_tokens for step in steps) == Counter(call["out"] for call in calls)
    assert found.header.resolution_ms == 1000.0


def test_coding_sessions_replay_against_the_embedded_target(coding_sessions, tmp_path):
    """All of them, with their gaps cut and everything fast: each call is answered, in the order of its edges."""

    async def serve(started, stop):
        async with modelled_server(ServiceModel(speed=1000.0), "127.0.0.1", 0) as url:
            started.append(url)
            while not stop:
                await anyio.sleep(0.05)

    started, stop = [], []
    thread = threading.Thread(target=anyio.run, args=(serve, started, stop))
    thread.start()
    try:
        while not started:
            thread.join(0.01)
        options = RunOptions(knobs=Knobs(speed=3000.0, idle_cap_s=60.0))
        target = Target(url=started[0], name="embedded")
        summary = replay_trace(coding_sessions, target, options, tmp_path / "run").summary
    finally:
        stop.append(True)
        thread.join()

    assert (summary.counts.ok, summary.counts.failed, summary.counts.unsent) == (1082, 0, 0)
    assert summary.latency_ms["makespan"].n == 53
    ends = {}
    lines = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    for line in lines:
        ends[line["session"], line["step"]] = line["end_ns"]
    began = {(line["session"], line["step"]): line["intended_ns"] for line in lines}
    for session in read_sessions(coding_sessions):
        for step in session.steps:
            for edge in step.after:
                if edge.anchor == "end":
                    assert began[session.id, step.id] >= ends[session.id, edge.step]


def test_mooncake_is_imported_whole_and_keeps_its_shared_prefixes(tmp_path):
    source = DATA / "mooncake" / "conversation_trace.jsonl"
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    trace = imported("mooncake", source, tmp_path / "t.jsonl.zst")
    found = scan(trace)
    steps = [step for session in read_sessions(trace) for step in session.steps]

    assert found.requests == len(rows) == 12031
    assert Counter(block for step in steps for block in step.llm.prefix) == Counter(
        block for row in rows for block in row["hash_ids"]
    )
    forecast = foresee(trace, Target(url="http://127.0.0.1:1", name="t"), RunOptions())
    assert forecast.requests == 12031
    assert forecast.recorded_span_s == pytest.approx(max(row["timestamp"] for row in rows) / 1000, abs=0.001)
