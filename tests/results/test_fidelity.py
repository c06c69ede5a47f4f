"""Each ratio of fidelity, and what makes it fall short."""

import msgspec
import numpy as np
import pytest

from replay.results.fidelity import FidelityFold, shortfalls
from replay.results.manifest_types import TraceFacts
from replay.results.rates import Instants
from replay.results.summary_types import Fidelity
from replay.results.tables.table import table_of
from replay.results.types import StepRecord

MS = 1_000_000


def folded(records, unsent=(), sessions=None, steps=None, unsent_reasons=None, **facts):
    planned = {record.session for record in (*records, *unsent)}
    trace = TraceFacts(
        name="t",
        sha256="t",
        sessions=len(planned) if sessions is None else sessions,
        steps=len(records) + len(unsent) if steps is None else steps,
        **facts,
    )
    fold = FidelityFold(trace.resolution_ms)
    table = table_of([*records, *unsent])
    is_unsent = np.arange(table.n) >= len(records)
    for _ in fold.adding(table, is_unsent, ~is_unsent):
        pass
    sent = [one for one in records if one.sent_ns is not None]
    sent_ns, end_ns = (
        np.array([getattr(one, name) for one in sent], np.int64) for name in ("sent_ns", "end_ns")
    )
    instants = Instants(sent_ns, sent_ns, end_ns, np.ones(len(sent), np.bool_))
    return fold.result(trace, unsent_reasons or {}, instants)


def record(n=0, session=None, kind="llm", lag_ms=0.0, **fields):
    known = {"outcome": "ok", "status": 200, **fields}
    return StepRecord(
        session=session or f"s-{n}",
        step="a",
        kind=kind,
        name="x",
        target="t",
        intended_ns=n * 10 * MS,
        sent_ns=int((n * 10 + lag_ms) * MS),
        end_ns=int((n * 10 + lag_ms + 5) * MS),
        **known,
    )


def test_a_replay_of_a_trace_without_recorded_facts_is_held_to_its_plan_alone():
    found = folded([record(n, kind="tool") for n in range(10)])

    assert (found.ratio, found.sessions, found.steps, found.arrivals) == (1.0, 1.0, 1.0, 1.0)
    assert (found.statuses, found.output_tokens, found.streams, found.made_up_bodies) == (None,) * 4


def test_statuses_are_of_steps_that_are_ok_and_were_not_recorded_by_chance():
    found = folded(
        [
            record(0, recorded_status=200),
            record(1, recorded_status=404),
            record(2, recorded_status=503),
            record(3, recorded_status=200, outcome="failed", status=500, error="status_5xx"),
        ]
    )

    assert found.statuses == 0.5


@pytest.mark.parametrize(
    ("got", "ratio"),
    [({"output_tokens": 50}, 0.5), ({"output_tokens": 200}, 0.5), ({"tokens": 80}, 0.8), ({}, None)],
)
def test_output_tokens_are_by_usage_where_there_is_one_else_by_events(got, ratio):
    found = folded([record(recorded_output_tokens=100, **got)])

    assert found.output_tokens == ratio


def test_usage_counts_before_events():
    assert folded([record(recorded_output_tokens=100, tokens=10, output_tokens=100)]).output_tokens == 1.0


def test_a_stream_that_came_whole_is_no_stream():
    asked = {"recorded_output_tokens": 5, "recorded_stream": True, "stream": True}

    assert folded([record(0, streamed=True, **asked), record(1, **asked)]).streams == 0.5


def test_a_simulation_which_asks_for_no_streams_is_not_held_to_them():
    assert folded([record(recorded_output_tokens=5, recorded_stream=True)]).streams is None


def test_steps_left_out_cut_their_sessions_unless_the_user_asked_for_it():
    left_out = [
        StepRecord(session="s-1", step="b", kind="tool", name="x", target="t", outcome="unsent", error="late")
    ]
    by_choice = [
        StepRecord(
            session="s-1", step="b", kind="tool", name="x", target="t", outcome="unsent", error="duration"
        )
    ]
    tried = [record(0), record(1)]

    cut = folded(tried, left_out, unsent_reasons={"late": 1})
    chosen = folded(tried, by_choice, unsent_reasons={"duration": 1})

    assert (cut.sessions, cut.steps) == (0.5, 0.666667)
    assert (chosen.sessions, chosen.steps) == (1.0, 1.0)


def test_sessions_that_were_never_begun_count():
    assert folded([record(0)], sessions=4, steps=4).sessions == 0.25


