"""Where serverless and machines cost the same, how sure that is, and which input moves it most. Pure.

The load is scaled as a whole: k times the requests, k times the active seconds, k times the peak, and so as many
machines as that takes. The crossing is where the two bills meet, told as utilisation (instances active in the mean),
requests a day, and, with the load as it is, requests in an instance at once. With one machine and no free tier this is
U* = (M r_v - l p) / r_s, where r_v is a machine's price, r_s an active instance's, and l p the price of the requests.

Intervals are percentiles of a bootstrap over windows of the run (Efron and Tibshirani 1993, ch. 13), which keeps what
happens within a window together. Nothing is said unless active seconds were measured or simulated.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.choice.types import BreakEvenFound, Sensitive
from replay.judge.money.cost import Fleet, Size, machine_bill, serverless_bill
from replay.judge.money.price_table import Extra, Machine, PriceTable, RequestBilling
from replay.judge.money.sizing import machines_for
from replay.judge.money.usage import MONTH_S, Usage
from replay.judge.phrases import number

_DAY_S = 86_400.0
_LEAST, _MOST = 1e-4, 1e4
_POINTS = 97
_CURVE_POINTS = 41
_DRAWS = 200
_CONFIDENCE = 0.95
_NUDGE = 0.01
_FARTHEST = 100.0


class Offer(NamedTuple):
    """Both planes' prices for one workload. capacity_rps: of one machine; peak_rps: of the workload. names: of the
    serverless target, and that of machines.
    """

    month: Usage
    serverless: PriceTable
    size: Size
    machines: PriceTable
    fleet: Fleet
    capacity_rps: float
    peak_rps: float
    headroom: float
    names: tuple[str, str]


class Change(NamedTuple):
    """An input multiplied: the load as a whole, requests in an instance, and so on."""

    load: float = 1.0
    concurrency: float = 1.0
    duration: float = 1.0
    memory: float = 1.0
    serverless_price: float = 1.0
    machine_price: float = 1.0
    capacity: float = 1.0
    peak: float = 1.0


def costs(offer: Offer, change: Change = Change()) -> tuple[float, float]:  # noqa: B008 - a NamedTuple
    """The month on the serverless plane, and on machines, after a change. Raises CostError."""
    month = offer.month.times(change.load)
    month = msgspec.structs.replace(month, seconds=offer.month.seconds)
    stretched = change.duration / change.concurrency
    month = msgspec.structs.replace(
        month,
        active_s=month.active_s * stretched,
        billed_s=month.billed_s * stretched,
        request_s=month.request_s * change.duration,
        live_s=None if month.live_s is None else month.live_s * stretched,
    )
    size = offer.size._replace(memory_gib=offer.size.memory_gib * change.memory)
    table = _priced(offer.serverless, change.serverless_price)
    machines = machines_for(
        offer.peak_rps * change.load * change.peak,
        offer.capacity_rps * change.capacity / change.duration,
        offer.headroom,
    )
    fleet = offer.fleet._replace(machines=machines)
    other = _priced(offer.machines, change.machine_price)
    return serverless_bill(month, table, size).total, machine_bill(month, other, fleet).total


def _priced(table: PriceTable, factor: float) -> PriceTable:
    """The table with the prices of instances, requests and machines multiplied."""
    if factor == 1.0:
        return table
    request = table.request
    if request is not None:
        request = msgspec.structs.replace(
            request, **{name: getattr(request, name) * factor for name in _REQUEST_PRICES}
        )
    instance = table.instance
    if instance is not None:
        instance = msgspec.structs.replace(
            instance, vcpu_s=instance.vcpu_s * factor, gib_s=instance.gib_s * factor
        )
    return msgspec.structs.replace(
        table,
        request=request,
        instance=instance,
        machines={
            kind: Machine(machine.hour * factor, machine.vcpu, machine.memory_gib)
            for kind, machine in table.machines.items()
        },
        extras=tuple(Extra(extra.name, extra.month * factor) for extra in table.extras),
    )


_REQUEST_PRICES = tuple(
    field.name
    for field in msgspec.structs.fields(RequestBilling)
    if field.type is float and field.name != "granularity_ms"
)


def break_evens(offer: Offer, drawn: Sequence[Usage] = ()) -> list[BreakEvenFound]:
    """The crossing, by utilisation, by requests a day and by concurrency. drawn: months made of resampled windows."""
    reason = _refused(offer)
    if reason is not None:
        return [BreakEvenFound(between=offer.names, by=by, reason=reason, text=reason) for by in _UNITS]
    found = []
    for name, ways in (("load", ("utilisation", "requests")), ("concurrency", ("concurrency",))):
        at = _crosses_at(offer, name)
        others = [(month, _crosses_at(offer._replace(month=month), name)) for month in drawn]
        for by in ways:
            ends = [factor * _scale(month, by) for month, factor in others if factor is not None]
            found.append(_found(offer, by, name, at, _interval(ends, len(drawn))))
    return found


def _crosses_at(offer: Offer, name: str) -> float | None:
    """The factor of that input at which the bills meet. More load makes serverless dearer, more sharing cheaper."""
    sign = -1 if name == "concurrency" else 1

    def difference(factor: float) -> float:
        serverless, machines = costs(offer, Change(**{name: factor}))
        return sign * (serverless - machines)

    return crossing(difference)


def _scale(month: Usage, by: str) -> float:
    """What a factor of 1 is, in the unit of `by`."""
    if by == "utilisation":
        return month.active_instances
    return month.requests / month.seconds * _DAY_S if by == "requests" else month.concurrency or 0.0


_UNITS = {
    "utilisation": "active instances",
    "requests": "requests a day",
    "concurrency": "requests in an instance",
}


def _refused(offer: Offer) -> str | None:
    month = offer.month
    if month.basis == "missing" or month.concurrency is None:
        return (
            "no break-even: active instance seconds and concurrency were neither measured nor simulated; name the "
            "target's instance_header in its file"
        )
    return None


def _around(at: float | None) -> tuple[float, float]:
    """Of what range to draw the curve: where it is now, and the crossing."""
    low, high = min(at or 1.0, 1.0), max(at or 1.0, 1.0)
    return max(low / 5, _LEAST), min(high * 5, _MOST)


def crossing(difference: Callable[[float], float]) -> float | None:
    """The first factor, from small to large, at which the difference turns from negative to not; None if it never does.

    Machines come in whole ones, so that it may turn more than once; the first crossing is the one that is told.
    """
    factors = np.geomspace(_LEAST, _MOST, _POINTS)
    before = None
    for k in factors.tolist():
        value = difference(k)
        if value >= 0 and before is not None:
            return _bisected(difference, before, k)
        before = k if value < 0 else None
    return None


def _bisected(difference: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(30):
        middle = (low * high) ** 0.5
        if difference(middle) >= 0:
            high = middle
        else:
            low = middle
    return high


def _interval(ends: list[float], drawn: int) -> tuple[float, float] | None:
    """Percentiles; None where hardly any of the drawn months crosses."""
    if not drawn or len(ends) < 0.9 * drawn:
        return None
    low, high = np.quantile(ends, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return round(float(low), 6), round(float(high), 6)


def _found(
    offer: Offer, by: str, name: str, factor: float | None, ci: tuple[float, float] | None
) -> BreakEvenFound:
    now = _scale(offer.month, by)
    at = None if factor is None else factor * now
    factors = np.geomspace(*_around(factor), _CURVE_POINTS).tolist()
    curve = [(k * now, *costs(offer, Change(**{name: k}))) for k in factors]
    serverless, machines = costs(offer)
    cheaper = offer.names[0] if serverless < machines else offer.names[1]
    unit = _UNITS[by]
    if at is None:
        text = f"{cheaper} is cheaper at all of {number(now * _LEAST)} to {number(now * _MOST)} {unit}"
    else:
        more = f"{number(at / now)} times as many" if now else "more"
        text = f"{cheaper} is cheaper at {number(now)} {unit}; both cost the same at {number(at)} ({more})"
    return BreakEvenFound(
        between=offer.names,
        by=by,
        unit=unit,
        at=None if at is None else round(at, 6),
        ci=ci,
        now=round(now, 6),
        reason=None if at is not None else "the two bills do not cross",
        text=text,
        curve=[(round(x, 6), round(a, 4), round(b, 4)) for x, a, b in curve],
    )


INPUTS: tuple[tuple[str, str], ...] = (
    ("load", "the load as a whole"),
    ("concurrency", "requests that share an instance"),
    ("duration", "how long requests take"),
    ("memory", "memory of an instance"),
    ("serverless_price", "serverless prices"),
    ("machine_price", "machine prices"),
    ("capacity", "what a machine carries"),
    ("peak", "the peak over the mean"),
)


def sensitivity(offer: Offer) -> list[Sensitive]:
    """Each input: the elasticity of serverless over machines in it, and the factor that flips which is cheaper.

    The one that flips it soonest comes first.
    """
    if _refused(offer) is not None:
        return []
    now_a, now_b = costs(offer)
    found = []
    for name, what in INPUTS:
        up, down = (costs(offer, Change(**{name: 1 + sign * _NUDGE})) for sign in (1, -1))
        slope = _log_ratio(up) - _log_ratio(down)
        found.append(
            Sensitive(
                input=what,
                value=_value(offer, name),
                unit=_VALUE_UNITS.get(name, ""),
                elasticity=round(slope / (2 * _NUDGE), 4),
                flips_at_factor=_flip(offer, name, is_first_cheaper=now_a < now_b),
            )
        )
    return sorted(found, key=_soonest)


def _log_ratio(pair: tuple[float, float]) -> float:
    a, b = pair
    return float(np.log(max(a, 1e-9) / max(b, 1e-9)))


_VALUE_UNITS = {
    "load": "requests a day",
    "concurrency": "requests",
    "memory": "GiB",
    "capacity": "rps",
    "peak": "rps",
}


def _value(offer: Offer, name: str) -> float | None:
    month = offer.month
    values = {
        "load": month.requests / month.seconds * _DAY_S,
        "concurrency": month.concurrency,
        "duration": month.request_s / month.requests if month.requests else None,
        "memory": offer.size.memory_gib,
        "capacity": offer.capacity_rps,
        "peak": offer.peak_rps,
    }
    value = values.get(name)
    return None if value is None else round(value, 6)


def _flip(offer: Offer, name: str, *, is_first_cheaper: bool) -> float | None:
    """The factor nearest to one, either way, at which the other plane is the cheaper; None within a hundredfold."""
    nearest: float | None = None
    steps = np.geomspace(1.0, _FARTHEST, 121).tolist()[1:]
    for direction in (1, -1):
        for step in steps:
            factor = step**direction
            if nearest is not None and abs(np.log(factor)) >= abs(np.log(nearest)):
                break
            a, b = costs(offer, Change(**{name: factor}))
            if (a < b) != is_first_cheaper:
                nearest = factor
                break
    return None if nearest is None else round(nearest, 4)


def _soonest(one: Sensitive) -> float:
    return _FARTHEST if one.flips_at_factor is None else abs(float(np.log(one.flips_at_factor)))


def resampled(windows: Sequence[Usage], seed: int, draws: int = _DRAWS) -> list[Usage]:
    """Usages, each the sum of as many windows drawn with replacement; nothing for fewer than five windows."""
    if len(windows) < 5:
        return []
    random = np.random.default_rng(seed)
    names = ("requests", "active_s", "billed_s", "request_s", "boot_s", "egress_bytes")
    table = np.array([[getattr(window, name) for name in names] for window in windows])
    whole = windows[0]
    found = []
    for _ in range(draws):
        sums = table[random.integers(0, len(windows), len(windows))].sum(axis=0)
        values = dict(zip(names, (float(value) for value in sums), strict=True))
        seconds = sum(window.seconds for window in windows)
        found.append(
            msgspec.structs.replace(whole, seconds=seconds, live_s=None, **values).times(MONTH_S / seconds)
        )
    return found
