"""What a pilot's targets cost, from runs whose requests are counted by hand."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.choice.types import Bucket, PilotPlane
from replay.money.calendar import Slot
from replay.money.calendar_file import named_calendar
from replay.planes.core.scaling_types import GroupDriven
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from replay.results.manifest_types import PlaneFigures
from replay.results.types import InstanceRecord
from replay.simulation.simulation import simulated_plane
from replay.target.cost import Cost
from replay.target.routes import Route
from replay.target.target import Target
from replay.trials.pilot.pricing.levels import Measured
from replay.trials.pilot.pricing.money import Money, price_planes, put_break_evens
from replay.trials.pilot.pricing.month import in_month
from replay.trials.pilot.pricing.schedule import Schedule, unscheduled
from replay.trials.pilot.workload.shape import Shape
from tests.support.priced import DAYTIME, E2_MEDIUM, MACHINE, SERVERLESS, a_run, a_shape, in_calendar
from tests.support.runs import step, summary

# From two machines on; and for each GiB.
BALANCER, BALANCED_GIB = 18.25, 0.008
NS = 10**9


def priced(cost: Cost, run: Evidence, shape: Shape | None = None, **known: Any) -> tuple[PilotPlane, Money]:
    """One target, what its plane was found to cost, and all that is said."""
    target = Target(url="http://x", name="vm1", plane="vm" if cost.machine else "serverless", cost=cost)
    plane = PilotPlane(target="vm1", plane=target.plane, **known)
    measured = {"vm1": Measured(run, 0.0, is_simulated=True)}
    return plane, price_planes([target], [plane], measured, shape or a_shape())


def side_by_side(
    machines: Target, run: Evidence, lives: tuple[InstanceRecord, ...]
) -> tuple[PilotPlane, Money]:
    """Those machines beside a serverless plane."""
    targets = [Target(url="http://x", name="sls", plane="serverless", cost=SERVERLESS), machines]
    planes = [PilotPlane(target="sls", plane="serverless"), PilotPlane(target=machines.name, plane="vm")]
    measured = {"sls": Measured(a_run(), 0.0, True), machines.name: Measured(run, 0.0, True, lives)}
    stand = {"serverless": "sls", "vm": machines.name}
    money = price_planes(targets, planes, measured, a_shape())
    put_break_evens(money, targets, measured, a_shape(), stand)
    return planes[1], money


@pytest.mark.parametrize(
    "known",
    [
        {"cost": msgspec.structs.replace(MACHINE, scales=True)},
        {"cost": MACHINE, "simulate": {"plane": {"kind": "group"}}},
    ],
    ids=["as its file says", "as it is simulated"],
)
def test_a_group_is_paid_by_the_time_that_its_machines_were_there(known: dict[str, Any]):
    # In a hundred seconds one machine all along, and one for thirty, of which a minute is paid.
    lives = (
        InstanceRecord("i-0", 0, 0, request_ns=25 * 10**9),
        InstanceRecord("i-1", 20 * 10**9, 20 * 10**9, gone_ns=50 * 10**9, request_ns=25 * 10**9),
    )

    plane, money = side_by_side(Target(url="http://x", name="vm1", plane="vm", **known), a_run(2), lives)

    assert plane.cost_month == pytest.approx(1.6 * E2_MEDIUM + BALANCER, abs=1e-3)
    assert (plane.machines, plane.sizing) == (2, "1.6 on average and 2 at most, as in its own run")
    assert plane.cost_ci is None
    now = next(even for even in money.break_even if even.by == "requests")
    assert now.between == ("sls", "vm1")
    # 33.14 against 66.42: half an instance for (1,314,000 - 180,000) vCPU-s and (2,628,000 - 360,000) GiB-s.
    assert now.cheaper_now == "sls"
    assert [even.by for even in money.break_even] == ["utilisation", "requests", "concurrency"]


def scheduled(**plane: Any) -> Target:
    """Machines that come and go, of which there are three at least from 8 to 18."""
    rules = {"kind": "group", "scaling": DAYTIME, **plane}
    return Target(url="http://x", name="vm1", plane="vm", cost=MACHINE, simulate={"plane": rules})


# Of all hours, and of the hours of a week, those from 8 to 18.
@pytest.mark.parametrize(
    ("calendar", "machines_by_load", "mean"),
    [
        ("flat", 1, (10 * 3 + 14) / 24),
        ("flat", 4, 4.0),
        ("office-hours", 1, (10 * 3 + 14) / 24),
        # Five by load from 9 to 17 on workdays, and a quarter of one else.
        ("office-hours", 5, (5 * (8 * 5 + 2 * 3) + 2 * 10 * 3 + 7 * 14) / 168),
    ],
)
def test_a_schedule_is_in_the_bill_at_its_hours_of_the_calendar(calendar, machines_by_load, mean):
    lives = tuple(InstanceRecord(f"i-{n}", 0, 0, request_ns=10**9) for n in range(machines_by_load))
    plane = PilotPlane(target="vm1", plane="vm")
    measured = Measured(a_run(machines_by_load), 0.0, True, lives)

    price_planes([scheduled()], [plane], {"vm1": measured}, in_calendar(calendar))

    assert plane.cost_month == pytest.approx(mean * E2_MEDIUM + BALANCER, abs=1e-3)
    assert plane.machines == max(3, machines_by_load)
    assert (plane.sizing or "").endswith("as in its own run and by its schedule")


@pytest.mark.parametrize(("times", "most"), [(0.5, 1), (1.0, 2), (3.0, 6), (3.2, 7)])
def test_the_most_machines_of_a_group_are_those_of_the_month_s_fullest_hours(times, most):
    """Three times as many machines in the mean were two at most, and had no load balancer if they were one."""
    target = msgspec.structs.replace(scheduled(), simulate={"plane": {"kind": "group"}})
    lives = tuple(InstanceRecord(f"i-{n}", 0, 0, request_ns=NS) for n in range(2))
    plane = PilotPlane(target="vm1", plane="vm")
    shape = in_month(a_shape(), named_calendar("flat"), 86_400 * times)

    price_planes([target], [plane], {"vm1": Measured(a_run(2), 0.0, True, lives)}, shape)

    assert plane.machines == most
    balancer = BALANCER if most > 1 else 0.0
    assert plane.cost_month == pytest.approx(2 * times * E2_MEDIUM + balancer, abs=1e-3)
    assert plane.sizing == f"{2 * times:g} on average and {most} at most, as in its own run"


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 100.0), st.integers(1, 5))
def test_no_group_has_more_machines_in_the_mean_than_at_most(times: float, machines_by_load: int):
    lives = tuple(InstanceRecord(f"i-{n}", 0, 0, request_ns=NS) for n in range(machines_by_load))
    measured = {"vm1": Measured(a_run(machines_by_load), 0.0, True, lives)}
    for shape in (in_calendar("office-hours"), in_month(a_shape(), named_calendar("flat"), 86_400 * times)):
        plane = PilotPlane(target="vm1", plane="vm")

        price_planes([scheduled()], [plane], measured, shape)

        mean = float((plane.sizing or "").split(" on average")[0].replace(",", ""))
        assert mean <= (plane.machines or 0) * 1.005  # as it is rounded in the sentence


def test_a_trace_with_hours_of_its_own_has_its_schedule_at_these():
    # A hundred seconds from nine o'clock on.
    plane = PilotPlane(target="vm1", plane="vm")
    measured = Measured(a_run(), 0.0, True, (InstanceRecord("i-0", 0, 0, request_ns=10**9),))

    price_planes([scheduled()], [plane], {"vm1": measured}, a_shape())

    assert plane.cost_month == pytest.approx(3 * E2_MEDIUM + BALANCER, abs=1e-3)


def test_machines_that_are_always_there_are_paid_for_in_quiet_hours_as_well():
    # Five in the hours of the office, and two at night, though a twentieth of the load takes a quarter of one.
    lives = tuple(InstanceRecord(f"i-{n}", 0, 0, request_ns=10**9) for n in range(5))
    target = msgspec.structs.replace(
        scheduled(), simulate={"plane": {"kind": "group", "min_instances": 2, "max_instances": 9}}
    )
    plane = PilotPlane(target="vm1", plane="vm")

    price_planes([target], [plane], {"vm1": Measured(a_run(5), 0.0, True, lives)}, in_calendar("office-hours"))

    assert plane.cost_month == pytest.approx((5 * 40 + 2 * 128) / 168 * E2_MEDIUM + BALANCER, abs=1e-3)


@pytest.mark.parametrize(
    ("starts_at_h", "mean"),
    [
        # The daytime ends 36 s after the run began, and begins 64 s after it.
        (17.99, (36 * 3 + 64) / 100),
        (8 - 64 / 3600, (36 * 3 + 64) / 100),
    ],
)
def test_a_schedule_that_begins_or_ends_within_a_minute_is_paid_to_the_second(starts_at_h: float, mean: float):
    """The curve had three machines in all of the minute, and following the load was lost where they are less."""
    scaling = {**DAYTIME, "starts_at_h": starts_at_h}
    cost = msgspec.structs.replace(MACHINE, scales=True, rps=10.0)
    target = msgspec.structs.replace(scheduled(scaling=scaling), cost=cost)

    plane, money = side_by_side(target, a_run(), (InstanceRecord("i-0", 0, 0, request_ns=NS),))

    assert plane.cost_month == pytest.approx(mean * E2_MEDIUM + BALANCER, abs=1e-3)
    by_requests = next(even for even in money.break_even if even.by == "requests")
    now = min(by_requests.curve, key=lambda point: abs(point[0] - (by_requests.now or 0.0)))
    assert now[2] == pytest.approx(plane.cost_month, abs=1e-3)


hours = st.floats(0, 23.9)


@given(st.lists(st.tuples(hours, hours, st.integers(1, 9)), max_size=3), st.floats(0, 60), st.floats(0.01, 60))
def test_a_schedule_s_shares_are_of_all_the_time_between_two_hours(drawn: Any, from_h: float, lasts_h: float):
    windows = [{"from_h": begin, "until_h": end, "machines": n} for begin, end, n in drawn if begin != end]
    rules = msgspec.convert({"policy": "group", "schedule": windows}, GroupDriven)
    schedule = Schedule(2, rules)

    shares = schedule.between(from_h, from_h + lasts_h)

    assert sum(share for _, share in shares) == pytest.approx(1.0)
    at = from_h + (np.arange(2000) + 0.5) * (lasts_h / 2000)
    mean = np.mean([schedule.at(float(hour) % 24) for hour in at])
    assert sum(machines * share for machines, share in shares) == pytest.approx(mean, abs=0.1)


@pytest.mark.parametrize("is_scheduled", [False, True])
def test_the_curve_of_a_group_never_falls_below_the_machines_that_are_always_there(is_scheduled):
    target = scheduled() if is_scheduled else msgspec.structs.replace(scheduled(), simulate=None)
    target = msgspec.structs.replace(target, cost=msgspec.structs.replace(MACHINE, scales=True, rps=10.0))
    # As many machines as its own run had, where following the load takes one.
    lives = tuple(InstanceRecord(f"i-{n}", 0, 0, request_ns=10**9) for n in range(4))

    plane, money = side_by_side(target, a_run(4, per_s=10), lives)

    least = (3 if is_scheduled else 1) * E2_MEDIUM
    for even in money.break_even:
        assert min(amount for _, _, amount in even.curve) >= least
        now = min(even.curve, key=lambda point: abs(point[0] - (even.now or 0.0)))
        assert now[2] == pytest.approx(plane.cost_month or 0.0, rel=0.01)
    assert min(amount for _, _, amount in money.break_even[0].curve) < 4 * E2_MEDIUM


def test_a_group_without_its_schedule_is_what_the_load_takes_by_itself():
    other = unscheduled(scheduled(min_instances=2))

    assert other is not None
    assert simulated_plane(other).plane == simulated_plane(scheduled(min_instances=2)).plane.__replace__(
        scaling=msgspec.convert({**DAYTIME, "schedule": []}, GroupDriven)
    )
    assert unscheduled(other) is None


def test_a_hybrid_without_its_schedule_has_none_on_the_machines_to_which_it_sends_steps():
    own = {"as_recorded": True, "plane": {"kind": "serverless"}}
    hybrid = Target(
        url="http://x", plane="hybrid", simulate={**own, "elsewhere": scheduled(min_instances=2).simulate}
    )

    other = unscheduled(hybrid)

    assert other is not None
    assert other.simulate is not None
    without = unscheduled(scheduled(min_instances=2))
    assert without is not None
    assert other.simulate == {**own, "elsewhere": without.simulate}
    assert unscheduled(other) is None


def test_machines_that_were_never_scheduled_have_no_schedule_to_leave_out():
    assert unscheduled(Target(url="http://x")) is None


def test_a_bill_has_its_total_with_staff():
    vm1 = msgspec.structs.replace(MACHINE, rps=10.0, staff_hours=4.0, staff_rate=90.0)

    plane, _ = side_by_side(Target(url="http://x", name="vm1", plane="vm", cost=vm1), a_run(), ())

    assert (plane.staff_month, plane.cost_with_staff) == (360.0, pytest.approx(E2_MEDIUM + 360, abs=1e-3))


def test_a_bill_that_the_free_tier_makes_zero_says_so():
    run = a_run()
    few = Evidence(run.summary, run.columns, "few")
    shape = a_shape()
    bucket = Bucket(name="idle", weight=1.0, requests_per_s=0.001)
    shape = Shape(msgspec.structs.replace(shape.workload, buckets=[bucket]), shape.levels)
    target = Target(url="http://x", name="sls", plane="serverless", cost=SERVERLESS)
    plane = PilotPlane(target="sls", plane="serverless")

    # Its times are not the trace's, so that it is scaled to a request in a thousand seconds: 1,314 s active.
    money = price_planes([target], [plane], {"sls": Measured(few, None, True)}, shape)

    assert plane.cost_month == 0.0
    assert plane.cost_without_free == pytest.approx(1314 * (0.000024 + 2 * 0.0000025) + 2628 * 4e-7, abs=1e-3)
    assert any(
        "sls costs 0.00 USD by the free tier, which a billing account has once" in doubt
        for doubt in money.doubts
    )


def test_tries_of_a_run_are_in_the_fee_per_request_and_what_they_leave_out_is_said():
    once = a_run()
    ones = np.ones(once.columns.n, np.int32)
    twice = Evidence(once.summary, once.columns._replace(sent_before=ones), "tried twice")

    (plain, _), (plane, money) = (priced(SERVERLESS, run) for run in (once, twice))

    assert plain.cost_month is not None
    assert plane.cost_month is not None
    # A request a second, and another try of each.
    fees = [next(line for line in one.cost_lines if line["name"] == "requests") for one in (plain, plane)]
    assert [fee["quantity"] for fee in fees] == pytest.approx([730 * 3600, 2 * 730 * 3600])
    assert plane.cost_month - plain.cost_month == pytest.approx(fees[1]["amount"] - fees[0]["amount"], abs=1e-3)
    says = "vm1: 100 requests of the run had another try after them"
    assert any(doubt.startswith(says) for doubt in money.doubts)


def test_the_cool_down_of_replicas_is_that_of_those_that_are_not_kept_at_any_load():
    # One is kept all along and busy half of the time; the same at twice the load, busy all along.
    azure = Cost(price="azure-container-apps", vcpu=1.0, memory_gib=2.0, min_instances=1)
    target = Target(url="http://x", name="aca", plane="serverless", cost=azure)
    lives = (InstanceRecord("i-0", 0, 0, request_ns=50 * NS, busy_ns=50 * NS),)
    measured = {"aca": Measured(a_run(), 0.0, True, lives)}

    def paid_vcpu_s(requests_a_day: float) -> list[float]:
        plane = PilotPlane(target="aca", plane="serverless")
        price_planes([target], [plane], measured, in_month(a_shape(), named_calendar("flat"), requests_a_day))
        return [line["quantity"] for line in plane.cost_lines if "vCPU" in line["name"]]

    assert paid_vcpu_s(86_400) == pytest.approx([1_314_000, 1_314_000])
    assert paid_vcpu_s(43_200) == pytest.approx([657_000, 1_971_000])
    assert paid_vcpu_s(172_800) == pytest.approx([2_628_000])


def test_a_live_group_is_sized_minute_by_minute_where_nothing_tells_of_its_machines():
    run = a_run()
    run.summary.plane = None
    cost = msgspec.structs.replace(MACHINE, scales=True, rps=0.5)

    plane, _ = priced(cost, run)

    # One request a second and thirty percent, by halves: three machines, in each minute.
    assert plane.machines == 3
    assert plane.cost_month == pytest.approx(3 * E2_MEDIUM + BALANCER, abs=1e-3)


def test_machines_that_are_on_all_month_are_also_set_against_the_same_as_a_group():
    _, money = side_by_side(
        Target(url="http://x", name="vm1", plane="vm", cost=msgspec.structs.replace(MACHINE, rps=10.0)),
        a_run(),
        (),
    )

    assert [(even.by, even.between[1]) for even in money.break_even] == [
        ("utilisation", "vm1"),
        ("requests", "vm1"),
        ("concurrency", "vm1"),
        ("requests", "vm1 as a group"),
    ]
    assert all(even.cheaper_now in even.between for even in money.break_even)


levels = st.lists(st.integers(0, 2), min_size=10, max_size=10)
requests = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 90_000), st.integers(1, 20_000), st.integers(0, 10**9)),
    min_size=5,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(requests, levels, st.sampled_from([0.0, None]), st.floats(0.5, 50), st.floats(1, 3))
def test_the_interval_of_a_plane_s_bill_holds_its_own_figure(
    drawn: Any, level: list[int], offset_s: float | None, ceiling: float, wide: float
):
    steps = [
        step(f"s-{n}", took, n, at_ms=at, instance=f"i-{instance}", response_bytes=size)
        for n, (instance, at, took, size) in enumerate(drawn)
    ]
    run = Evidence(summary(elapsed_s=100.0), columns_of([steps]), "random")
    buckets = [
        Bucket(name=name, weight=level.count(n) / 10, requests_per_s=float(n))
        for n, name in enumerate(("idle", "normal", "peak"))
    ]
    shape = a_shape(peak_rps=7.0)
    shape = Shape(msgspec.structs.replace(shape.workload, buckets=buckets), np.array(level, np.int8))
    targets = [
        Target(url="http://x", name="sls", plane="serverless", cost=Cost(price="cloud-run-us-central1")),
        Target(url="http://x", name="vm1", plane="vm", cost=MACHINE),
    ]
    planes = [
        PilotPlane(target="sls", plane="serverless"),
        PilotPlane(
            target="vm1",
            plane="vm",
            budget="fail",
            ceiling_rps=ceiling,
            ceiling_ci_rps=(ceiling / wide, ceiling * wide),
            ceiling_verdict="found",
        ),
    ]

    price_planes(targets, planes, {name: Measured(run, offset_s, False) for name in ("sls", "vm1")}, shape)

    for plane in planes:
        assert plane.cost_month is not None
        if plane.cost_ci is not None:
            assert plane.cost_ci[0] <= plane.cost_month <= plane.cost_ci[1]
    assert planes[1].cost_ci is not None


def test_machines_with_egress_have_it_in_their_interval_too():
    # One request of 1 GiB a second: 2,628,000 GiB a month less the free one, at 0.12.
    run = a_run(response_bytes=2**30)
    found = {"ceiling_rps": 1.0, "ceiling_ci_rps": (0.9, 1.1), "ceiling_verdict": "found", "budget": "fail"}

    plane, _ = priced(MACHINE, run, **found)

    assert plane.cost_month == pytest.approx(
        2 * E2_MEDIUM + BALANCER + 2_628_000 * BALANCED_GIB + (2_628_000 - 1) * 0.12, abs=0.01
    )
    assert plane.cost_ci == (plane.cost_month, plane.cost_month)


def test_a_stated_rate_prices_machines_where_no_ceiling_was_found():
    plane, _ = priced(msgspec.structs.replace(MACHINE, rps=10.0), a_run(), a_shape(peak_rps=20.0))

    assert (plane.machines, plane.capacity_rps, plane.capacity_how) == (
        3,
        10.0,
        "stated",
    )  # 20 and thirty percent
    assert plane.cost_month == pytest.approx(3 * E2_MEDIUM + BALANCER, abs=1e-3)
    assert plane.sizing is not None
    assert "one carries 10 requests/s, as stated" in plane.sizing


def test_stated_slots_price_machines_by_the_requests_at_once():
    plane, _ = priced(msgspec.structs.replace(MACHINE, slots=8), a_run(), a_shape(in_flight=30))

    assert plane.machines == 5  # 30 and thirty percent, by eights


def test_machines_that_held_the_load_are_priced_as_they_were():
    plane, money = priced(msgspec.structs.replace(MACHINE, machines=4), a_run(4))

    assert (plane.machines, plane.capacity_how) == (4, "seen")
    assert plane.cost_month == pytest.approx(4 * E2_MEDIUM + BALANCER, abs=1e-3)
    assert not any("priced with" in doubt for doubt in money.doubts)


def test_a_ceiling_below_what_the_run_carried_is_thrown_out_and_that_is_said():
    plane, money = priced(
        msgspec.structs.replace(MACHINE, machines=4), a_run(4), ceiling_rps=0.02, ceiling_verdict="found"
    )

    assert (plane.machines, plane.capacity_how) == (4, "seen")
    assert (
        "the search found that vm1 carries 0.02 requests/s on 4 machines, but 4 machines carried 1 in its own run; the "
        "search is left out" in money.doubts
    )


@pytest.mark.parametrize(("failed", "known"), [(1, {}), (0, {"budget": "fail"})])
def test_machines_that_failed_or_broke_the_budget_have_no_price(failed: int, known: dict[str, Any]):
    plane, money = priced(MACHINE, a_run(failed=failed), **known)

    assert plane.cost_month is None
    assert any("vm1 has no price: how much a machine carries" in doubt for doubt in money.doubts)


BOTH = Cost(
    price="cloud-run-us-central1",
    memory_gib=2.0,
    machine_price="gce-e2-us-central1",
    machine="e2-medium",
    machines=2,
)
# Half an instance all month: (1,314,000 - 180,000) vCPU-s, (2,628,000 - 360,000) GiB-s, 628,000 requests that are paid.
HALF_AN_INSTANCE = 1_134_000 * 0.000024 + 2_268_000 * 0.0000025 + 628_000 * 0.0000004


def a_hybrid_run(*, size: int | None = None, failed: int = 0) -> Evidence:
    """A hundred seconds with a short ask on one instance, and a build on one of two machines, in each of them."""
    steps = [
        step(
            f"s-{n}",
            500,
            k,
            name=name,
            at_ms=1000 * n,
            instance=instance,
            response_bytes=size,
            outcome="failed" if k and n < failed else "ok",
        )
        for n in range(100)
        for k, (name, instance) in enumerate((("ask", "i-1"), ("build", f"elsewhere-{n % 2}")))
    ]
    facts = summary(elapsed_s=100.0, failed=failed)
    own, elsewhere = (
        PlaneFigures(
            instances=n,
            most_instances=n,
            cold=0,
            refused=0,
            timed_out=0,
            instance_s=100.0 * n,
            busy_s=50.0,
            booting_s=0.0,
        )
        for n in (1, 2)
    )
    facts.plane = msgspec.structs.replace(
        own,
        instances=3,
        most_instances=3,
        instance_s=300.0,
        busy_s=100.0,
        parts={"own": own, "elsewhere": elsewhere},
    )
    return Evidence(facts, columns_of([steps]), "run")


def priced_hybrid(
    cost: Cost,
    run: Evidence,
    shape: Shape | None = None,
    lives: tuple[InstanceRecord, ...] = (),
    **changed: Any,
) -> tuple[PilotPlane, Money]:
    routes = (Route(name="build", send_to="http://machines"),)
    fields: dict[str, Any] = {
        "url": "http://x",
        "name": "both",
        "plane": "hybrid",
        "routes": routes,
        "cost": cost,
    }
    target = Target(**(fields | changed))
    plane = PilotPlane(target="both", plane="hybrid")
    return plane, price_planes([target], [plane], {"both": Measured(run, 0.0, True, lives)}, shape or a_shape())


def test_a_hybrid_pays_what_stays_by_the_second_and_what_is_sent_elsewhere_by_machines():
    plane, money = priced_hybrid(BOTH, a_hybrid_run())

    assert plane.cost_month == pytest.approx(HALF_AN_INSTANCE + 2 * E2_MEDIUM + BALANCER, abs=1e-3)
    assert (plane.machines, plane.capacity_rps) == (2, None)
    assert plane.sizing is not None
    assert plane.sizing.startswith("of what is sent elsewhere: 2 for 1 requests/s at the peak")
    # Half of an instance here, and half of one there, is active.
    assert plane.utilisation == pytest.approx(1.0)
    # Every second is like any other, so that months drawn anew are the same.
    assert plane.cost_ci == (plane.cost_month, plane.cost_month)
    assert sum(line["amount"] for line in plane.cost_lines) == pytest.approx(plane.cost_month, abs=1e-3)
    (bucket,) = money.buckets
    assert bucket.cost_month == {"both": plane.cost_month}


def test_egress_of_both_parts_has_its_free_tier_once():
    # 2,628,000 answers a month here and as many there, of 512 bytes: 1.2531 GiB each.
    plane, _ = priced_hybrid(BOTH, a_hybrid_run(size=512))

    gib = 2 * 2_628_000 * 512 / 2**30
    (egress,) = [line for line in plane.cost_lines if line["name"] == "egress"]
    assert (egress["quantity"], egress["free"]) == (pytest.approx(gib), 1.0)
    assert egress["amount"] == pytest.approx((gib - 1) * 0.12)
    # Only what the machines answer passes the load balancer.
    assert plane.cost_month == pytest.approx(
        HALF_AN_INSTANCE + 2 * E2_MEDIUM + BALANCER + gib / 2 * BALANCED_GIB + (gib - 1) * 0.12, abs=1e-3
    )


def test_a_hybrid_has_more_machines_in_a_month_whose_peak_is_higher():
    shape = a_shape()._replace(hours=(Slot(365.0, 1.0), Slot(365.0, 3.0)))

    plane, _ = priced_hybrid(BOTH, a_hybrid_run(), shape)

    assert plane.machines == 6


def test_machines_of_a_hybrid_that_come_and_go_are_paid_by_the_time_that_they_were_there():
    # In a hundred seconds one machine all along, and one for thirty, of which a minute is paid; the other is Cloud Run's.
    lives = (
        InstanceRecord("i-1", 0, 0, request_ns=50 * NS, busy_ns=50 * NS),
        InstanceRecord("elsewhere-0", 0, 0, request_ns=25 * NS, part="elsewhere"),
        InstanceRecord("elsewhere-1", 20 * NS, 20 * NS, gone_ns=50 * NS, request_ns=25 * NS, part="elsewhere"),
    )
    cost = msgspec.structs.replace(BOTH, scales=True)

    plane, _ = priced_hybrid(cost, a_hybrid_run(), lives=lives)

    assert plane.cost_month == pytest.approx(HALF_AN_INSTANCE + 1.6 * E2_MEDIUM + BALANCER, abs=1e-3)


def test_machines_of_a_hybrid_that_failed_are_priced_as_its_file_says_and_that_is_said():
    plane, money = priced_hybrid(BOTH, a_hybrid_run(failed=1))

    assert plane.cost_month == pytest.approx(HALF_AN_INSTANCE + 2 * E2_MEDIUM + BALANCER, abs=1e-3)
    assert (
        "both is priced with 2 machines, as its file says, which were not seen to hold their part of the load"
        in money.doubts
    )


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        ((Route(send_to="http://machines"),), "no step stays on its own plane"),
        ((Route(name="compile", send_to="http://machines"),), "no step is sent elsewhere"),
    ],
)
def test_a_hybrid_of_which_one_plane_gets_nothing_has_no_price(routes: Any, says: str):
    plane, money = priced_hybrid(BOTH, a_hybrid_run(), routes=routes)

    assert plane.cost_month is None
    assert any(f"both has no price: {says}" in doubt for doubt in money.doubts)


def test_machines_are_priced_as_they_were_however_their_load_came_within_a_minute():
    # Sixty requests in a minute, of which forty come within its first ten seconds: 1 a second over the minute.
    steps = [
        step(f"s-{n}", 500, at_ms=250 * n if n < 40 else 10_000 + 2_000 * (n - 40), instance="i-1")
        for n in range(60)
    ]
    run = Evidence(summary(elapsed_s=60.0), columns_of([steps]), "run")
    run.summary.counts.sent = 60
    run.summary.plane = PlaneFigures(
        instances=4,
        most_instances=4,
        cold=0,
        refused=0,
        timed_out=0,
        instance_s=240.0,
        busy_s=20.0,
        booting_s=0.0,
    )
    shape = a_shape()
    shape = Shape(msgspec.structs.replace(shape.workload, steps=60, window_s=60), np.zeros(1, np.int8))

    plane, _ = priced(msgspec.structs.replace(MACHINE, machines=4), run, shape)

    assert (plane.machines, plane.capacity_rps) == (4, 0.25)


def test_a_run_of_the_whole_trace_held_its_peak_wherever_its_own_windows_begin():
    # By its own minutes it never had more than 0.9 a second, where the trace has 1 in one.
    run = a_run(4)
    run.summary.counts.sent = 100

    plane, _ = priced(msgspec.structs.replace(MACHINE, machines=4), run, a_shape(peak_rps=1.1))

    assert plane.machines == 4


def test_machines_that_bear_bursts_are_not_priced_by_a_rate_between_them():
    """Ten requests at once every second on five machines: a ceiling of forty a second is no reason to have two."""
    plane, _ = priced(
        msgspec.structs.replace(MACHINE, machines=5, headroom_percent=0.0),
        a_run(5, per_s=10),
        a_shape(peak_rps=10.0, in_flight=10),
        ceiling_rps=40.0,
        ceiling_ci_rps=(40.0, 50.0),
        ceiling_at_once=8.0,
        ceiling_verdict="found",
    )

    assert plane.machines == 5
    assert plane.cost_ci == (plane.cost_month, plane.cost_month)


@pytest.mark.parametrize(("error_share", "has_price"), [(0.0, False), (0.05, True)])
def test_a_plane_that_fails_what_takes_long_does_not_make_the_others_slow(error_share: float, has_price: bool):
    """Its times are of what it answered: machines that answer all of it were too slow to have held it."""
    targets = [
        Target(url="http://x", name="sls", plane="serverless", cost=SERVERLESS),
        Target(url="http://x", name="vm1", plane="vm", cost=MACHINE),
    ]
    planes = [
        PilotPlane(target="sls", plane="serverless", p95_ms=50.0, error_share=error_share),
        PilotPlane(target="vm1", plane="vm", p95_ms=140_000.0, error_share=0.0),
    ]
    measured = {name: Measured(a_run(), 0.0, is_simulated=True) for name in ("sls", "vm1")}

    price_planes(targets, planes, measured, a_shape())

    assert (planes[1].cost_month is not None) == has_price


@pytest.mark.parametrize(("takes_ms", "machines"), [(50.0, 1), (1000.0, 5)])
def test_what_comes_together_on_machines_is_by_their_own_answers(takes_ms: float, machines: int):
    """Twenty calls within a second are one at once for a serverless plane that takes 50 ms, and twenty for machines that
    take a second: these were priced as one machine."""
    steps = [step(f"s-{n}", takes_ms, k, at_ms=10_000.0 * n + 50 * k) for n in range(10) for k in range(20)]
    target = Target(url="http://x", name="vm1", plane="vm", cost=msgspec.structs.replace(MACHINE, machines=5))
    plane = PilotPlane(
        target="vm1", plane="vm", ceiling_rps=40.0, ceiling_at_once=20.0, ceiling_verdict="found"
    )
    other = PilotPlane(target="sls", plane="serverless")
    measured = {
        "vm1": Measured(Evidence(summary(elapsed_s=100.0), columns_of([steps]), "run"), 0.0, is_simulated=True),
        "sls": Measured(a_run(), 0.0, is_simulated=True),
    }
    sls = Target(url="http://x", name="sls", plane="serverless", cost=SERVERLESS)

    price_planes([target, sls], [plane, other], measured, a_shape(peak_rps=2.0, in_flight=20))

    assert plane.machines == machines


def test_machines_that_come_and_go_are_paid_by_the_load_where_those_of_the_run_were_always_there():
    """Two that are simulated as always on say nothing of a group: each minute of 1 request/s takes one."""
    target = Target(
        url="http://x",
        name="vm1",
        plane="vm",
        cost=msgspec.structs.replace(MACHINE, scales=True, rps=2.0, machines=2, headroom_percent=0.0),
        simulate={"plane": {"kind": "vm", "max_instances": 2}},
    )
    lives = tuple(InstanceRecord(f"i-{n}", 0, 0, request_ns=NS) for n in range(2))

    plane, _ = side_by_side(target, a_run(2), lives)

    assert plane.cost_month == pytest.approx(E2_MEDIUM, abs=1e-3)
    assert plane.sizing == "1 on average and 1 at most, as each minute takes them"


def test_a_request_just_after_the_last_minute_is_no_rate_for_a_minute():
    """Ten minutes at one request a second, and one more in the second after them."""
    facts = summary(elapsed_s=600.5)
    run = Evidence(facts, columns_of([[step("s", 500, at_ms=1000 * n) for n in range(601)]]), "run")
    shape = a_shape(windows=11)
    shape = shape._replace(workload=msgspec.structs.replace(shape.workload, window_s=60, span_s=600.5))
    target = Target(
        url="http://x", name="vm1", plane="vm", cost=msgspec.structs.replace(MACHINE, scales=True, rps=1.1)
    )
    plane = PilotPlane(target="vm1", plane="vm")

    price_planes([target], [plane], {"vm1": Measured(run, 0.0, False)}, shape)

    assert plane.sizing == "2 on average and 2 at most, as each minute takes them"


def by_what(plane: PilotPlane) -> dict[str, float]:
    return {other.what: other.cost_month for other in plane.otherwise}


def test_a_spot_machine_has_its_bill_at_the_price_of_one_that_stays():
    cost = Cost(price="gce-us-central1", machine="n2-standard-2-spot", rps=5.0)

    plane, money = priced(cost, a_run())
    stays, _ = priced(msgspec.structs.replace(cost, machine="n2-standard-2"), a_run())

    assert plane.cost_month is not None
    assert stays.cost_month is not None
    assert by_what(plane) == {"on machines that cannot be taken away": pytest.approx(stays.cost_month)}
    assert by_what(stays) == {}
    assert [
        doubt for doubt in money.doubts if doubt.startswith("vm1 is priced on machines that may be taken away")
    ]


def test_a_fleet_smaller_than_the_one_that_was_measured_has_its_bill_with_that():
    cost = msgspec.structs.replace(MACHINE, machines=4)
    plane, _ = priced(cost, a_run(4), ceiling_rps=40.0, ceiling_verdict="found")

    assert plane.machines == 1
    assert by_what(plane) == {
        "with the 4 machines that it was measured with": pytest.approx(4 * E2_MEDIUM + BALANCER, abs=1e-3)
    }


def test_a_serverless_bill_has_itself_without_the_free_tier():
    plane, _ = priced(SERVERLESS, a_run())

    assert by_what(plane) == {"without the free tier": plane.cost_without_free}


@pytest.mark.parametrize(
    ("certain", "fewest", "most"),
    [
        ((0.8, 1.3), 1, 2),  # two bear the peak of one request a second at 0.8 each, with less room left
        ((0.45, 1.0), 2, 3),
        ((1.0, None), 2, 2),
    ],
)
def test_a_fleet_costs_what_it_would_at_either_end_of_where_its_ceiling_lies_for_certain(
    certain: tuple[float, float | None], fewest: int, most: int
):
    found = {"ceiling_rps": 1.0, "ceiling_ci_rps": certain, "ceiling_verdict": "found", "budget": "fail"}

    plane, _ = priced(msgspec.structs.replace(MACHINE, headroom_percent=30.0), a_run(), **found)

    assert plane.machines == 2
    assert plane.cost_ci == pytest.approx(
        tuple(n * E2_MEDIUM + (BALANCER if n > 1 else 0.0) for n in (fewest, most)), abs=0.01
    )
