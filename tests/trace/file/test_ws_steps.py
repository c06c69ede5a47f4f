"""Steps on WebSockets in a trace: which are taken, what is wrong with the others, and that nothing is lost."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions, scan
from replay.trace.transforms.anonymise import Anonymise
from replay.trace.transforms.types import Tally
from replay.trace.types import FORMAT, VERSION, Header, Session, Step, Until, WsCall
from replay.trace.values.sockets import Named

HEADER = {"format": FORMAT, "version": VERSION, "name": "t"}


def written(tmp_path, ws, **step):
    path = tmp_path / "t.jsonl"
    one = {"id": "a", "kind": "ws", "name": "ask", "ws": ws, **step}
    lines = [HEADER, {"id": "s", "start_ms": 0.0, "steps": [one]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    "ws",
    [
        {"path": "/", "text": ""},
        {"path": "/a?b=c", "json": None, "until": {}},
        {
            "path": "/",
            "json": {"a": [1]},
            "until": {"json": "/type", "equals": "done", "text": "x", "messages": 3},
        },
        {"path": "/", "base64": "AAE=", "connection": "b", "protocols": ["a.b", "c"], "headers": {"x": "y"}},
        {"path": "/", "message_bytes": 70},
        {"path": "/", "action": "open"},
        {"path": "/", "action": "ping"},
        {"path": "/", "action": "close", "code": 4000},
    ],
)
def test_a_step_is_read_and_written_as_it_was(tmp_path, ws):
    path = written(tmp_path, ws)
    [session] = read_sessions(path)
    with TraceWriter(tmp_path / "again.jsonl", Header(FORMAT, VERSION, "t")) as out:
        out.write(session)

    assert scan(path).sockets == 1
    assert json.loads((tmp_path / "again.jsonl").read_text().splitlines()[1])["steps"][0]["ws"] == ws


@pytest.mark.parametrize(
    ("ws", "why"),
    [
        ({"path": "/"}, "has none of ws.text, ws.json, ws.base64 and ws.message_bytes; a message is one of them"),
        ({"path": "/", "text": "a", "json": 1}, "has more than one of ws.text, ws.json, ws.base64 and ws.message_bytes; a message is one of them"),
        ({"path": "a", "text": "x"}, 'has the path "a", which does not begin with "/"'),
        ({"path": "/ b", "text": "x"}, 'has the path "/ b", with characters that must be percent-encoded'),
        ({"path": "/", "base64": "?"}, "has a ws.base64 that is not base64"),
        ({"path": "/", "message_bytes": -1}, "has ws.message_bytes -1; it must lie between 0 and 1,073,741,824"),
        ({"path": "/", "text": "x", "headers": {"a b": "c"}}, 'has the header name "a b", which is not an HTTP token'),
        ({"path": "/", "text": "x", "headers": {"a": "b\r\nc: d"}}, 'has a line break or another control character in the value of header "a"'),
        ({"path": "/", "text": "x", "protocols": ["a b"]}, "has ws.protocols with a name that is not an HTTP token"),
        ({"path": "/", "action": "ping", "text": "x"}, "has ws.text, which goes with a message and not with ws.action ping"),
        ({"path": "/", "action": "open", "until": {}}, "has ws.until, which goes with a message and not with ws.action open"),
        ({"path": "/", "action": "close", "code": 1006}, "has ws.code 1006, which no close frame may have; 1000 and 3000 to 4999 are usual"),
        ({"path": "/", "text": "x", "code": 1000}, "has ws.code, which goes with ws.action close"),
        ({"path": "/", "text": "x", "connection": ""}, "has ws.connection of no or more than 1,000 characters"),
        ({"path": "/", "text": "x", "until": {"json": "type"}}, 'has the pointer "type" in ws.until.json, which does not begin with /'),
        ({"path": "/", "text": "x", "until": {"equals": 1}}, "has ws.until.equals without ws.until.json, which says where the value is"),
        ({"path": "/", "text": "x", "until": {"messages": 0}}, "has ws.until.messages 0; it must lie between 1 and 1,000,000"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_told_in_a_sentence(tmp_path, ws, why):
    with pytest.raises(TraceError) as error:
        scan(written(tmp_path, ws))
    assert str(error.value).endswith(f'line 2: step "a" of session "s" {why}.')


@pytest.mark.parametrize("other", ["request", "llm", "mcp"])
def test_a_step_has_one_thing_to_send(tmp_path, other):
    fields = {"request": {"method": "GET", "path": "/"}, "llm": {}, "mcp": {"method": "ping"}}
    with pytest.raises(TraceError, match=f"has both {other} and ws; a step has at most one of them"):
        scan(written(tmp_path, {"path": "/", "text": "x"}, **{other: fields[other]}))


def test_an_unknown_action_is_told_with_those_that_there_are(tmp_path):
    with pytest.raises(TraceError, match="shout"):
        scan(written(tmp_path, {"path": "/", "action": "shout"}))


def test_fields_that_are_not_known_stay(tmp_path):
    path = written(tmp_path, {"path": "/", "text": "x", "mine": {"a": 1}})
    [session] = read_sessions(path)
    with TraceWriter(tmp_path / "again.jsonl", Header(FORMAT, VERSION, "t")) as out:
        out.write(session)

    assert json.loads((tmp_path / "again.jsonl").read_text().splitlines()[1])["steps"][0]["ws"]["mine"] == {
        "a": 1
    }


def test_references_are_counted_and_bad_ones_are_told(tmp_path):
    path = written(tmp_path, {"path": "/{{copy}}", "json": {"a": "{{uuid}}"}, "headers": {"x": "{{session}}"}})
    assert scan(path, references=True).uses.counts == {"copy": 1, "session": 1, "uuid": 1}
    with pytest.raises(TraceError, match="reference"):
        scan(written(tmp_path, {"path": "/", "text": "{{now+1x}}"}), references=True)


@pytest.mark.parametrize(
    ("until", "message", "fits"),
    [
        (Until(), b"", True),
        (Until(text="a"), b"xay", True),
        (Until(text="a"), b"x", False),
        (Until(json="/a"), b'{"a":null}', True),
        (Until(json="/a"), b'{"b":1}', False),
        (Until(json="/a"), b"no JSON", False),
        (Until(json=""), b"[1]", True),
        (Until(json="/a/0", equals=1), b'{"a":[1]}', True),
        (Until(json="/a", equals=1), b'{"a":true}', False),
        (Until(json="/a", equals=None), b'{"a":null}', True),
        (Until(json="/a", equals=None), b"{}", False),
        (Until(json="/a", equals="b"), b'{"a":"\\u0062"}', True),
        (Until(json="/a", equals="b"), b'{"c":"b"}', False),
        (Until(json="/a", equals={"b": [1.5]}), b'{"a":{"b":[1.5]}}', True),
        (Until(json="/a", equals="b", text="z"), b'{"a":"b"}', False),
        (Until(json="/a", equals="b"), b'{"a":"b","c":' + b"[" * 100_000, False),
        (Until(json="/a", equals="b/c"), b'{"a":"b\\/c"}', True),
    ],
)
def test_which_messages_fit(until, message, fits):
    assert Named(until).fits(message) is fits


@given(st.text(max_size=20), st.booleans())
def test_a_text_that_is_waited_for_is_found_however_it_is_written(text, ascii_only):
    message = json.dumps({"type": text}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert Named(Until(json="/type", equals=text)).fits(message) or not text.isprintable()


def test_an_anonymised_step_keeps_its_size_and_the_name_of_its_end():
    ends = [
        Until(json="/type", equals="response.completed"),
        Until(json="/user", equals="alice"),
        Until(text="Bob", messages=2),
    ]
    calls = [
        WsCall("/acme/live?token=1", text="secret", until=until, headers={"x": "secret"}, protocols=("acme",))
        for until in ends
    ]
    session = Session("s", 0.0, [Step(str(n), "ws", "ask", ws=call) for n, call in enumerate(calls)])
    [clean] = Anonymise("k").apply(iter([session]), Tally())

    text = msgspec.json.encode(clean).decode()
    assert not [word for word in ("secret", "acme", "alice", "Bob", "token") if word in text]
    assert [step.ws.until for step in clean.steps] == [ends[0], Until(), Until(messages=2)]
    assert {step.ws.message_bytes for step in clean.steps} == {6}
