"""TraceLab's rounds become sessions of model calls and the tools beside them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.agents.tracelab import TraceLab
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge

START = datetime(2026, 6, 1, tzinfo=UTC)


def at(ms):
    return (START + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def round_line(*events, tools=(), session="s", **fields):
    """events: (event_type, ms). tools: (name, emitted ms, result ms or None)."""
    return {
        "provider": "claude",
        "session_id": session,
        "model": "m-1",
        "input_tokens_total": 100,
        "output_tokens": 20,
        "timing_events": [{"event_type": kind, "timestamp": at(ms)} for kind, ms in events],
        "tools": [
            {"tool_name": name, "emitted_at": at(emitted), "result_at": None if result is None else at(result)}
            for name, emitted, result in tools
        ],
        **fields,
    }


def imported(path, *lines, **options):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = TraceLab().read([path], ImportOptions(**options))
    trace = path.with_name("trace.jsonl")
    with TraceWriter(trace, result.header) as writer:
        for session in result.sessions():
            writer.write(session)
    return result, list(read_sessions(trace))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rounds.jsonl"


def test_a_tool_that_starts_while_the_model_streams_follows_its_first_byte_and_the_next_round_joins(path):
    _, [session] = imported(
        path,
        round_line(
            ("user_message", 0),
            ("reasoning", 900),
            ("tool_call", 1500),
            ("tool_call", 2300),
            tools=[("Bash", 1500, 2400), ("Search", 2300, 21_000)],
        ),
        round_line(("tool_result", 2400), ("tool_result", 21_000), ("text", 23_000)),
    )
    model, bash, search, answer = session.steps
    assert (model.kind, model.at_ms, model.took_ms, model.recorded.ttft_ms) == ("llm", 0.0, 2300.0, 900.0)
    assert bash.after == (Edge("1", "first_byte", 600.0),)
    assert search.after == (Edge("1", "end", 0.0),)
    assert answer.after == (Edge("1.1"), Edge("1.2"))
    assert answer.at_ms == 21_000.0
    assert (search.request.path, search.took_ms) == ("/tools/Search", 18_700.0)


def test_think_time_counts_from_the_last_result_only(path):
    _, [session] = imported(
        path,
        round_line(("user_message", 0), ("tool_call", 1000), tools=[("a", 1000, 1100), ("b", 1000, 9000)]),
        round_line(("tool_result", 9040), ("text", 10_000)),
    )
    assert {edge.delay_ms for edge in session.steps[-1].after} == {40.0}


def test_what_the_user_takes_to_answer_is_think_time(path):
    _, [session] = imported(
        path,
        round_line(("user_message", 0), ("text", 1000)),
        round_line(("user_message", 61_000), ("text", 62_000)),
    )
    assert session.steps[1].after == (Edge("1", "end", 60_000.0),)


def test_sessions_start_as_recorded_unless_arrivals_are_chosen(path):
    lines = [
        round_line(("user_message", 5000), ("text", 6000), session="late"),
        round_line(("user_message", 0), ("text", 1000), session="early"),
    ]
    _, sessions = imported(path, *lines)
    assert [(session.id, session.start_ms) for session in sessions] == [("early", 0.0), ("late", 5000.0)]
    result, sessions = imported(path, *lines, arrivals="every:1s")
    assert [(session.id, session.start_ms) for session in sessions] == [("early", 0.0), ("late", 1000.0)]
    assert "Sessions do not start as recorded, but by --arrivals every:1s." in result.notes


def test_what_is_missing_is_counted(path):
    result, [session] = imported(
        path,
        round_line(("user_message", 0)),
        round_line(("user_message", 0), ("text", 10), tools=[("a", 10, None)]) | {"output_tokens": None},
    )
    assert [step.took_ms for step in session.steps] == [10.0, None]
    assert result.header.attributes["import"]["dropped"] == {"round(s) without output": 1}
    assert "1 call(s) have no recorded end, so no duration." in result.notes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 1: not valid JSON: Input data was truncated."),
        (b'{"session_id":1,"timing_events":[]}', "line 1: session_id: expected a string, got a whole number."),
        (b'{"session_id":"s","timing_events":[{"event_type":"text","timestamp":"NaN"}]}', 'line 1: "NaN" is not a time like 2026-06-01T05:40:20.151Z.'),
        (b'{"session_id":"s","input_tokens_total":Nan,"timing_events":[]}', "line 1: not valid JSON: invalid character (byte 39)."),
        (b'{"session_id":"s","timing_events":[]}', "no model or tool calls."),
        (b"[" * 100_000, "line 1: expected an object, got an array."),
        (b'{"session_id":"s","x":' + b"[" * 100_000, "line 1: nested too deeply to be read."),
    ],
)  # fmt: skip
def test_what_is_no_round_is_refused_with_its_place(path, line, message):
    path.write_bytes(line + b"\n")
    with pytest.raises(TraceError) as caught:
        TraceLab().read([path], ImportOptions())
    assert str(caught.value) in (f"{path}, {message}", f"{path}: {message}")


def test_half_a_surrogate_pair_is_no_fault(path):
    path.write_bytes(
        json.dumps(round_line(("user_message", 0), ("text", 1), project="\ud83d")).encode() + b"\n"
    )
    assert path.read_bytes().count(b"\\ud83d") == 1
    [session] = TraceLab().read([path], ImportOptions()).sessions()
    assert session.attributes["project"] == "\ufffd"


times = st.integers(0, 20_000)


@st.composite
def rounds(draw):
    session = draw(st.sampled_from(["s", "t"]))
    events = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["user_message", "tool_result", "reasoning", "text", "usage_report"]), times
            ),
            min_size=1,
            max_size=5,
        )
    )
    tools = draw(st.lists(st.tuples(st.just("a"), times, st.none() | times), max_size=4))
    return round_line(*events, tools=tools, session=session)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(rounds(), min_size=1, max_size=8))
def test_whatever_was_recorded_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, lines
):
    path = tmp_path_factory.getbasetemp() / "rounds.jsonl"
    try:
        result, sessions = imported(path, *lines)
    except TraceError as error:
        assert str(error).endswith("no model or tool calls.")  # noqa: PT017
        return
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert abs(walked[step.id] - step.at_ms) <= result.header.resolution_ms


def test_the_published_rounds_are_imported_with_their_overlapping_tools(data, path, walked_starts_ms):
    result = TraceLab().read([data / "tracelab" / "sanitized-round_trace.jsonl"], ImportOptions())
    codex, claude = result.sessions()
    counts = result.header.attributes["import"]
    assert (counts["model_calls"], counts["tool_calls"], counts["overlapping"]) == (19, 19, 11)
    steps = {step.id: step for step in claude.steps}
    assert steps["1.1"].after == (Edge("1", "first_byte", 1416.0),)
    assert steps["1.2"].after == (Edge("1", "end", 0.0),)
    assert steps["2"].at_ms == 30_787.0
    assert codex.attributes["agent"] == "codex"
    first, second = (step.llm for step in claude.steps if step.id in ("1", "2"))
    assert (len(first.prefix), first.prefix_block_tokens) == (32_272 // 512, 512)
    assert second.prefix[: 29_380 // 512] == first.prefix[: 29_380 // 512]
    assert not set(second.prefix[29_380 // 512 :]) & set(first.prefix)
    for session in (codex, claude):
        assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
