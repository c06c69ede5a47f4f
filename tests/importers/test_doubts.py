"""What cannot be true of a recording is said with an example, and refused where a unit is surely wrong."""

import pytest

from replay.importers import IMPORTERS
from replay.importers.closing_table import closing_table
from replay.importers.doubts import Doubts
from replay.reading.nearest import nearest, told
from replay.reading.unread import unread
from replay.trace.errors import TraceError
from replay.trace.types import LlmCall, Session, Step

NOW_NS = 1_800_000_000 * 10**9


def call(took_ms, tokens=10, **llm):
    return Step("1", "llm", "m", took_ms=took_ms, llm=LlmCall(100, tokens, **llm))


def doubts_of(*steps, first_unix_ns=None, gap_ms=1_000.0):
    doubts = Doubts(first_unix_ns, NOW_NS)
    for n, step in enumerate(steps):
        doubts.seen(Session(f"s{n}", n * gap_ms, [step]))
    return [f"{n} {what}" for n, what in doubts.told()]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([call(1e9)], '1 step(s) that took longer than a day, as step "1" of session "s0"'),
        ([call(5.0, 500)], "1 model call(s) that wrote more than 20 tokens a ms"),
        (
            [call(5_000.0, prefix=(1, 2, 3), prefix_block_tokens=512)],
            "1 prompt(s) with more prefix blocks than they fill",
        ),
    ],
)
def test_what_is_odd_of_a_step_is_counted_with_an_example(steps, said):
    (found,) = doubts_of(*steps)

    assert found.startswith(said)


def test_what_is_plausible_is_not_doubted():
    steps = [call(5_000.0, 200, prefix=(1,), prefix_block_tokens=512)] * 30

    assert doubts_of(*steps, first_unix_ns=1_700_000_000 * 10**9) == []


@pytest.mark.parametrize(
    ("first_s", "said"), [(10_000, "before the year 2000"), (1_900_000_000, "in the future")]
)
def test_a_year_that_cannot_be_is_doubted(first_s, said):
    (found,) = doubts_of(call(5.0), first_unix_ns=first_s * 10**9)

    assert said in found


def test_sessions_that_start_at_once_or_within_moments_are_doubted():
    assert doubts_of(*[call(5.0)] * 25, gap_ms=0.0) == ["25 session(s) that all start at one instant"]
    assert "as if seconds were read as ms" in doubts_of(*[call(5.0)] * 500, gap_ms=0.01)[0]


def test_durations_in_another_unit_are_refused():
    with pytest.raises(TraceError, match="durations are not in the unit"):
        doubts_of(*[call(0.005, 400)] * 20)


def test_the_table_holds_what_was_counted_and_the_rest_stays_a_sentence():
    notes = [
        "Times are recorded to 1 ms.",
        "Dropped: 12 WebSockets.",
        "Inferred: 3 bodies.",
        "1 line(s) could not be read. The first: x.",
    ]

    sentences, table = closing_table(notes, 2, 1_000, [(1, "odd")])

    assert sentences == ["Times are recorded to 1 ms."]
    assert table == [
        "read        1,000  step(s) in 2 session(s)",
        "unreadable      1  line(s) could not be read. The first: x.",
        "dropped        12  WebSockets",
        "inferred        3  bodies",
        "doubt           1  odd",
    ]


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"2024/05/01 10:00:00 [error] 31#31: *46 open() failed, client: 192.0.2.7", "nginx's error log; its access log"),
        (b"[Wed May 01 10:00:00.123456 2024] [core:error] [pid 1] AH00126: Invalid URI", "Apache's error log; its access"),
        (b'{"id":"p","sessionID":"s","messageID":"m","type":"tool"}', "a file of OpenCode's storage; what `opencode export`"),
        (b'{"id":"5","timestamp":"2025-08-10T07:57:43.000Z"}\n{"type":"function_call","call_id":"c"}\n'
         b'{"type":"function_call_output","call_id":"c","output":"x"}', "a log of Codex before 0.30, which has no times."),
        (b"Type,Name,Request Count,Failure Count\nGET,/,5,0", "a table of Locust's, which do not hold single requests."),
    ],
)  # fmt: skip
def test_what_cannot_be_read_as_it_is_is_said_to_be_such(start, said):
    assert not [name for name, importer in IMPORTERS.items() if importer.sniff(start + b"\n")]
    assert unread(start + b"\n").startswith(f"looks like {said}")
    assert unread(b"nothing") == ""


def test_the_nearest_formats_say_what_is_lacking():
    near = nearest(b'{"time":1,"method":"GET","path":"/a"}')

    assert near[0].name == "json-log"
    assert near[0].lacks == ("a status",)
    assert "json-log (lacks a status)" in told(near)
    assert told(nearest(b"nothing")) == ""


def test_model_calls_that_no_service_answers_so_many_of_are_doubted():
    """Seconds that were read as ms."""
    (found,) = doubts_of(*[call(None)] * 30, gap_ms=1.0)

    assert found == "30 session(s) within 29 ms, as if seconds were read as ms"
