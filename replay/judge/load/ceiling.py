"""What a search over levels of load found: the ceiling, and the knee below it.

Sessions are open, and the steps in them wait for one another: a level that ends before its first sessions do, or whose
target makes them wait, is asked for fewer requests a second than its sessions come to (`Level.planned_rps`). What it
bore is what it was asked for, so the ceiling is then told as the scale that these requests are, and the reasons say so,
unless that is chance among few sessions.

The knee is where throughput over response time, Kleinrock's power (1979), is largest.
"""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from replay.judge.load.chance import BY_CHANCE, come_of_load, grow_with_load
from replay.judge.load.search import Search
from replay.judge.load.types import Ceiling, Failures, GivesWay, Knee, Level, Usl, failures_in, slow_in
from replay.judge.load.usl import fit_usl
from replay.words.numbers import exact, number

# A level that was asked for more of what its scale comes to in the long run is told as that scale.
_REACHED_RATIO = 0.9
# So many standard deviations of a number of sessions that come by themselves are taken for chance.
_REACHED_DEVIATIONS = 1.5
_AS_DENSE = 0.97
# A level that fell behind at so much less than what held afterwards was no matter of a few percent.
_WELL_BELOW = 0.9
# Loads this near to each other are the bracket, as good as.
_OPEN_RATIO = 1.1
_UNBRACKETED = "the search ended before the ceiling was bracketed"


class _Found(NamedTuple):
    """What a search came to: the load that held, the one beyond it that did not, and their levels.

    best: levels at `held` that the figures are of. over: levels at `broke`. gave: that of `over` which says what gave
    way; None where nothing did. reached, reached_broke: the share of these scales that the levels were asked for.
    """

    search: Search
    levels: list[Level]
    held: float
    broke: float | None
    best: list[Level]
    over: list[Level]
    gave: Level | None
    reached: float
    reached_broke: float


def conclude(search: Search, extra: Sequence[Level] = ()) -> tuple[str, list[str], Ceiling | None]:
    """The verdict of a search, its reasons, and the ceiling. extra: levels below it that were measured afterwards."""
    if search.held is None:
        verdict, reasons = _where_nothing_held(search)
        return verdict, reasons, None
    found = _found(search, [*search.levels, *extra], search.held)
    ceiling = _ceiling(found)
    verdict, reasons = _where_it_ended(found, ceiling) or _where_something_gave(found, ceiling, extra)
    return verdict, reasons, ceiling


def _where_nothing_held(search: Search) -> tuple[str, list[str]]:
    why = search.levels[-1].reason if search.levels else "no level was measured"
    failed = [level for level in search.levels if level.verdict == "fail"]
    passed = [level.scale for level in search.levels if level.verdict == "pass"]
    if passed and failed:
        before = f"{exact(max(passed))}x held once, and at {exact(failed[-1].scale)}x {failed[-1].reason}"
        return "inconclusive", [before, "the limit moved, and the search ended before it was found again"]
    if not failed or search.levels[-1].at_any_load:
        return "inconclusive", [why]
    if search.ended_by == "failing":
        return "inconclusive", [_how_it_fails_anyhow(failed)]
    # Where load helps, as a batch that fills up does, this is no end.
    most = max(level.scale for level in search.levels)
    reasons = [*_in_turn(failed, why), f"no load above {exact(most)}x was tried"]
    return "not_reached" if search.ended_by == "least" else "inconclusive", reasons


def _found(search: Search, levels: list[Level], held: float) -> _Found:
    broke = search.broke
    at = [level for level in levels if level.scale == round(held, 6) and level.verdict == "pass"]
    best = at or [level for level in levels if level.scale == round(held, 6)]
    over = [level for level in levels if broke is not None and level.scale == round(broke, 6)]
    gave = next((level for level in reversed(over) if level.limited_by is not None), None)
    # A longer level of the same scale may go on into a part of the trace that is less busy.
    densest = max(level.offered_rps for level in best)
    dense = [level for level in best if level.offered_rps >= _AS_DENSE * densest]
    return _Found(search, levels, held, broke, dense, over, gave, _reached(best), _reached(over))


