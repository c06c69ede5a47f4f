"""What a price table may say, what it answers, and how it refuses."""

import datetime
from typing import Any

import pytest

from replay.money.cost import CostError, Fleet, Size, machine_bill, serverless_bill
from replay.money.hardware import instances_with, machines_with
from replay.money.price_table import PriceTable, PriceTableError, on_nodes, parse_price_table
from replay.money.usage import MONTH_S, Usage

HEAD = 'provider = "P"\nregion = "here"\ncurrency = "USD"\ndate = 2026-01-01\nsource = "s"\n'
SPOT = '[spot]\ndate = 2025-12-01\nsource = "s"\nnotice = "P may reclaim it in 30 s"\n'
FLEET = """[machines]
small = { hour = 0.1, vcpu = 1, memory_gib = 4, spot_hour = 0.04, sustained = 0.2 }
leaf = { hour = 0.08, vcpu = 1, memory_gib = 4, arch = "arm" }
eye = { hour = 0.7, vcpu = 4, memory_gib = 16, gpu = "L4" }
old-eye = { hour = 0.5, vcpu = 4, memory_gib = 16, gpu = "T4" }
lent = { hour = 0.01, vcpu = 1, memory_gib = 4, is_reclaimable = true }
"""


def table(body: str = "", *, top: str = "") -> PriceTable:
    return parse_price_table((HEAD + top + body).encode(), "t.toml")


def month(**known: Any) -> Usage:
    return Usage(seconds=MONTH_S, **known)


FULL = table(FLEET + SPOT)


@pytest.mark.parametrize(
    ("need", "kinds"),
    [
        ("gpu", ["old-eye", "eye"]),
        ("L4", ["eye"]),
        ("nvidia-l4", ["eye"]),
        ("gpu=T4", ["old-eye"]),
        ("GPU: t4", ["old-eye"]),
        ("h100", []),
        ("arm64", ["leaf"]),
        ("amd64", ["small", "old-eye", "eye"]),
        ("arm gpu", []),
        ("local browser", ["leaf", "small", "old-eye", "eye"]),
    ],
)
def test_machines_that_can_do_what_is_needed_come_cheapest_first(need: str, kinds: list[str]):
    assert machines_with(FULL, need) == kinds


def test_a_table_whose_instances_have_a_gpu_can_do_what_needs_one():
    instance = "[instance]\nvcpu_s = 1e-5\ngib_s = 1e-6\n"
    with_gpu, without = table(instance + 'gpu = "L4"\ngpu_s = 1e-4\n'), table(instance)

    assert instances_with(with_gpu, "l4")
    assert instances_with(with_gpu, "gpu")
    assert not instances_with(with_gpu, "t4")
    assert not instances_with(without, "gpu")
    assert instances_with(without, "vpn")
    assert not instances_with(FULL, "vpn")  # it has no serverless prices at all


def test_a_spot_machine_costs_its_spot_price_and_says_that_it_may_be_reclaimed():
    bill = machine_bill(month(), FULL, Fleet("small-spot", 2))

    assert bill.total == pytest.approx(2 * 730 * 0.04)
    assert bill.lines[0].name == "machines, small-spot, may be reclaimed"
    assert bill.lines[0].inputs.endswith(
        "spot price of 2025-12-01, which changes often; P may reclaim it in 30 s"
    )


def test_a_spot_machine_is_as_old_as_its_spot_price():
    today = datetime.date(2026, 6, 15)

    assert FULL.of_kind("small-spot").date == datetime.date(2025, 12, 1)
    assert FULL.of_kind("small-spot").is_stale(today)
    assert not FULL.of_kind("small").is_stale(today)


def test_sustained_use_comes_off_by_itself_and_not_on_top_of_a_commitment():
    def hour(discount: float) -> float:
        return machine_bill(month(), FULL, Fleet("small", 1, discount)).total / 730

    assert hour(0.0) == pytest.approx(0.08)
    assert hour(0.37) == pytest.approx(0.063)
    assert hour(0.1) == pytest.approx(0.08)


def test_a_machine_that_is_not_there_is_said_with_those_that_are():
    with pytest.raises(PriceTableError) as said:
        FULL.machine("large")

    assert str(said.value) == (
        "the price table of P has no machine 'large'; it has eye, leaf, lent, old-eye, small, small-spot."
    )


def test_what_is_known_to_have_no_price_is_refused_with_the_reason():
    priced = table(FLEET + SPOT + '[unpriced]\nspot = "it is sold by the minute."\nhuge = "nobody lists it."\n')

    for kind, why in (("huge", "nobody lists it."), ("eye-spot", "it is sold by the minute.")):
        with pytest.raises(CostError) as said:
            machine_bill(month(), priced, Fleet(kind, 1))
        assert str(said.value) == f"the price table of P has no price for {kind}: {why}"
    assert priced.machine("small-spot").hour == 0.04


COMMITTED = """[commitments]
date = 2025-11-01
source = "s"
rates = [
    { name = "a", years = 1, discount = 0.3, covers = ["sm", "request"] },
    { name = "b", years = 1, discount = 0.4, covers = ["small"] },
]
"""


def test_the_commitment_that_covers_a_kind_most_closely_is_taken():
    found = table(FLEET + SPOT + COMMITTED)

    assert found.commitment("small", 1).discount == 0.4
    assert found.commitment("smart", 1).discount == 0.3
    assert found.commitment("request", 1).name == "a"


