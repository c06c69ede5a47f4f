"""What kind of load a recording is: interactive, bursty background, or steady state; by a rule that is shown.

The rule and its constants are ours, to begin with: steady if less than 5 % of its windows are idle, its fullest window
has less than twice the mean, and the dispersion of its windows is below 5; else interactive if at least a tenth of the
think times are 2 s or longer, as a person's are; else bursty background. Windows are a minute, or 10 s for recordings
of less than 10 minutes. A recording of fewer than 6 windows is not classified.
"""

from typing import Literal

import msgspec

PatternName = Literal["interactive", "bursty background", "steady state", "not classified"]

MOST_IDLE = 0.05
MOST_PEAK = 2.0
MOST_DISPERSION = 5.0
LEAST_HUMAN = 0.1
HUMAN_MS = 2_000.0
LEAST_WINDOWS = 6


class Pattern(msgspec.Struct, omit_defaults=True):
    """name: the kind. rule: which part of the rule said so, with the numbers."""

    name: PatternName
    rule: str


def classify(
    windows: int,
    idle_ratio: float | None,
    peak_to_mean: float | None,
    dispersion: float | None,
    human_ratio: float | None,
) -> Pattern:
    """By the rule at the head of this module.

    idle_ratio: windows without a step. human_ratio: think times of HUMAN_MS or longer among all.
    """
    if windows < LEAST_WINDOWS or idle_ratio is None or peak_to_mean is None or dispersion is None:
        return Pattern("not classified", f"{windows} windows of load are too few; it takes {LEAST_WINDOWS}")
    numbers = f"{idle_ratio:.0%} of the windows idle, peak {peak_to_mean:.3g} times the mean, "
    numbers += f"dispersion {dispersion:.3g}"
    if idle_ratio < MOST_IDLE and peak_to_mean < MOST_PEAK and dispersion < MOST_DISPERSION:
        return Pattern(
            "steady state", f"{numbers}: all below {MOST_IDLE:.0%}, {MOST_PEAK:g} and {MOST_DISPERSION:g}"
        )
    if human_ratio is not None and human_ratio >= LEAST_HUMAN:
        said = f"{human_ratio:.0%} of the think times are {HUMAN_MS / 1000:g} s or longer, at least {LEAST_HUMAN:.0%}"
        return Pattern("interactive", f"{said}; not steady: {numbers}")
    return Pattern("bursty background", f"not steady: {numbers}; and few think times are as long as a person's")
