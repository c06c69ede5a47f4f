"""What the recorder writes for an attempt."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import FileWriter, PromptWriter
from replay.engine.types import Knobs
from replay.engine.walker import Pace, Walk
from replay.results.record import read_steps
from replay.results.types import STEPS_FILE, StepRecord
from replay.trace.types import Session, Step
from tests.support.attempts import attempt

names = st.text(min_size=1, max_size=12)
attributes = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)


def exchange(walk, step, **fields):
    return attempt(
        step, walk, status=200, request_bytes=90, response_bytes=2,
        intended_ns=1_000, started_ns=1_100, sent_ns=2_000, first_byte_ns=3_000, end_ns=4_000, **fields
    )  # fmt: skip


def recorded(directory, *exchanges):
    writer = FileWriter()
    recorder = Recorder(directory, "target", writer, 0.0)
    recorder.start(0)
    for one in exchanges:
        recorder.ended(one)
    recorder.finish(10**9)
    return (directory / STEPS_FILE).read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    session=names, step_id=names, name=names, of_session=attributes, of_step=attributes, is_shared=st.booleans()
)
def test_the_common_line_is_what_the_encoder_of_the_type_writes(
    tmp_path_factory, session, step_id, name, of_session, of_step, is_shared
):
    step = Step(id=step_id, kind="tool", name=name, attributes=of_step)
    walk = Walk(Session(id=session, start_ms=0.0, steps=[step], attributes=of_session), Pace(Knobs()), 0)
    expected = StepRecord(
        session=session, step=step_id, kind="tool", name=name, target="target", outcome="ok", intended_ns=1_000,
        sent_ns=2_000, first_byte_ns=3_000, end_ns=4_000, status=200, request_bytes=90, response_bytes=2,
        connection="shared" if is_shared else "reused", attributes={**of_session, **of_step} or None,
    )  # fmt: skip

    one = exchange(walk, step)
    one.is_shared = is_shared
    written = recorded(tmp_path_factory.mktemp("run"), one)

    assert written == msgspec.json.encode(expected) + b"\n"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"error": "reset", "phase": "body"}, {"outcome": "failed", "error": "reset", "phase": "body"}),
        ({"status": 404, "error": "status_4xx"}, {"outcome": "failed", "error": "status_4xx", "status": 404}),
        ({"status": 502, "error": "status_5xx"}, {"outcome": "failed", "error": "status_5xx", "status": 502}),
        (
            {"is_new_connection": True, "connect_ns": 7, "tls_ns": 9},
            {"connection": "new", "connect_ns": 7, "tls_ns": 9},
        ),
        ({"sent_ns": 1_001_199, "queued_ns": 1_200}, {"waited_ns": None, "connection": "reused"}),
        ({"sent_ns": 1_001_200, "queued_ns": 1_200}, {"waited_ns": 1_000_000, "connection": "reused"}),
        ({"sent_ns": 9_001_100}, {"waited_ns": None, "connection": "reused"}),
        ({"sent_ns": 9_001_100, "is_shared": True}, {"waited_ns": None, "connection": "shared"}),
        ({"sent_ns": 9_001_100, "held_ns": 2_000_000}, {"waited_ns": 7_000_000}),
        ({"sent_ns": 2_001_100, "held_ns": 2_000_000}, {"waited_ns": None}),
        ({"sent_ns": 0, "error": "connect", "phase": "connect"}, {"waited_ns": None, "sent_ns": None}),
        ({"instance": "i-1", "cold": True}, {"instance": "i-1", "cold": True}),
        ({"first_token_ns": 3_500, "token_count": 3}, {"first_token_ns": 3_500, "tokens": 3}),
        ({"error": "timeout", "censored": True}, {"outcome": "failed", "censored": True}),
    ],
)
def test_what_is_out_of_the_ordinary_is_written_in_full(tmp_path, fields, expected):
    step = Step(id="a", kind="tool", name="x")
    walk = Walk(Session(id="s", start_ms=0.0, steps=[step]), Pace(Knobs()), 0)
    one = exchange(walk, step)
    for field, value in fields.items():
        setattr(one, field, value)

    recorded(tmp_path, one)

    (line,) = read_steps(tmp_path / STEPS_FILE)
    assert {field: getattr(line, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("fields", "lag_ms"),
    [
        pytest.param({"sent_ns": 500_000}, 0.5, id="written at once"),
        pytest.param({"sent_ns": 7_000_000}, 7.0, id="written at once, by a machine that was busy"),
        pytest.param({"sent_ns": 700_000, "queued_ns": 200_000}, 0.2, id="waited for a connection for a moment"),
        pytest.param({"sent_ns": 9_000_000, "queued_ns": 200_000}, 0.2, id="waited for a connection"),
        pytest.param(
            {"sent_ns": 9_000_000, "queued_ns": 200_000, "held_ns": 3_000_000}, 3.2, id="short of descriptors"
        ),
        pytest.param({"sent_ns": 9_000_000, "started_ns": 0, "held_ns": 3_000_000}, 3.0, id="through httpx"),
        pytest.param({"sent_ns": 0, "end_ns": 9_000_000, "started_ns": 300_000, "error": "dns"}, 0.3, id="never sent"),
        pytest.param(
            {"sent_ns": 9_000_000, "started_ns": 400_000, "queued_ns": 8_000_000, "stale_retries": 1,
             "stale_sent_ns": 500_000, "stale_end_ns": 8_000_000}, 0.4, id="sent once more on a new connection",
        ),
    ],
)  # fmt: skip
def test_our_own_lateness_lasts_until_the_request_is_written_but_for_what_the_target_kept_waiting(
    tmp_path, fields, lag_ms
):
    step = Step(id="a", kind="tool", name="x")
    walk = Walk(Session(id="s", start_ms=0.0, steps=[step]), Pace(Knobs()), 0)
    one = exchange(walk, step)
    one.intended_ns = 0
    for field, value in fields.items():
        setattr(one, field, value)
    recorder = Recorder(tmp_path, "target", FileWriter(), 0.0)
    recorder.start(0)
    recorder.ended(one)
    recorder.finish(10**9)

    assert recorder.lag.quantiles().max == pytest.approx(lag_ms, rel=0.01)


def test_an_attempt_on_a_stale_connection_has_a_line_of_its_own(tmp_path):
    step = Step(id="a", kind="tool", name="x")
    walk = Walk(Session(id="s", start_ms=0.0, steps=[step]), Pace(Knobs()), 0)
    recorded(tmp_path, exchange(walk, step, stale_retries=1, stale_sent_ns=1_200, stale_end_ns=1_500))

    lost, kept = read_steps(tmp_path / STEPS_FILE)

    assert (lost.attempt, lost.final, lost.error, lost.sent_ns, lost.end_ns) == (
        1,
        False,
        "stale",
        1_200,
        1_500,
    )
    assert (kept.attempt, kept.final, kept.outcome) == (2, True, "ok")


@pytest.mark.parametrize("kind", [FileWriter, PromptWriter])
def test_a_disk_that_is_full_is_told_and_not_swallowed(kind, tmp_path, monkeypatch):
    import replay.engine.records.writer

    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(replay.engine.records.writer.os, "write", full)
    writer = kind()
    recorder = Recorder(tmp_path, "target", writer, 0.0)
    recorder.start(0)
    recorder.finish(10**9)

    assert recorder.failure is not None
    assert recorder.failure.endswith("latency.hlog: No space left on device")
