"""Bills, recomputed by hand from what providers publish, and where two of them cross."""

import datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.breakeven import Change, Offer, break_evens, costs, sensitivity
from replay.money.cost import (
    CostError,
    Fleet,
    Size,
    hybrid_bill,
    is_of_lives,
    machine_bill,
    serverless_bill,
)
from replay.money.price_table import FreeTier, Machine, PriceTable, PriceTableError, parse_price_table
from replay.money.resampling import resampled
from replay.money.sizing import Bursts, machines_for
from replay.money.usage import MONTH_S, Usage, month_of
from replay.trials.prices import price_table, shipped_prices

RUN = price_table("cloud-run-us-central1")
# Without a load balancer, which has tests of its own.
GCE = msgspec.structs.replace(price_table("gce-e2-us-central1"), balancer_month=0.0, balancer_gib=0.0)
LAMBDA = price_table("lambda-us-east-1")


def used(**changed: Any) -> Usage:
    """A month."""
    known: dict[str, Any] = {"seconds": MONTH_S}
    return Usage(**(known | changed))


def without_free(table: PriceTable) -> PriceTable:
    assert table.request is not None
    return msgspec.structs.replace(
        table, request=msgspec.structs.replace(table.request, free=FreeTier()), extras=()
    )


def amounts(bill: Any) -> dict[str, float]:
    return {line.name: round(line.amount, 4) for line in bill.lines}


def test_a_million_seconds_of_one_vcpu_and_half_a_gib_on_cloud_run():
    bill = serverless_bill(used(active_s=1e6, billed_s=1e6, requests=10e6), RUN, Size(1.0, 0.5))

    # (1,000,000 - 180,000) x 0.000024; (500,000 - 360,000) x 0.0000025; (10 M - 2 M) x 0.40 / M.
    assert amounts(bill) == {"vCPU time": 19.68, "memory time": 0.35, "requests": 3.2}
    assert bill.total == pytest.approx(23.23)


def test_a_websocket_is_one_request_on_cloud_run_and_a_request_for_each_message_on_lambda():
    month = used(active_s=1e6, billed_s=1e6, request_s=1e6, requests=10e6, on_sockets=6e6)

    on_run, on_lambda = (
        next(line for line in serverless_bill(month, table, Size(1.0, 0.5)).lines if line.name == "requests")
        for table in (RUN, LAMBDA)
    )

    # (10 M - 6 M - 2 M) x 0.40 / M; (10 M - 1 M) x 0.20 / M.
    assert (on_run.quantity, round(on_run.amount, 4)) == (4e6, 0.8)
    assert (
        on_run.inputs
        == "as many as were sent; a WebSocket is one, and 6,000,000 messages on open ones are none"
    )
    assert (on_lambda.quantity, round(on_lambda.amount, 4)) == (10e6, 1.8)
    assert on_lambda.inputs == (
        "as many as were sent, each message on a WebSocket among them; what brings these there has a price that is not "
        "in the bill"
    )


@pytest.mark.parametrize(
    ("kept", "waiting_s", "active_s", "idle_s"),
    [
        # Until they are taken away, at the active price.
        (0, 8_900.0, 10_000.0, 0.0),
        # Nobody told for how long they were there.
        (0, None, 1_100.0, 0.0),
        # One that is kept has the idle price while it has no request.
        (1, 2_900.0, 4_000.0, MONTH_S - 1_000.0),
    ],
)
def test_a_replica_costs_as_much_while_it_cools_down(kept, waiting_s, active_s, idle_s):
    azure = without_free(price_table("azure-container-apps"))
    month = used(active_s=1_000.0, billed_s=1_000.0, boot_s=100.0, waiting_s=waiting_s)

    bill = serverless_bill(month, azure, Size(0.5, 1.0, kept))

    quantities = {line.name: line.quantity for line in bill.lines}
    assert quantities["vCPU time"] == pytest.approx(active_s * 0.5)
    assert quantities["memory time"] == pytest.approx(active_s)
    assert quantities.get("idle vCPU time", 0.0) == pytest.approx(idle_s * 0.5)


