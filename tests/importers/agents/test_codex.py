"""Codex's own logs become sessions of model calls and the tools beside them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.agents.codex import Codex
from replay.importers.agents.tracelab import TraceLab
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge
from tests.support.carried import input_image
from tests.support.codex_logs import call, line, meta, output, text, tokens, user, write


def imported(path, **options):
    found = Codex().read([path], ImportOptions(**options))
    trace = path.with_name("trace.out")
    with TraceWriter(trace, found.header) as writer:
        for session in found.sessions():
            writer.write(session)
    return found, list(read_sessions(trace))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rollout-1.jsonl"


def test_a_model_call_runs_from_its_input_to_its_token_count(path):
    turn = line(1, "turn_context", model="m-1")
    write(
        path,
        meta("id-7"),
        turn,
        user(10),
        line(900, "response_item", type="reasoning"),
        text(1500),
        tokens(1600, 50, 7, 50),
    )
    _, [session] = imported(path)
    [step] = session.steps
    assert (session.id, session.attributes) == ("id-7", {"agent": "codex", "version": "0.114.0"})
    assert (step.kind, step.took_ms, step.recorded.ttft_ms) == ("llm", 1590.0, 890.0)
    assert (step.llm.input_tokens, step.llm.output_tokens, step.llm.model) == (50, 7, "m-1")


def told(session):
    return [(step.id, step.kind, step.at_ms, step.took_ms) for step in session.steps]


def usage_record(ms, inputs, output, cumulative):
    usage = {"input_tokens": inputs, "output_tokens": output}
    return line(ms, "token_usage_record", usage=usage, thread_token_usage={"input_tokens": cumulative})


def test_a_call_whose_tokens_are_told_behind_its_tools_ends_with_its_last_output(path):
    """As 0.80 to 0.120 write it."""
    write(
        path,
        meta(),
        user(0),
        text(470),
        call(550, "a"),
        output(920, "a"),
        tokens(921, 1_000, 20, 1_000),
        call(1_300, "b"),
        call(1_380, "c"),
        output(1_385, "b"),
        output(1_800, "c"),
        tokens(1_801, 1_100, 21, 2_100),
        text(2_400),
        tokens(2_401, 1_200, 22, 3_300),
    )

    _, [session] = imported(path)

    assert told(session) == [
        ("1", "llm", 0, 550),
        ("1.1", "tool", 550, 370),
        ("2", "llm", 920, 460),
        ("2.1", "tool", 1_300, 85),
        ("2.2", "tool", 1_380, 420),
        ("3", "llm", 1_800, 601),
    ]
    assert [step.llm.output_tokens for step in session.steps if step.llm] == [20, 21, 22]


def test_a_call_ends_where_its_usage_is_recorded_and_counts_once(path):
    """As 0.171 writes it."""
    write(
        path,
        meta(),
        user(0),
        text(470),
        call(550, "a"),
        usage_record(600, 1_000, 20, 1_000),
        output(920, "a"),
        line(
            921,
            "event_msg",
            type="token_count",
            info={
                "last_token_usage": {"input_tokens": 1_000, "output_tokens": 20},
                "total_token_usage": {"input_tokens": 1_000},
            },
        ),
        text(1_500),
        usage_record(1_510, 1_100, 21, 2_100),
        tokens(1_511, 1_100, 21, 2_100),
    )

    _, [session] = imported(path)

    assert told(session) == [("1", "llm", 0, 600), ("1.1", "tool", 550, 370), ("2", "llm", 920, 590)]
    assert [step.llm.output_tokens for step in session.steps if step.llm] == [20, 21]


def test_an_answer_that_is_written_when_its_tools_have_ended_was_complete_when_its_tokens_were_told(path):
    """As 0.47 to 0.64 write it."""
    write(
        path,
        meta(),
        user(0),
        line(400, "event_msg", type="token_count", info=None),
        line(470, "event_msg", type="agent_message"),
        tokens(640, 1_000, 20, 1_000),
        text(1_015),
        call(1_016, "a"),
        output(1_016, "a"),
        line(1_017, "turn_context", model="m-1"),
        tokens(1_440, 1_000, 20, 1_000),
        tokens(1_610, 1_100, 21, 2_100),
        call(2_030, "b"),
        output(2_030, "b"),
        call(2_030, "c"),
        output(2_031, "c"),
        line(2_120, "turn_context", model="m-1"),
        line(2_700, "event_msg", type="agent_message"),
        tokens(2_701, 1_200, 22, 3_300),
        text(2_702),
    )

    _, [session] = imported(path)

    assert told(session) == [
        ("1", "llm", 0, 640),
        ("1.1", "tool", 640, 376),
        ("2", "llm", 1_016, 594),
        ("2.1", "tool", 1_610, 420),
        ("2.2", "tool", 1_610, 421),
        ("3", "llm", 2_031, 670),
    ]
    assert [step.llm.output_tokens for step in session.steps if step.llm] == [20, 21, 22]


def test_tokens_that_are_told_of_no_answer_are_no_call(path):
    write(path, meta(), tokens(5, 9_000, 1, 9_000), user(10), text(500), tokens(600, 50, 7, 9_050))

    _, [session] = imported(path)

    assert told(session) == [("1", "llm", 0, 590)]


def test_versions_that_ran_tools_before_an_answer_was_told_are_doubted(path):
    """As 0.34 to 0.44 write it."""
    old = line(0, "session_meta", id="x", cli_version="0.42.0")
    write(path, old, user(0), tokens(1_000, 50, 7, 50), call(1_001, "a"), output(1_002, "a"))

    found, [session] = imported(path)

    assert told(session) == [("1", "llm", 0, 1_000), ("1.1", "tool", 1_000, 2)]
    assert any("Codex before 0.47 does not tell these apart" in note for note in found.notes)


def test_tools_that_start_while_the_model_answers_follow_its_first_byte_and_are_joined(path):
    write(
        path,
        meta(),
        user(0),
        line(1000, "response_item", type="reasoning"),
        call(1500, "a"),
        call(1550, "b", name="write_stdin"),
        tokens(1560, 9, 1, 9),
        output(1600, "a"),
        output(5000, "b"),
        text(6000),
        tokens(6100, 20, 2, 29),
    )
    _, [session] = imported(path)
    _, first, second, answer = session.steps
    assert first.after == (Edge("1", "first_byte", 500.0),)
    assert (first.took_ms, bytes(first.request.json)) == (100.0, b'{"cmd":"ls"}')
    assert (second.request.path, second.took_ms) == ("/tools/write_stdin", 3450.0)
    assert (answer.at_ms, [edge.step for edge in answer.after]) == (5000.0, ["1", "1.1", "1.2"])
    assert {edge.delay_ms for edge in answer.after} == {0.0}


def test_a_result_that_comes_before_the_token_count_does_not_split_the_answer(path):
    write(
        path,
        meta(),
        user(0),
        call(100, "a"),
        output(150, "a"),
        call(200, "b"),
        tokens(210, 9, 1, 9),
        output(300, "b"),
    )
    _, [session] = imported(path)
    assert [(step.id, step.took_ms) for step in session.steps] == [("1", 210.0), ("1.1", 50.0), ("1.2", 100.0)]


def test_in_a_log_without_token_counts_an_answer_ends_at_the_next_input(path):
    write(path, meta(), user(0), call(100, "a"), output(150, "a"), text(200))
    found, [session] = imported(path)
    assert [(step.id, step.took_ms) for step in session.steps] == [("1", 100.0), ("1.1", 50.0), ("2", 50.0)]
    assert "Inferred: 2 model call(s) without a token count have 0 tokens." in found.notes


def test_what_the_user_says_while_the_model_answers_does_not_end_the_answer(path):
    write(
        path,
        meta(),
        user(0),
        text(100),
        user(150),
        text(200),
        tokens(210, 9, 1, 9),
        text(400),
        tokens(410, 9, 2, 18),
    )
    _, [session] = imported(path)
    assert [(step.at_ms, step.took_ms, step.llm.output_tokens) for step in session.steps] == [
        (0.0, 210.0, 1),
        (210.0, 200.0, 2),
    ]


def test_an_answer_that_was_interrupted_ends_with_its_turn(path):
    aborted = line(150, "event_msg", type="turn_aborted")
    write(path, meta(), user(0), text(100), aborted, user(5000), text(5100), tokens(5110, 9, 1, 9))
    found, [session] = imported(path)
    assert [(step.at_ms, step.took_ms) for step in session.steps] == [(0.0, 100.0), (5000.0, 110.0)]
    assert "Inferred: 1 model call(s) without a token count have 0 tokens." in found.notes


def test_a_repeated_token_count_ends_nothing(path):
    write(
        path,
        meta(),
        user(0),
        text(100),
        tokens(110, 9, 1, 9),
        user(500),
        text(600),
        tokens(605, 9, 1, 9),
        text(700),
        tokens(710, 8, 1, 17),
    )
    _, [session] = imported(path)
    assert [step.took_ms for step in session.steps] == [110.0, 210.0]


def test_other_kinds_of_tools_bring_their_input_as_json(path):
    write(
        path,
        meta(),
        user(0),
        line(10, "response_item", type="custom_tool_call", name="apply_patch", input="*** Begin", call_id="a"),
        line(20, "response_item", type="local_shell_call", action={"command": ["ls"]}, call_id="b"),
        line(30, "response_item", type="web_search_call", action={"query": "x"}),
        line(40, "response_item", type="custom_tool_call_output", call_id="a", output=""),
        tokens(50, 1, 1, 1),
    )
    found, [session] = imported(path)
    _, patch, shell = session.steps
    assert bytes(patch.request.json) == b'{"input":"*** Begin"}'
    assert (shell.name, bytes(shell.request.json), shell.took_ms) == (
        "local_shell",
        b'{"command":["ls"]}',
        None,
    )
    assert found.header.attributes["import"]["dropped"] == {
        "tool call(s) that the model's provider ran itself": 1
    }


def of_server(ms, call_id, server, tool, kind="mcp_tool_call_end", **told):
    invocation = {"server": server, "tool": tool, "arguments": {"q": "x"}}
    return line(ms, "event_msg", type=kind, call_id=call_id, invocation=invocation, **told)


@pytest.mark.parametrize(
    "called",
    [
        [call(100, "a", name="mcp__crm__find", arguments='{"q":"x"}')],
        [{**call(100, "a", name="find", arguments='{"q":"x"}')}],
        [call(100, "a", name="crm.find", arguments=""), of_server(400, "a", "crm", "find")],
        [
            line(
                100,
                "response_item",
                type="mcp_tool_call",
                server="crm",
                tool="find",
                arguments={"q": "x"},
                call_id="a",
            )
        ],
        [
            line(
                100,
                "response_item",
                type="mcp_tool_call",
                server="crm",
                tool="find",
                arguments='{"q":"x"}',
                id="a",
            )
        ],
    ],
    ids=["its name", "its namespace", "the event of its end", "an item", "an item with its arguments as text"],
)
def test_a_tool_of_an_mcp_server_is_a_message_to_that_however_it_is_told(path, called, request):
    if "namespace" in request.node.name:
        called[0]["payload"]["namespace"] = "mcp__crm"
    write(
        path, meta(), user(0), *called, tokens(410, 9, 1, 9), output(500, "a"), text(600), tokens(700, 1, 1, 10)
    )
    found, [session] = imported(path)
    _, step, _ = session.steps
    assert (step.kind, step.name, step.took_ms) == ("mcp", "mcp__crm__find", 400.0)
    assert (step.mcp.method, step.mcp.tool, bytes(step.mcp.arguments)) == ("tools/call", "find", b'{"q":"x"}')
    assert found.header.attributes["import"]["dropped"] == {}


@pytest.mark.parametrize(
    ("namespace", "name", "kind", "called"),
    [
        ("mcp__crm__", "find", "mcp", "mcp__crm__find"),
        ("mcp__my__crm", "find__all", "mcp", "mcp__my_crm__find__all"),
        ("mcp___crm_", "find", "mcp", "mcp__crm__find"),
        ("mcp__", "find", "tool", "find"),
        ("mcp__crm", "mcp__crm__find", "mcp", "mcp__crm__find"),
        ("multi_agent_v1", "spawn_agent", "tool", "spawn_agent"),
        (None, "exec_command", "tool", "exec_command"),
    ],
)
def test_a_namespace_names_the_server_of_a_tool(path, namespace, name, kind, called):
    tool = call(100, "a", name=name)
    tool["payload"]["namespace"] = namespace
    write(path, meta(), user(0), tool, tokens(110, 9, 1, 9), output(500, "a"))
    _, [session] = imported(path)
    assert [(step.kind, step.name) for step in session.steps[1:]] == [(kind, called)]
    if kind == "mcp":
        assert session.steps[1].mcp.tool == called.partition("__")[2].partition("__")[2]


@pytest.mark.parametrize(
    ("duration", "took_ms"),
    [({"secs": 0, "nanos": 250_000_000}, 250.0), ("0.25s", 0.0), ({"secs": 10**30}, 700.0)],
)
def test_what_a_tool_called_of_a_server_while_it_ran_is_a_step_beside_it(path, duration, took_ms):
    ended = of_server(700, "inner", "crm", "find", duration=duration)
    write(path, meta(), user(0), call(100, "a", name="exec"), tokens(110, 9, 1, 9), ended, output(900, "a"))
    _, [session] = imported(path)
    steps = {step.name: (step.kind, step.at_ms, step.took_ms) for step in session.steps[1:]}
    assert steps == {"exec": ("tool", 100.0, 800.0), "mcp__crm__find": ("mcp", 700.0 - took_ms, took_ms)}


def test_a_call_that_both_of_its_events_tell_of_is_one_and_without_its_end_has_no_duration(path):
    both = [of_server(200, "i", "crm", "find", "mcp_tool_call_begin"), of_server(300, "i", "crm", "find")]
    begun = of_server(400, "k", "crm", "find", "mcp_tool_call_begin")
    write(
        path, meta(), user(0), call(100, "a", name="exec"), tokens(110, 9, 1, 9), *both, begun, output(900, "a")
    )
    _, [session] = imported(path)
    assert [(step.name, step.took_ms) for step in session.steps[2:]] == [
        ("mcp__crm__find", 100.0),
        ("mcp__crm__find", None),
    ]


def test_the_agents_own_tools_about_servers_stay_its_own_and_events_without_a_tool_are_counted(path):
    asked = [call(100, "a", name="read_mcp_resource"), of_server(150, "a", "crm", "read_mcp_resource")]
    nameless = line(160, "event_msg", type="mcp_tool_call_end", call_id="z", invocation={"server": "crm"})
    write(
        path,
        meta(),
        of_server(-1, "y", "crm", "find"),
        user(0),
        *asked,
        nameless,
        output(170, "a"),
        tokens(180, 9, 1, 9),
    )
    found, [session] = imported(path)
    assert [(step.kind, step.name) for step in session.steps[1:]] == [("tool", "read_mcp_resource")]
    assert list(found.header.attributes["import"]["dropped"].values()) == [2]


def test_the_log_of_a_subagent_is_a_lane_of_its_parents_session(tmp_path):
    write(
        tmp_path / "a.jsonl",
        meta("main"),
        user(0),
        call(100, "x", name="spawn_agent"),
        tokens(110, 1, 1, 1),
        output(120, "x"),
        text(9000),
        tokens(9100, 1, 1, 2),
    )
    write(tmp_path / "b.jsonl", meta("sub", parent="main"), user(200), text(3000), tokens(3100, 1, 1, 1))
    write(tmp_path / "c.jsonl", meta("subsub", parent="sub"), user(300), text(2000), tokens(2100, 1, 1, 1))
    write(tmp_path / "d.jsonl", meta("orphan", parent="gone"), user(20_000), text(20_100))
    found = Codex().read([tmp_path], ImportOptions())
    first, second = found.sessions()
    assert [step.id for step in first.steps] == ["1", "1.1", "2", "a1.1", "a2.1"]
    assert second.id == "orphan"
    assert found.header.attributes["import"]["subagents"] == 2


def test_logs_that_name_each_other_as_parent_are_sessions_of_their_own(tmp_path):
    for name, parent in (("a", "b"), ("b", "a"), ("c", "c")):
        write(tmp_path / f"{name}.jsonl", meta(name, parent=parent), user(0), text(10))
    assert sorted(session.id for session in Codex().read([tmp_path], ImportOptions()).sessions()) == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", ", line 1: expected an object, got an array."),
        (b'{"type":"event_msg","timestamp":"x","payload":{}}', ', line 1: timestamp: "x" is not a time like 2026-03-21T10:05:59.326Z.'),
        (b'{"type":"turn_context","payload":{"model":1}}', ", line 1, payload: model: expected a string or null, got a whole number."),
        (b'{"type":"event_msg","timestamp":"2026-03-21T00:00:00Z","payload":"a"}', ", line 1, payload: expected an object, got a string."),
        (b'{"type":"event_msg","payload":' + b"[" * 100_000, ", line 1: nested too deeply to be read."),
        (b'{"type":"session_meta","payload":{"source":Nan}}', ", line 1: not valid JSON: invalid character (byte 43)."),
        (b"", ": no model or tool calls."),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(path, data, message):
    path.write_bytes(data + b"\n")
    with pytest.raises(TraceError) as caught:
        Codex().read([path], ImportOptions())
    assert str(caught.value) == f"{path}{message}"


moments = st.integers(0, 5_000)
tool_ids = st.sampled_from("abc")
lines = st.one_of(
    st.builds(user, moments),
    st.builds(text, moments),
    st.builds(call, moments, tool_ids),
    st.builds(output, moments, tool_ids),
    st.builds(tokens, moments, st.integers(-5, 10**12), st.integers(-5, 9), st.integers(0, 3)),
)


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(lines, max_size=20))
def test_whatever_was_logged_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, lines
):
    path = write(tmp_path_factory.getbasetemp() / "rollout.jsonl", meta(), user(0), text(0), *lines)
    found, [session] = imported(path)
    walked = walked_starts_ms(session)
    for step in session.steps:
        assert abs(walked[step.id] - step.at_ms) <= found.header.resolution_ms


def test_the_published_log_gives_what_the_data_sets_own_reading_of_it_gives(data, tmp_path):
    folder = data / "tracelab"
    [ours] = Codex().read([folder / "codex-session.jsonl"], ImportOptions()).sessions()
    rounds = (folder / "sanitized-round_trace.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rounds.jsonl").write_text("".join(each for each in rounds if '"provider":"codex"' in each))
    [theirs] = TraceLab().read([tmp_path / "rounds.jsonl"], ImportOptions()).sessions()

    def facts(session):
        return [
            (step.id, step.name, step.at_ms, step.took_ms, step.after, step.recorded, step.llm)
            for step in session.steps
        ]

    assert facts(ours) == facts(theirs)
    assert len(ours.steps) == 19


def test_images_go_with_each_later_call_until_a_compaction(path):
    def shown(ms, **made):
        return line(ms, "response_item", type="message", role="user", content=[input_image(**made)])

    seen = [input_image(seed=b"b", size_bytes=4_000)]
    write(
        path,
        meta(),
        shown(0),
        call(500, "a"),
        tokens(600, 4_000, 1, 9),
        line(700, "response_item", type="function_call_output", call_id="a", output=seen),
        text(900),
        tokens(1_000, 4_000, 2, 29),
        line(2_000, "compacted", message="so far"),
        user(2_500),
        text(3_000),
        tokens(3_100, 4_000, 2, 39),
    )
    _, [session] = imported(path)
    calls = [step.llm for step in session.steps if step.llm is not None]

    assert [[image.bytes for image in each.images] for each in calls] == [
        [9_000],
        [9_000, 4_000],
        [9_000, 4_000],
        [],
    ]
    assert calls[0].images[0].id == calls[1].images[0].id != calls[1].images[1].id
