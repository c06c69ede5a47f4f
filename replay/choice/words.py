"""The pilot's words: the three figures on the first page, how much trouble each plane was, the way back, and when to
ask again. Pure.
"""

from collections.abc import Sequence

from replay.choice.types import Choice, PilotPlane, Recovered
from replay.money.types import BreakEvenFound
from replay.words.numbers import milliseconds, money, number, percent
from replay.words.phrases import counted


def headline(planes: Sequence[PilotPlane], calendar: str) -> list[tuple[str, dict[str, str]]]:
    """The three figures that carry the answer: how fast, how much, how high; by target. calendar: of the month."""
    return [
        ("p99 response time", {plane.target: _ms(plane.p99_ms) for plane in planes}),
        (f"a month ({calendar})", {plane.target: _money(plane) for plane in planes}),
        ("throughput ceiling, requests/s", {plane.target: _ceiling(plane) for plane in planes}),
    ]


def effort_words(planes: Sequence[PilotPlane]) -> list[str]:
    """How much trouble each plane was, by what happened; a sentence or two each."""
    return [_effort(plane) for plane in planes]


def _effort(plane: PilotPlane) -> str:
    parts = []
    kinds = ", ".join(f"{n} {kind}" for kind, n in plane.effort.items())
    said_kinds = f" ({kinds})" if kinds else ""
    parts.append(
        f"{counted(plane.errors, 'request')} failed{said_kinds}" if plane.errors else "no request failed"
    )
    if plane.retries:
        parts.append(f"{counted(plane.retries, 'attempt')} more than once")
    if plane.sessions_lost:
        parts.append(f"{counted(plane.sessions_lost, 'session')} lost")
    if plane.cold_share:
        parts.append(f"{percent(plane.cold_share)} of the trace's requests were cold")
    said = f"{plane.target}: {'; '.join(parts)}."
    recovery = plane.recovery
    if recovery is None:
        return f"{said} No instance was taken down, so recovery was not seen."
    if recovery.met in ("no request", "no instance") and not recovery.failed:
        return f"{said} Nothing was running when the fault came ({recovery.met}), so its effect was not seen."
    if not recovery.failed:
        return f"{said} {_capital(recovery.what)}: no request failed, {back(recovery)}{of_how_many(plane)}."
    return (
        f"{said} {_capital(recovery.what)}: {counted(recovery.failed, 'request')} failed, "
        f"{counted(recovery.sessions_lost, 'session')} lost, {back(recovery)}{of_how_many(plane)}."
    )


def back(recovery: Recovered) -> str:
    """When a target was itself again."""
    if recovery.recovered_s is None:
        return "it did not recover within the run"
    if recovery.recovered_s < 0.1:
        return "back at once"
    said = f"back after {number(recovery.recovered_s)} s"
    if recovery.boots_share is None:
        return said
    return f"{said}, with boots shortened to {percent(recovery.boots_share)} of what they take"


def of_how_many(plane: PilotPlane) -> str:
    """Where a machine went away among more, or fewer, than are priced: of how many that was seen."""
    there = None if plane.recovery is None else plane.recovery.machines
    if there is None or plane.machines is None or there == plane.machines:
        return ""
    priced = f"{plane.machines:,} {'is' if plane.machines == 1 else 'are'} priced"
    return f"; that was one of {counted(there, 'machine')}, and {priced}"


def rollback(choice: Choice, planes: Sequence[PilotPlane]) -> str:
    """The way back, in a line."""
    if choice == "inconclusive":
        return "Nothing to roll back: keep what runs now until the doubts are settled."
    others = [plane.target for plane in planes if plane.plane != choice]
    other = others[0] if others else "the plane that runs now"
    return (
        f"Keep {other} deployed and idle for the first weeks; to roll back, send all traffic there again, and "
        f"then judge it by the same SLOs with `replay gate`."
    )


def check_again(break_even: Sequence[BreakEvenFound], by_date: str, *, is_by_staff: bool = False) -> str:
    """When the answer is to be asked for again: a date, and the load at which the bills would cross. is_by_staff: the
    time of staff decided, so that bills that cross change nothing by themselves.
    """
    even = next((even for even in break_even if even.by == "requests"), None)
    if even is None or even.at is None or even.now is None or is_by_staff:
        return f"Review by {by_date}, with a newer trace."
    way = "rises above" if even.now < even.at else "falls below"
    return (
        f"Review by {by_date}, or as soon as the load {way} {number(even.at)} requests a day (now "
        f"{number(even.now)})."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ms(value: float | None) -> str:
    if value is None:
        return "not measured"
    return milliseconds(value)


def _money(plane: PilotPlane) -> str:
    if plane.cost_month is None:
        return "no price"
    return money(plane.cost_month, plane.currency)


def _ceiling(plane: PilotPlane) -> str:
    if plane.ceiling_rps is None:
        return "not found"
    least = "≥ " if plane.ceiling_verdict == "at_least" else ""
    return f"{least}{number(plane.ceiling_rps)}"