def test_lives_that_are_longer_than_a_part_of_a_run_have_no_interval():
    azure, request = price_table("azure-container-apps"), Size(0.5, 1.0)

    assert is_of_lives(azure, request)
    assert not is_of_lives(RUN, request)
    assert is_of_lives(RUN, Size(1.0, 0.5, billing="instance"))


def test_the_free_tier_of_cloud_run_is_worth_as_much_as_published():
    free = used(active_s=180_000, billed_s=180_000, requests=2e6)

    with_it = serverless_bill(free, RUN, Size(1.0, 2.0)).total
    without = serverless_bill(free, without_free(RUN), Size(1.0, 2.0)).total

    assert with_it == 0.0
    assert without == pytest.approx(6.02)


def test_lambda_bills_gib_seconds_after_its_free_tier():
    bill = serverless_bill(used(active_s=1e6, billed_s=1e6, requests=3e6), LAMBDA, Size(0.0, 1.0))

    # (1,000,000 - 400,000) x 0.0000166667 + (3 M - 1 M) x 0.20 / M.
    assert bill.total == pytest.approx(10.00002 + 0.4)


def test_instance_based_billing_is_cheaper_from_three_quarters_active_on():
    size, whole = Size(1.0, 0.5), used(live_s=MONTH_S, beyond_kept_s=MONTH_S)

    def by_request(active_share: float) -> float:
        active = active_share * MONTH_S
        month = msgspec.structs.replace(whole, active_s=active, billed_s=active)
        return serverless_bill(month, without_free(RUN), size).total

    assert RUN.instance is not None
    table = msgspec.structs.replace(RUN, instance=msgspec.structs.replace(RUN.instance, free=FreeTier()))
    by_instance = serverless_bill(whole, table, size._replace(billing="instance")).total

    assert by_request(0.75) < by_instance < by_request(0.754)


@pytest.mark.parametrize(
    ("kind", "month"), [("e2-small", 12.23), ("e2-medium", 24.46), ("e2-standard-2", 48.92)]
)
def test_machines_cost_a_month_what_is_published(kind: str, month: float):
    bare = msgspec.structs.replace(GCE, extras=())

    assert machine_bill(used(), bare, Fleet(kind, 1)).total == pytest.approx(month, abs=0.005)


@pytest.mark.parametrize(
    ("vcpu", "gib", "kind", "at"),
    [
        (1, 0.5, "e2-small", 0.18),
        (1, 2, "e2-medium", 0.32),
        (2, 4, "e2-standard-2", 0.32),
        (4, 16, "e2-standard-4", 0.27),
    ],
)
def test_break_even_utilisation_agrees_with_the_closed_formula(vcpu: float, gib: float, kind: str, at: float):
    assert RUN.request is not None
    bare = msgspec.structs.replace(GCE, extras=())
    offer = Offer(
        used(active_s=1000.0, billed_s=1000.0, request_s=1000.0, requests=0.0),
        without_free(RUN),
        Size(vcpu, gib),
        bare,
        Fleet(kind, 1),
        capacity_rps=1e12,
        peak_rps=1.0,
        headroom=0.3,
        names=("s", "v"),
    )
    by_formula = GCE.machine(kind).hour / (3600 * (RUN.request.vcpu_s * vcpu + RUN.request.gib_s * gib))

    found = break_evens(offer)[0]

    assert found.at == pytest.approx(by_formula, rel=1e-3)
    assert round(found.at, 2) == at


@pytest.mark.parametrize(
    ("vcpu", "gib", "kind", "at"),
    [
        (1, 0.5, "e2-small", 0.27),
        (1, 2, "e2-medium", 0.40),
        (2, 4, "e2-standard-2", 0.36),
        (4, 16, "e2-standard-4", 0.29),
    ],
)
def test_a_disk_and_an_address_let_serverless_stay_cheaper_for_longer(
    vcpu: float, gib: float, kind: str, at: float
):
    offer = an_offer(
        month=used(active_s=1000.0, billed_s=1000.0, request_s=1000.0, requests=0.0),
        size=Size(vcpu, gib),
        fleet=Fleet(kind, 1),
        capacity_rps=1e12,
    )

    assert round(break_evens(offer)[0].at or 0.0, 2) == at


