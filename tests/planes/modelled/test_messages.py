"""What a modelled target says on a WebSocket: messages that end a step as its trace says."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.types import Scripted
from replay.planes.modelled.messages import ModelsAnswer, asks_model, ending, usual_answer, with_id_of
from replay.planes.modelled.script import on_socket_of
from replay.trace.types import Until
from replay.trace.values.sockets import Named
from replay.websocket.types import MOST_MESSAGE_BYTES

CREATE = b'{"type":"response.create","model":"m","input":"a b c","max_output_tokens":3}'


def written(filled):
    return b"".join(bytes(part) for part in filled.between(0, filled.size))


def said(answer):
    return [written(message) for n in range(answer.parts) for message in answer.part(n)]


def ended(until, messages):
    """After which of the messages a step ends that waits for this."""
    named, fitting = Named(until), 0
    for n, message in enumerate(messages, 1):
        fitting += named.fits(message)
        if fitting >= until.messages:
            return n
    return None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
POINTERS = st.lists(st.text(st.sampled_from('ab0/~é"\\'), max_size=4), max_size=4).map(
    lambda parts: "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
)


@given(
    st.none() | POINTERS,
    VALUES | st.just(msgspec.UNSET),
    st.integers(1, 5),
    st.booleans(),
    st.none() | st.integers(0, 300),
)
def test_a_step_that_waits_for_a_value_ends_with_the_last_message_and_no_earlier(
    json_, equals, messages, is_slow, size
):
    until = Until(json_, msgspec.UNSET if json_ is None else equals, messages=messages)

    answer = ending(until, size=size, is_slow=is_slow)

    assert answer is not None
    out = said(answer)
    assert ended(until, out) == len(out)
    if size is not None:
        assert sum(map(len, out)) <= max(size, sum(len(one.strip()) for one in out))


@given(st.text(max_size=12), st.none() | st.just("/type"), st.booleans())
def test_a_step_that_waits_for_a_text_ends_where_some_message_can_hold_it(text, pointer, is_slow):
    until = Until(pointer, "done" if pointer else msgspec.UNSET, text=text)

    answer = ending(until, is_slow=is_slow)

    if answer is not None:
        assert ended(until, said(answer)) == answer.parts
    else:
        # A text that no JSON document has within it as it is.
        assert pointer is not None
        assert json.dumps(text, ensure_ascii=False) != f'"{text}"'


@pytest.mark.parametrize("text", ['"type":"done"', '"n":1', "[END]", "  ", '{"type":"done"}', '"done"}'])
def test_a_text_that_is_a_part_of_a_document_is_written_as_it_is(text):
    until = Until("/type", "done", text=text)

    answer = ending(until)

    assert answer is not None
    assert ended(until, said(answer)) == 1


def test_what_no_message_can_hold_is_not_made_up():
    assert ending(Until("/type", "done", text='"type":"other"}')) is None


def test_a_step_whose_first_message_came_before_its_last_has_two_where_the_first_can_be_told_from_it():
    assert said(ending(Until("/type", "done"), is_slow=True)) == [b"{}", b'{"type":"done"}']
    # Any message would end it.
    assert said(ending(Until(), is_slow=True)) == [b"{}"]


def test_messages_are_as_large_together_as_they_were_and_none_is_larger_than_any_may_be():
    out = said(ending(Until("/type", "done", messages=3), size=300))
    assert [len(one) for one in out] == [100, 100, 100]

    [only] = said(ending(Until("/type", "done"), size=1 << 40))
    assert len(only) == MOST_MESSAGE_BYTES


def test_the_message_that_was_kept_is_said_where_it_ends_the_step():
    kept = b'{"type":"done","balance":7}'

    assert said(ending(Until("/type", "done"), kept)) == [kept]
    assert said(ending(Until("/type", "over"), kept)) == [b'{"type":"over"}']


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"hello", {"type": "done", "answer": "modelled"}),
        (b'{"id":"q-7","say":1}', {"type": "done", "id": "q-7", "answer": "modelled"}),
        (b'{"jsonrpc":"2.0","id":3,"method":"x"}', {"jsonrpc": "2.0", "id": 3, "result": {}}),
        (b"[" * 5_000, {"type": "done", "answer": "modelled"}),
        (b'{"id":"\\ud800"}', {"type": "done", "id": "\ud800", "answer": "modelled"}),
    ],
)
def test_a_message_of_which_nothing_is_known_is_answered_with_its_own_id(message, answer):
    assert json.loads(said(usual_answer(message))[0]) == answer


def test_an_answer_to_an_id_is_one_to_the_id_of_now():
    until = Until("/id", 7)

    assert with_id_of(until, b'{"id":8}') == Until("/id", 8)
    assert with_id_of(until, b"hello") == until
    assert with_id_of(Until("/id"), b'{"id":8}') == Until("/id")
    assert with_id_of(Until("/type", 7), b'{"id":8}') == Until("/type", 7)


def test_a_model_that_is_asked_on_a_websocket_answers_with_its_events_as_messages():
    answering = asks_model(b"/v1/responses", CREATE)

    out = [json.loads(one) for one in said(ModelsAnswer(answering, Scripted(b"0" * 16, 3, 5)))]

    kinds = [one["type"] for one in out]
    assert kinds[0] == "response.created"
    assert kinds.count("response.output_text.delta") == 3
    assert kinds[-1] == "response.completed"
    assert out[-1]["response"]["usage"]["output_tokens"] == 3


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (b"/talk", CREATE),
        (b"/v1/chat/completions", CREATE),
        (b"/v1/responses", b'{"type":"session.update"}'),
        (b"/v1/responses", b"hello"),
    ],
)
def test_what_asks_no_model_is_a_message_like_any_other(path, message):
    assert asks_model(path, message) is None


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"\r\nx-replay-recorded-ws: open", ("open", None, True)),
        (b"\r\nX-Replay-Recorded-WS: message\r\n", ("message", None, True)),
        (
            b"\r\nx-replay-recorded-ws: message %7B%22messages%22%3A2%7D\r\n",
            ("message", Until(messages=2), True),
        ),
        (b"\r\nx-replay-recorded-ws: message ?\r\n", ("message", None, False)),
        (b"\r\nx-replay-recorded-ws: message %7B%22messages%22%3A%22x%22%7D\r\n", ("message", None, False)),
        (b"\r\nx-replay-recorded-ws: message %FF\r\n", ("message", None, False)),
        (b"\r\nx-replay-recorded-ws: shout\r\n", None),
        (b"\r\n", None),
    ],
)
def test_what_a_run_tells_of_a_step_is_read_or_is_not_known(head, told):
    assert on_socket_of(head) == told
