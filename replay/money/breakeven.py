"""Where serverless and machines cost the same, how sure that is, and which input moves it most. Pure.

The load is scaled as a whole: k times the sessions, and so k times the requests, k times the active seconds, k times
the peak, and as many machines as that takes: at the peak, where they are on all month, or window by window, where they
follow the load. What comes together takes machines that are on all month, too, and a session's own calls are as many
however many sessions there are. The crossing is where the two bills meet, told as utilisation (instances active on
average), requests a day, and, with the load as it is, requests in an instance at once. With one machine and no free
tier this is U* = (M r_v - l p) / r_s, where r_v is a machine's price, r_s an active instance's, and l p the price of
the requests. Machines come whole, so that the bills may meet again: between two sizes of a fleet the difference grows,
and at the next size it falls.

Intervals are percentiles of a bootstrap over windows of the run (Efron and Tibshirani 1993, ch. 13), which keeps what
happens within a window together. Nothing is said unless active seconds were measured or simulated.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache
from heapq import merge
from itertools import pairwise
from math import ceil, exp, floor, log, log2
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.money.cost import Fleet, Group, Size, group_bill, machine_bill, serverless_bill
from replay.money.following import Follows, Kept, kept, stretched
from replay.money.price_table import PRICES, Extra, PriceTable, RequestBilling, Tier
from replay.money.resampling import LIVES
from replay.money.sizing import Bursts, machines_for
from replay.money.types import BreakEvenFound, Sensitive
from replay.money.usage import MONTH_S, Usage
from replay.words.numbers import number

_DAY_S = 86_400.0
_LEAST, _MOST = 1e-4, 1e4
_POINTS = 97
_CURVE_POINTS = 41
_CONFIDENCE = 0.95
_NUDGE = 0.01
_FARTHEST = 100.0
# Fleets of so many machines are looked at one by one; of larger ones, a machine more is a percent of the bill. For an
# interval, two hundred months are looked at, and each of them less closely.
_MOST_JUMPS = 100
_FEW_JUMPS = 10
_BEYOND = 1e-6
# How near two factors are, on the log scale, that are taken for one.
_TURN = 1e-10
# Steps more than halving takes, at most.
_SLACK = 3
_OTHERS_SHOWN = 5


class Offer(NamedTuple):
    """Both planes' prices for one workload. capacity_rps: of one machine; peak_rps: of the workload. names: of the
    serverless target, and that of machines. follows: the load, where machines come and go with it; None: they are on
    all month. following: how many times as many machines the plane's own run had as that load takes. known: the
    machines that follow it, by what they depend on of a change; the months that are drawn share them. bursts: what
    comes together, where machines that are on all month are as many as bear that.
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
    follows: Follows | None = None
    following: float = 1.0
    known: dict[tuple[float, float, float], Kept] | None = None
    bursts: Bursts | None = None


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
    changed: dict[str, float | None] = {"seconds": offer.month.seconds}
    stretched = change.duration / change.concurrency
    if stretched != 1.0 or change.duration != 1.0:
        changed["active_s"] = month.active_s * stretched
        changed["billed_s"] = month.billed_s * stretched
        changed["request_s"] = month.request_s * change.duration
        for name in LIVES:
            if (value := getattr(month, name)) is not None:
                changed[name] = value * stretched
    month = msgspec.structs.replace(month, **changed)
    size = offer.size
    if change.memory != 1.0:
        size = size._replace(memory_gib=size.memory_gib * change.memory)
    table = _priced(offer.serverless, change.serverless_price)
    return serverless_bill(month, table, size).total, _machines_cost(offer, month, change)