def an_offer(**changed: Any) -> Offer:
    month = used(active_s=80_000.0, billed_s=82_000.0, request_s=240_000.0, requests=400_000.0)
    known: dict[str, Any] = {
        "month": month,
        "serverless": without_free(RUN),
        "size": Size(1.0, 2.0),
        "machines": GCE,
        "fleet": Fleet("e2-medium", 1),
        "capacity_rps": 200.0,
        "peak_rps": 3.0,
        "headroom": 0.3,
        "names": ("s", "v"),
    }
    return Offer(**(known | changed))


def test_twice_the_serverless_prices_are_twice_that_bill_and_leave_the_machines_alone():
    # Each of the prices is in it: of requests, of what is used, and of instances that are kept.
    kept = an_offer(size=Size(1, 2, min_instances=1))
    (a, b), (twice, same) = costs(kept), costs(kept, Change(serverless_price=2.0))

    assert twice == pytest.approx(2 * a)
    assert same == b


def test_at_the_break_even_both_bills_are_the_same():
    offer = an_offer()
    found = break_evens(offer)[0]

    a, b = costs(offer, Change(load=found.at / found.now))

    assert a == pytest.approx(b, rel=1e-3)


def test_all_crossings_are_told_and_the_one_that_is_nearest_to_now_is_the_break_even():
    # An active instance costs 76.21 USD a month; a machine costs 30.11, which is 0.395 of one, and carries half of one.
    month = used(active_s=0.475 * MONTH_S, billed_s=0.475 * MONTH_S, request_s=0.475 * MONTH_S)
    offer = an_offer(month=month, capacity_rps=0.5, peak_rps=0.475, headroom=0.0)

    found = break_evens(offer)[0]

    each = (730 * 0.033506 + 5.65) / (MONTH_S * (0.000024 + 2 * 0.0000025))
    # One to four machines are worth it before they are full, and one to three no more when the next one is needed.
    by_hand = sorted([each, 2 * each, 3 * each, 4 * each, 0.5, 1.0, 1.5])
    assert found.crossings == pytest.approx(by_hand, rel=1e-4)
    assert found.at == pytest.approx(0.5, rel=1e-4)
    assert found.cheaper_now == "v"
    assert found.text == (
        "v is cheaper at 0.475 active instances; both cost the same at 0.5 (1.05 times as many), and again at 0.395, "
        "0.79, 1, 1.19, 1.5 and 1 more, since machines come whole"
    )


def test_bills_that_are_the_same_to_the_cent_have_no_cheaper_one():
    month = used(requests=0.0, active_s=1.0, billed_s=1.0, request_s=1.0)
    # One kept instance at its idle price, and a machine at just that.
    kept = MONTH_S * (0.0000025 + 2 * 0.0000025)
    table = msgspec.structs.replace(GCE, extras=(), machines={"m": Machine(kept / 730, 1, 1)})

    found = break_evens(
        an_offer(month=month, size=Size(1.0, 2.0, 1), machines=table, fleet=Fleet("m", 1), capacity_rps=1e9)
    )

    assert [even.cheaper_now for even in found] == [None, None, None]
    assert found[0].text.startswith("both cost the same at ")


def test_machines_that_come_whole_make_bills_meet_more_than_once_and_each_time_is_listed():
    """A machine costs what 0.321 active instances do, and another is needed with each 0.4 of them."""
    bare = msgspec.structs.replace(GCE, extras=())
    active_s = 0.475 * MONTH_S
    offer = Offer(
        used(active_s=active_s, billed_s=active_s, request_s=active_s, requests=0.0),
        without_free(RUN),
        Size(1, 2),
        bare,
        Fleet("e2-medium", 1),
        capacity_rps=0.4 / 0.475,
        peak_rps=1.0,
        headroom=0.0,
        names=("s", "v"),
    )
    found = break_evens(offer)[0]
    assert found.now is not None
    assert found.at is not None

    assert found.crossings[:5] == pytest.approx([0.321, 0.4, 0.642, 0.8, 0.963], abs=0.001)
    assert found.at == pytest.approx(0.4, abs=0.001)  # the nearest to the load as it is
    assert "and again at 0.321, 0.642, 0.8, 0.963, 1.2 and 3 more" in found.text


