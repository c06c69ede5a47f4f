"""Tries before a step's last one: in the fee per request where they were sent, and in nothing else."""

import datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.money.calendar import flat
from replay.money.calendar_file import named_calendar
from replay.money.cost import Group, Size, group_bill
from replay.money.month import OnMachines, OnServerless, cost_of_run
from replay.money.usage import usage_by_window
from replay.results.columns import columns_of
from replay.trials.prices import price_table
from tests.support.runs import Evidence, step, summary

TODAY = datetime.date(2026, 11, 1)
CLOUD_RUN = OnServerless("run", price_table("cloud-run-us-central1"), Size(2.0, 1.5))
LAMBDA = OnServerless("lambda", price_table("lambda-us-east-1"), Size(2.0 / 1.7275390625, 2.0))
E2 = OnMachines("vm", price_table("gce-e2-us-central1"), "e2-medium", rps=20.0)
N = 50

OFFICE = named_calendar("office-hours")
ASKED = {
    "the run's own load": {},
    "requests a day": {"requests_a_day": 1_000_000.0},
    "sessions a day": {"calendar": msgspec.structs.replace(flat(), sessions_a_day=1_000_000.0)},
    "a calendar": {"calendar": OFFICE},
    "requests a day in a calendar": {"calendar": OFFICE, "requests_a_day": 1_000_000.0},
}
# Of each step, whether each of its tries before the last one was sent.
TRIES = st.lists(st.lists(st.booleans(), max_size=3), min_size=5, max_size=N)


def run_of(tries, first=None):
    """Steps of half a second, two seconds apart, each a session. first: how the last try of the first one is other."""
    steps = []
    for n, before in enumerate(tries):
        steps += [
            step(
                f"s-{n}",
                100,
                at_ms=2_000 * n,
                attempt=k + 1,
                final=False,
                outcome="failed",
                **({"error": "reset"} if was_sent else {"error": "connect", "sent_ns": None}),
            )
            for k, was_sent in enumerate(before)
        ]
        other = (first or {}) if n == 0 else {}
        steps.append(step(f"s-{n}", 500, at_ms=2_000 * n, instance="i-1", attempt=len(before) + 1, **other))
    facts = summary(elapsed_s=2.0 * len(tries))
    counts = msgspec.structs.replace(facts.counts, sessions=len(tries), steps=len(tries), sent=len(tries))
    return Evidence(msgspec.structs.replace(facts, counts=counts), columns_of([steps]), "tried")


def priced(tries, asked):
    return cost_of_run(run_of(tries), [CLOUD_RUN, LAMBDA], [E2], TODAY, **ASKED[asked])


@pytest.mark.parametrize("asked", ASKED)
@settings(max_examples=4, deadline=None)
@given(tries=TRIES)
def test_a_run_with_tries_costs_no_less_than_the_same_without_them(asked, tries):
    tried, once = priced(tries, asked), priced([[] for _ in tries], asked)

    for dearer, cheaper in zip(tried.planes, once.planes, strict=True):
        assert dearer.bill.total >= cheaper.bill.total
        assert dearer.bill.without_free >= cheaper.bill.without_free
    assert (tried.requests, tried.active_s) == (once.requests, once.active_s)
    for sooner, later in zip(tried.break_even, once.break_even, strict=True):
        assert sooner.now == later.now
        # At no higher a load, serverless is the dearer.
        if later.crossings and later.by != "concurrency":
            assert sooner.crossings[0] <= later.crossings[0] * (1 + 1e-6)
    values = [{one.input: one.value for one in found.sensitivity} for found in (tried, once)]
    assert values[0] == values[1]
    assert values[0]["how long requests take"] == pytest.approx(0.5)


@pytest.mark.parametrize("asked", ["requests a day", "sessions a day"])
def test_a_million_steps_a_day_of_three_tries_each_pay_their_seconds_once_and_the_fee_three_times(asked):
    once, thrice = (priced([[True] * tries] * N, asked).planes[0].bill for tries in (0, 2))
    seconds, requests = 500_000 * 730 / 24, 1_000_000 * 730 / 24

    assert once.total == pytest.approx(
        (2.0 * seconds - 180_000) * 0.000024
        + (1.5 * seconds - 360_000) * 0.0000025
        + (requests - 2_000_000) * 0.40 / 1e6
    )
    assert thrice.total - once.total == pytest.approx(2 * requests * 0.40 / 1e6)


def test_tries_that_never_connected_and_those_on_a_closed_connection_are_paid_by_nobody():
    never = run_of([[False, False]] * N)
    closed = step("s-0", 0, attempt=1, final=False, outcome="failed", error="stale")
    stale = Evidence(
        never.summary, columns_of([[closed, step("s-0", 500, instance="i-1", attempt=2)]]), "stale"
    )

    assert [one.columns.attempts[0] for one in (never, stale)] == [3, 2]
    assert [usage_by_window(one, 1000.0, 1).whole().earlier_tries for one in (never, stale)] == [0, 0]


def test_a_redirect_before_a_try_is_none():
    led = step("s-0", 100, attempt=1, final=False)
    failed = step("s-0", 100, attempt=2, final=False, outcome="failed", error="reset")
    run = columns_of([[led, failed, step("s-0", 500, attempt=3)]])

    assert (run.attempts.tolist(), run.sent_before.tolist()) == ([2], [1])


def test_a_try_that_was_sent_is_paid_where_the_last_one_was_not():
    unsent = {"sent_ns": None, "first_byte_ns": None, "outcome": "failed", "error": "connect", "status": None}
    run = run_of([[True, False], *[[]] * 9], unsent)

    whole = usage_by_window(run, 20.0, 1).whole()

    assert (whole.requests, whole.earlier_tries) == (9, 1)


@given(TRIES, st.floats(1.0, 30.0))
def test_windows_share_tries_out_without_loss(tries, window_s):
    found = usage_by_window(run_of(tries), window_s, int(2 * N / window_s) + 1)

    assert found.earlier_tries.sum() == sum(map(sum, tries))
    assert found.requests.sum() == len(tries)


def test_only_the_tries_of_some_steps_are_in_the_usage_of_these():
    run = run_of([[True], [True, True], []])

    found = usage_by_window(run, 10.0, 1, rows=run.columns.attempts == 2)

    assert found.whole().earlier_tries == 1


def test_machines_that_charge_for_requests_charge_for_each_try():
    usage = usage_by_window(run_of([[True, True]] * 10), 1000.0, 1).whole()
    table = msgspec.structs.replace(E2.table, machine_request=0.5)

    bill = group_bill(usage, table, Group("e2-medium", 0.0, 1))

    (line,) = (line for line in bill.lines if line.name == "requests")
    assert (line.quantity, line.amount) == (30, 15.0)
    assert line.inputs == "as many as were sent, 20 of which had another try after them"
