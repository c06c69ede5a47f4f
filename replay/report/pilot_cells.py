"""A pilot's figures as people read them: the table of planes, and amounts, shares and intervals in words."""

from collections.abc import Mapping
from typing import Any

from replay.judge.choice.types import PilotPlane, PilotVerdict
from replay.report.words import clean, count, milliseconds

NOTHING = "–"


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
        ("cold requests", *(share(p.cold_share) for p in planes)),
        ("p99 without cold starts", *(milliseconds(p.p99_without_cold_ms) for p in planes)),
        ("a cold start adds", *(milliseconds(p.cold_added_ms) for p in planes)),
        ("stays warm for", *(_keep_alive(p.keep_alive_s) for p in planes)),
        ("ceiling, requests/s", *(ceiling(p) for p in planes)),
        ("gives way first", *(p.limited_by or NOTHING for p in planes)),
        ("active instances, mean", *(number(p.utilisation) for p in planes)),
        ("machines for the peak", *(NOTHING if p.machines is None else count(p.machines) for p in planes)),
        ("a month", *(money(p.cost_month, p.currency) for p in planes)),
        ("a month, 95% interval", *(_money_interval(p.cost_ci) for p in planes)),
        ("instance seconds", *(p.cost_basis for p in planes)),
        ("staff, beside the bill", *(money(p.staff_month, p.currency) for p in planes)),
        ("failed requests, all phases", *(count(p.errors) for p in planes)),
        ("sessions lost", *(count(p.sessions_lost) for p in planes)),
        ("generator", *(clean(p.generator) for p in planes)),
    ]
    return [row for row in rows if any(cell != NOTHING for cell in row[1:])]


def _stands(verdict: PilotVerdict, plane: PilotPlane) -> str:
    """Whether it could be chosen, where there is more than one of a kind or one that is out; nothing else is news."""
    if plane.target in verdict.out:
        return "out"
    if len(verdict.planes) <= len(verdict.represents):
        return NOTHING
    return "for its kind" if plane.target in verdict.represents.values() else "not the best"


def standing_lines(verdict: PilotVerdict) -> list[str]:
    """Which targets are out and why, and, where a kind has more than one, which stands for it and why."""
    lines = [f"{target} is out: {why}" for target, why in verdict.out.items()]
    if len(verdict.planes) > len(verdict.represents):
        lines += verdict.represents_why.values()
    return lines


def number(value: float | None) -> str:
    """With three digits, or whole where it has more."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def share(value: float | None) -> str:
    """A share of 1 in percent."""
    return NOTHING if value is None else f"{value:.1%}"


def money(value: float | None, currency: str | None = None) -> str:
    """An amount, with its currency where that is not said elsewhere."""
    return NOTHING if value is None else f"{value:,.2f} {currency or ''}".strip()


def unit_price(value: float) -> str:
    """A price of one, however small, without an exponent."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def ceiling(plane: PilotPlane) -> str:
    """The ceiling in requests a second."""
    if plane.ceiling_rps is None:
        return NOTHING
    return ("≥ " if plane.ceiling_verdict == "at_least" else "") + number(plane.ceiling_rps)


def pairs(values: Mapping[str, Any]) -> str:
    """The numbers of a rule in a line."""
    return "; ".join(
        f"{clean(name.replace('_', ' '))}: {_value(value)}"
        for name, value in values.items()
        if value not in (None, {})
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
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
    return f"more than {number(low)} s" if high is None else f"{number(low)} to {number(high)} s"


def _money_interval(ci: tuple[float, float] | None) -> str:
    return NOTHING if ci is None else f"{ci[0]:,.2f} to {ci[1]:,.2f}"