def test_a_break_even_is_refused_if_concurrency_was_not_measured():
    unknown = msgspec.structs.replace(an_offer().month, basis="missing")

    found = break_evens(an_offer(month=unknown))

    assert all(even.at is None and "neither measured nor simulated" in even.reason for even in found)
    with pytest.raises(CostError, match="neither measured"):
        serverless_bill(unknown, RUN, Size(1.0, 0.5))


def test_what_moves_the_answer_most_comes_first_and_its_factor_does_flip_it():
    offer = an_offer()
    first = sensitivity(offer)[0]
    assert first.flips_at_factor is not None

    name = {"the load as a whole": "load", "requests that share an instance": "concurrency"}.get(
        first.input, "duration"
    )
    before, after = costs(offer), costs(offer, Change(**{name: first.flips_at_factor}))

    assert (before[0] < before[1]) != (after[0] < after[1])


def test_the_factor_of_the_load_that_flips_the_answer_is_that_of_the_nearest_break_even():
    for peak in (1.0, 3.0, 10.0):
        offer = an_offer(peak_rps=peak)
        (load,) = (one for one in sensitivity(offer) if one.input == "the load as a whole")
        even = break_evens(offer)[0]

        assert even.at is not None
        assert load.flips_at_factor == pytest.approx(even.at / even.now, abs=2e-4)


def test_fewer_sessions_take_no_fewer_machines_than_the_calls_of_one_that_come_together():
    """Forty at once on machines that bear ten: four of them at a thousandth of the load, and hardly more at twice it."""
    offer = an_offer(bursts=Bursts(44.0, 40.0, 10.0, 0.0), capacity_rps=1e6)
    one = costs(an_offer(capacity_rps=1e6))[1]

    machines = [round(costs(offer, Change(load=load))[1] / one) for load in (0.001, 1.0, 2.0, 10.0)]

    assert machines == [5, 5, 5, 8]


def test_the_interval_of_a_break_even_holds_it_and_narrows_with_more_windows():
    def interval(n: int) -> tuple[float, float]:
        windows = [
            Usage(
                seconds=60.0, requests=10.0 + i % 5, active_s=4.0 + i % 7, billed_s=4.1 + i % 7, request_s=12.0
            )
            for i in range(n)
        ]
        month = month_of([(1.0, sum_of(windows))])
        found = break_evens(an_offer(month=month), resampled(windows, seed=1))[0]
        assert found.ci is not None
        assert found.at is not None
        assert found.ci[0] <= found.at <= found.ci[1]
        return found.ci

    few, many = interval(20), interval(400)

    assert many[1] - many[0] < few[1] - few[0]


def sum_of(windows: list[Usage]) -> Usage:
    whole = windows[0]
    for window in windows[1:]:
        whole = whole.plus(window)
    return whole


def test_machines_carry_the_peak_with_headroom():
    assert machines_for(10.0, 5.0, 0.0) == 2
    assert machines_for(10.0, 5.0, 0.3) == 3
    assert machines_for(0.0, 5.0, 0.3) == 1
    with pytest.raises(CostError, match="not measured"):
        machines_for(10.0, 0.0, 0.3)


def test_a_month_is_the_weighted_sum_of_its_levels():
    idle = Usage(seconds=100.0, requests=0.0)
    peak = Usage(seconds=10.0, requests=50.0, active_s=10.0, billed_s=10.0, request_s=30.0)

    month = month_of([(0.9, idle), (0.1, peak)])

    assert month.seconds == pytest.approx(MONTH_S)
    assert month.requests == pytest.approx(0.1 * MONTH_S * 5)
    assert month.active_instances == pytest.approx(0.1)


amounts_of = st.floats(0, 1e8)


