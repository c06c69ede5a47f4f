"""A trace that is replayed against its own recording: it is as recorded, whatever the way in which answers are found."""

import json
from itertools import pairwise
from pathlib import Path

import anyio
import msgspec
import pytest

from replay.engine.requests.render import Renderer
from replay.engine.run import replay_trace
from replay.engine.types import Knobs, RunOptions
from replay.judge.comparison.metric import Metric
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.replies import replied
from replay.planes.modelled.script import ids_of, recorded_of
from replay.planes.modelled.types import Asked, Faults, ModelSpec
from replay.planes.recorded.reading import read_recording
from replay.planes.recorded.types import Question as Asking
from replay.planes.serving.serving import plane_server
from replay.target.file import load_target
from replay.trace.file.stream import read_sessions
from replay.trials.compare import Question, compare_run_recorded
from replay.wire.signin.credentials import Credentials

WITHOUT_LIMITS = PlaneSpec(kind="vm", concurrency=0, max_instances=1)


def steps_of(session):
    """A model call that streams, one that does not, a tool that fails, one with a body of a size, an MCP call."""
    call = {"model": "m-1", "input_tokens": 900 + session, "output_tokens": 5 + session}
    yield {
        "kind": "llm",
        "name": "plan",
        "took_ms": 14,
        "llm": {**call, "stream": True},
        "recorded": {"status": 200, "ttft_ms": 6},
    }
    yield {"kind": "llm", "name": "answer", "took_ms": 9, "llm": call, "recorded": {"status": 200}}
    yield {
        "kind": "tool",
        "name": "search",
        "took_ms": 4,
        "request": {"method": "GET", "path": f"/tools/search?q={session}"},
        "recorded": {"status": 404, "response_bytes": 7, "response_json": {"a": 1}},
        "expect": {"status": 404},
    }
    yield {
        "kind": "http",
        "name": "order",
        "took_ms": 8,
        "request": {"method": "PUT", "path": "/orders/1", "json": {"session": session}},
        "recorded": {"status": 201, "ttft_ms": 3, "response_bytes": 70_000 + session},
    }
    yield {
        "kind": "mcp",
        "name": "tools/call search",
        "took_ms": 3,
        "request": {
            "method": "POST",
            "path": "/mcp",
            "json": {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "search"}},
        },
        "recorded": {
            "status": 200,
            "response_bytes": 60,
            "response_json": {"jsonrpc": "2.0", "id": 1, "result": {"content": []}},
        },
    }
    yield {
        "kind": "http",
        "name": "delete",
        "took_ms": 2,
        "request": {"method": "DELETE", "path": f"/orders/{session}"},
        "recorded": {"status": 204, "response_bytes": 0},
    }


SESSIONS = 6


def written(tmp_path, sessions):
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
    for session in range(sessions):
        steps = [{"id": f"{n}", "at_ms": 0, **step} for n, step in enumerate(steps_of(session))]
        for before, step in pairwise(steps):
            step["after"] = [{"step": before["id"]}]
            step["at_ms"] = before["at_ms"] + before["took_ms"]
        lines.append({"id": f"s-{session}", "start_ms": 20 * session, "steps": steps})
    trace = tmp_path / "t.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return trace


def replayed(tmp_path, target_text="", *, model=None, options=None, transport="fast", sessions=SESSIONS):
    """The lines of a run against the trace's own recording, and that recording."""
    trace = written(tmp_path, sessions)
    recording = read_recording(trace)

    async def run():
        async with plane_server(WITHOUT_LIMITS, model or ModelSpec(), recording=recording) as served:
            target = tmp_path / "t.toml"
            target.write_text(f'url = "{served.url}"\ntransport = "{transport}"\n{target_text}')
            await anyio.to_thread.run_sync(
                lambda: replay_trace(trace, load_target(str(target)), options or RunOptions(), tmp_path / "run")
            )

    anyio.run(run)
    read = map(json.loads, (tmp_path / "run" / "steps.jsonl").read_text().splitlines())
    return sorted(read, key=lambda line: (line["session"], line["step"])), recording


def told(lines):
    return [
        (line["session"], line["step"], line["status"], line.get("output_tokens"), line["outcome"])
        for line in lines
    ]


AS_RECORDED = [
    (
        f"s-{session}",
        str(n),
        step["recorded"]["status"],
        step["llm"]["output_tokens"] if "llm" in step else None,
        "ok",
    )
    for session in range(SESSIONS)
    for n, step in enumerate(steps_of(session))
]


