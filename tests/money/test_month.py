"""The month that a run's load makes, priced: on one instance whose seconds are counted by hand."""

import datetime
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.money.calendar import flat
from replay.money.calendar_file import named_calendar, parse_calendar
from replay.money.cost import CostError, Size
from replay.money.month import Beside, OnMachines, OnServerless, cost_of_run
from replay.money.price_table import parse_price_table
from replay.money.usage import MONTH_S
from replay.results.columns import columns_of
from replay.results.manifest_types import PlaneFigures
from replay.results.types import InstanceRecord
from replay.trials.prices import price_table
from tests.support.runs import Evidence, step, summary

TODAY = datetime.date(2026, 11, 1)
SIZE = Size(1.0, 0.5)
CLOUD_RUN = OnServerless("run", price_table("cloud-run-us-central1"), SIZE)
LAMBDA = OnServerless("lambda", price_table("lambda-us-east-1"), SIZE)
E2 = OnMachines("vm", price_table("gce-e2-us-central1"), "e2-medium", rps=50.0)
NS = 1_000_000_000


def pairs(instance="i-1"):
    """A hundred seconds; every ten seconds two requests of a second each, half a second apart, on one instance."""
    steps = [
        step(f"s-{n}", 1000, n=k, at_ms=10_000 * n + 500 * k, instance=instance)
        for n in range(10)
        for k in (0, 1)
    ]
    return Evidence(summary(elapsed_s=100.0), columns_of([steps]), "pairs")


def test_requests_that_share_an_instance_share_its_seconds():
    found = cost_of_run(pairs(), [CLOUD_RUN], [], TODAY)

    # Of every ten seconds, 1.5 are active: 0 to 1 and 0.5 to 1.5.
    assert found.active_instances == pytest.approx(0.15)
    assert found.concurrency == pytest.approx(2 / 1.5)
    assert found.requests_a_day == pytest.approx(0.2 * 86_400)
    assert found.basis == "measured"
    assert found.planes[0].bill is not None
    amounts = {line.name: line.amount for line in found.planes[0].bill.lines}
    active_s = 0.15 * MONTH_S
    assert amounts["vCPU time"] == pytest.approx((active_s - 180_000) * 0.000024)
    assert amounts["memory time"] == 0.0  # half of 394,200 GiB-s is within the free 360,000


def test_requests_on_a_plane_that_gives_each_its_own_instance_share_nothing():
    bill = cost_of_run(pairs(), [LAMBDA], [], TODAY).planes[0].bill

    memory = next(line for line in bill.lines if line.name == "memory time")
    assert memory.quantity == pytest.approx(0.5 * 0.2 * MONTH_S)


def test_a_month_that_grows_has_the_bills_of_the_one_it_grows_to_and_is_looked_at_for_break_evens_once(
    monkeypatch: pytest.MonkeyPatch,
):
    """Break-evens are most of the work, and those of the later month were found and thrown away."""
    growing = parse_calendar(b"base = 1.0\n[growth]\npercent_a_month = 10\nmonths = 6\n", "c", "c")
    assert growing.later is not None
    looked = []
    monkeypatch.setattr("replay.money.month.break_evens", lambda *_: looked.append(1) or [])
    monkeypatch.setattr("replay.money.month.sensitivity", lambda *_: [])

    later = cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY, calendar=growing).later
    once = len(looked)
    alone = cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY, calendar=growing.later)

    assert later is not None
    assert (later.calendar, later.factor, later.requests) == (alone.calendar, alone.factor, alone.requests)
    assert later.totals == {plane.name: plane.bill.total for plane in alone.planes if plane.bill is not None}
    assert len(looked) == 2 * once


def test_without_instances_nothing_is_priced_by_active_seconds_and_no_break_even_is_told():
    found = cost_of_run(pairs(instance=None), [CLOUD_RUN], [E2], TODAY)

    serverless, machines = found.planes
    assert serverless.bill is None
    assert "neither measured nor simulated" in serverless.reason
    assert machines.bill is not None
    assert all(even.at is None for even in found.break_even)
    assert found.sensitivity == []


def test_a_life_shorter_than_a_minute_is_paid_as_a_minute():
    lives = [
        InstanceRecord("a", requested_ns=0, ready_ns=2 * NS, gone_ns=20 * NS),
        InstanceRecord("b", requested_ns=10 * NS, ready_ns=12 * NS),  # to the end, ninety seconds
    ]
    by_life = CLOUD_RUN._replace(size=SIZE._replace(billing="instance"))

    found = cost_of_run(pairs(), [by_life], [], TODAY, instances=lives)

    vcpu = found.planes[0].bill.lines[0]
    assert vcpu.quantity == pytest.approx((60 + 90) / 100 * MONTH_S)


