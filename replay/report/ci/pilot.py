"""A pilot's answer as GitHub-flavoured Markdown, for a decision record or a pull request."""

from collections.abc import Sequence

from replay.choice.types import PilotVerdict
from replay.report.ci.markdown import escaped
from replay.report.words.levels import level_of
from replay.report.words.pilot import (
    SPLIT_HEADS,
    assumption_rows,
    boot_rows,
    in_short,
    other_months,
    pairs,
    side_by_side,
    split_rows,
    standing_lines,
)
from replay.words.names import clean
from replay.words.numbers import money, number, percent, seconds
from replay.words.phrases import counted


def pilot_markdown(verdict: PilotVerdict) -> str:
    """The answer, what carries it, the rules, the costs, the effort, what is in doubt."""
    parts = [
        *_answer(verdict),
        *_side_by_side(verdict),
        *_boots(verdict),
        *_rules(verdict),
        *_answers(verdict),
        *_cost(verdict),
        *_routes(verdict),
        "## Effort",
        _bullets(verdict.effort),
        "## In doubt",
        _bullets(verdict.doubts),
        *_assumed(verdict),
        "## Afterwards",
        _bullets([verdict.rollback, verdict.check_again, *verdict.notes]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _answer(verdict: PilotVerdict) -> list[str]:
    load = verdict.workload
    return [
        f"# {_said(verdict.answer)}",
        f"{_said(load.trace)}: {counted(load.sessions, 'session')}, {counted(load.steps, 'request')} over "
        f"{seconds(load.span_s)}; {_said(load.pattern)}. Made {verdict.made_at}, {verdict.how}.",
        _table(
            ["", *_names(verdict)],
            [
                [_said(name), *(_said(found.get(plane.target, "–")) for plane in verdict.planes)]
                for name, found in verdict.headline
            ],
        ),
        *(part for name, lines in in_short(verdict) for part in (f"### {name.capitalize()}", _bullets(lines))),
    ]


def _side_by_side(verdict: PilotVerdict) -> list[str]:
    return [
        "## Side by side",
        _table(["", *_names(verdict)], [[_said(cell) for cell in row] for row in side_by_side(verdict)]),
        _bullets(standing_lines(verdict)),
        _table(
            ["", *_names(verdict), "better"],
            [
                [
                    _said(row.name),
                    *(_said(row.by_plane.get(plane.target, "–")) for plane in verdict.planes),
                    _said(row.better),
                ]
                for row in verdict.dimensions
            ],
        ),
    ]


def _boots(verdict: PilotVerdict) -> list[str]:
    rows = boot_rows(verdict)
    if not rows:
        return []
    return ["## Boots", _table(["", *_names(verdict)], [[_said(cell) for cell in row] for row in rows])]


def _rules(verdict: PilotVerdict) -> list[str]:
    rows = [
        [
            _said(rule.name),
            rule.favours,
            _said(rule.text),
            _said(pairs(rule.flips_at or {})),
            "yes" if rule.decides else "",
        ]
        for rule in verdict.rules
    ]
    return ["## Rules", _table(["rule", "favours", "because", "flips at", "decided"], rows)]


def _answers(verdict: PilotVerdict) -> list[str]:
    rows = [[_said(one.question), _said(one.answer), _said(one.follows)] for one in verdict.answers]
    return ["## What no trace can tell", _table(["asked", "answer", "what follows"], rows)] if rows else []


def _cost(verdict: PilotVerdict) -> list[str]:
    heads = ["level", f"of a month, {_said(verdict.calendar)}", "requests a month", *_names(verdict)]
    rows = [
        [
            level_of(bucket.name),
            percent(bucket.weight),
            number(bucket.requests_month),
            *(money(bucket.cost_month.get(plane.target)) for plane in verdict.planes),
        ]
        for bucket in verdict.buckets
    ]
    return [
        "## Cost",
        _table(heads, rows),
        *_months(verdict),
        *_splits(verdict),
        _bullets([even.text for even in verdict.break_even if even.text]),
        _bullets(
            [f"prices: {price['name']}, of {price['date']}, {price['source']}" for price in verdict.prices]
        ),
    ]


def _months(verdict: PilotVerdict) -> list[str]:
    head, *rows = other_months(verdict) or [()]
    return (
        [_table([_said(cell) for cell in head], [[_said(cell) for cell in row] for row in rows])]
        if rows
        else []
    )


def _splits(verdict: PilotVerdict) -> list[str]:
    rows = [[_said(cell) for cell in row] for row in split_rows(verdict)]
    return ["### Splits that were tried", _table(list(SPLIT_HEADS), rows)] if rows else []


def _routes(verdict: PilotVerdict) -> list[str]:
    rows = [[_said(f"{route.kind}:{route.name}"), route.to, _said(route.why)] for route in verdict.routes]
    return ["## Where steps go", _table(["step", "to", "why"], rows)] if rows else []


def _assumed(verdict: PilotVerdict) -> list[str]:
    if not verdict.assumptions:
        return []
    rows = [[_said(cell) for cell in row] for row in assumption_rows(verdict)]
    return ["## Assumed", _table(["what", "plane", "value", "from"], rows)]


def _names(verdict: PilotVerdict) -> list[str]:
    return [_said(plane.target) for plane in verdict.planes]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_said(line)}" for line in lines if line)


def _said(text: str) -> str:
    return escaped(clean(text, 500))
