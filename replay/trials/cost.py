"""Pricing a run directory: its record, its instances, and price tables by name or from files."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from replay.money.calendar import Calendar
from replay.money.cost import CostError, Size
from replay.money.month import Beside, OnMachines, OnServerless, RunCost, cost_of_run
from replay.results.evidence import read_evidence
from replay.trials.evidence import read_instances
from replay.trials.prices import one_currency


class MachineWish(NamedTuple):
    """A machine to be priced. price: a shipped table's name or a file; kind: of a machine in it."""

    price: str
    kind: str


def machine_wish(text: str) -> MachineWish:
    """A machine as it is written: TABLE:KIND. Raises CostError."""
    price, _, kind = text.rpartition(":")
    if not price or not kind:
        raise CostError(
            f"{text!r} does not name a machine. Write gce-e2-us-central1:e2-standard-2, or FILE:KIND."
        )
    return MachineWish(price, kind)


def price_run(
    run_dir: Path,
    prices: Sequence[str],
    machines: Sequence[MachineWish] = (),
    *,
    size: Size,
    machine_rps: float | None = None,
    machine_slots: float | None = None,
    headroom: float = 0.3,
    discount: float = 0.0,
    scales: bool = False,
    beside: Beside = Beside(),  # noqa: B008 - a NamedTuple
    requests_a_day: float | None = None,
    calendar: Calendar | None = None,
    rates: Mapping[str, float] | None = None,
    today: datetime.date | None = None,
) -> RunCost:
    """What the run's load costs a month by these tables. headroom, discount: 0.3 is thirty percent. machine_rps: what
    one machine carries, or machine_slots: requests that it has at once; with neither, as the run's own machines held
    it. scales: machines come and go with the load. rates: what one of another currency is worth in that of the bills;
    what stands beside them is in that one, too.

    Raises RunDirError, PriceTableError, and CostError where a table lacks what is asked of it.
    """
    tables = one_currency([*prices, *(wish.price for wish in machines)], rates or {})
    serverless = [OnServerless(name, tables[name], size) for name in prices]
    fleets = [
        OnMachines(
            f"{wish.price}:{wish.kind}",
            tables[wish.price],
            wish.kind,
            machine_rps,
            headroom,
            discount,
            machine_slots,
            scales,
        )
        for wish in machines
    ]
    for fleet in fleets:
        fleet.table.machine(fleet.kind)
    try:
        return cost_of_run(
            read_evidence(run_dir),
            serverless,
            fleets,
            today or datetime.datetime.now(datetime.UTC).date(),
            beside=beside,
            requests_a_day=requests_a_day,
            instances=read_instances(run_dir) or (),
            calendar=calendar,
        )
    except CostError as cause:
        raise CostError(f"{run_dir}: {cause}.") from cause
