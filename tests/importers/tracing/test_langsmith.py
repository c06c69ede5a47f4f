"""Runs exported from LangSmith become sessions of calls."""

import csv
import io
import json
from datetime import datetime, timedelta

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.tracing.langsmith import LangSmith
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge

START = datetime(2026, 1, 1)


def at(ms):
    return (START + timedelta(milliseconds=ms)).isoformat(timespec="microseconds")


def run(name, kind, start, end, parent=None, **fields):
    return {
        "id": name,
        "trace_id": "t",
        "session_id": "project",
        "parent_run_id": parent,
        "run_type": kind,
        "name": name,
        "start_time": at(start),
        "end_time": None if end is None else at(end),
        **fields,
    }


EXTRA = {"metadata": {"thread_id": "th", "ls_model_name": "m-1"}}
GRAPH = [
    run("graph", "chain", 0, 3000, extra=EXTRA),
    run("plan", "llm", 1, 1000, "graph", extra=EXTRA, prompt_tokens=10, completion_tokens=5, first_token_time=at(251)),
    run("search", "tool", 1010, 1500, "tools", extra=EXTRA, inputs={"query": "x"}, error="ValueError: secret"),
    run("tools", "chain", 1005, 2000, "graph", extra=EXTRA),
    run("lookup", "retriever", 1010, 1900, "tools", extra=EXTRA, inputs={"query": "y"}),
    run("answer", "llm", 1920, 3000, "graph", extra=EXTRA, outputs={"usage_metadata": {"input_tokens": 7, "output_tokens": 8}}),
]  # fmt: skip


def imported(path, document, **options):
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    found = LangSmith().read([path], ImportOptions(**options))
    trace = path.with_name("trace.out")
    with TraceWriter(trace, found.header) as writer:
        for session in found.sessions():
            writer.write(session)
    return found, list(read_sessions(trace))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.jsonl"


def lines(*runs):
    return "\n".join(json.dumps(each) for each in runs)


def test_runs_of_models_and_tools_become_calls_that_follow_one_another(path):
    found, [session] = imported(path, lines(*GRAPH))
    plan, search, lookup, answer = session.steps
    assert (session.id, session.attributes) == ("th", {"agent": "graph"})
    assert (plan.took_ms, plan.recorded.ttft_ms, plan.llm.stream, plan.llm.model) == (999.0, 250.0, True, "m-1")
    assert [(step.llm.input_tokens, step.llm.output_tokens) for step in (plan, answer)] == [(10, 5), (7, 8)]
    assert search.after == lookup.after == (Edge("1", "end", 10.0),)
    assert (search.request.path, bytes(search.request.json)) == ("/tools/search", b'{"query":"x"}')
    assert search.attributes == {"span": "search", "error": "true"}
    assert answer.after == (Edge("2", "end", 20.0), Edge("3", "end", 20.0))
    assert found.header.resolution_ms == 1.0


def nested(name):
    found = next(each for each in GRAPH if each["id"] == name)
    children = [nested(each["id"]) for each in GRAPH if each["parent_run_id"] == name]
    return {key: value for key, value in found.items() if key != "parent_run_id"} | {"child_runs": children}


@pytest.mark.parametrize(
    "document",
    [
        json.dumps(GRAPH, indent=1),
        json.dumps({"runs": GRAPH, "cursors": {}}),
        json.dumps(nested("graph")),
        lines(*(each | {"parent_run_id": None, "parent_run_ids": [p for p in ("graph", each["parent_run_id"]) if p and p != each["id"]]} for each in GRAPH)),
        lines(*(each | {"parent_run_id": None, "dotted_order": ".".join(f"20260101T000000000000Z{p}" for p in (each["parent_run_id"], each["id"]) if p)} for each in GRAPH)),
    ],
)  # fmt: skip
def test_every_way_of_export_gives_the_same_steps(path, document):
    _, [expected] = imported(path, lines(*GRAPH))
    _, [session] = imported(path, document)
    assert (session.id, session.steps) == ("th", expected.steps)


def test_without_a_thread_a_trace_is_a_session_and_a_project_is_not(path):
    _, sessions = imported(path, lines(run("a", "llm", 0, 10), run("b", "llm", 50, 60) | {"trace_id": "u"}))
    assert [(session.id, session.start_ms) for session in sessions] == [("t", 0.0), ("u", 50.0)]


def test_another_field_may_tell_sessions_apart(path):
    _, [session] = imported(
        path,
        lines(run("a", "llm", 0, 10), run("b", "llm", 50, 60) | {"trace_id": "u"}),
        session_by="session_id",
    )
    assert session.id == "project"
    assert session.steps[1].after == (Edge("1", "end", 40.0),)


