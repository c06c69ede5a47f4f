"""What kind of load a recording is: interactive, bursty background, or steady state; by a rule that is shown.

The rule and its constants are ours, to begin with. Load is steady in either of two ways, as long as something is under
way in at least half of the seconds:

- requests come evenly: less than 5 % of the windows are idle, the fullest has less than twice the mean, and the
  dispersion of the windows is below 5;
- as much is under way all along, however unevenly it began: less than 5 % of the seconds are idle, and the fullest
  window has less than twice the mean under way, or no more than chance makes of a constant rate: four standard
  deviations of a Poisson count, which is what is under way where requests come at random at such a rate, however long
  they take.

Else it is interactive if at least a tenth of the think times are 2 s or longer, as a person's are; else bursty
background. Windows are a minute, or 10 s for recordings of less than 10 minutes. A recording of fewer than 6 windows is
not classified.
"""

from math import sqrt
from typing import Literal

import msgspec

from replay.words.numbers import exact, milliseconds, number, percent

PatternName = Literal["interactive", "bursty background", "steady state", "not classified"]

MOST_IDLE = 0.05
MOST_PEAK = 2.0
MOST_DISPERSION = 5.0
MOST_IDLE_SECONDS = 0.5
CHANCE = 4.0
LEAST_HUMAN = 0.1
HUMAN_MS = 2_000.0
LEAST_WINDOWS = 6


class Pattern(msgspec.Struct, omit_defaults=True):
    """name: the kind. rule: which part of the rule said so, with the numbers."""

    name: PatternName
    rule: str


class UnderWay(msgspec.Struct, frozen=True):
    """What is under way. idle_ratio: seconds in which nothing is. mean: in a second; most: the mean of a second, in the
    window in which that is highest.
    """

    idle_ratio: float
    mean: float
    most: float


def classify(
    windows: int,
    idle_ratio: float | None,
    peak_to_mean: float | None,
    dispersion: float | None,
    human_ratio: float | None,
    under_way: UnderWay | None = None,
) -> Pattern:
    """By the rule at the head of this module.

    idle_ratio: windows without a step. human_ratio: think times of HUMAN_MS or longer among all. under_way: None where
    no durations were recorded, so that only what begins is known.
    """
    if windows < LEAST_WINDOWS or idle_ratio is None or peak_to_mean is None or dispersion is None:
        return Pattern("not classified", f"too few windows of load ({windows}); it takes {LEAST_WINDOWS}")
    seconds = "" if under_way is None else f" and {percent(under_way.idle_ratio)} of the seconds"
    numbers = f"{percent(idle_ratio)} of the windows{seconds} empty, "
    numbers += f"peak {number(peak_to_mean)} times the mean, dispersion {number(dispersion)}"
    is_mostly_idle = under_way is not None and under_way.idle_ratio > MOST_IDLE_SECONDS
    is_even = idle_ratio < MOST_IDLE and peak_to_mean < MOST_PEAK and dispersion < MOST_DISPERSION
    if is_even and not is_mostly_idle:
        return Pattern(
            "steady state",
            f"{numbers}: evenly spread, below {percent(MOST_IDLE)}, {exact(MOST_PEAK)} and {exact(MOST_DISPERSION)}",
        )
    if under_way is not None and _stays(under_way):
        return Pattern(
            "steady state",
            f"{numbers}; but as much is in flight all along: {number(under_way.mean)} on average, at most "
            f"{number(under_way.most)} in a window",
        )
    if human_ratio is not None and human_ratio >= LEAST_HUMAN:
        said = (
            f"{percent(human_ratio)} of the think times are {milliseconds(HUMAN_MS)} or longer, at least "
            f"{percent(LEAST_HUMAN)}"
        )
        return Pattern("interactive", f"{said}; not steady: {numbers}")
    return Pattern("bursty background", f"not steady: {numbers}; and few think times are as long as a person's")


def _stays(under_way: UnderWay) -> bool:
    by_chance = under_way.mean + CHANCE * sqrt(under_way.mean)
    return under_way.idle_ratio < MOST_IDLE and under_way.most < max(MOST_PEAK * under_way.mean, by_chance)