def _ceiling(found: _Found) -> Ceiling:
    best, over, reached = found.best, found.over, found.reached
    scale = round(found.held * reached, 6)
    broke_scale = (
        None
        if found.broke is None
        else round(found.broke * max(found.reached_broke, found.held * reached / found.broke), 6)
    )
    rps = float(np.mean([level.achieved_rps for level in best]))
    # Who waits for an overloaded target asks it for no more than it bears.
    broke_rps = round(max(rps, float(np.mean([level.offered_rps for level in over]))), 3) if over else None
    tried = [level.tries_rps or level.offered_rps for level in best]
    at_once = [level.at_once for level in best if level.at_once]
    low, high = _for_certain(found.levels[1:] if found.search.began_cold else found.levels)
    return Ceiling(
        scale=scale,
        rps=round(rps, 3),
        sessions_per_s=round(float(np.mean([level.sessions_per_s for level in best])) * reached, 3),
        in_flight=round(float(np.mean([level.in_flight for level in best])), 3),
        ci_scale=(scale, broke_scale),
        limited_by=_limit(found),
        ci_rps=(round(rps, 3), broke_rps),
        tries_rps=round(float(np.mean(tried)), 3) if any(level.tries_rps for level in best) else None,
        at_once=round(float(np.mean(at_once)), 1) if at_once else None,
        sure_scale=(
            None if low is None else min(round(low * reached, 6), scale),
            None if high is None else max(round(high * found.reached_broke, 6), broke_scale or 0.0),
        ),
    )


def _limit(found: _Found) -> GivesWay:
    if found.search.ended_by == "generator":
        return "generator"
    return "max" if found.gave is None or found.gave.limited_by is None else found.gave.limited_by


def _where_it_ended(found: _Found, ceiling: Ceiling) -> tuple[str, list[str]] | None:
    """Of a search that ended before anything gave way; None where something did."""
    search, last = found.search, found.search.levels[-1]
    if search.ended_by == "failing":
        return "inconclusive", [last.reason]
    if search.ended_by == "generator":
        return "at_least", [f"this machine was saturated first: {last.reason}", *_of_its_reach(found, ceiling)]
    if search.ended_by == "max":
        why = f"the SLOs hold at the highest load tried, {exact(found.held)}x"
        return "at_least", [why, *_of_its_reach(found, ceiling)]
    if found.gave is None:
        broken = [level for level in found.levels if level.verdict == "fail"]
        at = [f"at {number(broken[-1].scale, 4)}x {broken[-1].reason}"] if broken else []
        return "inconclusive", [_UNBRACKETED, *at]
    return None


def _where_something_gave(found: _Found, ceiling: Ceiling, extra: Sequence[Level]) -> tuple[str, list[str]]:
    search, held, broke = found.search, found.held, found.broke
    assert found.gave is not None
    reasons = [f"at {number(broke, 4)}x {found.gave.reason}", *_of_its_reach(found, ceiling)]
    if (said := _how_it_was_tried(found.over)) is not None:
        reasons.append(said)
    if search.began_cold:
        reasons.append(
            f"the first run, at {exact(search.levels[0].scale)}x, did not hold ({search.levels[0].reason}), and the "
            "next at that load did, so it is not counted: a target that is cold bears less"
        )
    if (doubt := _why_it_may_be_none(found)) is not None:
        return "inconclusive", [*reasons, doubt]
    if search.moved is not None:
        reasons.append(_how_it_moved(search.moved, held))
    elif (broke_before := _what_broke_below(search.levels, held)) is not None:
        reasons.append(broke_before)
    if search.ended_by is None and broke is not None:
        reasons.append(f"the search ended before {exact(held)}x or {exact(broke)}x was asked for once more")
    if (unsure := _how_sure_it_is(ceiling)) is not None:
        reasons.append(unsure)
    fell = next((level for level in extra if level.verdict == "fail" and level.is_sure), None)
    if fell is not None:
        # What breaks below its own ceiling has none that anybody could rely on.
        after = f"{number(fell.scale, 4)}x did not hold after that: {fell.reason}"
        return "inconclusive", [*reasons, after]
    return "found", reasons


