"""pi's logs: a message has when it was asked for, and its entry when it was complete.

The entries are laid out as those of version 3 of its sessions, and of the first, which has neither ids nor a version.
"""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.agents.pi import Pi
from tests.support.recordings import START_MS, at
from tests.support.walks import walked_starts_ms

HEAD = {"type": "session", "version": 3, "id": "s-1", "timestamp": at(0), "cwd": "/home"}
FIRST_HEAD = {
    "type": "session",
    "id": "s-1",
    "timestamp": at(0),
    "cwd": "/home",
    "provider": "p",
    "modelId": "m-1",
}
USAGE = {
    "input": 500,
    "output": 20,
    "cacheRead": 1024,
    "cacheWrite": 524,
    "totalTokens": 2068,
    "cost": {"total": 1},
}


def entry(n, **message):
    return {"type": "message", "id": f"e{n}", "parentId": None, "timestamp": at(n), "message": message}


def called(name, **arguments):
    return {"type": "toolCall", "id": name, "name": "read", "arguments": arguments}


ASKED = entry(1, role="user", content=[{"type": "text", "text": "hello"}], timestamp=START_MS + 900)
CALLING = entry(
    4, role="assistant", content=[called("c1", path="a"), called("c2")], model="m-1", usage=USAGE, timestamp=START_MS + 1_500
)  # fmt: skip
RESULTS = (
    entry(5, role="toolResult", toolCallId="c1", isError=False),
    entry(6, role="toolResult", toolCallId="c2", isError=True),
)
SAID = entry(9, role="assistant", content=[{"type": "text", "text": "done"}], model="m-1", usage=USAGE)


@pytest.fixture
def imported(tmp_path):
    def run(*logs):
        paths = []
        for n, entries in enumerate(logs):
            paths.append(tmp_path / f"{n}.jsonl")
            paths[-1].write_text("".join(f"{json.dumps(each)}\n" for each in entries))
            assert Pi().sniff(paths[-1].read_bytes())
        result = Pi().read(paths, ImportOptions())
        return result, list(result.sessions())

    return run


@pytest.mark.parametrize("head", [HEAD, FIRST_HEAD])
def test_a_call_goes_from_its_message_to_its_entry_and_tools_to_their_results(imported, head):
    _, [session] = imported([head, ASKED, CALLING, *RESULTS, SAID])

    assert session.id == "s-1"
    assert [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", "main", 0.0, 2500.0),
        ("tool", "read", 2500.0, 1000.0),
        ("tool", "read", 2500.0, 2000.0),
        ("llm", "main", 4500.0, 3000.0),
    ]
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    first = session.steps[0].llm
    assert (first.model, first.input_tokens, first.output_tokens, len(first.prefix)) == ("m-1", 2048, 20, 4)
    assert bytes(session.steps[1].request.json) == b'{"path":"a"}'
    assert session.steps[2].attributes == {"error": "true"}


@pytest.mark.parametrize("has_ids", [True, False])
def test_what_a_fork_copied_is_history(imported, has_ids):
    copied = [each if has_ids else {**each, "id": None} for each in (ASKED, CALLING, *RESULTS)]
    result, sessions = imported([HEAD, *copied], [{**HEAD, "id": "s-2"}, *copied, SAID])

    assert [(session.id, len(session.steps)) for session in sessions] == [("s-1", 3), ("s-2", 1)]
    assert result.header.attributes["import"]["dropped"]["message(s) that another log has, too"] == 4


def test_compactions_and_results_of_nothing_are_counted(imported):
    compaction = {"type": "compaction", "id": "k", "timestamp": at(7), "summary": "x", "tokensBefore": 9}
    result, [session] = imported([HEAD, ASKED, compaction, RESULTS[0], SAID])

    assert len(session.steps) == 1
    assert result.header.attributes["import"]["dropped"] == {
        "compaction(s), of which only the end is recorded": 1,
        "tool result(s) without a tool call": 1,
    }


def test_an_entry_without_a_time_costs_itself_only(imported):
    result, [session] = imported([HEAD, ASKED, {**CALLING, "timestamp": "soon"}, SAID])

    assert len(session.steps) == 1
    assert result.header.attributes["import"]["unreadable"] == 1
