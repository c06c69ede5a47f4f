"""What a run's load costs a month."""

from collections.abc import Mapping, Sequence
from os import fspath
from typing import Literal

from replay.api.inputs import AnyPath, path_of
from replay.errors import InputError
from replay.money.calendar import Calendar
from replay.money.cost import Size
from replay.money.month import Beside, RunCost
from replay.trials.calendars import calendar_from
from replay.trials.cost import machine_wish, price_run


def cost(
    run: AnyPath,
    *,
    prices: Sequence[str] = (),
    machines: Sequence[str] = (),
    vcpu: float = 1.0,
    memory_gib: float = 0.5,
    min_instances: int = 0,
    billing: Literal["request", "instance", "worker-pool"] = "request",
    machine_rps: float | None = None,
    machine_slots: float | None = None,
    headroom: float = 0.3,
    discount: float = 0.0,
    scales: bool = False,
    month: AnyPath | Calendar | None = None,
    requests_a_day: float | None = None,
    staff_hours: Sequence[float] = (),
    staff_rate: float = 0.0,
    call_price: float = 0.0,
    token_price: float = 0.0,
    rates: Mapping[str, float] | None = None,
) -> RunCost:
    """Say what the load of a run costs a month, by price tables.

    run: its directory. prices: tables to price it by as serverless, by their names (`replay cost --tables` lists
    them) or files; vcpu, memory_gib, min_instances, billing: of an instance there. machines: machines to price it
    on, each as "TABLE:KIND", such as "gce-e2-us-central1:e2-medium"; machine_rps: requests a second that one
    carries, or machine_slots: requests that it has at once; without both, as the run's own machines held it. headroom:
    what machines carry beyond the peak, 0.3 for thirty percent; discount: off their price, 0 to 1; scales: they
    come and go with the load. month: how the month looks: a calendar's name, its file, or a log of counts; None: as
    the run, all month. requests_a_day: scale the load to this. Beside the bill: staff_hours a month (one figure, or
    low, mid and high) at staff_rate; call_price of a model call, token_price of a million tokens. rates: what one
    of another currency is worth in that of the bills, such as {"EUR": 1.08}.

    Returns the bills. One that is None has no price, since the run does not tell enough: its `reason` says what.

    Raises InputError for a run, a table or a calendar that cannot be used.
    """
    if not prices and not machines:
        raise InputError("name a price table in prices, or a machine in machines.")
    if isinstance(prices, str) or isinstance(machines, str):
        raise InputError('prices and machines are lists. Write prices=["cloud-run-us-central1"].')
    if machine_rps is not None and machine_slots is not None:
        raise InputError("machine_rps and machine_slots exclude each other; state the one that you know.")
    for name, value, is_usable in (
        ("vcpu", vcpu, vcpu > 0),
        ("memory_gib", memory_gib, memory_gib > 0),
        ("min_instances", min_instances, min_instances >= 0),
        ("headroom", headroom, headroom >= 0),
        ("discount", discount, 0 <= discount < 1),
        (
            "staff_hours",
            staff_hours,
            len(staff_hours) in (0, 1, 3) and list(staff_hours) == sorted(staff_hours),
        ),
    ):
        if not is_usable:
            raise InputError(f"replay.cost cannot take {name}={value!r}.")
    calendar = month if month is None or isinstance(month, Calendar) else calendar_from(fspath(month))
    return price_run(
        path_of(run),
        prices,
        [machine_wish(text) for text in machines],
        size=Size(vcpu, memory_gib, min_instances, billing),
        machine_rps=machine_rps,
        machine_slots=machine_slots,
        headroom=headroom,
        discount=discount,
        scales=scales,
        beside=Beside(tuple(staff_hours), staff_rate, call_price, token_price),
        requests_a_day=requests_a_day,
        calendar=calendar,
        rates=rates,
    )
