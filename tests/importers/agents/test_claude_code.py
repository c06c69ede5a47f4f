"""Claude Code's own logs become sessions: model calls, the tools beside them, and sub-agents below them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.agents.claude_code import ClaudeCode
from replay.importers.agents.tracelab import TraceLab
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge
from tests.support.carried import anthropic_image
from tests.support.claude_logs import USAGE, output, prompt, result, use, write


def imported(path, *more, **options):
    found = ClaudeCode().read([path, *more], ImportOptions(**options))
    trace = path.with_name("trace.out")
    with TraceWriter(trace, found.header) as writer:
        for session in found.sessions():
            writer.write(session)
    return found, list(read_sessions(trace))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.jsonl"


def steps_of(session):
    return {step.id: step for step in session.steps}


def test_the_records_of_one_message_are_one_model_call_from_its_input_to_its_last_block(path):
    early = {**USAGE, "output_tokens": 1}
    write(
        path, prompt(0), output(900, "m", usage=early), output(2000, "m"), output(2500, "m", {"type": "text"})
    )
    _, [session] = imported(path)
    [step] = session.steps
    assert (step.kind, step.name, step.took_ms, step.recorded.ttft_ms) == ("llm", "main", 2500.0, 900.0)
    assert (step.llm.input_tokens, step.llm.output_tokens, step.llm.model, step.llm.stream) == (
        432,
        5,
        "m-1",
        True,
    )
    assert step.attributes == {"cached_input_tokens": "400"}


def test_a_tool_runs_from_its_call_to_its_result_and_the_next_call_joins_them(path):
    write(
        path,
        prompt(0),
        output(1000, "m", {"type": "thinking"}),
        output(1500, "m", use("t1", command="ls")),
        output(2000, "m", use("t2", "Read")),
        result(1900, "t1", error=True),
        result(9000, "t2"),
        output(9500, "n"),
    )
    _, [session] = imported(path)
    steps = steps_of(session)
    assert steps["1.1"].after == (Edge("1", "first_byte", 500.0),)
    assert (steps["1.1"].took_ms, steps["1.1"].attributes) == (400.0, {"error": "true"})
    assert bytes(steps["1.1"].request.json) == b'{"command":"ls"}'
    assert (steps["1.2"].request.path, steps["1.2"].after) == ("/tools/Read", (Edge("1", "end", 0.0),))
    assert (steps["2"].at_ms, steps["2"].after) == (9000.0, (Edge("1.1"), Edge("1.2")))


def test_a_tool_of_an_mcp_server_is_called_by_a_message_of_mcp(path):
    write(
        path,
        prompt(0),
        output(1000, "m", use("t1", "mcp__crm__find_user", q="ada", api_key="hunter2")),
        result(1900, "t1"),
    )
    found, [session] = imported(path)
    step = steps_of(session)["1.1"]

    assert (step.kind, step.name, step.request, step.took_ms) == ("mcp", "mcp__crm__find_user", None, 900.0)
    assert (step.mcp.method, step.mcp.tool) == ("tools/call", "find_user")
    assert bytes(step.mcp.arguments) == b'{"q":"ada","api_key":"redacted"}'
    assert found.header.attributes["import"]["tool_calls"] == 0
    assert (
        "Inferred: 1 call(s) of tools named mcp__SERVER__TOOL became messages to MCP servers, which a target takes at its "
        '[mcp] path; [[routes]] with kind = "mcp" and name = "mcp__SERVER__*" lead to servers elsewhere.'
    ) in found.notes
    assert not any("POST /tools" in note for note in found.notes)


def test_a_call_without_input_of_its_own_starts_when_the_one_before_it_ended(path):
    write(path, prompt(0), output(1000, "m"), output(3000, "n"))
    found, [session] = imported(path)
    assert session.steps[1].at_ms == 1000.0
    assert (
        "Inferred: 1 model call(s) without input of their own start at the end of the one before."
        in found.notes
    )


def test_a_subagent_in_the_sessions_file_stands_for_the_tool_call_that_ran_when_it_began(path):
    side = {"isSidechain": True}
    write(
        path,
        prompt(0),
        output(1000, "m", use("t", "Task", subagent_type="Explore")),
        prompt(1100, uuid="u1", parentUuid=None, **side),
        output(2000, "x", use("i"), uuid="u2", parentUuid="u1", **side),
        result(3000, "i", uuid="u3", parentUuid="u2", **side),
        output(4000, "y", uuid="u4", parentUuid="u3", **side),
        result(4200, "t"),
        output(5000, "n"),
    )
    found, [session] = imported(path)
    steps = steps_of(session)
    assert list(steps) == ["1", "1.1.1", "1.1.1.1", "1.1.2", "2"]
    assert steps["1.1.1"].name == "Explore"
    assert steps["1.1.1"].after == (Edge("1", "end", 100.0),)
    assert steps["2"].after == (Edge("1.1.2", "end", 200.0),)
    assert found.header.attributes["import"]["subagents"] == 1
    assert found.notes[0] == "1 session(s): 4 model call(s), 1 tool call(s), 1 sub-agent(s)."


def test_subagents_in_files_of_their_own_run_beside_each_other_and_are_joined(path):
    write(
        path,
        prompt(0),
        output(1000, "m", use("t1", "Agent")),
        output(1000, "m", use("t2", "Agent")),
        result(5000, "t2", agent="b"),
        result(9000, "t1", agent="a"),
        output(9500, "n"),
    )
    for name, end in (("a", 8900), ("b", 4800)):
        file = path.with_suffix("") / "subagents" / f"agent-{name}.jsonl"
        side = {"isSidechain": True, "agentId": name}
        write(file, prompt(1200, **side), output(end, f"of {name}", **side))
    _, [session] = imported(path)
    steps = steps_of(session)
    assert list(steps) == ["1", "1.1.1", "1.2.1", "2"]
    assert steps["1.1.1"].attributes["agent"] == "a"
    assert [edge.step for edge in steps["2"].after] == ["1.1.1", "1.2.1"]
    assert {edge.delay_ms for edge in steps["2"].after} == {100.0}


def test_the_file_of_a_subagent_beside_its_session_belongs_to_it(tmp_path):
    write(tmp_path / "s.jsonl", prompt(0), output(1000, "m", use("t", "Task")), result(5000, "t", agent="a"))
    side = {"isSidechain": True, "agentId": "a"}
    write(tmp_path / "agent-a.jsonl", prompt(1200, **side), output(4000, "x", **side))
    write(
        tmp_path / "other.jsonl", prompt(70_000) | {"sessionId": "o"}, output(71_000, "z") | {"sessionId": "o"}
    )
    found = ClaudeCode().read([tmp_path], ImportOptions())
    sessions = list(found.sessions())
    assert [(session.id, session.start_ms, len(session.steps)) for session in sessions] == [
        ("s", 0.0, 2),
        ("o", 70_000.0, 1),
    ]


def test_a_subagent_nobody_is_known_to_have_spawned_begins_by_itself(path):
    side = {"isSidechain": True, "agentId": "a"}
    write(path, prompt(0), output(1000, "m"), prompt(2000, **side), output(2500, "x", **side))
    found, [session] = imported(path)
    assert steps_of(session)["a1.1"].after == (Edge("1", "end", 1000.0),)
    assert "Inferred: 1 sub-agent(s) without a known tool call begin by themselves." in found.notes


def test_subagents_that_name_each_other_as_spawner_are_still_imported_once(path):
    records = [prompt(0), output(1000, "m")]
    for name, other in (("a", "b"), ("b", "a")):
        side = {"isSidechain": True, "agentId": name}
        records += [
            prompt(2000, **side),
            output(2500, name, use(f"t{name}", "Task"), **side),
            result(3000, f"t{name}", agent=other, **side),
        ]
    write(path, *records)
    _, [session] = imported(path)
    assert sum(step.kind == "llm" for step in session.steps) == 3


def test_what_is_no_call_is_dropped_and_counted(path):
    write(
        path,
        {"type": "summary", "summary": "x", "message": 5},
        prompt(0, uuid="u"),
        prompt(10, uuid="u"),
        output(100, "e", isApiErrorMessage=True),
        output(200, "m", use("t"), use("t")),
        output(300, "f", timestamp=None),
        result(400, "unknown"),
    )
    found, [session] = imported(path)
    assert [step.id for step in session.steps] == ["1", "1.1"]
    assert session.steps[1].took_ms is None
    assert found.header.attributes["import"]["dropped"] == {
        "record(s) that occur twice": 1,
        "answer(s) that are the program's own, such as errors": 1,
        "tool call(s) that occur twice": 1,
        "record(s) without a timestamp": 1,
        "tool result(s) without a tool call": 1,
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", ", line 1: not valid JSON: Input data was truncated."),
        (b'{"type":5}', ", line 1: type: expected a string or null, got a whole number."),
        (b'{"type":"user","timestamp":"-1"}', ', line 1: timestamp: "-1" is not a time like 2026-06-01T05:40:20.151Z.'),
        (b'{"type":"user","timestamp":"2026-06-01T00:00:00Z","message":[]}', ", line 1, message: expected an object, got an array."),
        (b'{"type":"user","x":' + b"[" * 100_000, ", line 1: nested too deeply to be read."),
        (b'{"type":"user","timestamp":"2026-06-01T00:00:00Z","message":{"content":"\xff"}}', ", line 1: not valid UTF-8."),
        (json.dumps(prompt(0)).encode(), ": no model or tool calls."),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(path, line, message):
    path.write_bytes(line + b"\n")
    with pytest.raises(TraceError) as caught:
        ClaudeCode().read([path], ImportOptions())
    assert str(caught.value) == f"{path}{message}"


def test_half_a_surrogate_pair_in_a_result_or_argument_is_no_fault(path):
    write(
        path,
        prompt(0),
        output(10, "m", use("t", command="\ud83d")),
        result(20, "t") | {"toolUseResult": {"x": "\udc00"}},
    )
    _, [session] = imported(path)
    assert bytes(session.steps[1].request.json).decode() == '{"command":"\ufffd"}'


moments = st.integers(0, 5_000)
agents = st.sampled_from([None, "a", "b", "c"])


@st.composite
def records(draw):
    agent = draw(agents)
    side = {} if agent is None else {"isSidechain": True, "agentId": agent}
    ms = draw(moments)
    kind = draw(st.sampled_from(["prompt", "result", "output", "output"]))
    tool = f"t{draw(st.integers(0, 4))}"
    if kind == "prompt":
        return prompt(ms, **side)
    if kind == "result":
        return result(ms, tool, agent=draw(agents), **side)
    blocks = [
        use(f"t{n}", draw(st.sampled_from(["Bash", "Task"])))
        for n in draw(st.lists(st.integers(0, 4), max_size=3))
    ]
    return output(ms, f"m{draw(st.integers(0, 5))}", *blocks, **side)


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(records(), max_size=20))
def test_whatever_was_logged_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, lines
):
    path = write(tmp_path_factory.getbasetemp() / "any" / "s.jsonl", output(0, "first"), *lines)
    found, sessions = imported(path)
    expected = {(None, "first")} | {
        (line.get("agentId"), line["message"]["id"]) for line in lines if line["type"] == "assistant"
    }
    for session in sessions:
        assert sum(step.kind == "llm" for step in session.steps) == len(expected)
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert abs(walked[step.id] - step.at_ms) <= found.header.resolution_ms


def test_the_published_log_gives_what_the_data_sets_own_reading_of_it_gives(data, tmp_path):
    folder = data / "tracelab"
    [ours] = ClaudeCode().read([folder / "claude-session.jsonl"], ImportOptions()).sessions()
    rounds = (folder / "sanitized-round_trace.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rounds.jsonl").write_text("".join(each for each in rounds if '"provider":"claude"' in each))
    [theirs] = TraceLab().read([tmp_path / "rounds.jsonl"], ImportOptions()).sessions()

    def facts(session):
        return [
            (step.id, step.name, step.at_ms, step.took_ms, step.after, step.recorded, step.llm)
            for step in session.steps
        ]

    assert facts(ours) == facts(theirs)
    assert len(ours.steps) == 19


ROOM = {**USAGE, "cache_read_input_tokens": 5_000}


def shot(ms, seed):
    return prompt(
        ms, message={"role": "user", "content": [anthropic_image(seed=seed), {"type": "text", "text": "?"}]}
    )


def test_images_go_with_each_later_call_until_the_history_is_summarised(path):
    seen = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [anthropic_image(seed=b"b", size_bytes=5_000)],
    }
    write(
        path,
        shot(0, b"a"),
        output(500, "m", use("t"), usage=ROOM),
        {**result(900, "t"), "message": {"content": [seen]}},
        output(1_500, "n", usage=ROOM),
        shot(1_600, b"a"),
        output(2_000, "o", usage=ROOM),
        output(3_000, "p", usage=ROOM, agentId="acompact-1", isSidechain=True),
        prompt(3_500),
        output(4_000, "q", usage=ROOM),
    )
    found, [session] = imported(path)
    calls = [step.llm for step in session.steps if step.llm is not None]
    images = [[(image.bytes, image.width, image.height, image.id) for image in call.images] for call in calls]

    first, second = (9_000, 320, 200, 0), (5_000, 320, 200, 1)
    assert images == [[first], [first, second], [first, second, first], [first, second, first], []]
    assert "Inferred: 4 model call(s) carry the images that came before them, by type and size." in found.notes
    assert calls[0].tools is None


def test_a_prompt_holds_the_latest_images_that_it_has_room_for(path):
    # Of 86 tokens each.
    write(path, *(shot(n, b"%d" % n) for n in range(9)), output(500, "m", usage=USAGE))
    _, [session] = imported(path)

    assert [image.id for image in session.steps[0].llm.images] == [0, 1, 2, 3, 4]
    assert len({image.id for image in session.steps[0].llm.images}) == 5