@pytest.mark.parametrize("transport", ["fast", "httpx"])
@pytest.mark.parametrize("layout", ["openai-chat", "anthropic-messages", "bedrock-converse"])
def test_it_is_as_recorded_step_by_step(tmp_path, layout, transport):
    lines, recording = replayed(
        tmp_path, f'send_recorded_ms = true\n[shape]\nkind = "{layout}"\n', transport=transport
    )

    assert told(lines) == AS_RECORDED
    for line in lines:
        recorded = list(steps_of(int(line["session"][2:])))[int(line["step"])]
        if "response_bytes" in recorded["recorded"]:
            assert line["response_bytes"] == recorded["recorded"]["response_bytes"]
        if recorded.get("llm", {}).get("stream"):
            assert (line["tokens"], line["layout"]) == (recorded["llm"]["output_tokens"], layout)
            assert line["input_tokens"] == recorded["llm"]["input_tokens"]
    assert recording.by_way == {"step": len(lines), "body": 0, "path": 0, "name": 0}
    assert (recording.not_found, recording.never_asked) == (0, 0)


def test_no_errors_are_found_that_were_not_recorded(tmp_path):
    replayed(tmp_path, "send_recorded_ms = true\n", sessions=24)

    verdict = compare_run_recorded(tmp_path / "run", Question(metric=Metric("errors")))
    assert verdict.verdict in (
        "no_difference",
        "inconclusive",
    )  # the latter where this machine has too much to do


def test_a_recording_tells_the_times_that_requests_tell_of_themselves(tmp_path):
    trace = written(tmp_path, SESSIONS)
    recording = read_recording(trace)
    target = load_target(str(Path("targets/local.toml")))
    target = msgspec.structs.replace(target, send_recorded_ms=True)
    renderer = Renderer(target, "http://h", Credentials(target.auth), "run")
    for session in read_sessions(trace):
        for step in session.steps:
            head = renderer.render(step, session.id).head
            told = recorded_of(head[:-4])
            question = Asking(b"GET", b"/", b"", ids_of(head[:-4]), None, ("http", "/"))
            found, _, _ = replied(recording.answer(question), question, Asked(), can_tell_tokens=True)
            assert found[:4] == told[:4]


def test_a_client_that_names_no_step_has_the_same_answers_by_what_it_asks(tmp_path):
    lines, recording = replayed(tmp_path)

    assert told(lines)[2::6] == AS_RECORDED[2::6]
    assert sorted((line["step"], line["status"], line["outcome"]) for line in lines) == sorted(
        (step, status, outcome) for _, step, status, _, outcome in AS_RECORDED
    )
    assert (recording.not_found, recording.never_asked) == (0, 0)
    assert recording.by_way["name"] == 2 * SESSIONS


def test_copies_of_sessions_have_the_answers_of_the_originals(tmp_path):
    lines, recording = replayed(tmp_path, "send_recorded_ms = true\n", options=RunOptions(knobs=Knobs(scale=3)))

    assert len(lines) == 3 * len(AS_RECORDED)
    assert recording.by_way["step"] == len(lines)


def test_faults_come_on_top(tmp_path):
    lines, _ = replayed(
        tmp_path,
        "send_recorded_ms = true\n",
        model=ModelSpec(faults=Faults(error_ratio=1.0, error_status=500)),
    )

    assert {line["status"] for line in lines} == {500}


VERSIONS = ["2026-07-28", "2025-11-25", "as-recorded"]


@pytest.mark.parametrize("tells_steps", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_mcp_steps_are_as_recorded_though_their_handshakes_were_not(tmp_path, version, tells_steps):
    def called(n, tool):
        said = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": f"{tool} {n}"}]}}
        return {
            "id": str(n),
            "kind": "mcp",
            "name": f"mcp__crm__{tool}",
            "took_ms": 2,
            "mcp": {"method": "tools/call", "tool": tool, "arguments": {"n": n}},
            "recorded": {"status": 200, "response_json": said},
            "expect": {"json": {"/result/content/0/text": {"equals": f"{tool} {n}"}}},
            "after": [{"step": str(n - 1)}] if n else [],
        }

    lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
    lines.append(
        {"id": "s", "start_ms": 0, "steps": [called(n, tool) for n, tool in enumerate(["a", "b", "a"])]}
    )
    trace = tmp_path / "mcp.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    recording = read_recording(trace)

    async def run():
        async with plane_server(WITHOUT_LIMITS, ModelSpec(), recording=recording) as served:
            target = tmp_path / "t.toml"
            told = "send_recorded_ms = true\n" if tells_steps else ""
            target.write_text(f'url = "{served.url}"\n{told}[mcp]\nversion = "{version}"\n')
            await anyio.to_thread.run_sync(
                lambda: replay_trace(trace, load_target(str(target)), RunOptions(), tmp_path / "run")
            )

    anyio.run(run)
    read = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    handshakes = [line["outcome"] for line in read if line.get("handshake")]
    assert [line["outcome"] for line in read if not line.get("handshake")] == ["ok"] * 3
    assert handshakes == ([] if version == "2026-07-28" else ["ok", "ok"])
    assert (recording.not_found, recording.never_asked, recording.prepared) == (0, 0, len(handshakes))