def _why_it_may_be_none(found: _Found) -> str | None:
    """What speaks against a ceiling where something gave way: chance, a limit that moves, a search cut short."""
    search, over = found.search, found.over
    # With those runs of theirs that did not hold: the others alone are those of which fewer failed.
    below = [level for level in found.levels if level.scale <= round(found.held, 6)]
    if all(level.allowed_percent for level in over if level.verdict == "fail"):
        if not come_of_load(failures_in(over), failures_in(below), len(found.levels)):
            return _how_often_they_fail(over, below)
    elif (slow := _how_often_they_are_slow(over, below)) is not None:
        return slow
    if search.ended_by == "moving":
        return "each time an end of the bracket was asked for again it showed the other thing: the limit moves"
    if search.ended_by != "precision" and not search.is_confirming:
        return _UNBRACKETED
    return None


def _of_its_reach(found: _Found, ceiling: Ceiling) -> list[str]:
    return [] if found.reached == 1 else [_how_it_was_reached(found.held, found.best, ceiling)]


def _for_certain(levels: Sequence[Level]) -> tuple[float | None, float | None]:
    """Between which loads the ceiling is for certain: that the lower one holds and the higher one does not is beyond
    chance by an interval of their own, and no load beside them says otherwise.

    Near a ceiling a load holds in one run and does not in the next, and a search that halves its bracket follows each
    of them. Its bracket of 2.5 % had the ceiling of a queue in 0 to 20 of a hundred searches where answers vary, and
    these loads have it in 92 to 100 (tests/judge/load/test_ceiling.py).
    """
    passed, failed = (
        [level.scale for level in levels if level.verdict == verdict] for verdict in ("pass", "fail")
    )
    low = (
        level.scale
        for level in levels
        if level.verdict == "pass" and level.is_sure and level.scale < min(failed, default=inf)
    )
    high = (
        level.scale
        for level in levels
        if level.verdict == "fail" and level.is_sure and level.scale > max(passed, default=0.0)
    )
    return max(low, default=None), min(high, default=None)


def _how_sure_it_is(ceiling: Ceiling) -> str | None:
    """What a reader must know where chance has left more open than the bracket says."""
    if ceiling.sure_scale is None or ceiling.ci_scale[1] is None:
        return None
    low, high = ceiling.sure_scale
    if low is not None and high is not None and high <= _OPEN_RATIO * low:
        return None
    held = "no load surely held" if low is None else f"{number(low, 4)}x surely held"
    broke = "none surely broke" if high is None else f"{number(high, 4)}x surely broke"
    return (
        f"at 95% {held} and {broke}: in between a load may hold in one run and not in the next; a longer --level "
        "narrows that"
    )


def _how_it_was_tried(levels: Sequence[Level]) -> str | None:
    """What tries and refusals there were at a load, if any step was tried again."""
    again = [level for level in levels if level.tries_rps is not None]
    if not again:
        return None
    tried, offered, refused = (
        float(np.mean([getattr(level, name) or 0.0 for level in again]))
        for name in ("tries_rps", "offered_rps", "refused_percent")
    )
    return (
        f"at {number(again[0].scale, 4)}x the target was sent {number(tried, 4)} tries a second for "
        f"{number(offered, 4)} requests, and refused {number(refused)}% of them: retries are load, too"
    )


def _how_often_they_fail(over: Sequence[Level], below: Sequence[Level]) -> str:
    here, there = failures_in(over), failures_in(below)
    return (
        f"steps failed hardly more often there ({here.errors:,} of {here.requests:,}) than at lower loads "
        f"({there.errors:,} of {there.requests:,}), which chance may have done: they need not come of load. A longer "
        "--level tells more, or an SLO that allows the failures that there are at any load"
    )


def _how_often_they_are_slow(over: Sequence[Level], below: Sequence[Level]) -> str | None:
    """What is said where a percentile alone did not hold, surely in no run, and its slow steps need not come of load;
    None where they do. What takes long at any load is now and then not among the few requests of a lower one.
    """
    failed = [level for level in over if level.verdict == "fail"]
    slos = {level.slo for level in failed}
    if len(slos) != 1 or any(level.is_sure for level in failed):
        return None
    (slo,) = slos
    if slo is None or slo not in failed[0].beyond:
        return None
    shares: dict[float, Failures] = {}
    for level in (*below, *over):
        shares[level.scale] = shares.get(level.scale, Failures(0, 0)) + level.slow(slo)
    if grow_with_load(shares) < BY_CHANCE:
        return None
    here, there = slow_in(over, slo), slow_in(below, slo)
    return (
        f"steps beyond that limit came hardly more often there ({here.errors:,} of {here.requests:,}) than at lower "
        f"loads ({there.errors:,} of {there.requests:,}), which chance may have done: they need not come of load. A "
        "longer --level tells more"
    )


