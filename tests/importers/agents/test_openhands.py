"""Conversations of OpenHands: what its SDK keeps, and what the versions before 1.0 do."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.agents.openhands import OpenHands
from replay.reading.inputs import telling_files
from replay.trace.errors import TraceError
from tests.support.recordings import at
from tests.support.walks import walked_starts_ms


def event(kind, ms, source="environment", **told):
    name = told.pop("id", f"{kind}-{ms}")
    return {"id": name, "timestamp": at(0, ms).rstrip("Z"), "source": source, **told, "kind": kind}


def asked(ms):
    return event("MessageEvent", ms, "user", llm_message={"role": "user"})


def calls(ms, response, call_id, name="terminal", **told):
    said = {"id": call_id, "name": name, "arguments": json.dumps({"command": "ls"}), "origin": "completion"}
    called = {"tool_name": name, "tool_call_id": call_id, "tool_call": said, "llm_response_id": response}
    return event("ActionEvent", ms, "agent", **called, **told)


def answers(ms, call_id, kind="ObservationEvent", **told):
    return event(kind, ms, tool_call_id=call_id, tool_name="terminal", **told)


def says(ms, response, **told):
    return event("MessageEvent", ms, "agent", llm_response_id=response, **told)


def state(latencies, usages=None, **agent):
    metrics = {
        "response_latencies": [
            {"model": "m", "latency": latency_s, "response_id": name} for name, latency_s in latencies
        ],
        "token_usages": [
            {
                "model": "m",
                "prompt_tokens": inputs,
                "cache_read_tokens": cached,
                "completion_tokens": output,
                "response_id": name,
            }
            for name, inputs, cached, output in usages or ()
        ],
    }
    of_agent = {"llm": {"model": "m", "stream": False}, "include_default_tools": [], **agent}
    return {"id": "c" * 32, "agent": of_agent, "stats": {"usage_to_metrics": {"agent": metrics}}}


def keep(folder, events, base=None):
    """A conversation as the SDK keeps it."""
    (folder / "events").mkdir(parents=True)
    for n, told in enumerate(events):
        (folder / "events" / f"event-{n:05}-{n:08}-aaaa.json").write_text(json.dumps(told))
    if base is not None:
        (folder / "base_state.json").write_text(json.dumps(base))


def imported(path, **options):
    result = OpenHands().read([path], ImportOptions(**options))
    return result, list(result.sessions())


def told(session):
    return [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps]


def edges(session):
    return {step.id: [(edge.step, edge.delay_ms) for edge in step.after] for step in session.steps}


def test_a_call_took_as_long_as_the_metrics_say_and_tools_run_one_after_the_other(tmp_path):
    events = [
        event("SystemPromptEvent", 0, "agent"),
        asked(10),
        calls(1_000, "r1", "a"),
        calls(1_010, "r1", "b", "file_editor"),
        answers(1_200, "a"),
        answers(1_300, "b", observation={"is_error": True}),
        says(2_000, "r2"),
    ]
    keep(tmp_path / "one", events, state([("r1", 0.9), ("r2", 0.5)], [("r1", 1_500, 1_024, 20)]))

    result, [session] = imported(tmp_path)

    assert session.id == "one"
    assert told(session) == [
        ("llm", "main", 0, 900),
        ("tool", "terminal", 910, 190),
        ("tool", "file_editor", 1_100, 100),
        ("llm", "main", 1_400, 500),
    ]
    assert edges(session) == {
        "1": [],
        "1.1": [("1", 10)],
        "1.2": [("1.1", 0)],
        "2": [("1.2", 200)],
    }
    first, _, failed, last = session.steps
    assert (first.llm.input_tokens, first.llm.output_tokens, len(first.llm.prefix)) == (1_500, 20, 2)
    assert (first.llm.model, first.llm.stream) == ("m", False)
    assert failed.attributes == {"error": "true"}
    assert json.loads(bytes(failed.request.json)) == {"command": "ls"}
    assert (last.llm.input_tokens, last.llm.model) == (0, "m")
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    assert "start at the event before" not in " ".join(result.header.attributes["import"]["inferred"])


def test_tools_of_an_agent_that_runs_several_at_a_time_begin_together(tmp_path):
    events = [
        asked(0),
        calls(100, "r1", "a"),
        calls(110, "r1", "b"),
        answers(300, "b"),
        answers(500, "a"),
        says(700, "r2"),
    ]
    keep(tmp_path / "one", events, state([("r1", 0.1), ("r2", 0.1)], tool_concurrency_limit=4))

    _, [session] = imported(tmp_path)

    assert told(session)[1:3] == [("tool", "terminal", 110, 390), ("tool", "terminal", 110, 190)]
    assert edges(session)["2"] == [("1.1", 100), ("1.2", 100)]


def test_without_metrics_a_call_starts_at_the_event_before_it(tmp_path):
    events = [asked(0), calls(400, "r1", "a"), answers(900, "a"), says(1_500, "r2")]
    lines = tmp_path / "printed.jsonl"
    lines.write_text("".join(json.dumps(each) + "\n" for each in events))

    result, [session] = imported(lines, stream=True)

    assert told(session) == [("llm", "main", 0, 400), ("tool", "terminal", 400, 500), ("llm", "main", 900, 600)]
    assert session.steps[0].llm.stream
    [inferred] = [
        n for what, n in result.header.attributes["import"]["inferred"].items() if "before them" in what
    ]
    assert inferred == 2
    assert OpenHands().sniff(lines.read_bytes())


def test_condensing_is_a_model_call_and_what_was_rejected_did_not_run(tmp_path):
    events = [
        asked(0),
        calls(100, "r1", "a"),
        event("UserRejectObservation", 5_000, tool_call_id="a", tool_name="terminal"),
        event("Condensation", 5_400, summary="so far", llm_response_id="r2"),
        event("Condensation", 5_410, summary=None, llm_response_id="none"),
        event("ConversationErrorEvent", 5_500, code="LLMError"),
        event("LLMCompletionLogEvent", 5_600, filename="x"),
        says(6_000, "r3"),
    ]
    keep(tmp_path / "one", events, state([("r1", 0.1), ("r2", 0.3), ("r3", 0.2), ("title", 0.4)]))

    result, [session] = imported(tmp_path)

    assert told(session) == [
        ("llm", "main", 0, 100),
        ("llm", "compaction", 5_100, 300),
        ("llm", "main", 5_800, 200),
    ]
    assert result.header.attributes["import"]["dropped"] == {
        "tool call(s) that were rejected, and did not run": 1,
        "error(s) at the end of a run, of which the start is not recorded": 1,
        "model call(s) that only the metrics have, without a time": 1,
        "count(s) of tokens, which are not recorded": 3,
    }


def test_a_fork_does_not_count_what_it_was_forked_from(tmp_path):
    history = [asked(0), says(100, "r1")]
    keep(tmp_path / "b-first", [*history, asked(1_000), says(1_200, "r2")], state([("r1", 0.1), ("r2", 0.2)]))
    keep(tmp_path / "a-fork", [*history, asked(9_000), says(9_300, "r9")], state([("r9", 0.3)]))

    result, sessions = imported(tmp_path)

    assert {session.id: told(session) for session in sessions} == {
        "b-first": [("llm", "main", 0, 100), ("llm", "main", 1_000, 200)],
        "a-fork": [("llm", "main", 0, 300)],
    }
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["model call(s) that another conversation has, too"] == 1


def test_sub_agents_stand_in_the_place_of_the_calls_that_set_them_to_work(tmp_path):
    events = [
        asked(0),
        calls(100, "r1", "a", "task"),
        calls(110, "r1", "b", "task"),
        answers(1_000, "a"),
        answers(2_000, "b"),
        says(2_500, "r4"),
    ]
    keep(tmp_path / "one", events, state([("r1", 0.1), ("r4", 0.4)]))
    for name, start_ms, response in (("f" * 8, 200, "r2"), ("a" * 8, 1_100, "r3")):
        sub = [asked(start_ms), says(start_ms + 600, response)]
        keep(tmp_path / "one" / "subagents" / name, sub, state([(response, 0.5)]))

    result, [session] = imported(tmp_path)

    assert result.header.attributes["import"]["subagents"] == 2
    assert [(step.id, step.at_ms, step.took_ms) for step in session.steps] == [
        ("1", 0, 100),
        ("a1.1", 300, 500),
        ("a2.1", 1_200, 500),
        ("2", 2_100, 400),
    ]
    assert edges(session) == {
        "1": [],
        "a1.1": [("1", 200)],
        "a2.1": [("a1.1", 400)],
        "2": [("a2.1", 400)],
    }


def test_names_of_responses_that_come_again_are_matched_in_order(tmp_path):
    events = [
        asked(0),
        calls(100, "r", "x"),
        answers(200, "x"),
        calls(500, "r", "x"),
        answers(600, "x"),
        says(900, "r"),
    ]
    keep(
        tmp_path / "one", events, state([("r", 0.1), ("r", 0.2), ("r", 0.3)], [("r", 1, 0, 7), ("r", 2, 0, 8)])
    )

    _, [session] = imported(tmp_path)

    assert [(step.at_ms, step.took_ms) for step in session.steps if step.kind == "llm"] == [
        (0, 100),
        (300, 200),
        (600, 300),
    ]
    assert [step.llm.output_tokens for step in session.steps if step.kind == "llm"] == [7, 8, 0]


def action(number, ms, name="run", response=None, calls=1, so_far=None, source="agent", **args):
    told = {"id": number, "timestamp": at(0, ms).rstrip("Z"), "source": source, "message": "", "action": name}
    if response is not None:
        usage = {"prompt_tokens": 900, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 512}}
        model = {"id": response, "model": "m", "choices": [], "usage": usage}
        told["tool_call_metadata"] = {
            "function_name": f"execute_{name}",
            "tool_call_id": f"c{number}",
            "model_response": model,
            "total_calls_in_response": calls,
        }
    if so_far is not None:
        total = dict(zip(("prompt_tokens", "cache_read_tokens", "completion_tokens"), so_far, strict=True))
        told["llm_metrics"] = {"accumulated_cost": 0.1, "accumulated_token_usage": total}
    return {**told, "args": args}


def observation(number, ms, cause, kind="run"):
    told = {"id": number, "timestamp": at(0, ms).rstrip("Z"), "source": "environment", "message": ""}
    return {**told, "cause": cause, "observation": kind, "content": "", "extras": {}}


BEFORE = [
    action(0, 0, "system", source="agent", content="you are"),
    action(1, 10, "message", source="user", content="do it"),
    action(2, 11, "recall", source="user"),
    observation(3, 20, 2, "recall"),
    action(4, 120, response="r1", calls=2, command="ls", thought="I", hidden=False),
    observation(5, 320, 4),
    action(6, 330, "read", response="r1", calls=2, path="/x"),
    observation(7, 400, 6, "error"),
    action(8, 700, "finish", response="r2"),
    observation(9, 710, None, "agent_state_changed"),
]


def test_events_before_the_sdk_by_file_with_pages_of_them_as_a_trajectory_and_as_a_row(tmp_path):
    store = tmp_path / "store" / "sessions" / "sid"
    (store / "events").mkdir(parents=True)
    (store / "event_cache").mkdir()
    for told_ in BEFORE:
        (store / "events" / f"{told_['id']}.json").write_text(json.dumps(told_))
    (store / "event_cache" / "0-5.json").write_text(json.dumps(BEFORE[:5]))
    (store / "metadata.json").write_text(json.dumps({"conversation_id": "sid", "title": "t"}))
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(BEFORE, indent=4))
    served = tmp_path / "served.json"
    served.write_text(json.dumps({"trajectory": BEFORE}))
    row = {"instance_id": "django-1", "metadata": {"agent_class": "CodeActAgent"}, "history": BEFORE}
    latencies = [{"model": "m", "latency": 0.1, "response_id": "r1"}]
    rows = tmp_path / "output.jsonl"
    rows.write_text(json.dumps({**row, "metrics": {"response_latencies": latencies}}) + "\n")

    ids = {}
    for path in (store.parent.parent, saved, served, rows):
        assert any(OpenHands().sniff(file.read_bytes()[:65_536]) for file in telling_files(path))
        _, [session] = imported(path)
        ids[path.name] = session.id
        assert told(session) == [
            ("llm", "main", 0, 100),
            ("tool", "execute_run", 100, 200),
            ("tool", "execute_read", 310, 70),
            ("llm", "main", 380, 300),
        ]
        assert edges(session)["1.2"] == [("1.1", 10)]
        assert [step.llm.input_tokens for step in session.steps if step.kind == "llm"] == [900, 900]
        assert json.loads(bytes(session.steps[1].request.json)) == {"command": "ls"}

    assert ids == {"store": "sid", "saved.json": "s1", "served.json": "s1", "output.jsonl": "django-1"}


def test_answers_that_call_tools_in_text_have_what_the_accumulated_tokens_grew_by(tmp_path):
    events = [
        action(1, 0, "message", source="user"),
        action(2, 100, so_far=(1_000, 0, 10), command="ls"),
        observation(3, 200, 2),
        action(4, 400, "message", so_far=(2_100, 512, 25), content="done"),
        action(5, 500, "condensation", so_far=(2_600, 512, 45), summary="s"),
        action(6, 501, "condensation", so_far=(2_600, 512, 45)),
    ]
    (tmp_path / "x.json").write_text(json.dumps(events))

    _, [session] = imported(tmp_path / "x.json")

    assert told(session) == [
        ("llm", "main", 0, 100),
        ("tool", "run", 100, 100),
        ("llm", "main", 200, 200),
        ("llm", "compaction", 400, 100),
    ]
    tokens = [(step.llm.input_tokens, step.llm.output_tokens) for step in session.steps if step.llm]
    assert tokens == [(1_000, 10), (1_100, 15), (500, 20)]


def test_an_event_that_cannot_be_read_costs_itself_only(tmp_path):
    keep(tmp_path / "one", [asked(0), says(100, "r1"), asked(200), says(300, "r2")], state([("r1", 0.1)]))
    events = sorted((tmp_path / "one" / "events").iterdir())
    events[2].write_text('{"id": "x", "timest')
    events[0].write_text(json.dumps({**asked(0), "timestamp": "yesterday"}))

    result, [session] = imported(tmp_path)

    assert told(session) == [("llm", "main", 0, 100), ("llm", "main", 100, 200)]
    notes = " ".join(result.notes)
    assert "1 file(s) could not be read" in notes
    assert "1 line(s) could not be read" in notes
    with pytest.raises(TraceError, match="timestamp"):
        imported(tmp_path, strict=True)


def test_a_folder_is_told_by_any_of_its_files(tmp_path):
    keep(tmp_path / "one", [asked(0), says(100, "r1")], state([("r1", 0.1)]))
    (tmp_path / "one" / "TASKS.json").write_text("[]")

    told_by = {
        name
        for file in telling_files(tmp_path / "one")
        for name, importer in IMPORTERS.items()
        if importer.sniff(file.read_bytes())
    }

    assert told_by == {"openhands"}


def test_what_an_agent_behind_a_protocol_called_has_no_times(tmp_path):
    lines = tmp_path / "x.jsonl"
    of_tool = event("ACPToolCallEvent", 10, "agent", tool_call_id="t", title="x", status="completed")
    lines.write_text("".join(json.dumps(each) + "\n" for each in (asked(0), of_tool, says(20, None))))

    with pytest.raises(TraceError, match="no model or tool calls"):
        imported(lines)


def test_a_folder_is_told_by_files_below_where_those_in_it_tell_nothing(tmp_path):
    keep(tmp_path / "conversations" / "one", [asked(0), says(100, "r1")])
    (tmp_path / "settings.json").write_text("{}")

    assert any(OpenHands().sniff(file.read_bytes()) for file in telling_files(tmp_path))
