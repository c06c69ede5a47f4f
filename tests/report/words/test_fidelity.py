"""Whether a replay meant the same as its recording, in words."""

from replay.report.words.fidelity import fidelity_line, fidelity_rows
from replay.results.summary_types import Counts, Fidelity


def counts(ok=3, failed=0):
    steps = ok + failed
    return Counts(
        sessions=1, steps=steps, sent=steps, ok=ok, failed=failed, unsent=0, retries=0, waits=0, errors={},
        unsent_reasons={},
    )  # fmt: skip


def test_a_replay_that_fell_short_nowhere_says_of_what():
    assert fidelity_line(Fidelity(ratio=1.0, sessions=1.0, statuses=1.0), counts()) == (
        "fidelity to the recording: 100% (sessions, statuses)"
    )


def test_what_fell_short_is_named_first_the_least_of_all():
    found = Fidelity(ratio=0.412, sessions=1.0, steps=1.0, output_tokens=0.412, arrivals=0.99999)

    assert fidelity_line(found, counts()) == (
        "fidelity to the recording: 41.2% (output tokens 41.2%; arrivals 99.9%; 100% of sessions, steps)"
    )


def test_nothing_is_said_where_nothing_is_known():
    assert fidelity_line(Fidelity(), counts()) == ""
    assert fidelity_rows(Fidelity()) == []


def test_requests_in_flight_stand_beside_the_recorded_ones():
    (row,) = fidelity_rows(Fidelity(in_flight=12.34, recorded_in_flight=8.0))

    assert row == ("in flight", "12.3", "requests at once on average, 8 when recorded")


def test_a_run_in_which_no_step_is_ok_has_no_fidelity_and_one_with_failures_says_how_many():
    """Everything failed, and the fidelity was told as 100 %."""
    alike = Fidelity(ratio=1.0, sessions=1.0, steps=1.0)

    assert fidelity_line(alike, counts(ok=0, failed=1)) == (
        "fidelity to the recording: no step is ok, so that nothing was held to the recording"
    )
    assert fidelity_line(alike, counts(ok=3, failed=1)) == (
        "fidelity to the recording: 100% (sessions, steps); 1 of 4 steps failed"
    )
