"""The tables in the package: each has a source and a day, plausible prices, a bill made by hand, and no quarrel with another."""

import datetime
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from replay.money.cost import Fleet, Size, machine_bill, serverless_bill
from replay.money.hardware import instances_with, machines_with
from replay.money.price_table import FreeTier, PriceTable, parse_price_table
from replay.money.usage import MONTH_S, Usage
from replay.trials.prices import price_table, shipped_prices

TABLES = {name: price_table(name) for name in shipped_prices()}
COST_PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
each = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
ADDRESS = re.compile(r"https://[\w.-]+\.\w+")


def month(**known: Any) -> Usage:
    return Usage(seconds=MONTH_S, **known)


def busy(active_s: float, requests: float = 0.0) -> Usage:
    return month(active_s=active_s, billed_s=active_s, request_s=active_s, requests=requests)


@each
def test_a_table_says_of_which_day_it_is_and_where_that_can_be_read(table: PriceTable):
    assert ADDRESS.search(table.source)
    assert datetime.date(2024, 1, 1) <= table.date <= datetime.datetime.now(datetime.UTC).date()
    assert table.currency == "USD"
    for apart in (table.spot, table.commitments):
        if apart is not None:
            assert ADDRESS.search(apart.source)
            assert datetime.date(2023, 1, 1) <= apart.date


@each
def test_a_table_is_stale_half_a_year_after_its_day(table: PriceTable):
    assert not table.is_stale(table.date + datetime.timedelta(days=180))
    assert table.is_stale(table.date + datetime.timedelta(days=181))


@each
def test_what_has_no_price_has_a_reason_that_is_a_sentence(table: PriceTable):
    for why in table.unpriced.values():
        assert why.endswith(".")
        assert len(why.split()) >= 5


@each
def test_machines_cost_what_machines_can_cost(table: PriceTable):
    for kind in table.kinds():
        machine = table.machine(kind)
        assert 0.005 <= machine.hour / machine.vcpu <= 0.3, kind
        assert 1 <= machine.memory_gib / machine.vcpu <= 20, kind
        if machine.is_reclaimable:
            assert machine.hour < table.machine(kind.removesuffix("-spot")).hour
            assert "reclaim" in machine.note


@each
def test_instances_and_what_is_beside_machines_cost_what_they_can_cost(table: PriceTable):
    for billing in (table.request, table.instance, table.worker_pool):
        if billing is not None:
            assert billing.vcpu_s == 0 or 0.005 <= 3600 * billing.vcpu_s <= 0.3
            assert 0.002 <= 3600 * billing.gib_s <= 0.1
    if table.request is not None:
        assert 1e-7 <= table.request.request <= 1e-6
        assert table.request.idle_gib_s <= table.request.gib_s
        prices = [table.request.gib_s, *(tier.gib_s for tier in table.request.tiers)]
        assert prices == sorted(prices, reverse=True)
    assert table.egress_gib == 0 or 0.05 <= table.egress_gib <= 0.2
    assert table.balancer_month == 0 or 10 <= table.balancer_month <= 30
    assert table.balancer_gib <= 0.02
    assert table.cluster_hour in (0, 0.1)
    for extra in table.extras:
        assert 0.5 <= extra.month <= 10


@each
def test_commitments_take_off_what_commitments_can(table: PriceTable):
    for one in table.commitments.rates if table.commitments is not None else ():
        assert 0.1 <= one.discount <= 0.7
        assert one.years in (1, 3)
        for start in one.covers:
            assert start in ("request", "instance", "worker-pool") or any(
                kind.startswith(start) for kind in table.machines
            )


def test_no_two_tables_of_a_provider_disagree_on_a_kind_in_a_region():
    seen: dict[tuple[str, str, str], tuple[str, Any]] = {}
    shared = 0
    for name, table in TABLES.items():
        for kind, machine in table.machines.items():
            first, known = seen.setdefault((table.provider, table.region, kind), (name, machine))
            said = (machine.hour, machine.vcpu, machine.memory_gib, machine.spot_hour)
            assert said == (known.hour, known.vcpu, known.memory_gib, known.spot_hour), (first, name, kind)
            shared += first != name
    assert shared >= 6  # e2 is in two tables of us-central1


def test_lambda_on_arm_is_a_fifth_less():
    x86, arm = TABLES["lambda-us-east-1"].request, TABLES["lambda-arm-us-east-1"].request
    assert x86 is not None
    assert arm is not None
    assert arm.gib_s == pytest.approx(0.8 * x86.gib_s, rel=1e-4)
    assert arm.idle_gib_s == pytest.approx(0.8 * x86.idle_gib_s, rel=1e-4)


