"""A pilot's answer as GitHub-flavoured Markdown, for a decision record or a pull request."""

from collections.abc import Sequence

from replay.judge.choice.types import PilotVerdict
from replay.report.markdown import escaped
from replay.report.pilot_cells import money, pairs, side_by_side, standing_lines
from replay.report.words import clean


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
                [_said(name), *(_said(found.get(plane.target, "–")) for plane in verdict.planes)]
                for name, found in verdict.headline
            ],
        ),
        "## Side by side",
        _table(
            ["", *(_said(plane.target) for plane in verdict.planes)],
            [[_said(cell) for cell in row] for row in side_by_side(verdict)],
        ),
        _bullets(standing_lines(verdict)),
        _table(
            ["", *(_said(plane.target) for plane in verdict.planes), "better"],
            [
                [
                    _said(row.name),
                    *(_said(row.by_plane.get(plane.target, "–")) for plane in verdict.planes),
                    _said(row.better),
                ]
                for row in verdict.dimensions
            ],
        ),
        "## Rules",
        _table(
            ["rule", "favours", "because", "flips at", "decided"],
            [
                [
                    _said(rule.name),
                    rule.favours,
                    _said(rule.text),
                    _said(pairs(rule.flips_at or {})),
                    "yes" if rule.decides else "",
                ]
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
                    *(money(bucket.cost_month.get(plane.target)) for plane in verdict.planes),
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


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_said(line)}" for line in lines if line)


def _said(text: str) -> str:
    return escaped(clean(text, 500))
