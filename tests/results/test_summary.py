"""The summary as a fold over the files of a run."""

from math import inf

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.results.folding import MOST_SERIES, OTHER
from replay.results.manifest_types import TraceFacts
from replay.results.rates import peak_in_flight
from replay.results.summary import rebuild
from replay.results.summary_types import Quantiles
from replay.results.types import STEPS_FILE, StepRecord
from tests.support.manifests import MANIFEST

MS = 1_000_000


def manifest(steps, status="finished", **more):
    trace = TraceFacts(name="t", sha256="0", sessions=steps, steps=steps, resolution_ms=1.0)
    return msgspec.structs.replace(MANIFEST, status=status, trace=trace, **more)


def step(n, intended_ms=0.0, sent_ms=0.0, end_ms=10.0, outcome="ok", **more):
    return StepRecord(
        session=f"s-{n}",
        step="a",
        kind="tool",
        name="search",
        target="x",
        outcome=outcome,
        intended_ns=int(intended_ms * MS),
        sent_ns=None if sent_ms is None else int(sent_ms * MS),
        end_ns=None if end_ms is None else int(end_ms * MS),
        **({"status": 200} | more),
    )


@pytest.fixture
def summary_of(tmp_path):
    def rebuilt(records, made=None):
        made = made or manifest(len(records))
        (tmp_path / "run.json").write_bytes(msgspec.json.encode(made))
        (tmp_path / STEPS_FILE).write_bytes(msgspec.json.Encoder().encode_lines(records))
        return rebuild(tmp_path)

    return rebuilt


def test_response_counts_from_the_intended_time_and_service_from_sending(summary_of):
    summary = summary_of([step(1, intended_ms=0, sent_ms=4, end_ms=10)])

    assert summary.latency_ms["response"].max == 10.0
    assert summary.latency_ms["service"].max == 6.0
    assert summary.dispatch_lag_us.max == 4000.0


def test_every_planned_step_is_ok_failed_or_unsent(summary_of):
    records = [
        step(1),
        step(2, outcome="failed", error="status_5xx"),
        step(3, outcome="failed", error="connect", sent_ms=None, phase="connect"),
        step(4, outcome="unsent", error="late", sent_ms=None, end_ms=None),
    ]
    counts = summary_of(records, manifest(7, status="interrupted")).counts

    assert (counts.ok, counts.failed, counts.unsent) == (1, 2, 4)
    assert counts.sent == 2
    assert counts.errors == {"connect": 1, "status_5xx": 1}
    assert counts.unsent_reasons == {"interrupted": 3, "late": 1}


def test_of_each_class_what_was_wrong_with_the_first_that_tells_is_kept(summary_of):
    records = [
        step(1, outcome="failed", error="protocol", why="of an attempt before the last", final=False),
        step(1, outcome="failed", error="protocol", attempt=2),
        step(2, outcome="failed", error="protocol", why="the first that tells"),
        step(3, outcome="failed", error="protocol", why="another"),
        step(4, outcome="failed", error="reset", why="it was closed"),
        step(5),
    ]

    counts = summary_of(records).counts

    assert counts.errors == {"protocol": 3, "reset": 1}
    assert counts.error_examples == {"protocol": "the first that tells", "reset": "it was closed"}
    assert summary_of([step(1)]).counts.error_examples == {}


def test_redirects_that_the_recording_does_not_have_are_counted_and_said(summary_of):
    records = [
        step(1, status=302),
        step(2, status=307, recorded_status=200),
        step(3, status=301, recorded_status=301),
        step(4, status=304),
        step(5, status=302, outcome="failed", error="status"),
        step(6, status=200),
    ]

    summary = summary_of(records)

    assert (summary.counts.ok, summary.counts.redirected, summary.counts.unlike_recorded) == (5, 2, 1)
    assert [note for note in summary.notes if note.startswith("2 steps got a redirect (3xx)")]
    assert not summary_of([step(1, status=304)]).notes


def test_a_retried_attempt_counts_as_a_retry_and_not_as_a_step(summary_of):
    lost = step(1, outcome="failed", error="stale", final=False)
    summary = summary_of([lost, step(1, attempt=2)], manifest(1))

    assert (summary.counts.ok, summary.counts.retries, summary.counts.stale_connections) == (1, 1, 1)
    assert summary.latency_ms["response"].n == 1