def test_the_first_token_may_be_told_by_an_event(path):
    events = [
        {"name": "start", "time": at(0)},
        {"name": "new_token", "time": at(40)},
        {"name": "new_token", "time": at(50)},
    ]
    _, [session] = imported(path, lines(run("a", "llm", 0, 100, events=events)))
    assert session.steps[0].recorded.ttft_ms == 40.0


def test_a_bulk_export_holds_json_in_texts(path):
    """Its columns, read with pandas or pyarrow: all that the runs hold is a text. Models and sessions were lost."""
    held = ("extra", "inputs", "outputs", "events")
    events = [{"name": "new_token", "time": at(251)}]
    graph = [
        {**each, "first_token_time": None, "events": events if each["name"] == "plan" else []} for each in GRAPH
    ]
    rows = [{**each, **{key: json.dumps(each[key]) for key in held if key in each}} for each in graph]

    assert imported(path, lines(*rows))[1] == imported(path, lines(*GRAPH))[1]


def test_whole_milliseconds_stay_whole(path):
    result, _ = imported(
        path, lines({**run("a", "llm", 0, 100), "start_time": 1_796_037_747_859, "end_time": 1_796_037_748_524})
    )

    assert result.header.resolution_ms == 1.0
    assert result.header.attributes["import"]["first_unix_ns"] == 1_796_037_747_859_000_000


def test_times_may_be_numbers_of_milliseconds(path):
    _, [session] = imported(
        path, lines(run("a", "llm", 0, 0) | {"start_time": 1_770_000_000_000, "end_time": 1_770_000_000_250.5})
    )
    assert session.steps[0].took_ms == 250.5


def test_a_tool_that_calls_an_agent_is_the_agents_calls(path):
    found, [session] = imported(
        path,
        lines(
            run("a", "llm", 0, 10),
            run("ask", "tool", 20, 90),
            run("inner", "llm", 25, 80, "ask"),
            run("b", "llm", 95, 99),
        ),
    )
    assert [step.name for step in session.steps] == ["a", "inner", "b"]
    assert "Inferred: 1 tool call(s) that hold calls are these calls." in found.notes


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"id":"a","start_time":true}', ", line 1, start_time: expected a number, got true or false."),
        ('{"id":"a","start_time":"x"}', ', line 1, start_time: "x" is not a time like 2026-01-01T00:00:00.000Z.'),
        ('{"id":"a","start_time":1e300}', ', line 1, start_time: "1e300" is not a time like 2026-01-01T00:00:00.000Z.'),
        ('{"id":"a","run_type":"llm","start_time":1,"child_runs":[5]}', ", line 1, child_runs: [0]: expected an object, got a whole number."),
        ('{"id":"a","run_type":"llm","start_time":1,"prompt_tokens":"many"}', ", line 1, prompt_tokens: expected a number, got a string."),
        ('{"id":"a","run_type":"llm"}', ": no model or tool calls."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(path, document, message):
    with pytest.raises(TraceError) as caught:
        imported(path, document)
    assert str(caught.value) == f"{path}{message}"


def test_runs_nested_hundreds_deep_are_read_or_refused_plainly(path):
    deep = run("x", "llm", 0, 1)
    for n in range(300):
        deep = run(f"r{n}", "chain", 0, 1, child_runs=[deep])
    _, [session] = imported(path, lines(deep))
    assert len(session.steps) == 1


moments = st.integers(0, 3_000).map(lambda n: n / 4)
names = st.sampled_from([None, *"abcdefgh"])
runs = st.builds(
    lambda name, kind, start, end, parent, first: run(
        name, kind, start, end, parent, first_token_time=first and at(first)
    ),
    names,
    st.sampled_from(["llm", "llm", "tool", "chain", "prompt"]),
    moments,
    st.none() | moments,
    names,
    st.none() | moments,
)


@settings(max_examples=80, deadline=None)
@given(items=st.lists(runs, max_size=12))
def test_whatever_was_recorded_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, items
):
    path = tmp_path_factory.getbasetemp() / "runs.jsonl"
    found, sessions = imported(path, [run("z", "llm", 0, 1), *items])
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert abs(walked[step.id] - step.at_ms) <= found.header.resolution_ms + 0.001


def begun(whole):
    return {key: value for key, value in whole.items() if key not in ("end_time", "outputs", "prompt_tokens")}


def ended(whole, *left_out):
    return {key: value for key, value in whole.items() if key not in ("run_type", "name", *left_out)}


