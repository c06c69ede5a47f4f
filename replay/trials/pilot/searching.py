"""How the search for a ceiling goes in a pilot: where it begins, how long its levels last, and when there is none."""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from replay.judge.load.search import STEP
from replay.judge.load.types import CeilingVerdict
from replay.judge.measures.slo import Slo
from replay.judge.types import VERDICT_SCHEMA
from replay.target.target import Target
from replay.trials.ceiling import CeilingPlan
from replay.trials.evidence import write_verdict
from replay.trials.pilot.workload.phases import Plan
from replay.trials.pilot.workload.steady import Steady
from replay.words.numbers import seconds

_MOST_SCALE = 1e6
_LEAST_SCALE = 1e-3
# In virtual time a level costs what its requests do; throughput that falls short by 3 % shows in so many.
# Long requests at a high load would make it more; a level of that many is judged even if the plane is hardly full.
_ENOUGH_REQUESTS = 5_000
_MOST_REQUESTS = 60_000
# A live level lasts at most six times as long as the plan has it, and holds the usual request twice at least.
_LONGEST_LEVEL, _LEAST_FILLS = 6.0, 2.0


class Expected(NamedTuple):
    """What is known of a target before its search, each None if it is not: requests a second near what it is likely to
    carry, and what all but the longest hundredth of its answers took.
    """

    near_rps: float | None = None
    usual_s: float | None = None


def search_in_virtual_time(load: Steady, known: Expected, most_rps: float, plan: Plan) -> CeilingPlan:
    """most_rps: no load beyond this is tried. plan: how long levels last, and how near to one another they come.

    The same load shows the same each time, so each is tried once; and the search ends when it is done, since it takes
    no time of the target's.
    """
    most = max(_LEAST_SCALE, most_rps / load.rps)
    near = _near(load, known)
    return CeilingPlan(
        # Where the next level would be the last one anyhow, that is the first: if it holds, it is the only one.
        first_scale=most if STEP * near >= most else _scale(near),
        most_scale=most,
        precision=plan.precision,
        level_s=plan.level_s,
        most_s=inf,
        shows_recovery=False,
        fill_s=_usual_s(load, known),
        requests=_ENOUGH_REQUESTS,
        longest_s=inf,
        tries=1,
        most_requests=_MOST_REQUESTS,
    )


def search_live(load: Steady, known: Expected, needed: int, plan: Plan) -> CeilingPlan | str:
    """needed: requests in a level, by the quantiles that are asked for. A text says why no search makes sense: levels
    would end before the requests in them do.
    """
    longest_s, usual_s = _LONGEST_LEVEL * plan.level_s, _usual_s(load, known)
    if _LEAST_FILLS * usual_s > longest_s:
        return (
            f"a request may take {seconds(usual_s)}, and a level of load lasts {seconds(longest_s)} at most here, "
            "so no ceiling was searched for; --simulate has the time for it"
        )
    return CeilingPlan(
        first_scale=_scale(max(_near(load, known), needed / longest_s / load.rps)),
        most_scale=_MOST_SCALE,
        precision=plan.precision,
        level_s=plan.level_s,
        most_s=plan.search_s,
        shows_recovery=False,
        fill_s=usual_s,
    )


def _near(load: Steady, known: Expected) -> float:
    return (known.near_rps or load.rps) / load.rps


def _usual_s(load: Steady, known: Expected) -> float:
    """As was seen of the target, which need not take as long as what was recorded did; else as the recording says."""
    return load.usual_s if known.usual_s is None else known.usual_s


def _scale(scale: float) -> float:
    """With three digits, so that runs have short names."""
    return max(_LEAST_SCALE, float(f"{scale:.3g}"))


def leave_no_ceiling(folder: Path, target: Target, load: Steady, slos: Sequence[Slo], why: str) -> None:
    """A verdict that says why nothing was searched."""
    folder.mkdir(parents=True)
    verdict = CeilingVerdict(
        schema=VERDICT_SCHEMA,
        command="ceiling",
        verdict="inconclusive",
        reasons=[why],
        ceiling=None,
        levels=[],
        slos=[slo.text for slo in slos],
        target=target.name,
        trace=load.trace.name,
    )
    write_verdict(folder, verdict)