def test_a_timeout_is_a_failure_at_its_limit_and_no_answer(summary_of):
    never_sent = step(1, sent_ms=None, end_ms=5000, outcome="failed", error="timeout", censored=True)
    summary = summary_of([never_sent])

    assert summary.latency_ms["failed"].max == 5000.0
    assert "response" not in summary.latency_ms
    assert "service" not in summary.latency_ms
    assert summary.latency_ms["response_with_failures"] == Quantiles(
        1, inf, inf, inf, inf, inf, inf, inf, inf, failed_ratio=1.0
    )
    assert summary.counts.errors == {"timeout": 1}


def test_an_interrupted_response_has_no_latency(summary_of):
    summary = summary_of([step(1, outcome="failed", error="interrupted")])

    assert summary.latency_ms == {}
    assert (summary.counts.failed, summary.counts.sent) == (1, 1)


def test_a_wait_is_ok_without_being_sent(summary_of):
    summary = summary_of([step(1, sent_ms=None, end_ms=50)])

    assert (summary.counts.ok, summary.counts.waits, summary.counts.sent) == (1, 1, 0)
    assert summary.latency_ms == {}


def test_rates_are_by_the_time_of_sending(summary_of):
    late = [step(n, intended_ms=n * 10, sent_ms=n * 20, end_ms=n * 20 + 500) for n in range(101)]
    rate = summary_of(late).rate

    assert rate.offered_rps == pytest.approx(100.0)
    assert rate.achieved_rps == pytest.approx(50.0)
    assert rate.peak_in_flight == 25


def test_the_steady_window_leaves_out_ramp_and_drain(summary_of):
    slow_start = [step(n, n * 10, n * 10, n * 10 + (1000 if n < 9 else 5)) for n in range(100)]
    summary = summary_of(slow_start)

    assert summary.steady is not None
    assert (summary.steady.from_s, summary.steady.to_s) == (0.099, 0.891)
    assert summary.steady.latency_ms["response"].max == 5.0
    assert summary.latency_ms["response"].max == 1000.0


def test_a_killed_run_says_that_its_end_is_missing(summary_of):
    summary = summary_of([step(1)], msgspec.structs.replace(manifest(5, "running"), generator=None))

    assert summary.status == "running"
    assert summary.counts.unsent == 4
    assert summary.generator.verdict == "suspect"
    assert any("killed" in note for note in summary.notes)


def test_a_trace_that_names_every_step_differently_shares_one_series(summary_of):
    records = [msgspec.structs.replace(step(n), name=f"n-{n}") for n in range(MOST_SERIES + 50)]
    series = summary_of(records).series

    assert len(series) == MOST_SERIES + 1
    assert next(s for s in series if s.name == OTHER).response.n == 50


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=40))
def test_peak_in_flight_is_the_most_intervals_that_overlap(spans):
    sent = np.array([start for start, _ in spans], np.int64)
    end = np.array([start + length for start, length in spans], np.int64)
    expected = max(
        (sum(s <= at < e or s == at for s, e in zip(sent, end, strict=True)) for at in sent), default=0
    )
    longer = all(length for _, length in spans)

    if longer:
        assert peak_in_flight(sent, end) == expected
    else:
        assert peak_in_flight(sent, end) <= max(expected, 0)


def test_what_was_thought_and_not_shown_is_told_and_makes_no_stream_dense(summary_of):
    streamed = {"streamed": True, "first_token_ns": MS, "layout": "openai-responses", "tokens": 100}
    thinking = [step(n, **streamed, output_tokens=1_100, hidden_tokens=1_000) for n in range(2)]

    assert [note for note in summary_of(thinking).notes if "stream" in note] == [
        "in 2 streams 2,000 tokens were thought and not shown, as the answers count them: they are among the output tokens, "
        "and tpot leaves them out"
    ]
    assert "has at least half as many" in " ".join(summary_of([step(1, **streamed, output_tokens=1_100)]).notes)


def test_a_run_without_a_self_check_is_of_an_older_version_unless_it_is_of_probes(summary_of):
    made = msgspec.structs.replace(manifest(1), generator=None)
    probes = msgspec.structs.replace(made, trace=TraceFacts(name="coldstart", sha256="", sessions=1, steps=1))

    assert summary_of([step(0)], made).generator.reasons == [
        "it has no self-check: an older version recorded it, or its manifest was changed"
    ]
    assert summary_of([step(0)], probes).generator.reasons == [
        "it has no self-check: it is of probes of a target, not of a replay"
    ]