def test_a_managed_instance_of_lambda_is_its_ec2_machine_and_fifteen_percent():
    ec2, managed = TABLES["ec2-us-east-1"], TABLES["lambda-managed-us-east-1"]
    for kind, machine in managed.machines.items():
        assert machine.hour == pytest.approx(1.15 * ec2.machine(kind).hour)
        assert (machine.vcpu, machine.memory_gib) == (ec2.machine(kind).vcpu, ec2.machine(kind).memory_gib)


@pytest.mark.parametrize(
    ("name", "need", "first"),
    [
        ("gce-us-central1", "L4", "g2-standard-4"),
        ("gke-us-central1", "gpu", "g2-standard-4"),
        ("ec2-us-east-1", "gpu", "g4dn.xlarge"),
        ("ec2-us-east-1", "L4", "g6.xlarge"),
        ("azure-vm-eastus", "T4", "Standard_NC4as_T4_v3"),
        ("ec2-us-east-1", "arm", "t4g.micro"),
        ("gce-europe-west1", "arm", "c4a-standard-1"),
    ],
)
def test_the_cheapest_machine_for_a_need_is_found(name: str, need: str, first: str):
    assert machines_with(TABLES[name], need)[0] == first


def test_cloud_run_can_do_what_needs_an_l4_by_the_second_and_no_t4():
    assert instances_with(TABLES["cloud-run-gpu-us-central1"], "L4")
    assert not instances_with(TABLES["cloud-run-gpu-us-central1"], "T4")
    assert not instances_with(TABLES["cloud-run-us-central1"], "gpu")


# By hand: the hour x 730, its disk and address where the table has them, and 73.00 of a cluster.
MACHINES_BY_HAND = [
    ("aks-eastus", "Standard_D2s_v5", 70.08 + 2.40 + 3.65 + 73.00),
    ("azure-vm-eastus", "Standard_D2s_v5", 70.08 + 2.40 + 3.65),
    ("azure-vm-westeurope", "Standard_D2s_v5", 83.95),
    ("ec2-eu-central-1", "c7g.large", 60.225),
    ("ec2-eu-west-1", "m7i.large", 82.0155),
    ("ec2-us-east-1", "m7i.large", 73.584 + 1.60 + 3.65),
    ("ec2-us-east-1", "t3.medium-spot", 10.439 + 1.60 + 3.65),
    ("eks-eu-central-1", "t4g.medium", 28.032 + 73.00),
    ("eks-eu-west-1", "t3.medium", 33.288 + 73.00),
    ("eks-us-east-1", "m7g.large", 59.568 + 1.60 + 3.65 + 73.00),
    ("fargate-arm-us-east-1", "1-vcpu-2-gb", 28.835),
    ("fargate-us-east-1", "1-vcpu-2-gb", 36.0401),
    ("gce-e2-us-central1", "e2-medium", 24.45938 + 2.00 + 3.65),
    ("gce-europe-west1", "c4a-standard-2", 72.18151),
    # n2 is on all month, and so 20 % less.
    ("gce-europe-west3", "n2-standard-2", 0.8 * 91.34052),
    ("gce-us-central1", "n2-standard-2", 0.8 * 70.89614 + 2.00 + 3.65),
    ("gce-us-central1", "g2-standard-4-spot", 290.05528 + 2.00 + 3.65),
    ("gke-europe-west1", "e2-medium", 26.90614 + 73.00),
    ("gke-europe-west3", "e2-medium", 31.51248 + 73.00),
    ("gke-us-central1", "e2-medium", 24.45938 + 2.00 + 3.65 + 73.00),
    ("lambda-managed-us-east-1", "m7i.large", 84.6216 + 0.20),
]


@pytest.mark.parametrize(("name", "kind", "total"), MACHINES_BY_HAND)
def test_a_machine_for_a_month_costs_what_it_does_by_hand(name: str, kind: str, total: float):
    assert machine_bill(month(requests=1e6), TABLES[name], Fleet(kind, 1)).total == pytest.approx(
        total, abs=5e-5
    )