@given(amounts_of, amounts_of, st.floats(0, 1e7), st.integers(0, 5), st.floats(1.0, 10.0))
def test_a_bill_grows_with_each_of_its_inputs(
    active: float, requests: float, boots: float, kept: int, more: float
):
    month = used(active_s=active, billed_s=active, requests=requests, boot_s=boots)
    # Within the free tier active seconds are cheaper than the idle ones of instances that are kept.
    table, size = without_free(RUN), Size(1.0, 0.5, kept)
    busier = msgspec.structs.replace(month.times(more), seconds=month.seconds)
    least = serverless_bill(month, table, size).total * (1 - 1e-9)

    assert serverless_bill(busier, table, size).total >= least
    assert serverless_bill(month, table, size._replace(vcpu=more)).total >= least
    assert serverless_bill(month, table, size._replace(memory_gib=0.5 * more)).total >= least
    assert serverless_bill(month, table, size._replace(min_instances=kept + 1)).total >= least
    assert serverless_bill(month, RUN, size).total <= serverless_bill(month, table, size).total * (1 + 1e-9)


def test_a_burst_over_many_instances_leaves_the_one_that_is_kept_idle_the_rest_of_the_month():
    # An hour with four instances active: one of them is the one that is kept.
    month = used(active_s=4 * 3600.0, billed_s=4 * 3600.0, ranks=(0.25, 0.25, 0.25, 0.25))

    bill = serverless_bill(month, without_free(RUN), Size(1.0, 0.5, 1))

    assert amounts(bill)["idle vCPU time"] == pytest.approx((MONTH_S - 3600) * 2.5e-6, abs=1e-4)


@given(st.integers(0, 20))
def test_no_load_costs_what_minimum_instances_cost(kept: int):
    bill = serverless_bill(used(), RUN, Size(1.0, 2.0, kept))

    assert bill.total == pytest.approx(kept * MONTH_S * (2.5e-6 + 2 * 2.5e-6))


shares = st.floats(0.0, 1.0)


@given(st.integers(0, 3), shares, shares, shares, st.lists(st.floats(0.01, 20.0), min_size=2, max_size=8))
def test_instances_that_are_kept_are_paid_for_a_month_each_however_much_load_there_is(
    kept: int, of_kept: float, beside: float, waiting: float, levels: list[float]
):
    """Their life was multiplied by the load, and paid as the cool-down of instances that nobody had."""
    azure = without_free(price_table("azure-container-apps"))
    active_s = (kept * of_kept + beside) * MONTH_S
    ranks = (
        (*[of_kept / (kept * of_kept + beside)] * kept, beside / (kept * of_kept + beside)) if active_s else ()
    )
    run = used(
        active_s=active_s,
        billed_s=active_s,
        beyond_kept_s=(beside + waiting) * MONTH_S,
        waiting_s=waiting * MONTH_S,
        ranks=ranks,
    )
    at_levels = [msgspec.structs.replace(run.times(level), seconds=MONTH_S) for level in sorted(levels)]
    bills = [serverless_bill(month, azure, Size(1.0, 2.0, kept)) for month in at_levels]
    instances = [serverless_bill(month, RUN, Size(1.0, 2.0, kept, billing="instance")) for month in at_levels]

    for level, bill, lives in zip(sorted(levels), bills, instances, strict=True):
        quantities = {line.name: line.quantity / MONTH_S for line in bill.lines}
        is_busy = level * of_kept
        assert quantities.get("idle vCPU time", 0.0) == pytest.approx(max(0.0, kept * (1 - is_busy)), abs=1e-6)
        assert quantities["vCPU time"] == pytest.approx(level * (kept * of_kept + beside + waiting), abs=1e-6)
        least = max(kept + level * (beside + waiting), level * (kept * of_kept + beside))
        assert lives.lines[0].quantity / MONTH_S == pytest.approx(least, abs=1e-6)
    totals = [bill.total for bill in bills]
    assert all(less <= more * (1 + 1e-9) + 1e-6 for less, more in pairwise(totals))


