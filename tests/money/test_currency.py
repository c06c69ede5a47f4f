"""Bills in one currency, or none: prices by hand at a stated rate."""

from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.choice.types import PilotPlane
from replay.engine.types import Budget
from replay.money.cost import CostError, Fleet, Size, machine_bill, serverless_bill
from replay.money.currency import common_currency, in_currency
from replay.money.price_table import (
    PRICES,
    Extra,
    InstanceBilling,
    Machine,
    PriceTable,
    RequestBilling,
    Tier,
    parse_price_table,
)
from replay.money.usage import MONTH_S, Usage
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.target import Target
from replay.trials.pilot.pricing.levels import Measured
from replay.trials.pilot.pricing.money import price_planes
from replay.trials.prices import check_currency, check_prices, price_table, shipped_prices, tables_of
from tests.support.priced import a_run, a_shape

EURO = """
provider = "Mine"
region = "here"
currency = "EUR"
date = 2026-11-01
source = "a contract"
egress_gib = 0.10
egress_free_gib = 1.0
balancer_month = 10.0
[machines.big]
hour = 1.0
vcpu = 4
memory_gib = 16
[[extras]]
name = "disk"
month = 5.0
"""


def test_a_bill_at_a_stated_rate_is_the_same_bill_times_that_rate():
    month = Usage(seconds=MONTH_S, egress_bytes=101 * 2**30)
    euro = parse_price_table(EURO.encode(), "mine.toml")

    dollars = in_currency(euro, "USD", {"EUR": 1.08})
    bill = machine_bill(month, dollars, Fleet("big", 1))

    # (730 h x 1.0 + a disk at 5.0 + 100 GiB at 0.10) x 1.08.
    assert (bill.currency, round(bill.total, 6)) == ("USD", round(745 * 1.08, 6))
    assert dollars.source == "a contract; at 1.08 USD for one EUR"
    assert dollars.balancer_month == pytest.approx(10.8)
    assert dollars.machines["big"].vcpu == 4


@pytest.mark.parametrize("name", shipped_prices())
@given(rate=st.floats(0.01, 1e4), seconds=st.floats(1, 1e8))
def test_every_table_converts_its_prices_and_nothing_else(name: str, rate: float, seconds: float):
    table = price_table(name)
    other = in_currency(table, "EUR", {"USD": rate})

    assert (other.date, other.limits, other.egress_free_gib) == (
        table.date,
        table.limits,
        table.egress_free_gib,
    )
    if table.request is not None and other.request is not None:
        month = Usage(
            seconds=MONTH_S, active_s=seconds, billed_s=seconds, requests=seconds, egress_bytes=seconds
        )
        bills = [serverless_bill(month, one, Size(1, 2, 3)).total for one in (table, other)]
        assert bills[1] == pytest.approx(rate * bills[0])
    for kind, machine in table.machines.items():
        assert other.machines[kind].hour == pytest.approx(rate * machine.hour)


def test_the_one_currency_without_a_rate_is_that_of_the_bills():
    both = [("a", "EUR"), ("b", "USD")]

    assert common_currency(both, {"EUR": 1.08}) == "USD"
    assert common_currency(both, {"USD": 0.93}) == "EUR"
    assert common_currency([("a", "EUR"), ("b", "EUR")], {"EUR": 1.08}) == "EUR"
    with pytest.raises(CostError, match="EUR and USD each have a rate"):
        common_currency(both, {"EUR": 1.08, "USD": 1})
    with pytest.raises(
        CostError, match=r"^a is priced in EUR and b is priced in USD, .* what one EUR is worth in USD"
    ):
        common_currency(both, {"GBP": 1.3})


def a_target(name: str, price: str, **cost: object) -> Target:
    return Target(url="http://x", name=name, plane="vm", cost=Cost(price=price, **cost))  # type: ignore[arg-type]


@pytest.fixture
def euro(tmp_path):
    path = tmp_path / "euro.toml"
    path.write_text(EURO)
    return str(path)


def test_a_pilot_of_two_currencies_is_refused_before_it_begins_or_converted_at_the_stated_rate(euro):
    vm = a_target("vm", "gce-e2-us-central1", machine="e2-medium", rps=100.0)
    mine = a_target("mine", euro, machine="big", rps=100.0, staff_hours=2.0, staff_rate=50.0)
    rated = a_target(
        "mine", euro, machine="big", rps=100.0, staff_hours=2.0, staff_rate=50.0, rates={"EUR": 1.08}
    )

    with pytest.raises(CostError, match="bills in different currencies cannot be compared"):
        check_prices([vm, mine])
    check_prices([vm, rated])
    planes = [PilotPlane(target="vm", plane="vm"), PilotPlane(target="mine", plane="vm")]
    money = price_planes(
        [vm, rated], planes, {name: Measured(a_run(), 0.0, True) for name in ("vm", "mine")}, a_shape()
    )

    assert [plane.currency for plane in planes] == ["USD", "USD"]
    assert planes[1].cost_month == pytest.approx(735 * 1.08)
    assert planes[1].staff_month == pytest.approx(2 * 50 * 1.08)
    assert [fact["currency"] for fact in money.prices] == ["USD", "USD"]
    assert "at 1.08 USD for one EUR" in money.prices[1]["source"]


def test_rates_that_contradict_one_another_are_refused(euro):
    with pytest.raises(CostError, match=r"the targets give two rates for EUR, 1\.08 and 1\.1; state one\."):
        tables_of([a_target("a", euro, rates={"EUR": 1.08}), a_target("b", euro, rates={"EUR": 1.1})])


def test_one_budget_does_not_hold_for_prices_in_two_currencies(euro):
    with pytest.raises(TargetError, match=r"\(a in USD and b in EUR\), so one budget cannot hold for all"):
        check_currency(Budget(5.0), [a_target("a", "gce-e2-us-central1"), a_target("b", euro)])


@pytest.mark.parametrize(
    ("rate", "says"),
    [("{ euro = 1.0 }", '"euro" is not a valid currency code'), ("{ EUR = 0 }", "worth more than 0")],
)
def test_a_rate_that_is_none_is_refused(tmp_path, rate: str, says: str):
    path = tmp_path / "t.toml"
    path.write_text(f'url = "http://x"\n[cost]\nprice = "p"\nrates = {rate}\n')

    with pytest.raises(TargetError, match=says):
        load_target(str(path))


def test_every_price_of_a_table_is_known_as_one():
    # A field that is added to a table and is not known as a price would stay in the other currency.
    amounts = {"egress_free_gib", "granularity_ms", "machine_minimum_s", "minimum_s", "vcpu", "memory_gib"}
    amounts |= {"sustained", "above_gib_s"}
    kinds = (PriceTable, RequestBilling, InstanceBilling, Machine, Extra, Tier)
    fields = [field for kind in kinds for field in get_type_hints(kind).items()]
    figures = {name for name, kind in fields if kind in (float, float | None)}

    assert figures == PRICES | amounts
