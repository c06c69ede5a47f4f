"""A pilot's figures as people read them: the table of planes, and amounts, shares and intervals in words."""

from collections.abc import Mapping
from typing import Any

from replay.choice.brief import brief_of
from replay.choice.types import Boots, PilotPlane, PilotVerdict
from replay.words.names import clean
from replay.words.numbers import NOTHING, count, milliseconds, money, number, percent, seconds, size

MOST_CHARACTERS = 400
# "idle" is a load level; this is a share of time.
_FACTS = {"idle_share": "idle, share of time"}
_SURE = {"high": "high", "fair": "fair", "low": "low", "none": "not at all"}


def side_by_side(verdict: PilotVerdict) -> list[tuple[str, ...]]:
    """Every figure of the planes: its name, and a cell for each of them. Rows that no plane has are left out."""
    planes = verdict.planes
    rows: list[tuple[str, ...]] = [
        ("p50 response", *(milliseconds(p.p50_ms) for p in planes)),
        ("p95 response", *(milliseconds(p.p95_ms) for p in planes)),
        ("p99 response", *(milliseconds(p.p99_ms) for p in planes)),
        ("p99, 95% interval", *(_latency_interval(p.p99_ci_ms) for p in planes)),
        ("latency budget", *(p.budget or NOTHING for p in planes)),
        ("stands", *(_stands(verdict, p) for p in planes)),
        ("cold requests", *(percent(p.cold_share) for p in planes)),
        ("p99 without cold starts", *(milliseconds(p.p99_without_cold_ms) for p in planes)),
        ("a cold start adds", *(milliseconds(p.cold_added_ms) for p in planes)),
        ("stays warm for", *(NOTHING if p.plane == "vm" else _keep_alive(p.keep_alive_s) for p in planes)),
        ("ceiling, requests/s", *(ceiling(p) for p in planes)),
        (
            "bottleneck",
            *("not reached" if p.ceiling_verdict == "at_least" else p.limited_by or NOTHING for p in planes),
        ),
        ("active instances, mean", *(number(p.utilisation) for p in planes)),
        ("machines for the peak", *(NOTHING if p.machines is None else count(p.machines) for p in planes)),
        (month_row(verdict), *(money(p.cost_month, p.currency) for p in planes)),
        ("a month, 95% interval", *(_money_interval(p.cost_ci) for p in planes)),
        ("instance seconds", *(p.cost_basis for p in planes)),
        ("staff, beside the bill", *(money(p.staff_month, p.currency) for p in planes)),
        ("a month with staff", *(money(p.cost_with_staff, p.currency) for p in planes)),
        ("failed requests, all phases", *(count(p.errors) for p in planes)),
        ("sessions lost", *(count(p.sessions_lost) for p in planes)),
        ("generator", *(clean(p.generator) for p in planes)),
    ]
    return _known(rows)


def in_short(verdict: PilotVerdict) -> list[tuple[str, list[str]]]:
    """What a decision hangs on: a heading and its lines, each; those without a line are left out."""
    brief = brief_of(verdict)
    found = [
        ("how sure", [f"{_SURE[brief.confidence]}: {brief.why}"]),
        ("what would tip it" if verdict.verdict == "inconclusive" else "what would flip it", brief.flips),
        ("what it assumes", brief.assumed),
        ("what to do next", brief.steps),
    ]
    return [(name, [clean(line, MOST_CHARACTERS) for line in lines]) for name, lines in found if lines]


def assumption_rows(verdict: PilotVerdict) -> list[tuple[str, str, str, str]]:
    """Each assumption: what, of which plane, its value, and where it is from."""
    return [
        (
            clean(one.name),
            NOTHING if one.target is None else clean(one.target),
            clean(f"{one.value} {one.unit}".strip(), 200),
            clean(f"{one.where_from}: {one.why}" if one.why else one.where_from, 200),
        )
        for one in verdict.assumptions
    ]


def boot_rows(verdict: PilotVerdict) -> list[tuple[str, ...]]:
    """The boots of each plane, and apart from them the steps that waited; nothing where no plane told of any."""
    planes = verdict.planes
    boots = [plane.boots for plane in planes]
    if not any(one is not None and one.count for one in boots):
        return []
    rows: list[tuple[str, ...]] = [
        ("boots", *(NOTHING if b is None else count(b.count) for b in boots)),
        ("woken by", *(_causes(b) for b in boots)),
        ("a boot takes, median", *(seconds(None if b is None else b.p50_s) for b in boots)),
        ("a boot takes, p95", *(seconds(None if b is None else b.p95_s) for b in boots)),
        ("longest boot", *(seconds(None if b is None else b.longest_s) for b in boots)),
        ("steps that waited for one", *(NOTHING if b is None else count(b.waited) for b in boots)),
        ("their wait, median", *(milliseconds(None if b is None else b.wait_p50_ms) for b in boots)),
        ("longest wait", *(milliseconds(None if b is None else b.wait_longest_ms) for b in boots)),
        ("cold starts lift the p99 by", *(milliseconds(p.cold_tail_ms) for p in planes)),
        ("that, 95% interval", *(_latency_interval(p.cold_tail_ci_ms) for p in planes)),
        (
            "memory of an instance, most",
            *(NOTHING if p.memory_peak_bytes is None else size(p.memory_peak_bytes) for p in planes),
        ),
    ]
    return _known(rows)


