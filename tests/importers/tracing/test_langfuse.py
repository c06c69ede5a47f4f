"""Observations exported from Langfuse become sessions of calls."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.tracing.langfuse import Langfuse
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(ms):
    return (START + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def observation(name, kind, start, end, parent=None, **fields):
    return {
        "id": name,
        "traceId": "t",
        "parentObservationId": parent,
        "type": kind,
        "name": name,
        "startTime": at(start),
        "endTime": None if end is None else at(end),
        **fields,
    }


AGENT_RUN = [
    observation("search", "TOOL", 1010, 1500, "node", input='{"q": "x", "api_key": "k"}'),
    observation("agent", "AGENT", 0, 3000, sessionId="s-1"),
    observation("plan", "GENERATION", 0, 1000, "agent", completionStartTime=at(300), model="m-1", usageDetails={"input": 10, "input_cached_tokens": 90, "output": 5, "output_reasoning": 2, "total": 107}, sessionId="s-1"),
    observation("node", "SPAN", 1005, 2000, "agent"),
    observation("fetch", "TOOL", 1010, 1900, "node", level="ERROR", input={"url": "u"}),
    observation("answer", "GENERATION", 1920, 3000, "agent"),
    observation("click", "EVENT", 5, None, "agent"),
]  # fmt: skip


def imported(path, document, **options):
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    found = Langfuse().read([path], ImportOptions(**options))
    trace = path.with_name("trace.out")
    with TraceWriter(trace, found.header) as writer:
        for session in found.sessions():
            writer.write(session)
    return found, list(read_sessions(trace))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "observations.json"


def in_one_session(observations):
    return [each | {"sessionId": "s-1"} for each in observations]


def test_generations_and_tools_become_calls_that_follow_one_another(path):
    found, [session] = imported(path, in_one_session(AGENT_RUN))
    plan, search, fetch, answer = session.steps
    assert (session.id, [step.name for step in session.steps]) == ("s-1", ["plan", "search", "fetch", "answer"])
    assert (plan.kind, plan.took_ms, plan.recorded.ttft_ms, plan.llm.stream) == ("llm", 1000.0, 300.0, True)
    assert (plan.llm.input_tokens, plan.llm.output_tokens, plan.llm.model) == (100, 7, "m-1")
    assert search.after == fetch.after == (Edge("1", "end", 10.0),)
    assert (search.request.path, bytes(search.request.json)) == (
        "/tools/search",
        b'{"q":"x","api_key":"redacted"}',
    )
    assert fetch.attributes == {"span": "fetch", "error": "true"}
    assert answer.after == (Edge("2", "end", 20.0), Edge("3", "end", 20.0))
    assert not answer.llm.stream
    assert found.header.resolution_ms == 1.0
    assert found.header.attributes["import"]["dropped"] == {"event(s)": 1}
    assert "Calls with a recorded first token are streamed, the others are not." in found.notes


def snake(observation):
    names = {"traceId": "trace_id", "parentObservationId": "parent_observation_id", "startTime": "start_time", "endTime": "end_time", "completionStartTime": "completion_start_time", "usageDetails": "usage_details", "sessionId": "session_id", "model": "provided_model_name"}  # fmt: skip
    renamed = {names.get(key, key): value for key, value in observation.items()}
    return {
        key: value.replace("T", " ").replace("Z", "000") if key.endswith("_time") and value else value
        for key, value in renamed.items()
    }


@pytest.mark.parametrize(
    "document",
    [
        "\n".join(json.dumps(each) for each in in_one_session(AGENT_RUN)),
        "\n".join(json.dumps(snake(each)) for each in in_one_session(AGENT_RUN)),
        json.dumps({"trace": {"id": "t", "sessionId": "s-1"}, "observations": [{k: v for k, v in each.items() if k != "sessionId"} for each in AGENT_RUN]}, indent=1),
        json.dumps({"data": in_one_session(AGENT_RUN), "meta": {"page": 1}}),
    ],
)  # fmt: skip
def test_every_way_of_export_gives_the_same_steps(path, document):
    _, [expected] = imported(path, in_one_session(AGENT_RUN))
    _, [session] = imported(path, document)
    assert (session.id, session.steps) == ("s-1", expected.steps)


def test_without_a_session_id_a_trace_is_a_session(path):
    first = observation("a", "GENERATION", 0, 10)
    second = observation("b", "GENERATION", 500, 510) | {"traceId": "u"}
    _, sessions = imported(path, [second, first])
    assert [(session.id, session.start_ms) for session in sessions] == [("t", 0.0), ("u", 500.0)]


def test_the_traces_of_one_session_follow_one_another_after_the_users_think_time(path):
    first = observation("a", "GENERATION", 0, 10, sessionId="s")
    second = observation("b", "GENERATION", 500, 510, sessionId="s") | {"traceId": "u"}
    _, [session] = imported(path, [first, second])
    assert session.steps[1].after == (Edge("1", "end", 490.0),)


def test_another_field_may_tell_sessions_apart(path):
    items = [
        observation(name, "GENERATION", 0, 10, metadata={"tenant": n}, userId="u")
        for n, name in enumerate("ab")
    ]
    _, by_metadata = imported(path, items, session_by="tenant")
    assert sorted(session.id for session in by_metadata) == ["0", "1"]
    _, by_field = imported(path, items, session_by="userId")
    assert [session.id for session in by_field] == ["u"]


def test_where_no_first_token_is_recorded_the_option_says_whether_calls_are_streamed(path):
    found, [session] = imported(path, [observation("a", "GENERATION", 0, 10)], stream=True)
    assert session.steps[0].llm.stream
    assert "Not recorded, and assumed: model calls are streamed." in found.notes
    _, [session] = imported(path, [observation("a", "GENERATION", 0, 10)], stream=False)
    assert not session.steps[0].llm.stream


def test_older_exports_count_prompt_and_completion(path):
    old = {"usage": {"promptTokens": 3, "completionTokens": 4, "inputCost": 9}}
    oldest = {"promptTokens": 5, "completionTokens": 6}
    _, [session] = imported(
        path, [observation("a", "GENERATION", 0, 10, **old), observation("b", "GENERATION", 20, 30, **oldest)]
    )
    assert [(step.llm.input_tokens, step.llm.output_tokens) for step in session.steps] == [(3, 4), (5, 6)]


def test_times_in_microseconds_are_kept(path):
    item = observation("a", "GENERATION", 0, 10) | {"startTime": "2026-01-01 00:00:00.000123"}
    other = observation("b", "GENERATION", 20, 30)
    found, [session] = imported(path, [item, other])
    assert session.steps[0].took_ms == 9.877
    assert found.header.resolution_ms == 0.001


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"id": "a", "startTime": "today"}], ', object 1, startTime: "today" is not a time like 2026-01-01T00:00:00.000Z.'),
        ([{"id": "a", "startTime": -5}], ', object 1, startTime: "-5" is not a time like 2026-01-01T00:00:00.000Z.'),
        ([{"id": 5, "startTime": at(0)}], ", object 1, id: expected a string, got a whole number."),
        ([{"id": "a", "type": "SPAN", "startTime": at(0)}], ": no model or tool calls."),
        ([], ": no model or tool calls."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(path, document, message):
    with pytest.raises(TraceError) as caught:
        imported(path, document)
    assert str(caught.value) == f"{path}{message}"


moments = st.integers(0, 3_000)
kinds = st.sampled_from(["GENERATION", "GENERATION", "TOOL", "SPAN", "AGENT", "EVENT"])
names = st.sampled_from([None, *"abcdefgh"])
observations = st.builds(
    lambda name, kind, start, end, parent, session, first: (
        observation(name, kind, start, end, parent)
        | ({} if session is None else {"sessionId": session})
        | ({} if first is None else {"completionStartTime": at(first)})
    ),
    names,
    kinds,
    moments,
    st.none() | moments,
    names,
    st.sampled_from([None, "s", "t"]),
    st.none() | moments,
)


@settings(max_examples=80, deadline=None)
@given(items=st.lists(observations, max_size=12))
def test_whatever_was_recorded_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, items
):
    path = tmp_path_factory.getbasetemp() / "observations.json"
    found, sessions = imported(path, [observation("z", "GENERATION", 0, 1), *items])
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert abs(walked[step.id] - step.at_ms) <= found.header.resolution_ms


def test_counts_that_a_database_wrote_as_texts_are_counts(path):
    call = observation(
        "plan", "GENERATION", 0, 1000, usageDetails={"input": "10", "output": "5", "x_input": "?"}
    )
    _, [session] = imported(path, [call])

    assert (session.steps[0].llm.input_tokens, session.steps[0].llm.output_tokens) == (10, 5)


def event(kind, **body):
    return {"id": f"e{kind}", "type": kind, "timestamp": at(0), "body": body}


def test_batches_of_older_sdks_are_put_together_by_id(path):
    first = [
        event("trace-create", id="t", name="agent", sessionId="s-1"),
        event("generation-create", id="g", traceId="t", name="plan", startTime=at(0), model="m-1"),
        event("span-create", id="n", traceId="t", name="node", startTime=at(1000), endTime=at(2000)),
        event("score-create", id="x", traceId="t", name="quality", value=1),
    ]
    then = [
        event("observation-create", id="o", type="TOOL", traceId="t", name="search", startTime=at(1010), endTime=at(1500), parentObservationId="n"),
        event("generation-update", id="g", endTime=at(900), completionStartTime=at(300), usage={"input": 11, "output": 7, "unit": "TOKENS"}),
    ]  # fmt: skip
    lines = "".join(
        json.dumps({"batch": batch, "metadata": {"sdk_name": "python"}}) + "\n" for batch in (first, then)
    )
    path.write_text(lines)
    assert Langfuse().sniff(lines.encode())

    [session] = Langfuse().read([path], ImportOptions()).sessions()

    assert session.id == "s-1"
    assert session.attributes["agent"] == "agent"
    assert [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", "plan", 0.0, 900.0),
        ("tool", "search", 1010.0, 490.0),
    ]
    plan = session.steps[0]
    assert (plan.llm.input_tokens, plan.llm.output_tokens, plan.llm.model) == (11, 7, "m-1")
    assert plan.recorded.ttft_ms == 300.0


def batch_of(*odd):
    calls = [
        event("generation-create", id=f"g{n}", traceId="t", startTime=at(1000 * n), endTime=at(1000 * n + 500))
        for n in range(30)
    ]
    return json.dumps({"batch": [*calls[:15], *odd, *calls[15:]]}).encode()


def in_body(key, value):
    return event("generation-create", id="odd", startTime=at(0)) | {
        "body": {"id": "odd", "startTime": at(0), key: value}
    }


ODD_EVENTS = {
    "trace is a number": in_body("traceId", 5),
    "trace is a list": in_body("trace_id", ["t"]),
    "start is no time": in_body("startTime", "yesterday"),
    "usage is a list": in_body("usageDetails", [1]),
    "name is an object": in_body("name", {}),
    "no body": {"id": "e", "type": "generation-create", "timestamp": at(0)},
    "body is null": {"id": "e", "type": "span-update", "timestamp": at(0), "body": None},
    "body is a list": {"id": "e", "type": "trace-create", "timestamp": at(0), "body": [1]},
}


@pytest.mark.parametrize("odd", ODD_EVENTS.values(), ids=ODD_EVENTS)
def test_an_odd_event_of_a_batch_costs_itself_only(path, odd):
    path.write_bytes(batch_of(odd))

    result = Langfuse().read([path], ImportOptions())

    assert sum(len(session.steps) for session in result.sessions()) == 30
    told = result.header.attributes["import"]
    assert (told["lines"], told["unreadable"]) == (31, 1)
    with pytest.raises(TraceError, match="object 16"):
        Langfuse().read([path], ImportOptions(strict=True))


@pytest.mark.parametrize("field", [b'"id": "%s"', b'"id": "o", "traceId": "%s"'])
def test_an_event_that_is_no_utf_8_in_a_document_costs_itself_only(path, field):
    odd = event("generation-create", id="odd", startTime=at(0))
    laid_out = json.dumps(json.loads(batch_of(odd)), indent=1).encode()
    path.write_bytes(laid_out.replace(b'"id": "odd"', field % b"\xff"))

    result = Langfuse().read([path], ImportOptions())

    assert sum(len(session.steps) for session in result.sessions()) == 30
    assert result.header.attributes["import"]["unreadable"] == 1


def test_events_that_tell_of_no_observation_are_counted(path):
    odd = [
        event("sdk-log", log={"level": "debug"}),
        event("score-create", id="s", traceId="t", name="quality", value=1),
        event("dataset-run-item-create", id="d", traceId="t"),
    ]
    path.write_bytes(batch_of(*odd))

    result = Langfuse().read([path], ImportOptions())

    assert sum(len(session.steps) for session in result.sessions()) == 30
    assert result.header.attributes["import"]["dropped"] == {"event(s) that tell of no observation": 3}


def test_a_usage_in_another_unit_than_tokens_tells_of_none(path):
    usage = {"input": 1200, "output": 300, "unit": "CHARACTERS"}
    plan = observation("plan", "GENERATION", 0, 1000, completionStartTime=at(300), usage=usage)
    _, [session] = imported(path, [plan])
    assert (session.steps[0].llm.input_tokens, session.steps[0].llm.output_tokens) == (0, 0)