@given(st.floats(0.1, 1e5), st.floats(0.1, 1e4), st.floats(0, 2))
def test_machines_are_never_too_few_and_one_less_would_be(peak: float, each: float, headroom: float):
    machines = machines_for(peak, each, headroom)

    assert machines * each >= peak * (1 + headroom) * (1 - 1e-6)
    assert machines == 1 or (machines - 1) * each < peak * (1 + headroom)


def test_a_hybrid_pays_both_parts():
    a = serverless_bill(used(active_s=1e6, billed_s=1e6), RUN, Size(1.0, 0.5))
    b = machine_bill(used(), GCE, Fleet("e2-medium", 2))

    assert hybrid_bill(a, b, (RUN, GCE)).total == pytest.approx(a.total + b.total)


@pytest.mark.parametrize("name", shipped_prices())
def test_every_shipped_table_reads_and_says_where_it_is_from(name: str):
    table = price_table(name)

    assert table.source
    assert table.request or table.instance or table.machines
    assert not table.is_stale(table.date)
    assert table.is_stale(table.date + datetime.timedelta(days=181))


def a_table(rest: str, currency: str = "USD") -> str:
    return f'provider="p"\nregion="r"\ncurrency="{currency}"\ndate=2026-01-01\nsource="s"\n{rest}\n'


@pytest.mark.parametrize("currency", ["JPY", "IDR"])
def test_a_currency_of_small_coin_may_have_large_figures(currency: str):
    assert parse_price_table(
        a_table("[machines.m]\nhour=1100\nvcpu=2\nmemory_gib=8", currency).encode(), "t.toml"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("provider = 3", "provider"),
        ("x = [", "not TOML"),
        (
            'provider="p"\nregion="r"\ncurrency="USD"\ndate=2026-01-01\nsource="s"\negress_gib=-1.0',
            "not a valid price",
        ),
        ('provider="p"\nregion="r"\ncurrency="c"\ndate=2026-01-01\nsource="s"\nfoo=1', "foo"),
        (
            'provider="p"\nregion="r"\ncurrency="euro"\ndate=2026-01-01\nsource="s"\n',
            "'euro' is not a valid code",
        ),
        (
            a_table("[request]\nvcpu_s=1e6\ngib_s=1e-6\nrequest=0\ngranularity_ms=1"),
            r"request\.vcpu_s = 1,000,000",
        ),
        (a_table("[request]\nvcpu_s=1e6\ngib_s=0\nrequest=0\ngranularity_ms=1", "IRR"), "plausible price"),
        (a_table("[request]\nvcpu_s=inf\ngib_s=0\nrequest=0\ngranularity_ms=1"), "inf is not a valid price"),
        (a_table("[request]\nvcpu_s=1e-5\ngib_s=0\nrequest=0.4\ngranularity_ms=1"), r"request\.request = 0\.4"),
        (a_table("[request]\nvcpu_s=0\ngib_s=0\nrequest=1e-6\ngranularity_ms=1"), "time would cost nothing"),
        (a_table("[instance]\nvcpu_s=0\ngib_s=0"), "instance.gib_s are both 0"),
        (a_table("[machines.m]\nhour=0\nvcpu=1\nmemory_gib=1"), r"machines\.m\.hour must be more than 0"),
        (
            a_table("[machines.m]\nhour=1e6\nvcpu=1\nmemory_gib=1"),
            r"machines\.m\.hour = 1,000,000 is not a plausible",
        ),
        (
            a_table("[machines.m]\nhour=-1.0\nvcpu=1\nmemory_gib=1"),
            r"machines\.m\.hour = -1 is not a valid price",
        ),
        (
            a_table(
                '[machines.m]\nhour=1\nvcpu=1\nmemory_gib=1\n[limits]\nrule="1 vCPU has 2 GB"\nsource="s"\n'
                "sizes=[{vcpu=1,least_gib=2,most_gib=2}]"
            ),
            "machines.m: p has no instance of 1 vCPU and 1 GiB: 1 vCPU has 2 GB",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_a_sentence(text: str, says: str):
    with pytest.raises(PriceTableError, match=says):
        parse_price_table(text.encode(), "mine.toml")