def test_nights_make_serverless_cheaper_and_a_fixed_fleet_not():
    office = named_calendar("office-hours")

    by_flat = cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY)
    by_office = cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY, calendar=office)

    ratio = (40 * 1.0 + 128 * 0.05) / 168
    assert (by_flat.calendar, by_office.calendar) == ("flat", "office-hours")
    assert by_office.requests == pytest.approx(ratio * by_flat.requests)
    assert by_office.active_s == pytest.approx(ratio * by_flat.active_s)
    assert by_office.planes[0].bill.total < by_flat.planes[0].bill.total
    assert by_office.planes[1].bill.total == by_flat.planes[1].bill.total
    assert by_office.basis == "estimated"


def test_machines_are_sized_for_the_fullest_hours_of_the_calendar():
    launch = named_calendar("launch-week")

    found = cost_of_run(pairs(), [], [E2._replace(rps=0.1)], TODAY, calendar=launch)

    assert found.peak_rps == pytest.approx(4 * 0.2)
    assert found.planes[0].machines == 11  # 0.8 and thirty percent more, over 0.1


def test_the_free_tier_is_taken_once_a_month_whatever_the_calendar():
    office = named_calendar("office-hours")

    bill = (
        cost_of_run(pairs(), [CLOUD_RUN], [], TODAY, calendar=office, requests_a_day=0.2 * 86_400)
        .planes[0]
        .bill
    )

    vcpu = bill.lines[0]
    assert vcpu.free == 180_000
    assert vcpu.quantity == pytest.approx(0.15 * MONTH_S)


def test_a_short_run_without_a_calendar_says_that_it_is_repeated_all_month():
    without = cost_of_run(pairs(), [CLOUD_RUN], [], TODAY)
    told = cost_of_run(pairs(), [CLOUD_RUN], [], TODAY, calendar=flat())

    assert without.notes[0].startswith("the run of 100 s is repeated all month, nights and weekends too")
    assert not any("repeated" in note for note in told.notes)


@pytest.mark.parametrize(
    ("removed_s", "span_s", "status", "said"),
    [
        (
            {"speed": 1.44},
            800.0,
            "finished",
            "100 s for 800 s of the recording, so its load is 8 times the recorded",
        ),
        ({}, 800.0, "finished", "100 s for 800 s of the recording, so its load is 8 times the recorded"),
        ({"speed": 4000.0}, 101.0, "finished", None),  # of many sessions side by side
        ({"speed": 1.44}, None, "finished", "shortened gaps of the recording, so it is busier than that was"),
        (
            {"speed": 1.44},
            800.0,
            "interrupted",
            "shortened gaps of the recording, so it is busier than that was",
        ),
        ({"speed": -5.0}, 50.0, "finished", None),
        ({}, None, "finished", None),
    ],
)
def test_a_hurried_run_says_how_many_times_the_recorded_load_it_is(removed_s, span_s, status, said):
    run = pairs()
    facts = msgspec.structs.replace(run.summary.trace, recorded_span_s=span_s)
    hurried = msgspec.structs.replace(run.summary, removed_s=removed_s, status=status, trace=facts)

    notes = cost_of_run(msgspec.structs.replace(run, summary=hurried), [CLOUD_RUN], [], TODAY).notes

    about = [note for note in notes if "recording" in note]
    assert len(about) == (said is not None)
    assert all(said in note for note in about)


def test_machines_are_as_many_as_the_fullest_ten_seconds_ask_for():
    found = cost_of_run(pairs(), [], [E2._replace(rps=0.1)], TODAY)

    assert found.peak_rps == pytest.approx(0.2)
    assert found.planes[0].machines == 3  # 0.2 and thirty percent more, over 0.1
    assert found.planes[0].bill.lines[0].quantity == 3 * 730


def test_another_number_of_requests_a_day_scales_the_load_and_says_so():
    as_seen = cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY)
    tenfold = cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY, requests_a_day=10 * as_seen.requests_a_day)

    assert tenfold.factor == pytest.approx(10)
    assert tenfold.active_instances == pytest.approx(10 * as_seen.active_instances)
    assert tenfold.concurrency == pytest.approx(as_seen.concurrency)
    assert tenfold.peak_rps == pytest.approx(10 * as_seen.peak_rps)
    assert tenfold.basis == "estimated"
    assert any("scaled" in note for note in tenfold.notes)
    # The crossing is a property of the planes and of how requests share, not of how many there are.
    assert tenfold.break_even[0].at == pytest.approx(as_seen.break_even[0].at, rel=1e-3)


