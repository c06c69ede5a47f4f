"""Cline's messages, and those of Roo Code and Kilo Code: when calls and tools were, told by what was shown next."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.agents.cline import Cline
from replay.reading.inputs import telling_files
from replay.trace.errors import TraceError
from tests.support.recordings import START_MS
from tests.support.walks import walked_starts_ms

MODEL = {"modelId": "m-1", "providerId": "anthropic", "mode": "act"}
CACHED = {"tokensIn": 10, "tokensOut": 50, "cacheWrites": 2000, "cacheReads": 1024}


def say(kind, at_ms, text="", **more):
    return {"ts": START_MS + at_ms, "type": "say", "say": kind, "text": text, "modelInfo": MODEL, **more}


def ask(kind, at_ms, text="", **more):
    return {"ts": START_MS + at_ms, "type": "ask", "ask": kind, "text": text, **more}


def request(at_ms, told=CACHED, **more):
    return say("api_req_started", at_ms, json.dumps({"request": "the prompt", **told}), **more)


def tool(name, at_ms, message=say, **told):
    return message("tool", at_ms, json.dumps({"tool": name, **told}))


@pytest.fixture
def imported(tmp_path):
    def run(*tasks, **options):
        for n, messages in enumerate(tasks):
            folder = tmp_path / f"{n}"
            folder.mkdir()
            (folder / "api_conversation_history.json").write_text('[{"role":"user","content":"x"}]')
            (folder / "ui_messages.json").write_text(json.dumps(messages))
        assert any(Cline().sniff(file.read_bytes()) for file in telling_files(tmp_path))
        result = Cline().read([tmp_path], ImportOptions(**options))
        return result, list(result.sessions())

    return run


def told(session):
    return [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps]


def test_an_answer_is_complete_where_the_next_thing_is_shown_and_so_is_a_tool_that_needs_no_approval(imported):
    _, [session] = imported(
        [
            say("task", 0, "do it"),
            request(100),
            say("reasoning", 600),
            say("text", 900),
            tool("readFile", 1_500, path="a.py", content="/home/x/a.py"),
            say("task_progress", 3_000),
            tool("readFile", 3_010, path="b.py"),
            say("checkpoint_created", 3_050),
            request(4_000),
            say("completion_result", 5_000),
            ask("completion_result", 6_000),
            say("user_feedback", 60_000),
        ]
    )

    assert told(session) == [
        ("llm", "main", 0.0, 2_900.0),
        ("tool", "readFile", 2_900.0, 0.0),
        ("tool", "readFile", 2_910.0, 40.0),
        ("llm", "main", 3_900.0, 2_000.0),
    ]
    assert session.steps[0].recorded.ttft_ms == 500.0
    assert bytes(session.steps[1].request.json) == b'{"tool":"readFile","path":"a.py"}'
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}


def test_a_command_lasts_to_the_last_of_its_output_and_approval_is_part_of_it(imported):
    _, [session] = imported(
        [
            request(0),
            say("text", 400),
            ask("command", 1_000, "make testREQ_APP"),
            ask("command_output", 4_000, "a"),
            ask("command_output", 9_000, "b"),
            say("command_output", 9_500, "c"),
            request(12_000),
            tool("editedExistingFile", 13_000, ask, path="a", diff="+x"),
            say("user_feedback", 20_000, "no"),
        ]
    )

    assert told(session) == [
        ("llm", "main", 0.0, 1_000.0),
        ("tool", "command", 1_000.0, 11_000.0),
        ("llm", "main", 12_000.0, 1_000.0),
        ("tool", "editedExistingFile", 13_000.0, 7_000.0),
    ]
    assert bytes(session.steps[1].request.json) == b'{"command":"make test"}'


def test_where_the_user_is_next_the_answer_ends_where_its_last_message_began(imported):
    _, [session] = imported([request(0), say("text", 700), say("text", 900), say("user_feedback", 90_000)])
    assert told(session) == [("llm", "main", 0.0, 900.0)]


@pytest.mark.parametrize(
    ("counts", "model", "tokens"),
    [
        (CACHED, MODEL, (3_034, 50)),
        ({**CACHED, "tokensIn": 4_000}, {**MODEL, "providerId": "litellm"}, (4_000, 50)),
        ({**CACHED, "tokensIn": 3_100, "apiProtocol": "anthropic"}, None, (3_100, 50)),
        ({**CACHED, "apiProtocol": "anthropic"}, None, (3_034, 50)),
        ({"tokensIn": 7, "tokensOut": 3}, None, (7, 3)),
    ],
)
def test_cached_tokens_are_counted_once_whoever_wrote_them(imported, counts, model, tokens):
    result, [session] = imported([request(0, counts, modelInfo=model), say("text", 1)])
    llm = session.steps[0].llm
    assert (llm.input_tokens, llm.output_tokens) == tokens
    assert (
        "dropped" not in result.header.attributes["import"] or not result.header.attributes["import"]["dropped"]
    )


@pytest.mark.parametrize(
    "counts", [{}, {"tokensIn": 0, "tokensOut": 0, "cost": 0}, {"cancelReason": "user_cancelled"}]
)
def test_counts_that_were_never_told_are_unknown(imported, counts):
    result, _ = imported([request(0, counts), say("text", 1)])
    assert result.header.attributes["import"]["dropped"] == {"count(s) of tokens, which are not recorded": 1}


@pytest.mark.parametrize("reason", ["streaming_failed", "user_cancelled"])
def test_a_call_that_failed_before_it_answered_is_no_first_byte_and_says_so(imported, reason):
    _, [session] = imported(
        [
            request(0, {"cancelReason": reason}),
            ask("api_req_failed", 800, "overloaded"),
            request(60_000),
            say("text", 61_000),
        ]
    )
    failed, fine = session.steps
    assert (failed.took_ms, failed.recorded, failed.attributes) == (800.0, None, {"error": "true"})
    assert (fine.at_ms, fine.attributes) == (60_000.0, {})


def test_a_call_that_a_copy_of_the_task_has_too_counts_once(imported):
    messages = [request(0), say("text", 1), request(5), say("text", 9)]
    result, sessions = imported(messages, [*messages, request(50), say("text", 60)])
    assert [len(session.steps) for session in sessions] == [2, 1]
    assert result.header.attributes["import"]["dropped"] == {"model call(s) that another task has, too": 2}


def test_tools_of_servers_are_messages_and_condensing_is_counted(imported):
    server = {"serverName": "docs", "toolName": "search", "arguments": '{"q":"x"}'}
    result, [session] = imported(
        [
            request(0),
            say("use_mcp_server", 500, json.dumps(server)),
            say("mcp_server_response", 900),
            say("condense_context", 950),
            request(1_000),
        ]
    )
    step = session.steps[1]
    assert (step.kind, step.mcp.server, step.mcp.tool, step.took_ms) == ("mcp", "docs", "search", 450.0)
    assert (
        result.header.attributes["import"]["dropped"]["compaction(s), of which only the end is recorded"] == 1
    )


def test_what_is_printed_while_it_grows_counts_once_with_its_last_count(tmp_path):
    lines = [
        {"type": "task_started", "taskId": "1"},
        request(0, {}),
        say("text", 300, "a", partial=True),
        say("text", 300, "a b", partial=True),
        request(0),
        say("text", 300, "a b c"),
        say("checkpoint_created", 800),
    ]
    path = tmp_path / "out.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    assert Cline().sniff(path.read_bytes())
    [session] = Cline().read([path], ImportOptions()).sessions()
    assert told(session) == [("llm", "main", 0.0, 800.0)]
    assert session.steps[0].llm.output_tokens == 50


@pytest.mark.parametrize("damaged", [{"ts": "soon"}, {"text": 5}, {"ts": -1}])
def test_a_damaged_message_costs_itself_only(imported, damaged):
    _, [session] = imported(
        [request(0), say("text", 10), {**say("text", 20), **damaged}, request(500), say("text", 600)]
    )
    assert len(session.steps) == 2


def test_a_task_that_was_cut_off_costs_itself_only(imported, tmp_path):
    broken = tmp_path / "9"
    broken.mkdir()
    (broken / "ui_messages.json").write_text(json.dumps([request(0), say("text", 5)])[:-20])
    result, sessions = imported([request(100), say("text", 110)])
    assert [len(session.steps) for session in sessions] == [1]
    assert result.header.attributes["import"]["unreadable_files"] == 1


def test_a_conversation_without_times_is_refused(tmp_path):
    path = tmp_path / "api_conversation_history.json"
    path.write_text('[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]')
    assert not any(importer.sniff(path.read_bytes()) for importer in IMPORTERS.values())
    with pytest.raises(TraceError):
        Cline().read([path], ImportOptions())