def _machines_cost(offer: Offer, month: Usage, change: Change) -> float:
    prices = _priced(offer.machines, change.machine_price)
    capacity_rps = offer.capacity_rps * change.capacity / change.duration
    if offer.follows is None:
        machines = machines_for(offer.peak_rps * change.load * change.peak, capacity_rps, offer.headroom)
        if offer.bursts is not None:
            together = offer.bursts.machines(change.load * change.peak) * change.duration / change.capacity
            machines = max(machines, ceil(round(together, 9)))
        return machine_bill(month, prices, offer.fleet._replace(machines=machines)).total
    depends_on = capacity_rps, change.load, change.peak
    there = None if offer.known is None else offer.known.get(depends_on)
    if there is None:
        load = offer.follows if change.peak == 1.0 else stretched(offer.follows, change.peak)
        there = kept(load, capacity_rps, offer.headroom, change.load, offer.following)
        if offer.known is not None:
            offer.known[depends_on] = there
    machine_s = there.mean * MONTH_S
    return group_bill(month, prices, Group(offer.fleet.kind, machine_s, there.most, offer.fleet.discount)).total


def _priced(table: PriceTable, factor: float) -> PriceTable:
    """The table with the prices of instances, requests and machines multiplied."""
    if factor == 1.0:
        return table
    request = table.request
    if request is not None:
        request = msgspec.structs.replace(
            request,
            tiers=tuple(Tier(tier.above_gib_s, tier.gib_s * factor) for tier in request.tiers),
            **{name: getattr(request, name) * factor for name in _REQUEST_PRICES},
        )
    instance = table.instance
    if instance is not None:
        instance = msgspec.structs.replace(
            instance,
            vcpu_s=instance.vcpu_s * factor,
            gib_s=instance.gib_s * factor,
            gpu_s=instance.gpu_s * factor,
        )
    return msgspec.structs.replace(
        table,
        request=request,
        instance=instance,
        machines={
            kind: msgspec.structs.replace(machine, hour=machine.hour * factor)
            for kind, machine in table.machines.items()
        },
        extras=tuple(Extra(extra.name, extra.month * factor) for extra in table.extras),
        balancer_month=table.balancer_month * factor,
        balancer_gib=table.balancer_gib * factor,
        cluster_hour=table.cluster_hour * factor,
        machine_request=table.machine_request * factor,
    )


_REQUEST_PRICES = tuple(name for name in RequestBilling.__struct_fields__ if name in PRICES)


def break_evens(
    offer: Offer, drawn: Sequence[Usage] = (), ways: Sequence[str] = ("utilisation", "requests", "concurrency")
) -> list[BreakEvenFound]:
    """Where the bills cross, by each of these ways. drawn: months made of resampled windows."""
    reason = _refused(offer)
    if reason is not None:
        return [BreakEvenFound(between=offer.names, by=by, reason=reason, text=reason) for by in ways]
    offer = offer._replace(known={})
    found = []
    for name in dict.fromkeys(_SCALED[by] for by in ways):
        factors = crossings(_difference(offer, name), _factors(offer, name, _MOST_JUMPS))
        nearest = _nearest(factors, 1.0)
        grid = _factors(offer, name, _FEW_JUMPS)
        others = [
            (month, cache(_difference(offer._replace(month=month), name)))
            for month in (drawn if nearest is not None else ())
        ]
        for by in (way for way in ways if _SCALED[way] == name):
            at = (nearest or 0.0) * _scale(offer.month, by)
            # Of each drawn month, the crossing that is this one.
            ends = [
                factor * scale
                for month, difference in others
                if (scale := _scale(month, by)) > 0 < at
                and (factor := nearest_crossing(difference, grid, at / scale)) is not None
            ]
            found.append(_found(offer, by, name, factors, _interval(ends, len(drawn))))
    return found


def _difference(offer: Offer, name: str) -> Callable[[float], float]:
    """By how much serverless is dearer, where that input is so many times what it is."""

    def difference(factor: float) -> float:
        serverless, machines = costs(offer, Change(**{name: factor}))
        return serverless - machines

    return difference


