"""Machines that come and go with the load: how many there are, window by window, and so in the mean. Pure.

Need is a window's load with headroom over what one machine carries, in whole machines; what was needed is kept for a
while, as the stabilisation periods of cloud groups and of Kubernetes have it (ten and five minutes by default). A month
is the run, repeated, so that what came last in it is kept into its beginning. How long a machine boots is not in it:
the headroom is there for that.
"""

from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from replay.money.cost import CostError

Floats = npt.NDArray[np.float64]
WINDOW_S = 60.0
HOLD_S = 600.0
_MOST_FOLLOWING = 1e6


class Follows(NamedTuple):
    """The load that machines follow. held_rps: of each window, the most within the time that machines are kept;
    weights: the share of the month that is like this window, together 1. least: machines that are there then whatever
    the load is, one number for all windows or one for each.
    """

    held_rps: Floats
    weights: Floats
    least: int | Floats = 1


class Kept(NamedTuple):
    """Machines in the mean of the month, and the most at once."""

    mean: float
    most: int


def follows(
    rps: Floats,
    weights: Floats | None = None,
    *,
    window_s: float = WINDOW_S,
    hold_s: float = HOLD_S,
    least: int = 1,
) -> Follows:
    """From the load by window, shape (windows,). Raises CostError for none."""
    if not len(rps):
        raise CostError("there is no load that machines could follow")
    held = rps.astype(np.float64)
    for n in range(1, min(ceil(hold_s / window_s), len(rps) - 1) + 1):
        held = np.maximum(held, np.roll(rps, n))
    each = np.full(len(rps), 1 / len(rps)) if weights is None else weights / weights.sum()
    return Follows(held, each, least)


def as_group(name: str) -> str:
    """What machines of that name are called where they are taken to follow the load."""
    return f"{name} as a group"


def scaled(load: Follows, factor: float) -> Follows:
    """The same load, so many times as much."""
    return load._replace(held_rps=load.held_rps * factor)


def stretched(load: Follows, factor: float) -> Follows:
    """The same load on average, so many times as far from it."""
    mean = float((load.held_rps * load.weights).sum())
    return load._replace(held_rps=np.maximum(mean + (load.held_rps - mean) * factor, 0.0))


def kept(
    load: Follows, capacity_rps: float, headroom: float, factor: float = 1.0, following: float = 1.0
) -> Kept:
    """Machines where the load is so many times what it was. following: how many times as many machines there are as the
    load takes by itself; it leaves alone those that are there whatever the load is. Raises CostError if a machine
    carries nothing.
    """
    if not capacity_rps > 0:
        raise CostError("what a machine carries was not measured")
    need = np.ceil(np.round(load.held_rps * (factor * (1 + headroom) / capacity_rps), 9))
    there = np.maximum(need * following, load.least)
    return Kept(float((there * load.weights).sum()), int(np.maximum(need, load.least).max()))


def following_of(load: Follows, capacity_rps: float, headroom: float, mean: float) -> float:
    """How many times as many machines as the load takes there are, where there are so many in the mean of the month.

    Where those that are there whatever the load is are that many by themselves, as many times as leaves it so.
    """
    mean = max(mean, kept(load, capacity_rps, headroom, following=0.0).mean)
    low, high = 0.0, 1.0
    while high < _MOST_FOLLOWING and kept(load, capacity_rps, headroom, following=high).mean < mean:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        # As many times as may be: machines that are there anyway leave it open.
        is_below = kept(load, capacity_rps, headroom, following=middle).mean <= mean * (1 + 1e-9)
        low, high = (middle, high) if is_below else (low, middle)
    return low
