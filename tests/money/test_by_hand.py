"""Bills of runs that are drawn, against the same bills made by counting instant by instant, from the published rules.

Nothing here is taken from the package but the reading of a run and the bill: prices stand as the providers publish them.
"""

import datetime
from math import ceil

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.money.calendar import flat
from replay.money.calendar_file import named_calendar
from replay.money.cost import Size
from replay.money.month import OnMachines, OnServerless, cost_of_run
from replay.results.columns import columns_of
from replay.trials.prices import price_table
from tests.support.runs import Evidence, step, summary

TODAY = datetime.date(2026, 11, 1)
MONTH_S = 730 * 3600
RUN_S = 100
VCPU, GIB = 2.0, 1.5

OFFICE = named_calendar("office-hours")
# Of the 168 hours of a week 40 at the run's load, and the others at a twentieth of it.
OFFICE_MEAN = (40 + 128 * 0.05) / 168

# Of each request: its instance, when it is sent and how long it takes in ms, whether it is ok, of each try before the
# last one whether it was sent, and bytes.
REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 80_000),
        st.integers(1, 15_000),
        st.booleans(),
        st.lists(st.booleans(), max_size=2),
        st.integers(0, 10**8),
    ),
    min_size=1,
    max_size=25,
)
# How the month looks, and how many requests a day it has; None: as many as the run, at the levels of the calendar.
MONTHS = st.tuples(
    st.sampled_from(["flat", "office-hours", "sessions"]), st.none() | st.floats(1_000, 10_000_000)
)


def run_of(requests):
    steps = []
    for n, (instance, at_ms, took_ms, is_ok, tries, size) in enumerate(requests):
        known = {} if is_ok else {"outcome": "failed", "error": "status_5xx", "status": 503}
        before = [
            step(
                f"s-{n}",
                0,
                at_ms=at_ms,
                attempt=k + 1,
                final=False,
                outcome="failed",
                **(
                    {"instance": "i-0", "error": "reset"} if was_sent else {"sent_ns": None, "error": "connect"}
                ),
            )
            for k, was_sent in enumerate(tries)
        ]
        last = step(
            f"s-{n}",
            took_ms,
            at_ms=at_ms,
            instance=f"i-{instance}",
            attempt=len(tries) + 1,
            response_bytes=size,
            **known,
        )
        steps += [*before, last]
    retries = sum(len(tries) for *_, tries, _ in requests)
    facts = summary(elapsed_s=float(RUN_S))
    n = len(requests)
    counts = msgspec.structs.replace(facts.counts, sessions=n, steps=n, sent=n, retries=retries)
    return Evidence(msgspec.structs.replace(facts, counts=counts), columns_of([steps]), "drawn")


def active_ms(requests, rounded_to_ms):
    """Milliseconds in which each instance had a request, each stretch rounded up: by looking at every one of them."""
    total = 0
    for instance in range(3):
        busy = set()
        for of, at_ms, took_ms, *_ in requests:
            if of == instance:
                busy.update(range(at_ms, at_ms + took_ms))
        stretch = 0
        for ms in sorted(busy):
            stretch += 1
            if ms + 1 not in busy:
                total += ceil(stretch / rounded_to_ms) * rounded_to_ms
                stretch = 0
    return total


def bill(requests, month, plane=None, machine=None):
    looks, a_day = month
    calendar = {"flat": None, "office-hours": OFFICE, "sessions": flat()}[looks]
    if looks == "sessions" and a_day is not None:
        calendar, a_day = msgspec.structs.replace(calendar, sessions_a_day=a_day), None
    found = cost_of_run(
        run_of(requests),
        [plane] if plane else [],
        [machine] if machine else [],
        TODAY,
        calendar=calendar,
        requests_a_day=a_day,
    )
    return found.planes[0].bill


def times_the_run(requests, month):
    """How many of the runs are in a month. Each request is a step, and a session."""
    looks, a_day = month
    if a_day is not None:
        return a_day * 730 / 24 / len(requests)
    return MONTH_S / RUN_S * (OFFICE_MEAN if looks == "office-hours" else 1)


def tried(requests):
    return sum(1 + sum(tries) for *_, tries, _ in requests)


def paid_egress(requests, times, price, free_gib):
    gib = sum(size for *_, size in requests) / 2**30 * times
    return max(0.0, gib - free_gib) * price


@settings(max_examples=25, deadline=None)
@given(REQUESTS, MONTHS)
def test_cloud_run_by_request(requests, month):
    times = times_the_run(requests, month)
    seconds = active_ms(requests, 100) / 1000 * times
    month_requests = tried(requests) * times
    expected = (
        max(0.0, seconds * VCPU - 180_000) * 0.000024
        + max(0.0, seconds * GIB - 360_000) * 0.0000025
        + max(0.0, month_requests - 2_000_000) * 0.40 / 1e6
        + paid_egress(requests, times, 0.12, 1)
    )

    found = bill(requests, month, OnServerless("run", price_table("cloud-run-us-central1"), Size(VCPU, GIB)))

    assert found.total == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(REQUESTS, MONTHS)
def test_lambda(requests, month):
    """Every request has an environment of its own, whatever the run's shared."""
    memory_gib, times = 2.0, times_the_run(requests, month)
    seconds = sum(took_ms for _, _, took_ms, *_ in requests) / 1000 * times
    expected = (
        max(0.0, seconds * memory_gib - 400_000) * 0.0000166667
        + max(0.0, tried(requests) * times - 1_000_000) * 0.20 / 1e6
        + paid_egress(requests, times, 0.09, 100)
    )

    lambda_plane = OnServerless(
        "lambda", price_table("lambda-us-east-1"), Size(memory_gib / 1.7275390625, memory_gib)
    )

    assert bill(requests, month, lambda_plane).total == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(REQUESTS, MONTHS)
def test_machines(requests, month):
    """As many as carry the fullest ten seconds and three tenths more, all month."""
    table = price_table("gce-e2-us-central1")
    each_rps, hourly = 2.0, table.machine("e2-standard-2").hour
    in_fullest_hour = times_the_run(requests, month) / (MONTH_S / RUN_S)
    if month[0] == "office-hours":
        in_fullest_hour /= OFFICE_MEAN
    fullest_rps = (
        in_fullest_hour
        * max(sum(1 for _, at_ms, *_ in requests if at_ms // 10_000 == k) for k in range(9))
        / 10
    )
    machines = max(1, ceil(fullest_rps * 1.3 / each_rps - 1e-9))

    found = bill(requests, month, machine=OnMachines("vm", table, "e2-standard-2", rps=each_rps))

    line = next(line for line in found.lines if "e2-standard-2" in line.name)
    assert line.amount == pytest.approx(machines * 730 * hourly, rel=1e-9)


def test_tries_before_the_last_one_are_said_to_be_in_the_fee_alone():
    requests = [(0, 0, 1_000, True, [True, False, True], 0)]

    notes = cost_of_run(
        run_of(requests), [OnServerless("run", price_table("cloud-run-us-central1"), Size(1, 0.5))], [], TODAY
    ).notes

    assert (
        "2 requests of the run had another try after them: the fee per request is for each try, but the time for which "
        "those before the last one kept an instance is in no bill, and machines are sized without them" in notes
    )