def _factors(offer: Offer, name: str, jumps: int) -> list[float]:
    """The factors of that input to look at, ascending. jumps: sizes of the fleet that are looked at one by one."""
    grid: npt.NDArray[np.float64] = np.geomspace(_LEAST, _MOST, _POINTS)
    if name == "load" and offer.follows is None:
        # Up to n machines carry this; a little more takes another one.
        full = np.arange(1, jumps + 1) * offer.capacity_rps / (offer.peak_rps * (1 + offer.headroom))
        if offer.bursts is not None:
            full = np.concatenate((full, offer.bursts.full(jumps)))
        grid = np.unique(np.concatenate((grid, full, full * (1 + _BEYOND))))
        grid = grid[(grid >= _LEAST) & (grid <= _MOST)]
    return [float(factor) for factor in grid]


def _nearest(values: Sequence[float], to: float) -> float | None:
    """The one that is the fewest times larger or smaller."""
    return min(values, key=lambda value: abs(np.log(value / to)) if value > 0 < to else np.inf, default=None)


def _scale(month: Usage, by: str) -> float:
    """What a factor of 1 is, in the unit of `by`."""
    if by == "utilisation":
        return month.active_instances
    return month.requests / month.seconds * _DAY_S if by == "requests" else month.concurrency or 0.0


_SCALED = {"utilisation": "load", "requests": "load", "concurrency": "concurrency"}
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
    if offer.size.billing == "worker-pool":
        return "no break-even: a worker pool costs the same whatever the load is"
    return None


def _around(at: float | None) -> tuple[float, float]:
    """Of what range to draw the curve: where it is now, and the crossing."""
    low, high = min(at or 1.0, 1.0), max(at or 1.0, 1.0)
    return max(low / 5, _LEAST), min(high * 5, _MOST)


def crossings(difference: Callable[[float], float], grid: Sequence[float]) -> list[float]:
    """Every factor, from small to large, at which the difference turns from negative to not, or back.

    Two turns between neighbours in the grid are not seen.
    """
    found = []
    before: tuple[float, bool] | None = None
    for factor in grid:
        is_dearer = difference(factor) >= 0
        if before is not None and is_dearer != before[1]:
            found.append(_turn(difference, before[0], factor, is_dearer=is_dearer))
        before = factor, is_dearer
    return found


def nearest_crossing(difference: Callable[[float], float], grid: Sequence[float], to: float) -> float | None:
    """Of those that `crossings` finds, the one that is the fewest times larger or smaller; looked for from there on."""

    def away(factor: float) -> float:
        return abs(log(factor / to))

    def least_away(pair: Sequence[float]) -> float:
        return 0.0 if pair[0] <= to <= pair[1] else min(map(away, pair))

    found = None
    place = bisect_left(grid, to)
    below = (grid[n : n + 2] for n in range(min(place, len(grid) - 1) - 1, -1, -1))
    beyond = (grid[n : n + 2] for n in range(place, len(grid) - 1))
    for low, high in merge(below, beyond, key=least_away):
        if found is not None and least_away((low, high)) > away(found):
            break
        is_dearer = difference(high) >= 0
        if is_dearer != (difference(low) >= 0):
            crossing = _turn(difference, low, high, is_dearer=is_dearer)
            if found is None or away(crossing) < away(found):
                found = crossing
    return found


def _turn(difference: Callable[[float], float], low: float, high: float, *, is_dearer: bool) -> float:
    """Where it turns between two factors, on the side of the higher one.

    By the ITP method (Oliveira and Takahashi 2020, "An enhancement of the bisection method average performance
    preserving minmax optimality"), on the log scale: never many more steps than halving takes, and a third of them
    where the difference is as smooth as it is between two sizes of a fleet.
    """
    a, b = log(low), log(high)
    of_a, of_b = difference(low), difference(high)
    most = ceil(log2(max(1.0, (b - a) / _TURN))) + _SLACK
    slope = 0.2 / (b - a)
    for step in range(most):
        if b - a <= _TURN:
            break
        half = (a + b) / 2
        falsi = (of_b * a - of_a * b) / (of_b - of_a)
        towards = 1.0 if half >= falsi else -1.0
        truncated = falsi + towards * slope * (b - a) ** 2
        if (half - truncated) * towards < 0:
            truncated = half
        within = _TURN / 2 * 2 ** (most - step) - (b - a) / 2
        at = truncated if abs(truncated - half) <= within else half - towards * within
        # Beside an end that is the turn itself to the last digit.
        at = min(max(at, a + _TURN / 2), b - _TURN / 2)
        of_at = difference(exp(at))
        if (of_at >= 0) == is_dearer:
            b, of_b = at, of_at
        else:
            a, of_a = at, of_at
    return exp(b)