def test_lateness_counts_but_not_the_opening_of_a_connection():
    late, opening = record(0, lag_ms=80.0), record(1, lag_ms=80.0, connect_ns=70 * MS)

    assert folded([late, opening]).arrivals == 0.5
    # It waited 70 ms for a connection to come free, and was late by 10 of its own; or by 60.
    assert folded([record(0, lag_ms=80.0, waited_ns=70 * MS)]).arrivals == 1.0
    assert folded([record(0, lag_ms=80.0, waited_ns=20 * MS)]).arrivals == 0.0
    assert folded([late], resolution_ms=1000.0).arrivals == 1.0


def test_bodies_that_were_filled_in_count_unless_nothing_was_recorded():
    records = [record(0, kind="http", made_up=True), record(1, kind="http")]

    assert folded(records).made_up_bodies == 0.5
    assert folded(records, synthetic=True).made_up_bodies is None


def test_answers_without_the_body_that_was_recorded_count_unless_nothing_was_recorded():
    records = [record(0, kind="http", emptied=True), record(1, kind="http")]

    assert folded(records).answer_bodies == 0.5
    assert folded(records, synthetic=True).answer_bodies is None
    assert folded(records[1:]).answer_bodies is None


def test_the_ratio_is_the_least_and_the_reasons_say_what_falls_short():
    found = folded([record(recorded_output_tokens=100, output_tokens=50, recorded_status=204)])

    assert found.ratio == 0.0
    assert found.reasons == [
        "only 0% of the answers have the recorded status",
        "the answers count 50 output tokens, and the recording 100",
    ]


def test_concurrency_is_told_and_not_judged():
    found = folded([record(n) for n in range(10)], recorded_in_flight=100.0)

    assert (found.ratio, found.recorded_in_flight) == (1.0, 100.0)
    assert found.in_flight == pytest.approx(50 / 95, abs=0.01)


def test_what_is_passed_over_is_no_shortfall():
    short = Fidelity(ratio=0.1, sessions=0.1, statuses=0.5)

    assert shortfalls(short, 0.9, ("sessions",)) == ["only 50% of the answers have the recorded status"]
    assert shortfalls(short, 0.0) == []


def test_what_a_read_only_run_kept_back_is_told_and_is_no_shortfall():
    sent = [record(n, kind="tool") for n in range(3)]
    kept = [msgspec.structs.replace(record(3, kind="tool"), sent_ns=None, status=None, withheld=True)]
    unsent = [StepRecord("s-3", "b", "tool", "x", "t", "unsent", error="read_only")]

    found = folded([*sent, *kept], unsent, unsent_reasons={"read_only": 1})

    assert found.requests == 0.6
    assert (found.sessions, found.steps, found.ratio) == (1.0, 1.0, 1.0)
    assert found.reasons == []


def test_a_recorded_request_for_a_stream_that_was_answered_whole_is_no_stream():
    found = folded([record(0, stream=True, streamed=True), record(1, stream=True), record(2)])

    assert found.streams == 0.5


def streams(recorded, here, n=20, **fields):
    known = {"streamed": True, "tokens": 1, "recorded_bytes": recorded, "response_bytes": here}
    return [record(k, **(known | fields)) for k in range(n)]


def test_streams_that_end_after_their_first_tokens_fall_short_where_only_bytes_were_recorded():
    found = folded([*streams(30_000, 400, n=15), *streams(30_000, 28_000, n=5)])

    assert found.stream_sizes == found.ratio == 0.25
    assert found.reasons == [
        "only 25% of the streams have a twelfth of the recorded bytes or more; the others ended well after their first "
        "tokens"
    ]


@pytest.mark.parametrize(
    "honest",
    [
        streams(30_000, 7_000, tokens=40),  # brief answers
        streams(30_000, 1_500, tokens=None),  # compressed ones, whose tokens nobody saw
        streams(30_000, 400, n=9),  # too few to tell
        [*streams(30_000, 400, n=9), *streams(30_000, 28_000, n=11)],  # a few of many
        streams(2_000, 30_000),  # longer ones
        streams(30_000, 400, streamed=False),
    ],
)
def test_other_streams_do_not(honest):
    assert folded(honest).stream_sizes is None


def test_streams_whose_tokens_were_recorded_are_held_to_these():
    found = folded(streams(30_000, 400, recorded_output_tokens=1))

    assert (found.stream_sizes, found.output_tokens) == (None, 1.0)
