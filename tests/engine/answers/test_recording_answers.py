"""What a run records of its answers: what they look like, and not a word of what they say."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.streams import StreamReader
from replay.engine.answers.digests import Digests
from replay.engine.answers.recorder import AnswersRecorder
from replay.engine.types import Knobs
from replay.engine.walker import Pace, Walk
from replay.results.answers import read_answers
from replay.results.types import ANSWERS_FILE
from replay.trace.types import Session, Step
from tests.support.attempts import attempt


def exchange(body=b"", kind="tool", **fields):
    step = Step(id="a", kind=kind, name="search")
    walk = Walk(Session(id="s-1", start_ms=0.0, steps=[step]), Pace(Knobs()), 0)
    fields = {"status": 200, "response_bytes": len(body), "captured": bytearray(body)} | fields
    return attempt(step, walk, **fields)


@pytest.fixture
def recorded(tmp_path):
    """Record exchanges; returns what can be read back, with the file's text."""

    def record(*exchanges, digests=None):
        path = tmp_path / ANSWERS_FILE
        path.unlink(missing_ok=True)
        with path.open("ab") as file:
            recorder = AnswersRecorder(file.write, digests)
            for one in exchanges:
                recorder.ended(one)
            recorder.finish()
        return read_answers(tmp_path), path.read_text()

    return record


def test_a_document_leaves_its_shape_and_its_size(recorded):
    found, text = recorded(exchange(b'{"items":[{"price":17}],"owner":"Ada"}'))

    (answer,) = found.answers
    assert (answer.session, answer.step, answer.kind, answer.name) == ("s-1", "a", "tool", "search")
    assert (answer.status, answer.content, answer.bytes) == (200, "json", 38)
    assert ("/items/*/price", "integer") in found.shapes[answer.shape].paths
    assert "Ada" not in text
    assert "17" not in text


def test_a_shape_is_written_once(recorded):
    found, text = recorded(*(exchange(b'{"n":%d}' % n) for n in range(20)))

    assert len(found.shapes) == 1
    assert text.count('"is":"shape"') == 1
    assert {answer.shape for answer in found.answers} == {1}


def test_values_leave_digests_that_say_nothing_without_the_key(recorded):
    found, text = recorded(exchange(b'{"owner":"Ada"}'), exchange(b'{"owner":"Ada"}'), digests=Digests())

    first, second = found.answers
    assert found.head.keeps == "values"
    assert first.values == second.values
    assert "Ada" not in text


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"", "empty"),
        (b"plain words", "text"),
        (b"\xff\xfe\x00", "text"),
        (b"{not json", "text"),
        (b"null", "json"),
        (b"12", "json"),
        (b'{"a":NaN}', "json"),
        (b"[" * 200_000 + b"]" * 200_000, "text"),
        (b'{"a":1,"a":"twice"}', "json"),
        (b'{"\\ud800":1}', "json"),
        (b"1" * 5_000, "text"),
    ],
)
def test_whatever_a_body_is_it_is_told(recorded, body, content):
    found, _ = recorded(exchange(body), digests=Digests())

    assert [answer.content for answer in found.answers] == [content]


@given(st.binary(max_size=200), st.sampled_from([None, b"gzip", b"deflate", b"br"]))
def test_no_body_is_beyond_telling(body, coding):
    lines = []
    recorder = AnswersRecorder(lines.append, Digests())

    recorder.ended(exchange(body, content_encoding=coding, kind="llm"))
    recorder.finish()

    assert len(b"".join(lines).splitlines()) >= 2


def test_a_body_is_read_without_its_content_coding(recorded):
    plain = b'{"a":1}'
    packed = [(gzip.compress(plain), b"gzip"), (zlib.compress(plain), b"deflate"), (b"\x0b\x03", b"br")]

    found, _ = recorded(*(exchange(body, content_encoding=coding) for body, coding in packed))

    assert [answer.content for answer in found.answers] == ["json", "json", "coded"]
    assert [answer.bytes for answer in found.answers] == [len(body) for body, _ in packed]


def test_a_body_that_was_not_kept_whole_has_no_shape(recorded):
    found, _ = recorded(exchange(b'{"a":', response_bytes=2_000_000))

    (answer,) = found.answers
    assert answer.is_cut
    assert answer.shape is None


def test_a_model_s_answer_says_why_it_ended_and_which_tools_it_calls(recorded):
    choice = {"finish_reason": "tool_calls", "message": {"tool_calls": [{"function": {"name": "crm"}}]}}
    body = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()

    found, _ = recorded(exchange(body, kind="llm"))

    assert (found.answers[0].finish_reasons, found.answers[0].tool_names) == (("tool_calls",), ("crm",))


STREAM = (
    b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"secret words"},'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def test_a_stream_leaves_its_layout_and_what_it_says_of_its_end(recorded):
    events = StreamReader("model")
    events.feed(STREAM, 0)

    found, text = recorded(
        exchange(kind="llm", events=events, captured=None),
        exchange(gzip.compress(STREAM), kind="llm", is_stream=True, content_encoding=b"gzip"),
    )

    for answer in found.answers:
        assert (answer.content, answer.layout, answer.finish_reasons) == ("stream", "openai-chat", ("stop",))
    assert "secret words" not in text


def test_a_step_without_a_whole_answer_says_why(recorded):
    found, _ = recorded(
        exchange(status=0, error="connect", phase="connect"), exchange(b"{", error="reset", phase="body")
    )

    assert [(answer.status, answer.error) for answer in found.answers] == [(None, "connect"), (None, "reset")]


def test_an_error_that_the_answer_tells_is_kept_and_one_that_follows_from_its_status_is_not(recorded):
    found, _ = recorded(exchange(b"{}", error="tool_error"), exchange(b"{}", error="status_5xx", status=500))

    assert [(answer.status, answer.error) for answer in found.answers] == [(200, "tool_error"), (500, None)]


def test_a_large_body_is_read_in_slices_and_then_forgotten():
    one = exchange(json.dumps(list(range(20_000))).encode())
    recorder = AnswersRecorder(lambda _: None)
    recorder.ended(one)

    slices = 1
    while recorder.work():
        slices += 1

    assert slices > 20
    assert one.captured is None


def test_bodies_that_wait_press_before_they_fill_the_memory():
    recorder = AnswersRecorder(lambda _: None)
    for _ in range(33):
        recorder.ended(exchange(b" " * (1 << 20)))
    assert recorder.is_pressing

    recorder.finish()
    assert not recorder.is_pressing


def test_a_torn_last_line_and_lines_that_are_none_are_left_out(tmp_path):
    whole = b'{"is":"head","schema":"replay.answers/1","keeps":"shape"}\n'
    answer = b'{"is":"answer","session":"s","step":"a","kind":"tool","name":"x","status":200}\n'
    (tmp_path / ANSWERS_FILE).write_bytes(whole + answer + b"{}\n" + b"[" * 100_000 + b"\n" + answer[:30])

    found = read_answers(tmp_path)

    assert len(found.answers) == 1
    assert found.unreadable == 3


def test_a_run_without_answers_has_none_to_read(tmp_path):
    assert read_answers(tmp_path) is None