@pytest.mark.parametrize(("covered", "years", "term"), [("eye", 1, "one year"), ("small", 3, "3 years")])
def test_a_commitment_that_is_not_known_is_refused(covered: str, years: int, term: str):
    with pytest.raises(PriceTableError) as said:
        table(FLEET + SPOT + COMMITTED).commitment(covered, years)

    assert str(said.value) == f"the price table of P has no commitment of {term} for {covered}."


def test_a_spot_machine_is_covered_by_no_commitment():
    with pytest.raises(PriceTableError, match="for small-spot"):
        table(FLEET + SPOT + COMMITTED).commitment("small-spot", 1)


def test_a_cluster_has_the_machines_of_its_nodes_and_its_fee_once():
    nodes = table(FLEET + SPOT + '[[extras]]\nname = "disk"\nmonth = 2\n')
    cluster = on_nodes(table(top='cluster_hour = 0.1\nnodes_of = "n"\n'), nodes)

    bill = machine_bill(month(), cluster, Fleet("leaf", 3))

    assert bill.total == pytest.approx(3 * 730 * 0.08 + 3 * 2 + 73)


def test_a_cluster_is_as_old_as_the_older_of_its_tables():
    older = parse_price_table((HEAD + FLEET + SPOT).replace("2026-01-01", "2025-06-01").encode(), "n.toml")
    fee = table(top="cluster_hour = 0.1\n")

    assert on_nodes(fee, older).date == datetime.date(2025, 6, 1)
    assert on_nodes(fee, older).is_stale(datetime.date(2026, 1, 1))


def test_a_cluster_cannot_have_its_nodes_in_another_region():
    elsewhere = parse_price_table((HEAD + FLEET + SPOT).replace("here", "there").encode(), "n.toml")

    with pytest.raises(
        PriceTableError, match="P in here cannot have its nodes of P in there: region and currency"
    ):
        on_nodes(table(), elsewhere)


def test_a_table_is_stale_after_half_a_year_and_not_before():
    day = FULL.date

    assert not FULL.is_stale(day + datetime.timedelta(days=180))
    assert FULL.is_stale(day + datetime.timedelta(days=181))


def test_a_request_to_a_machine_is_billed_where_the_provider_asks_for_it():
    asks = table(FLEET + SPOT, top="machine_request = 0.0000002\n")

    bill = machine_bill(month(requests=5e6), asks, Fleet("eye", 1))

    assert bill.total == pytest.approx(730 * 0.7 + 1.0)


def test_a_worker_pool_is_billed_for_what_it_was_set_to_all_month():
    pool = table("[worker_pool]\nvcpu_s = 0.00001\ngib_s = 0.000001\nfree = { vcpu_s = 256_000 }\n")

    bill = serverless_bill(month(basis="missing"), pool, Size(1, 2, 2, "worker-pool"))

    # (2 x 2,628,000 - 256,000) x 0.00001 + 2 x 2 x 2,628,000 x 0.000001.
    assert bill.total == pytest.approx(50.0 + 10.512)
    with pytest.raises(CostError, match="does not scale by itself: say how many instances are kept"):
        serverless_bill(month(), pool, Size(1, 2, 0, "worker-pool"))
    with pytest.raises(CostError, match="P has no prices of a worker pool"):
        serverless_bill(month(), FULL, Size(1, 2, 1, "worker-pool"))


TIERED = """[request]
vcpu_s = 0
gib_s = 0.003
request = 0
granularity_ms = 1
free = { gib_s = 100 }
tiers = [{ above_gib_s = 1000, gib_s = 0.002 }, { above_gib_s = 3000, gib_s = 0.001 }]
"""


@pytest.mark.parametrize(
    ("gib_s", "amount"),
    [
        (50, 0.0),
        (1000, 900 * 0.003),
        (1001, 900 * 0.003 + 0.002),
        (3000, 900 * 0.003 + 2000 * 0.002),
        (5000, 900 * 0.003 + 2000 * 0.002 + 2000 * 0.001),
    ],
)
def test_memory_time_gets_cheaper_by_what_is_above_each_tier(gib_s: float, amount: float):
    used = month(active_s=gib_s, billed_s=gib_s, request_s=gib_s)

    assert serverless_bill(used, table(TIERED), Size(0, 1)).total == pytest.approx(amount)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (FLEET, "small has a spot_hour, and there is no [spot] that says of which day it is."),
        (
            FLEET.replace("0.04", "0.4") + SPOT,
            "small has a spot_hour of 0.4, above its hour of 0.1.",
        ),
        (FLEET.replace("0.2", "20") + SPOT, "small has sustained = 20; it must be less than 1 (0.2 is 20%)."),
        (COMMITTED.replace("0.4", "40"), "b has discount = 40; it must be between 0 and 1 (0.2 is 20%)."),
        (
            COMMITTED.replace("years = 1", "years = 0"),
            "a needs years of 1 or more, and at least one beginning of a ",
        ),
        (
            TIERED.replace("3000", "1000"),
            "the tiers of [request] must begin above 0 and ascend by above_gib_s.",
        ),
        (TIERED.replace("1000", "-1"), "the tiers of [request] must begin above 0 and ascend by above_gib_s."),
        (FLEET + SPOT + '[unpriced]\neye = "no."\n', "eye has a price and is among the unpriced."),
        (
            FLEET.replace('"arm"', '"armour"') + SPOT,
            'machines[...].arch: must be one of arm, x86, and is "armour". Did you mean "arm"?',
        ),
        ("[commitments]\ndate = 2025-01-01\nrates = []\n", 'commitments: the key "source" is missing.'),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_and_says_where(body: str, says: str):
    with pytest.raises(PriceTableError) as said:
        table(body)

    assert str(said.value).startswith("t.toml: ")
    assert says in str(said.value)
