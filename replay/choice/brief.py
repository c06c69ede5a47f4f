"""A pilot for who must decide: how sure the answer is, what would flip it, what it assumes, what to do next. Pure.

All of it is in the verdict already; here the few things that a decision hangs on are put together, in words.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from replay.choice.staff import hours_said
from replay.choice.types import Assumption, PilotPlane, PilotVerdict
from replay.money.types import BreakEvenFound
from replay.words.numbers import exact, number
from replay.words.phrases import counted

Confidence = Literal["high", "fair", "low", "none"]

# What decides latency and money, in words; the rest is in the list of all assumptions.
_DECISIVE = {
    "plane.concurrency": "{} requests at once in an instance",
    "plane.min_instances": "{} kept warm",
    "plane.idle_lifetime_s": "idle ones go after {} s",
    "instances.boot": "boots take {}",
    "cost.vcpu": "{} vCPU",
    "cost.memory_gib": "{} GiB",
    "cost.billing": "billed by {}",
    "cost.machine": "{}",
    "machines priced": "{} of them",
    "a machine carries": "one carries {}",
}
_MOST_FLIPS = 4
# Nearer than this to where the bills cross, next month may be on the other side.
_NEAR = 1.5


class Brief(NamedTuple):
    """confidence, and why: a sentence. flips: what would make it another answer. assumed: by plane. steps: to do
    next.
    """

    confidence: Confidence
    why: str
    flips: list[str]
    assumed: list[str]
    steps: list[str]


def brief_of(verdict: PilotVerdict) -> Brief:
    """What a decision hangs on, of the planes that stand."""
    confidence, why = _confidence(verdict)
    return Brief(
        confidence, why, list(_flips(verdict))[:_MOST_FLIPS], list(_assumed(verdict)), list(_steps(verdict))
    )


def _standing(verdict: PilotVerdict) -> list[PilotPlane]:
    names = verdict.represents.values()
    return [plane for plane in verdict.planes if plane.target in names] or verdict.planes


def _confidence(verdict: PilotVerdict) -> tuple[Confidence, str]:
    if verdict.verdict == "inconclusive":
        return "none", "the evidence does not decide; what is missing is below"
    if flipping := _flipping_month(verdict):
        return "low", f"in a month like {flipping} {_other(verdict)} is the cheaper plane"
    if any("the cheaper plane flips" in doubt for doubt in verdict.doubts):
        return "low", "an assumption that nobody checked flips the cheaper plane"
    near = None if _is_by_staff(verdict) else _nearest(verdict.break_even)
    if near is not None and near < _NEAR:
        return "low", f"the bills cross at {number(near)} times the present load"
    if verdict.how != "live":
        return "fair", "the planes were simulated or emulated, so your code did not run on them"
    if any("no calendar was given" in doubt for doubt in verdict.doubts):
        return "fair", "it was not stated what a month looks like, and the trace is shorter than a day"
    if any(plane.cost_basis not in ("measured", "simulated") for plane in _standing(verdict)):
        return "fair", "a bill rests on an estimate"
    return "high", "every phase ran on the planes themselves, and nothing that was tried flips the answer"


def _flipping_month(verdict: PilotVerdict) -> str | None:
    """Another calendar in which another target is the cheaper."""
    if not verdict.calendars:
        return None
    own, *others = verdict.calendars
    return next((bill.name for bill in others if own.cheaper and bill.cheaper not in (None, own.cheaper)), None)


def _other(verdict: PilotVerdict) -> str:
    own = verdict.calendars[0].cheaper
    return (
        next((bill.cheaper for bill in verdict.calendars if bill.cheaper not in (None, own)), None) or "another"
    )


def _by_requests(break_even: Sequence[BreakEvenFound]) -> BreakEvenFound | None:
    """Between the two that stand; further ones are of machines as a group, which nobody priced."""
    even = next((even for even in break_even if even.by == "requests"), None)
    return even if even is not None and even.at and even.now else None


def _is_by_staff(verdict: PilotVerdict) -> bool:
    """Whether the time of staff decided, so that bills that cross change nothing by themselves."""
    return verdict.staff is not None and verdict.staff.with_staff != verdict.staff.without


def _nearest(break_even: Sequence[BreakEvenFound]) -> float | None:
    """How many times the load, up or down, until the bills cross."""
    even = _by_requests(break_even)
    if even is None or not even.at or not even.now:
        return None
    return max(even.at / even.now, even.now / even.at)


def _flips(verdict: PilotVerdict) -> Iterator[str]:
    even = _by_requests(verdict.break_even)
    if even is not None and even.at and even.now and not _is_by_staff(verdict):
        way = "more" if even.at > even.now else "less"
        yield f"{way} load: {number(even.at)} requests a day, where it is {number(even.now)} now"
    staff = verdict.staff
    if staff is not None and _is_by_staff(verdict):
        yield f"staff time: {staff.text}"
    elif staff is not None and staff.flips_at_hours:
        first, second = staff.between
        hours = hours_said(staff.flips_at_hours)
        yield f"{hours} more staff time a month on {first} than on {second}, at {exact(staff.rate)} an hour"
    own = verdict.calendars[0].cheaper if verdict.calendars else None
    for bill in verdict.calendars[1:]:
        if own and bill.cheaper not in (None, own):
            yield f"the month: like {bill.name}, {bill.cheaper} is the cheaper"
    yield from (doubt for doubt in verdict.doubts if "the cheaper plane flips" in doubt)


def _assumed(verdict: PilotVerdict) -> Iterator[str]:
    for plane in _standing(verdict):
        known = {one.name: one for one in verdict.assumptions if one.target == plane.target}
        parts = [said.format(_told(known[name])) for name, said in _DECISIVE.items() if name in known]
        if parts:
            yield f"{plane.target}: {', '.join(parts)}"


def _told(one: Assumption) -> str:
    if one.name == "plane.min_instances":
        return counted(int(one.value), "instance") if one.value.isdigit() and int(one.value) else "no instance"
    return f"{one.value} {one.unit}".strip()


def _steps(verdict: PilotVerdict) -> Iterator[str]:
    if verdict.verdict == "inconclusive":
        open_ones = {one.slo: one.why for plane in _standing(verdict) for one in plane.undecided}
        for slo, why in open_ones.items():
            yield f"have {slo} decided by a longer trace, or bound a lower quantile: {why}"
    if verdict.how != "live":
        yield "try the two that stand with your own code: replay pilot TRACE -t FILE -t FILE, with their target files"
    if any("no calendar was given" in doubt for doubt in verdict.doubts):
        yield "say what the month looks like: --month"
    if not verdict.answers:
        yield "answer what no trace can tell (state, sockets, zones, staff): --ask"
    if not verdict.slos or not any(plane.budget for plane in verdict.planes):
        yield "say what is fast enough: --slo"
    if verdict.check_again:
        yield verdict.check_again
