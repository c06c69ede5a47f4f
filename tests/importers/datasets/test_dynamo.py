"""Dynamo's request traces become sessions of agents, their tools and their sub-agents."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.datasets.dynamo import Dynamo
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge

START_MS = 1_770_000_000_000


def event(kind, ms, session=None, parent=None, **fields):
    context = {} if session is None else {"agent_context": {"session_id": session, "parent_session_id": parent}}
    return {
        "schema": "dynamo.request.trace.v1",
        "event_type": kind,
        "event_time_unix_ms": START_MS + ms,
        **context,
        **fields,
    }


def request(start, took, session="s", parent=None, **fields):
    body = {
        "request_id": f"r-{start}",
        "model": "m-1",
        "input_tokens": 100,
        "output_tokens": 20,
        "request_received_ms": START_MS + start,
        "total_time_ms": took,
    }
    return event("request_end", start + int(took), session, parent, request=body | fields)


def tool(call_id, start, took, session="s", name="search", **fields):
    body = {
        "tool_call_id": call_id,
        "tool_class": name,
        "started_at_unix_ms": START_MS + start,
        "ended_at_unix_ms": START_MS + start + took,
    }
    return event("tool_end", start + took, session, tool=body | fields)


def write(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def imported(path, **options):
    found = Dynamo().read([path], ImportOptions(**options))
    trace = path.with_name("trace.out")
    with TraceWriter(trace, found.header) as writer:
        for session in found.sessions():
            writer.write(session)
    return found, list(read_sessions(trace))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "requests.jsonl"


def test_requests_and_tools_of_one_session_follow_one_another(path):
    write(path, tool("c", 1005, 500), request(0, 1000.5, ttft_ms=200.25, cached_tokens=64), request(1520, 80))
    _, [session] = imported(path)
    first, search, second = session.steps
    assert (session.id, first.took_ms, first.recorded.ttft_ms) == ("s", 1000.5, 200.25)
    assert (first.llm.input_tokens, first.llm.output_tokens, first.llm.model) == (100, 20, "m-1")
    assert first.attributes == {"cached_input_tokens": "64"}
    assert (search.request.path, search.took_ms, search.after) == (
        "/tools/search",
        500.0,
        (Edge("1", "end", 4.5),),
    )
    assert second.after == (Edge("t1", "end", 15.0),)


def test_events_may_stand_inside_of_lines(path):
    write(path, {"timestamp": 5, "event": request(0, 10)})
    assert len(imported(path)[1]) == 1


def test_block_hashes_become_small_ids_and_stay_equal_across_sessions(path):
    def replay(*hashes):
        return {"replay": {"trace_block_size": 64, "input_length": 128, "input_sequence_hashes": list(hashes)}}

    write(path, request(0, 10, "a", **replay(2**63, 2**64 - 1)), request(5, 10, "b", **replay(2**63, 7)))
    _, (first, second) = imported(path)
    assert (first.steps[0].llm.prefix, second.steps[0].llm.prefix) == ((0, 1), (0, 2))
    assert first.steps[0].llm.prefix_block_tokens == 64


def test_a_child_session_is_a_subagent_that_its_parent_waits_for(path):
    write(
        path,
        request(0, 1000),
        request(1010, 3000, "kid", "s"),
        request(1500, 100, "grandkid", "kid"),
        request(4020, 50),
    )
    found, [session] = imported(path)
    steps = {step.id: step for step in session.steps}
    assert list(steps) == ["1", "s1.1", "s2.1", "2"]
    assert steps["s1.1"].after == (Edge("1", "end", 10.0),)
    assert steps["s2.1"].after == (Edge("s1.1", "start", 490.0),)
    assert steps["s1.1"].attributes == {"agent": "kid"}
    assert {edge.step for edge in steps["2"].after} >= {"s1.1"}
    assert found.header.attributes["import"]["subagents"] == 2


def test_a_request_without_a_session_is_a_session_of_its_own(path):
    write(path, request(50, 10, session=None), request(0, 10, session=None))
    _, sessions = imported(path)
    assert [(session.id, session.start_ms) for session in sessions] == [("r-0", 0.0), ("r-50", 50.0)]


def test_the_start_and_end_of_a_tool_are_told_by_whichever_events_there_are(path):
    write(
        path,
        request(0, 10),
        event("tool_start", 20, "s", tool={"tool_call_id": "a", "tool_class": "x"}),
        event("tool_error", 70, "s", tool={"tool_call_id": "a", "tool_class": "x", "error_type": "timeout"}),
        event("tool_end", 90, "s", tool={"tool_call_id": "b", "tool_class": "y", "duration_ms": 30}),
        event("tool_end", 95, "s", tool={"tool_call_id": "c", "tool_class": "z"}),
        event("tool_start", 96, "s", tool={"tool_call_id": "d", "tool_class": "w"}),
        event("request_payload", 99, "s", payload={}),
    )
    found, [session] = imported(path)
    assert [(s.name, s.at_ms, s.took_ms) for s in session.steps[1:]] == [
        ("x", 20.0, 50.0),
        ("y", 60.0, 30.0),
        ("w", 96.0, None),
    ]
    assert session.steps[1].attributes == {"error": "timeout"}
    assert found.header.attributes["import"]["dropped"] == {
        "event(s) of other types": 1,
        "tool call(s) without a start": 1,
    }


def test_sessions_that_name_each_other_as_parent_are_imported_once(path):
    write(path, request(0, 10, "a", "b"), request(5, 10, "b", "a"), request(7, 1, "c", "c"))
    _, sessions = imported(path)
    assert sorted((session.id, len(session.steps)) for session in sessions) == [("a", 2), ("c", 1)]


def test_a_chain_of_a_thousand_subagents_is_read(path):
    write(path, *(request(n, 10, f"s{n}", f"s{n - 1}") for n in range(1000)))
    _, [session] = imported(path)
    assert len(session.steps) == 1000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"schema": "dynamo.request.trace.v2"}, 'line 1: has the schema "dynamo.request.trace.v2". Only dynamo.request.trace.v1 can be read.'),
        ({}, "line 1: has no schema. Only dynamo.request.trace.v1 can be read."),
        (event("request_end", -(10**14), "s", request={}), "line 1: event_time_unix_ms -98230000000000 is not a time in ms since 1970."),
        (event("request_end", 0, "s", request={}) | {"event_time_unix_ms": None}, "line 1: has neither request.request_received_ms nor event_time_unix_ms."),
        (event("request_end", 0, "s", request={"input_tokens": "x"}), "line 1: request.input_tokens: expected a whole number or null, got a string."),
        (event("tool_end", 0, "s", tool={"tool_call_id": "a"}), "no model or tool calls."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(path, line, message):
    write(path, line)
    with pytest.raises(TraceError) as caught:
        Dynamo().read([path], ImportOptions())
    assert str(caught.value) in (f"{path}, {message}", f"{path}: {message}")


names = st.sampled_from(["a", "b", "c", None])
moments = st.integers(0, 5_000)
events = st.one_of(
    st.builds(
        lambda start, took, name, parent, ttft: request(start, took, name, parent, ttft_ms=ttft),
        moments,
        st.floats(0, 3_000).map(lambda ms: round(ms, 3)),
        names,
        names,
        st.none() | st.floats(-10, 4_000),
    ),
    st.builds(
        lambda call, start, took, name: tool(call, start, took, name),
        st.sampled_from("xyz"),
        moments,
        st.integers(-50, 3_000),
        names,
    ),
)


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(events, max_size=15))
def test_whatever_was_recorded_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, lines
):
    path = write(tmp_path_factory.getbasetemp() / "requests.jsonl", request(0, 1), *lines)
    found, sessions = imported(path)
    calls = sum(line["event_type"] == "request_end" for line in lines) + 1
    assert sum(step.kind == "llm" for session in sessions for step in session.steps) == calls
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert abs(walked[step.id] - step.at_ms) <= found.header.resolution_ms
