"""Finding a price table: one that is shipped, by its name, or a file of the user's own."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from replay.engine.simulation import simulated_plane
from replay.engine.types import Budget
from replay.judge.money.cost import CostError, Size, check_size
from replay.judge.money.price_table import PriceTable, PriceTableError, parse_price_table
from replay.target import Cost, Target, TargetError

_SUFFIX = ".toml"


def shipped_prices() -> list[str]:
    """The names of the tables in the package."""
    folder = files("replay.judge.money") / "prices"
    return sorted(item.name.removesuffix(_SUFFIX) for item in folder.iterdir() if item.name.endswith(_SUFFIX))


def price_table(name: str) -> PriceTable:
    """A shipped table by its name, or one from a file. Raises PriceTableError."""
    if name in shipped_prices():
        return parse_price_table(
            (files("replay.judge.money") / "prices" / f"{name}{_SUFFIX}").read_bytes(), name
        )
    try:
        return parse_price_table(Path(name).read_bytes(), name)
    except FileNotFoundError as cause:
        raise PriceTableError(
            f"{name}: no such price table. Name a file, or one of {', '.join(shipped_prices())}."
        ) from cause
    except OSError as cause:
        raise PriceTableError(f"{name}: the price table cannot be read ({cause.strerror}).") from cause


def check_prices(targets: Sequence[Target]) -> None:
    """Raises PriceTableError for a table or a machine that is not there, and CostError for an instance that the
    platform does not have, before an hour was spent on runs; TargetError where [simulate] cannot be read.
    """
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
    """Raises TargetError where a budget is in another currency than a target's prices."""
    if budget is None or not budget.currency:
        return
    for target in targets:
        known = currency_of(target)
        if known is not None and known.upper() != budget.currency:
            raise TargetError(
                f"{target.name}: has its prices in {known}, and the budget is in {budget.currency}. Give it in {known}."
            )