def test_a_simulated_run_says_that_it_was_one():
    evidence = pairs()
    told = PlaneFigures(
        instances=1,
        most_instances=1,
        cold=1,
        refused=0,
        timed_out=0,
        instance_s=100.0,
        busy_s=15.0,
        booting_s=2.0,
    )
    simulated = msgspec.structs.replace(evidence, summary=msgspec.structs.replace(evidence.summary, plane=told))

    found = cost_of_run(simulated, [CLOUD_RUN], [], TODAY)

    assert found.basis == "simulated"
    assert found.boot_s == pytest.approx(2 / 100 * MONTH_S)
    assert not any("boots" in note for note in found.notes)


def test_an_old_price_table_is_said():
    fresh = cost_of_run(pairs(), [CLOUD_RUN], [], TODAY)
    stale = cost_of_run(pairs(), [CLOUD_RUN], [], CLOUD_RUN.table.date + datetime.timedelta(days=181))

    assert not fresh.planes[0].is_stale
    assert stale.planes[0].is_stale


def test_staff_and_tokens_are_told_beside_the_bills_and_are_in_none():
    beside = Beside(staff_hours=(2.0, 4.0, 8.0), staff_rate=90.0)
    without, with_them = (
        cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY, beside=each) for each in (Beside(), beside)
    )

    assert [line.amount for line in with_them.beside] == [180.0, 360.0, 720.0]
    assert [p.bill.total for p in with_them.planes] == [p.bill.total for p in without.planes]


def test_a_run_that_sent_nothing_has_no_price():
    empty = Evidence(summary(), columns_of([]), "empty")

    with pytest.raises(CostError, match="nothing was sent"):
        cost_of_run(empty, [CLOUD_RUN], [], TODAY)


@settings(max_examples=10, deadline=None)
@given(st.floats(1, 1e8), st.floats(1, 100))
def test_more_requests_never_cost_less(requests_a_day, more):
    less, dearer = (
        [
            plane.bill.total
            for plane in cost_of_run(pairs(), [CLOUD_RUN, LAMBDA], [E2], TODAY, requests_a_day=n).planes
        ]
        for n in (requests_a_day, requests_a_day * more)
    )

    assert all(b >= a * (1 - 1e-9) for a, b in zip(less, dearer, strict=True))


def test_the_price_table_that_the_docs_show_can_be_used():
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
    shown = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    mine = CLOUD_RUN._replace(table=parse_price_table(shown[0].encode(), "docs/cost.md"))

    assert cost_of_run(pairs(), [mine], [], TODAY).planes[0].bill.currency == "EUR"


@pytest.mark.parametrize(("ms", "billed_ms"), [(30, 100), (100, 100), (101, 200), (1000, 1000)])
def test_an_active_interval_is_rounded_up_to_a_hundred_milliseconds_as_published(ms, billed_ms):
    alone = [step(f"s-{n}", ms, at_ms=10_000 * n, instance="i-1") for n in range(10)]
    run = Evidence(summary(elapsed_s=100.0), columns_of([alone]), "alone")

    vcpu = cost_of_run(run, [CLOUD_RUN], [], TODAY).planes[0].bill.lines[0]

    assert vcpu.quantity == pytest.approx(billed_ms / 10_000 * MONTH_S)


def test_what_is_rounded_is_the_instance_s_time_and_not_each_request_s():
    together = [
        step(f"s-{n}-{k}", 30, at_ms=10_000 * n + 20 * k, instance="i-1") for n in range(10) for k in range(3)
    ]
    run = Evidence(summary(elapsed_s=100.0), columns_of([together]), "together")

    vcpu = cost_of_run(run, [CLOUD_RUN], [], TODAY).planes[0].bill.lines[0]

    assert vcpu.quantity == pytest.approx(0.1 / 10 * MONTH_S)  # 70 ms, all three together


requests = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 90_000), st.integers(1, 20_000), st.integers(0, 10**9)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(requests)
def test_the_interval_of_a_bill_holds_its_own_figure(drawn):
    steps = [
        step(f"s-{n}", took, n, at_ms=at, instance=f"i-{instance}", response_bytes=size)
        for n, (instance, at, took, size) in enumerate(drawn)
    ]
    run = Evidence(summary(elapsed_s=120.0), columns_of([steps]), "random")

    for plane in cost_of_run(run, [CLOUD_RUN, LAMBDA], [], TODAY).planes:
        assert plane.ci is not None
        low, high = plane.ci
        assert low <= plane.bill.total <= high


def test_bills_that_do_not_meet_say_how_far_was_looked():
    rare = cost_of_run(pairs(), [CLOUD_RUN], [E2], TODAY, requests_a_day=0.001)

    even = rare.break_even[1]
    assert even.at is None
    assert (
        even.text
        == "run is cheaper at any load from a ten-thousandth of the present one to ten thousand times as much"
    )