def _how_it_fails_anyhow(failed: Sequence[Level]) -> str:
    most, least = max(level.scale for level in failed), min(level.scale for level in failed)
    many, few = (failures_in([level for level in failed if level.scale == scale]) for scale in (most, least))
    return (
        f"at {exact(most)}x {number(many.percent)}% of requests failed and at {exact(least)}x {number(few.percent)}%: "
        "less load does not help, so it is not load that limits. See what fails, or allow it with an SLO for errors"
    )


def _in_turn(failed: Sequence[Level], last: str) -> list[str]:
    """Why the first load did not hold, and the last, where that is another reason."""
    first = max(failed, key=lambda level: level.scale)
    why = f"at {exact(first.scale)}x {first.reason}"
    return [last] if first.reason == last else [why, f"and then {last}"]


def _reached(levels: Sequence[Level]) -> float:
    """Which share of the requests a second that their scale comes to these levels asked for; 1 where that is all but
    chance.
    """
    known = [level for level in levels if level.planned_rps]
    if not known:
        return 1.0
    share = float(np.mean([level.offered_rps / (level.planned_rps or 1.0) for level in known]))
    # Levels begin at the same place of the trace, so another level of that load is no other chance.
    sessions = max(1.0, float(np.mean([level.sessions for level in known])))
    return share if share < min(_REACHED_RATIO, 1 - _REACHED_DEVIATIONS / sessions**0.5) else 1.0


def _how_it_was_reached(held: float, levels: Sequence[Level], ceiling: Ceiling) -> str:
    """Why the ceiling is told as a lower scale than that of the highest level that held."""
    offered, planned = (
        number(float(np.mean([getattr(level, name) for level in levels])), 4)
        for name in ("offered_rps", "planned_rps")
    )
    return (
        f"{number(held, 4)}x is {planned}/s in the long run, of which levels asked for {offered}/s, since sessions go "
        f"on for longer than a level or wait for the target; that is what {number(ceiling.scale, 4)}x comes to"
    )


def _what_broke_below(levels: Sequence[Level], held: float) -> str | None:
    """What a reader must know where a load well below the ceiling fell behind at first: noise slows answers, and leaves
    no backlog. The first run of all is told of as a cold one.
    """
    fell = [
        level
        for level in levels[1:]
        if level.verdict == "fail"
        and level.limited_by in ("throughput", "refusals")
        and level.scale < _WELL_BELOW * held
    ]
    if not fell:
        return None
    return (
        f"{exact(fell[0].scale)}x did not hold at first ({fell[0].reason}) and did later: a load that comes all at "
        "once may meet a lower limit, as that of a target that scales out"
    )


def _how_it_moved(first: tuple[float, float], held: float) -> str:
    """What a reader must know of a ceiling that was elsewhere before."""
    was, broke = (number(end, 4) for end in first)
    if held > first[0]:
        return (
            f"{broke}x did not hold at first and did later, so the limit moved while it was looked for, as that of a "
            "target that scales out or warms up does: a load that comes all at once meets the lower one"
        )
    return (
        f"{was}x held at first and did not later, so the limit moved while it was looked for, as that of a target with "
        "credits or a burst allowance does: what it bears for longer may be less still"
    )


def usl_of(levels: Sequence[Level]) -> Usl | None:
    """The scalability law through all levels that the generator kept up with."""
    usable = [level for level in levels if level.limited_by != "generator"]
    return fit_usl([level.in_flight for level in usable], [level.achieved_rps for level in usable])


def knee_of(levels: Sequence[Level]) -> Knee | None:
    """The level of the largest power; None for fewer than three loads."""
    usable = [level for level in levels if level.mean_ms and level.limited_by != "generator"]
    if len({level.scale for level in usable}) < 3:
        return None
    best = max(usable, key=lambda level: level.achieved_rps / (level.mean_ms or 1.0))
    return Knee(best.scale, best.achieved_rps, best.in_flight, best.mean_ms or 0.0)