ONE, GPU = Size(1, 0.5), Size(4, 16, 0, "instance")
SERVERLESS_BY_HAND = [
    # (1,000,000 - 180,000) x 0.000024 + (500,000 - 360,000) x 0.000003 + (10 M - 2 M) x 0.40 / M.
    ("azure-container-apps", busy(1e6, 10e6), ONE, 19.68 + 0.42 + 3.20),
    ("cloud-run-us-central1", busy(1e6, 10e6), ONE, 19.68 + 0.35 + 3.20),
    ("cloud-run-europe-west1", busy(1e6, 10e6), ONE, 19.68 + 0.35 + 3.20),
    # (1,000,000 - 128,571) x 0.0000336 + (500,000 - 257,143) x 0.0000035.
    ("cloud-run-europe-west3", busy(1e6, 10e6), ONE, 29.28001 + 0.85 + 3.20),
    # (400,000 - 240,000) x 0.000018 + (1,600,000 - 450,000) x 0.000002 + 100,000 x 0.0001867.
    ("cloud-run-gpu-us-central1", month(live_s=1e5, beyond_kept_s=1e5), GPU, 2.88 + 2.30 + 18.67),
    # (1,000,000 - 400,000) x the GiB-second + (3 M - 1 M) x 0.20 / M.
    ("lambda-us-east-1", busy(1e6, 3e6), Size(0, 1), 10.00002 + 0.40),
    ("lambda-arm-us-east-1", busy(1e6, 3e6), Size(0, 1), 8.00004 + 0.40),
    # One kept all month: (2,628,000 - 384,204) x 0.000011244 + (1,314,000 - 728,744) x 0.000001235.
    ("cloud-run-us-central1", month(), Size(1, 0.5, 1, "worker-pool"), 25.22924 + 0.72279),
]


@pytest.mark.parametrize(("name", "used", "size", "total"), SERVERLESS_BY_HAND)
def test_serverless_for_a_month_costs_what_it_does_by_hand(name: str, used: Usage, size: Size, total: float):
    assert serverless_bill(used, TABLES[name], size).total == pytest.approx(total, abs=5e-5)


def test_every_table_has_a_bill_by_hand():
    assert {row[0] for row in [*MACHINES_BY_HAND, *SERVERLESS_BY_HAND]} == set(TABLES)


@pytest.mark.parametrize(
    ("name", "gib_s", "amounts"),
    [
        ("lambda-us-east-1", 61.44e9, [100_000.20, 135_000.00, 619_203.10]),
        ("lambda-arm-us-east-1", 74.752e9, [100_000.50, 135_001.13, 597_356.53]),
    ],
)
def test_the_tiers_of_lambda_come_to_what_another_estimator_says(name: str, gib_s: float, amounts: list[float]):
    """Source: infracost, lambda_function_test.golden, of 2024-07-01, which has no free tier."""
    of = TABLES[name].request
    assert of is not None
    paid = msgspec.structs.replace(TABLES[name], request=msgspec.structs.replace(of, free=FreeTier()))

    lines = serverless_bill(busy(gib_s), paid, Size(0, 1)).lines

    found = [line.amount for line in lines if line.name.startswith("memory time")]
    assert found == pytest.approx(amounts, abs=0.006)


@pytest.mark.parametrize(
    ("kind", "month_usd"),
    [("n2-standard-8", 226.87), ("g2-standard-4", 515.99)],
)
def test_compute_engine_comes_to_what_another_estimator_says(kind: str, month_usd: float):
    """Source: infracost, compute_instance_test.golden, of 2026-07-01: bare machines, on all month."""
    bare = msgspec.structs.replace(TABLES["gce-us-central1"], extras=())

    assert machine_bill(month(), bare, Fleet(kind, 1)).total == pytest.approx(month_usd, abs=0.006)


@pytest.mark.parametrize(
    ("name", "covered", "years", "discount"),
    [
        ("cloud-run-us-central1", "request", 1, 0.17),
        ("cloud-run-us-central1", "instance", 3, 0.46),
        ("gce-us-central1", "n2-standard-2", 1, 0.37),
        ("gce-e2-us-central1", "e2-medium", 3, 0.55),
        ("ec2-us-east-1", "t3.medium", 1, 0.372),
        ("azure-vm-eastus", "Standard_D2s_v5", 3, 0.62),
    ],
)
def test_a_commitment_takes_off_what_its_source_says(name: str, covered: str, years: int, discount: float):
    assert TABLES[name].commitment(covered, years).discount == discount


def test_a_reserved_t3_comes_to_what_another_estimator_says():
    """Source: infracost, eks_node_group_test.golden, of 2025-07-04: 19.05 and 13.14 a month, nothing upfront."""
    ec2 = TABLES["ec2-us-east-1"]
    for years, month_usd in ((1, 19.05), (3, 13.14)):
        off = ec2.commitment("t3.medium", years).discount
        assert 730 * ec2.machine("t3.medium").hour * (1 - off) == pytest.approx(month_usd, rel=0.002)


def test_the_table_that_the_page_on_cost_shows_is_a_valid_one():
    written = re.search(r"^```toml\n(provider.*?)^```", COST_PAGE, re.MULTILINE | re.DOTALL)
    assert written is not None
    shown = parse_price_table(written[1].encode(), "docs/cost.md")

    assert shown.machine("big-spot").is_reclaimable
    assert shown.commitment("instance", 3).discount == 0.5


def test_the_page_on_cost_lists_every_table_with_its_day():
    for name, table in TABLES.items():
        assert re.search(rf"^\| `{name}` \| .* \| {table.date} \|", COST_PAGE, re.MULTILINE), name
