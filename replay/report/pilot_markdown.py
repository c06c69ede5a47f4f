"""A pilot's answer as GitHub-flavoured Markdown, for a decision record or a pull request."""

from collections.abc import Sequence

from replay.judge.pilot import PilotPlane, PilotVerdict
from replay.report.markdown import escaped
from replay.report.words import clean, milliseconds


def pilot_markdown(verdict: PilotVerdict) -> str:
    """The answer, what carries it, the rules, the costs, the effort, what is in doubt."""
    load = verdict.workload
    parts = [
        f"# {_said(verdict.answer)}",
        f"{_said(load.trace)}: {load.sessions:,} sessions, {load.steps:,} requests over {load.span_s:,.0f} s; "
        f"{_said(load.pattern)}. Made {verdict.made_at}, {verdict.how}.",
        _table(
            ["", *(_said(plane.target) for plane in verdict.planes)],
            [
                [name, *(_said(found.get(plane.target, "–")) for plane in verdict.planes)]
                for name, found in verdict.headline
            ],
        ),
        "## Side by side",
        _planes(verdict.planes),
        _table(
            ["", *(_said(plane.target) for plane in verdict.planes), "better"],
            [
                [
                    row.name,
                    *(_said(row.by_plane.get(plane.target, "–")) for plane in verdict.planes),
                    _said(row.better),
                ]
                for row in verdict.dimensions
            ],
        ),
        "## Rules",
        _table(
            ["rule", "favours", "because", "decided"],
            [
                [rule.name, rule.favours, _said(rule.text), "yes" if rule.decides else ""]
                for rule in verdict.rules
            ],
        ),
        "## Cost",
        _table(
            ["level", "of the time", "requests a month", *(_said(plane.target) for plane in verdict.planes)],
            [
                [
                    bucket.name,
                    f"{bucket.weight:.1%}",
                    f"{bucket.requests_month:,.0f}",
                    *(_cost(bucket.cost_month.get(plane.target)) for plane in verdict.planes),
                ]
                for bucket in verdict.buckets
            ],
        ),
        _bullets([even.text for even in verdict.break_even if even.text]),
        _bullets(
            [f"prices: {price['name']}, of {price['date']}, {price['source']}" for price in verdict.prices]
        ),
    ]
    if verdict.routes:
        parts += [
            "## Where steps go",
            _table(
                ["step", "to", "why"],
                [[_said(f"{route.kind}:{route.name}"), route.to, _said(route.why)] for route in verdict.routes],
            ),
        ]
    parts += ["## Effort", _bullets(verdict.effort)]
    parts += ["## In doubt", _bullets(verdict.doubts)]
    parts += ["## Afterwards", _bullets([verdict.rollback, verdict.check_again, *verdict.notes])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _planes(planes: Sequence[PilotPlane]) -> str:
    rows = [
        ["p50 response", *(milliseconds(plane.p50_ms) for plane in planes)],
        ["p95 response", *(milliseconds(plane.p95_ms) for plane in planes)],
        ["p99 response", *(milliseconds(plane.p99_ms) for plane in planes)],
        ["cold requests", *(_share(plane.cold_share) for plane in planes)],
        ["p99 without cold", *(milliseconds(plane.p99_without_cold_ms) for plane in planes)],
        ["ceiling, requests/s", *(_number(plane.ceiling_rps) for plane in planes)],
        ["machines", *("–" if plane.machines is None else str(plane.machines) for plane in planes)],
        ["a month", *(_cost(plane.cost_month, plane.currency or "") for plane in planes)],
        ["failed requests", *(f"{plane.errors:,}" for plane in planes)],
        ["sessions lost", *(f"{plane.sessions_lost:,}" for plane in planes)],
    ]
    return _table(["", *(_said(plane.target) for plane in planes)], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_said(line)}" for line in lines if line)


def _said(text: str) -> str:
    return escaped(clean(text, 500))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3g}"


def _cost(value: float | None, currency: str = "") -> str:
    return "–" if value is None else f"{value:,.2f} {currency}".strip()