def _known(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [row for row in rows if any(cell != NOTHING for cell in row[1:])]


def month_row(verdict: PilotVerdict) -> str:
    """What the row of bills is called: with the calendar that they are of."""
    return f"a month, {clean(verdict.calendar, 40)}"


def other_months(verdict: PilotVerdict) -> list[tuple[str, ...]]:
    """The same load in months that look otherwise: head and rows; nothing where there is but one."""
    if len(verdict.calendars) < 2:
        return []
    targets = [plane.target for plane in verdict.planes]
    rows = [
        (
            clean(bill.name, 40),
            number(bill.requests_month),
            number(bill.peak_rps),
            *(money(bill.cost_month.get(target)) for target in targets),
            clean(bill.cheaper or NOTHING),
        )
        for bill in verdict.calendars
    ]
    return [
        ("if the month were", "requests", "peak/s", *(clean(target) for target in targets), "cheaper"),
        *rows,
    ]


def _causes(boots: Boots | None) -> str:
    if boots is None or not boots.woken_by:
        return NOTHING
    return ", ".join(f"{clean(cause)} {count(n)}" for cause, n in boots.woken_by.items())


def _stands(verdict: PilotVerdict, plane: PilotPlane) -> str:
    """Whether it could be chosen, where there is more than one of a kind or one that is out; nothing else is news."""
    if plane.target in verdict.out:
        return "out"
    if len(verdict.planes) <= len(verdict.represents):
        return NOTHING
    return "for its kind" if plane.target in verdict.represents.values() else "not the best"


def standing_lines(verdict: PilotVerdict) -> list[str]:
    """Which targets are out and why; where a kind has more than one, which stands for it and why; and what came of
    looking for a split.
    """
    lines = [f"{target} is out: {why}" for target, why in verdict.out.items()]
    if len(verdict.planes) > len(verdict.represents):
        lines += verdict.represents_why.values()
    if verdict.hybrid is not None:
        lines.append(verdict.hybrid.text)
    return lines


SPLIT_HEADS = ("on machines, the rest serverless", "machines", "estimated", "simulated", "p99", "why not")


def split_rows(verdict: PilotVerdict) -> list[tuple[str, ...]]:
    """The splits that were looked at, a row each, with their month; nothing where there were none."""
    tried = [] if verdict.hybrid is None else verdict.hybrid.tried
    return [
        (
            clean(", ".join(one.steps), 200),
            count(one.machines),
            money(one.estimated_month),
            NOTHING if one.cost_month is None else money(one.cost_month, one.currency),
            milliseconds(one.p99_ms),
            clean(one.out or NOTHING, 200),
        )
        for one in tried
    ]


def ceiling(plane: PilotPlane) -> str:
    """The ceiling in requests a second."""
    if plane.ceiling_rps is None:
        return NOTHING
    return ("≥ " if plane.ceiling_verdict == "at_least" else "") + number(plane.ceiling_rps)


def pairs(values: Mapping[str, Any]) -> str:
    """The numbers of a rule in a line."""
    return "; ".join(
        f"{clean(_FACTS.get(name, name.replace('_', ' ')))}: {_value(value)}"
        for name, value in values.items()
        if value not in (None, {})
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value, 4)
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(str(name))} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_value(inner) for inner in value) or "none"
    return clean(str(value), 80)


def _latency_interval(ci: tuple[float | None, float | None] | None) -> str:
    if ci is None:
        return NOTHING
    low, high = ci
    if high is None:
        return NOTHING if low is None else f"{milliseconds(low)} or more"
    return f"up to {milliseconds(high)}" if low is None else f"{milliseconds(low)} to {milliseconds(high)}"


def _keep_alive(keeps: tuple[float, float | None] | None) -> str:
    if keeps is None:
        return NOTHING
    low, high = keeps
    if high is None:
        return f"more than {seconds(low)}"
    return f"about {seconds(high)}" if seconds(low) == seconds(high) else f"{seconds(low)} to {seconds(high)}"


def _money_interval(ci: tuple[float, float] | None) -> str:
    return NOTHING if ci is None else f"{money(ci[0])} to {money(ci[1])}"