def _interval(ends: list[float], drawn: int) -> tuple[float, float] | None:
    """Percentiles; None where hardly any of the drawn months crosses."""
    if not drawn or len(ends) < 0.9 * drawn:
        return None
    low, high = np.quantile(ends, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return round(float(low), 6), round(float(high), 6)


def _found(
    offer: Offer, by: str, name: str, factors: list[float], ci: tuple[float, float] | None
) -> BreakEvenFound:
    """factors: those at which the bills meet; the one that is nearest to the load as it is stands for them."""
    now = _scale(offer.month, by)
    factor = _nearest(factors, 1.0)
    at = None if factor is None else factor * now
    around = np.geomspace(*_around(factor), _CURVE_POINTS).tolist()
    curve = [(k * now, *costs(offer, Change(**{name: k}))) for k in around]
    serverless, machines = (round(amount, 2) for amount in costs(offer))
    cheaper = None if serverless == machines else offer.names[0] if serverless < machines else offer.names[1]
    unit = _UNITS[by]
    return BreakEvenFound(
        between=offer.names,
        by=by,
        unit=unit,
        at=None if at is None else round(at, 6),
        ci=ci,
        now=round(now, 6),
        reason=None if at is not None else "the two bills do not cross",
        text=_in_words(now, by, cheaper, factor, [each * now for each in factors]),
        curve=[(round(x, 6), round(a, 4), round(b, 4)) for x, a, b in curve],
        crossings=[round(each * now, 6) for each in factors],
        cheaper_now=cheaper,
    )


def _in_words(now: float, by: str, cheaper: str | None, factor: float | None, crossings_at: list[float]) -> str:
    says = "both cost the same" if cheaper is None else f"{cheaper} is cheaper"
    unit = _UNITS[by]
    if factor is None:
        if by == "concurrency":
            return f"{says} however many requests share an instance"
        return f"{says} at any load from a ten-thousandth of the present one to ten thousand times as much"
    more = f"{number(factor)} times as many" if now else "more"
    text = f"{says} at {number(now)} {unit}; both cost the same at {number(factor * now)} ({more})"
    others = [number(at) for at in crossings_at if at != factor * now]
    if not others:
        return text
    shown = others[:_OTHERS_SHOWN]
    rest = f" and {len(others) - len(shown)} more" if len(others) > len(shown) else ""
    return f"{text}, and again at {', '.join(shown)}{rest}, since machines come whole"


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

    def is_flipped(factor: float) -> bool:
        a, b = costs(offer, Change(**{name: factor}))
        return (a < b) != is_first_cheaper

    found: list[float] = []
    steps = np.geomspace(1.0, _FARTHEST, 121).tolist()
    for direction in (1, -1):
        for before, step in pairwise(steps):
            if found and step > max(found[0], 1 / found[0]):
                break
            if is_flipped(step**direction):
                found.append(_narrowed(is_flipped, before**direction, step**direction))
                break
    nearest = _nearest(found, 1.0)
    if nearest is None:
        return None
    # Away from one, so that it still flips.
    away = ceil if nearest > 1 else floor
    return away(nearest * 1e4) / 1e4


def _narrowed(is_flipped: Callable[[float], bool], before: float, after: float) -> float:
    """Where it flips between a factor at which it does not and one at which it does."""
    for _ in range(20):
        middle = (before * after) ** 0.5
        before, after = (before, middle) if is_flipped(middle) else (middle, after)
    return after


def _soonest(one: Sensitive) -> float:
    return _FARTHEST if one.flips_at_factor is None else abs(float(np.log(one.flips_at_factor)))