def batches(*, repeats_start, ends_first):
    """What the SDK sends of the graph: beginnings and ends in batches of their own, the ends of half of them last."""
    posts = [{"post": [begun(each)]} for each in GRAPH]
    left_out = () if repeats_start else ("start_time",)
    patches = [{"patch": [ended(each, *left_out)], "post": []} for each in GRAPH]
    lines = [*patches, *posts] if ends_first else [*posts, *patches]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.mark.parametrize("repeats_start", [True, False])
@pytest.mark.parametrize("ends_first", [True, False])
def test_batches_of_beginnings_and_ends_become_the_runs_that_they_tell_of(path, repeats_start, ends_first):
    _, [whole] = imported(path, GRAPH)
    found, [session] = imported(path, batches(repeats_start=repeats_start, ends_first=ends_first))

    assert session.steps == whole.steps
    assert not any("occurred before" in what for what in found.header.attributes["import"]["dropped"])


def test_a_run_whose_end_is_in_no_batch_is_still_there(path):
    _, [session] = imported(
        path, {"post": [begun(each) for each in GRAPH], "patch": [ended(GRAPH[1], "start_time")]}
    )

    assert [(step.name, step.took_ms is None) for step in session.steps] == [
        ("plan", False), ("search", True), ("lookup", True), ("answer", True)
    ]  # fmt: skip


def as_csv(runs):
    names = list(dict.fromkeys(name for each in runs for name in each))
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(names)
    for each in runs:
        cells = [each.get(name) for name in names]
        table.writerow(
            ["" if cell is None else json.dumps(cell) if isinstance(cell, dict) else cell for cell in cells]
        )
    return text.getvalue()


def test_a_table_of_runs_becomes_the_same_as_its_objects(path):
    _, [whole] = imported(path, GRAPH)
    _, [session] = imported(
        path,
        as_csv(
            [
                {**each, "prompt_tokens": f"{each.get('prompt_tokens', '')}.0".removeprefix(".0")}
                for each in GRAPH
            ]
        ),
    )

    assert LangSmith().sniff(as_csv(GRAPH).encode())
    assert session.steps == whole.steps


def test_tokens_that_a_cache_knew_are_prefix_blocks(path):
    def usage(cached):
        details = {} if cached is None else {"input_token_details": {"cache_read": cached}}
        return {"usage_metadata": {"input_tokens": 2_048, "output_tokens": 5, **details}}

    runs = [
        run(f"call {n}", "llm", 100 * n, 100 * n + 50, extra=EXTRA, outputs=usage(cached))
        for n, cached in enumerate([None, 1_024, 2_000])
    ]
    found, [session] = imported(path, runs, block_size=512)

    first, second, third = (step.llm.prefix for step in session.steps)
    assert [len(first), len(second), len(third)] == [4, 4, 4]
    assert len({*first} & {*second}) == 2
    assert len({*second} & {*third}) == 3
    assert any("prefix blocks" in what for what in found.header.attributes["import"]["inferred"])


def form(boundary, *parts):
    """As LangSmith's SDK 0.15 sends a batch; fields of one run stand in parts of their own."""
    return b"".join(
        b'--%b\r\nContent-Disposition: form-data; name="%b"\r\nContent-Type: application/json\r\n'
        b"Content-Length: %d\r\n\r\n%b\r\n" % (boundary, name.encode(), len(content.encode()), content.encode())
        for name, content in parts
    ) + b"--%b--\r\n" % (boundary,)


def parted(operation, one):
    large = ("inputs", "outputs", "extra", "error")
    head = {key: value for key, value in one.items() if key not in large}
    yield f"{operation}.{one['id']}", json.dumps(head)
    yield from ((f"{operation}.{one['id']}.{key}", json.dumps(one[key])) for key in large if one.get(key))


@pytest.mark.parametrize("is_compressed", [False, True])
def test_batches_as_they_go_over_the_wire_become_the_runs_that_they_tell_of(path, is_compressed):
    _, whole = imported(path, lines(*GRAPH))
    first = form(
        b"aa", *(part for one in GRAPH for part in parted("post", begun(one))), ("attachment.x.y", "\0--")
    )
    second = form(b"bb", *(part for one in GRAPH for part in parted("patch", ended(one))), ("feedback.x", "{}"))
    data = first + second
    assert LangSmith().sniff(data[:4096])
    path.write_bytes(zstandard.compress(data) if is_compressed else data)
    found = LangSmith().read([path], ImportOptions())

    assert list(found.sessions()) == whole


def test_a_form_that_is_cut_off_is_refused(path):
    path.write_bytes(form(b"aa", *parted("post", GRAPH[0]))[:-9])

    with pytest.raises(TraceError, match=r"the last batch has no end\. The file was probably cut off\."):
        LangSmith().read([path], ImportOptions())
