"""Bills of runs that are drawn, against the same bills made by counting instant by instant, from the published rules.

Nothing here is taken from the package but the reading of a run and the bill: prices stand as the providers publish them.
"""

import datetime
from math import ceil

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.money.cost import Size
from replay.money.month import OnMachines, OnServerless, cost_of_run
from replay.results.columns import columns_of
from replay.trials.prices import price_table
from tests.support.runs import Evidence, step, summary

TODAY = datetime.date(2026, 11, 1)
MONTH_S = 730 * 3600
RUN_S = 100
VCPU, GIB = 2.0, 1.5

# Of each request: its instance, when it is sent and how long it takes in ms, whether it failed, tries, and bytes.
REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 80_000),
        st.integers(1, 15_000),
        st.booleans(),
        st.integers(1, 3),
        st.integers(0, 10**8),
    ),
    min_size=1,
    max_size=25,
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
                instance="i-0",
                attempt=k + 1,
                final=False,
                outcome="failed",
                error="reset",
            )
            for k in range(tries - 1)
        ]
        last = step(
            f"s-{n}",
            took_ms,
            at_ms=at_ms,
            instance=f"i-{instance}",
            attempt=tries,
            response_bytes=size,
            **known,
        )
        steps += [*before, last]
    retries = sum(tries - 1 for *_, tries, _ in requests)
    facts = summary(elapsed_s=float(RUN_S))
    counts = msgspec.structs.replace(facts.counts, retries=retries)
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


def bill(requests, plane=None, machine=None):
    found = cost_of_run(run_of(requests), [plane] if plane else [], [machine] if machine else [], TODAY)
    return found.planes[0].bill


def tried(requests):
    return sum(tries for *_, tries, _ in requests)


def paid_egress(requests, price, free_gib):
    gib = sum(size for *_, size in requests) / 2**30 * MONTH_S / RUN_S
    return max(0.0, gib - free_gib) * price


@settings(max_examples=25, deadline=None)
@given(REQUESTS)
def test_cloud_run_by_request(requests):
    seconds = active_ms(requests, 100) / 1000 * MONTH_S / RUN_S
    month_requests = tried(requests) * MONTH_S / RUN_S
    expected = (
        max(0.0, seconds * VCPU - 180_000) * 0.000024
        + max(0.0, seconds * GIB - 360_000) * 0.0000025
        + max(0.0, month_requests - 2_000_000) * 0.40 / 1e6
        + paid_egress(requests, 0.12, 1)
    )

    found = bill(requests, OnServerless("run", price_table("cloud-run-us-central1"), Size(VCPU, GIB)))

    assert found.total == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(REQUESTS)
def test_lambda(requests):
    """Every request has an environment of its own, whatever the run's shared."""
    memory_gib = 2.0
    seconds = sum(took_ms for _, _, took_ms, *_ in requests) / 1000 * MONTH_S / RUN_S
    expected = (
        max(0.0, seconds * memory_gib - 400_000) * 0.0000166667
        + max(0.0, tried(requests) * MONTH_S / RUN_S - 1_000_000) * 0.20 / 1e6
        + paid_egress(requests, 0.09, 100)
    )

    lambda_plane = OnServerless(
        "lambda", price_table("lambda-us-east-1"), Size(memory_gib / 1.7275390625, memory_gib)
    )

    assert bill(requests, lambda_plane).total == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(REQUESTS)
def test_machines(requests):
    """As many as carry the fullest ten seconds and three tenths more, all month."""
    table = price_table("gce-e2-us-central1")
    each_rps, hourly = 2.0, table.machine("e2-standard-2").hour
    fullest_rps = max(sum(1 for _, at_ms, *_ in requests if at_ms // 10_000 == k) for k in range(9)) / 10
    machines = max(1, ceil(fullest_rps * 1.3 / each_rps - 1e-9))

    found = bill(requests, machine=OnMachines("vm", table, "e2-standard-2", rps=each_rps))

    line = next(line for line in found.lines if "e2-standard-2" in line.name)
    assert line.amount == pytest.approx(machines * 730 * hourly, rel=1e-9)


def test_tries_before_the_last_one_are_said_to_be_in_the_fee_alone():
    requests = [(0, 0, 1_000, True, 3, 0)]

    notes = cost_of_run(
        run_of(requests), [OnServerless("run", price_table("cloud-run-us-central1"), Size(1, 0.5))], [], TODAY
    ).notes

    assert (
        "2 requests of the run had another try after it: of those the fee for each is in the bills, and not the time for "
        "which they kept an instance" in notes
    )
