"""Finding a price table: one that is shipped, by its name, or a file of the user's own."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.engine.types import Budget
from replay.money.cost import CostError, Size, check_size
from replay.money.currency import common_currency, in_currency
from replay.money.price_table import PriceTable, PriceTableError, on_nodes, parse_price_table
from replay.simulation.simulation import simulated_plane
from replay.system.files import read_small
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.words.numbers import exact

_SUFFIX = ".toml"


def shipped_prices() -> list[str]:
    """The names of the tables in the package."""
    folder = files("replay.money") / "prices"
    return sorted(item.name.removesuffix(_SUFFIX) for item in folder.iterdir() if item.name.endswith(_SUFFIX))


def price_table(name: str) -> PriceTable:
    """A shipped table by its name, or one from a file, with the machines of its nodes. Raises PriceTableError."""
    table = _written(name)
    if table.limits_of:
        table = msgspec.structs.replace(table, limits=_written(table.limits_of).limits)
    return on_nodes(table, _written(table.nodes_of)) if table.nodes_of else table


def _written(name: str) -> PriceTable:
    if name in shipped_prices():
        return parse_price_table((files("replay.money") / "prices" / f"{name}{_SUFFIX}").read_bytes(), name)
    try:
        return parse_price_table(read_small(Path(name)), name)
    except FileNotFoundError as cause:
        raise PriceTableError(
            f"{name}: no such price table. Name a file, or one of those that `replay cost --tables` lists."
        ) from cause
    except OSError as cause:
        raise PriceTableError(f"{name}: the price table cannot be read ({cause.strerror}).") from cause


def one_currency(names: Sequence[str], rates: Mapping[str, float]) -> dict[str, PriceTable]:
    """The tables of these names, in one currency. Raises PriceTableError, and CostError if they are not in one and the
    rates do not make them.
    """
    tables = {name: price_table(name) for name in names}
    if not tables:
        return {}
    currency = common_currency([(name, table.currency) for name, table in tables.items()], rates)
    return {name: in_currency(table, currency, rates) for name, table in tables.items()}


class Tables(NamedTuple):
    """The price tables of some targets, by name, in one currency. rates: into it, by which they were converted."""

    by_name: dict[str, PriceTable]
    rates: dict[str, float]

    def of(self, cost: Cost) -> PriceTable:
        return self.by_name[cost.price]

    def of_machines(self, cost: Cost) -> PriceTable:
        return self.by_name[cost.machine_price or cost.price]

    def worth(self, cost: Cost) -> float:
        """What one unit of the currency in which a target states its own prices (of staff, of calls) is worth."""
        own = price_table(cost.price).currency
        return 1.0 if own == self.of(cost).currency else self.rates[own]


def tables_of(targets: Sequence[Target]) -> Tables:
    """All price tables that targets name. Raises PriceTableError; CostError for currencies that are several, or rates
    that contradict one another.
    """
    costs = [target.cost for target in targets if target.cost is not None]
    rates: dict[str, float] = {}
    for cost in costs:
        for code, rate in cost.rates.items():
            if rates.setdefault(code, rate) != rate:
                raise CostError(
                    f"the targets give two rates for {code}, {exact(rates[code])} and {exact(rate)}; state one."
                )
    names = [name for cost in costs for name in (cost.price, cost.machine_price) if name]
    try:
        return Tables(one_currency(names, rates), rates)
    except CostError as cause:
        raise CostError(f"{cause}.") from cause


def check_prices(targets: Sequence[Target]) -> None:
    """Raises PriceTableError for a table or a machine that is not there, and CostError for an instance that the
    platform does not have or for bills in different currencies, before an hour was spent on runs; TargetError where
    [simulate] cannot be read.
    """
    tables_of(targets)
    for target in targets:
        cost = target.cost
        if cost is None:
            continue
        tables = [price_table(name) for name in (cost.price, cost.machine_price) if name]
        if cost.machine is not None:
            tables[-1].machine(cost.machine)
        if cost.machine is None or target.plane == "hybrid":
            at_once = simulated_plane(target).plane.concurrency if target.simulate is not None else None
            try:
                check_size(tables[0], size_of(cost), at_once)
            except CostError as cause:
                raise CostError(f"{target.name}: {cause}.") from cause


def size_of(cost: Cost) -> Size:
    """The serverless instance that a target file describes."""
    return Size(cost.vcpu, cost.memory_gib, cost.min_instances, cost.billing)


def currency_of(target: Target) -> str | None:
    """What the prices of a target are in; None where it has none, or its table cannot be read."""
    try:
        return None if target.cost is None else price_table(target.cost.price).currency
    except PriceTableError:
        return None


def check_currency(budget: Budget | None, targets: Sequence[Target]) -> None:
    """Raises TargetError where a budget is in another currency than a target's prices, or those are in several."""
    if budget is None:
        return
    if not budget.currency:
        found = {target.name: currency for target in targets if (currency := currency_of(target)) is not None}
        if len(set(found.values())) > 1:
            said = " and ".join(f"{name} in {currency}" for name, currency in found.items())
            raise TargetError(
                f"prices are in different currencies ({said}), so one budget cannot hold for all of them."
            )
        return
    for target in targets:
        known = currency_of(target)
        if known is not None and known.upper() != budget.currency:
            raise TargetError(
                f"{target.name}: has its prices in {known}, and the budget is in {budget.currency}. Give it in {known}."
            )
