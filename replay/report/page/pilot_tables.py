"""The parts of a pilot's page that are text and tables; names from traces are escaped in all of them."""

from collections.abc import Sequence

from replay.choice.types import PhaseFigures, PilotVerdict, Recovered, Rule
from replay.report.page.html import bullets, prose_of, prose_table, table, text_of
from replay.report.words.levels import level_of
from replay.report.words.pilot import (
    MOST_CHARACTERS,
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
from replay.words.numbers import NOTHING, count, exact, milliseconds, money, number, percent, seconds
from replay.words.phrases import counted

_MOST_STEPS = 40


def first_screen(verdict: PilotVerdict) -> str:
    """The answer, the figures that carry it, and the doubt that remains."""
    load = verdict.workload
    about = (
        f"{clean(load.trace)}: {counted(load.sessions, 'session')}, {counted(load.steps, 'request')} over "
        f"{seconds(load.span_s)}, {load.pattern}. Made {verdict.made_at}, {verdict.how}."
    )
    cards = "".join(
        f'<div class="card"><span>{text_of(name)}</span><dl>'
        + "".join(f"<dt>{text_of(clean(target))}</dt><dd>{text_of(value)}</dd>" for target, value in by.items())
        + "</dl></div>"
        for name, by in verdict.headline
    )
    doubt = clean(verdict.doubts[0], MOST_CHARACTERS).rstrip(".") if verdict.doubts else ""
    said = f'<p class="verdict doubt"><b>In doubt:</b> {prose_of(doubt)}.</p>' if doubt else ""
    brief = "".join(
        f'<div class="card"><span>{text_of(name)}</span>{bullets(lines)}</div>'
        for name, lines in in_short(verdict)
    )
    kind = "inconclusive" if verdict.verdict == "inconclusive" else "pass"
    return (
        f'<header><p class="dim">{text_of(about)}</p><div class="verdict {kind}">'
        f'<h1 class="answer">{text_of(clean(verdict.answer, MOST_CHARACTERS))}</h1></div>'
        f'<div class="cards wider">{cards}</div>{said}<div class="cards brief">{brief}</div></header>'
    )


def planes(verdict: PilotVerdict) -> str:
    who = bullets([clean(line, MOST_CHARACTERS) for line in standing_lines(verdict)])
    return table(("", *_targets(verdict)), side_by_side(verdict)) + who


def assumptions(verdict: PilotVerdict) -> str:
    """Everything that the figures rest on and that the trace does not say, in one box."""
    rows = assumption_rows(verdict)
    return prose_table(("what", "plane", "value", "from"), rows) if rows else ""


def boots(verdict: PilotVerdict) -> str:
    """Boots, and apart from them the steps that waited."""
    rows = boot_rows(verdict)
    return f"<h3>Boots</h3>{table(('', *_targets(verdict)), rows)}" if rows else ""


def dimensions(verdict: PilotVerdict) -> str:
    rows = [
        (
            row.name,
            *(clean(row.by_plane.get(p.target, NOTHING), 200) for p in verdict.planes),
            clean(row.better),
        )
        for row in verdict.dimensions
    ]
    if not rows:
        return ""
    return f"<h3>Eight dimensions</h3>{prose_table(('dimension', *_targets(verdict), 'better'), rows)}"


def rules(verdict: PilotVerdict) -> str:
    """Every rule with the numbers that fired it: those that decided stand out, those that favour nobody are folded."""
    if not verdict.rules:
        return ""
    marked = [rule for rule in verdict.rules if rule.decides]
    telling = [rule for rule in verdict.rules if rule.decides or rule.favours != "neither"]
    silent = [rule for rule in verdict.rules if rule not in telling]
    shown = _rules(telling) if telling else ""
    if silent:
        shown += f"<details><summary>{_favour_neither(len(silent))}</summary>{_rules(silent)}</details>"
    said = "● carried the choice. " if marked else "No rule carried a choice. "
    sources = bullets(
        [f"{clean(r.name)}: {clean(r.source, MOST_CHARACTERS)}" for r in verdict.rules if r.source]
    )
    where = f"<details><summary>where the rules are from</summary>{sources}</details>" if sources else ""
    said += "Each rule says by itself what it favours, and at which value it would not."
    return f'<p class="dim">{said}</p>{shown}{where}'


def _favour_neither(n: int) -> str:
    return f"{counted(n, 'rule')} that {'favours' if n == 1 else 'favour'} neither"


def _rules(rules: Sequence[Rule]) -> str:
    rows = [
        (
            ("● " if rule.decides else "") + clean(rule.name),
            rule.favours,
            clean(rule.text, MOST_CHARACTERS),
            pairs(rule.evidence),
            pairs(rule.flips_at or {}),
        )
        for rule in rules
    ]
    marked = frozenset(n for n, rule in enumerate(rules) if rule.decides)
    return prose_table(("rule", "favours", "because", "its numbers", "flips at"), rows, marked)


def routes(verdict: PilotVerdict) -> str:
    """Which steps a hybrid would send where."""
    if not verdict.routes:
        return ""
    rows = [
        (f"{route.kind}:{clean(route.name)}", route.to, clean(route.why, MOST_CHARACTERS))
        for route in verdict.routes
    ]
    return f"<h3>Where steps go</h3>{prose_table(('step', 'to', 'why'), rows)}"


def workload(verdict: PilotVerdict) -> str:
    """Its shape, its load levels, and its steps."""
    load = verdict.workload
    span = NOTHING if load.longest_session_s is None else seconds(load.longest_session_s)
    facts = [
        ("pattern", f"{load.pattern}: {load.pattern_rule}"),
        (
            "requests/s, mean and peak",
            f"{number(load.mean_rps)} and {number(load.peak_rps)} (windows of {load.window_s} s)",
        ),
        ("in flight, mean and peak", f"{number(load.mean_in_flight)} and {number(load.peak_in_flight)}"),
        ("idle", f"{percent(load.idle_share)} of the time"),
        ("waits on tools", f"{percent(load.tool_share)} of the request time"),
        ("longest request", milliseconds(load.longest_ms)),
        ("longest session", span),
    ]
    known = [(name, said) for name, said in facts if not said.startswith(NOTHING)]
    return prose_table(("", ""), known) + _levels(verdict) + _steps(verdict)


def _levels(verdict: PilotVerdict) -> str:
    rows = [
        (
            level_of(bucket.name),
            percent(bucket.weight),
            percent(bucket.requests_share),
            number(bucket.requests_per_s),
            milliseconds(bucket.mean_took_ms),
            number(bucket.in_flight),
            number(bucket.external_calls_month),
            number(bucket.tokens_month),
        )
        for bucket in verdict.buckets
    ]
    heads = (
        "load level",
        "time",
        "requests",
        "requests/s",
        "mean duration",
        "in flight",
        "external calls/month",
        "model tokens/month",
    )
    return f"<h3>Low, middle and high load</h3>{table(heads, rows)}" if rows else ""


def _steps(verdict: PilotVerdict) -> str:
    rows = [
        (
            f"{step.kind}:{clean(step.name)}",
            count(step.steps),
            milliseconds(step.p50_ms),
            milliseconds(step.longest_ms),
            percent(step.busy_share),
            number(step.in_flight),
            clean(step.needs or ("the agent's own machine" if step.is_local else NOTHING)),
        )
        for step in verdict.workload.series[:_MOST_STEPS]
    ]
    heads = ("step", "n", "p50", "longest", "of the time", "in flight", "needs")
    return f"<details><summary>its steps</summary>{table(heads, rows)}</details>" if rows else ""


def bills(verdict: PilotVerdict) -> str:
    """Each plane's bill, line by line, with what each line is made of, and the price tables."""
    parts = []
    for plane in verdict.planes:
        rows = [
            (
                clean(str(line.get("name", ""))) + (" (beside the bill)" if line.get("beside") else ""),
                money(line.get("amount", 0)),
                f"{number(line.get('quantity', 0))} {clean(str(line.get('unit', '')))}",
                number(line.get("free", 0)),
                exact(line.get("unit_price", 0)),
                clean(str(line.get("inputs", "")), 200),
            )
            for line in plane.cost_lines
        ]
        if rows:
            rows.append((f"a month, {clean(verdict.calendar, 40)}", money(plane.cost_month), "", "", "", ""))
            # The amount first: on a phone the rest is scrolled to.
            heads = ("line", clean(plane.currency or "amount"), "quantity", "free", "unit price", "made of")
            parts.append(
                f"<h3>{text_of('The bill of ' + clean(plane.target))}</h3>{table(heads, rows, 'bill')}"
            )
    if not parts:
        return "<p>No plane has a price, so no month was priced: name a price table in its target file.</p>"
    tables = [
        clean(
            f"{price.get('provider')}, {price.get('region')}: prices of {price.get('date')}, {price.get('source')}",
            MOST_CHARACTERS,
        )
        for price in verdict.prices
    ]
    return "".join(parts) + bullets(tables)


def months(verdict: PilotVerdict) -> str:
    """The same load in months that look otherwise."""
    head, *rows = other_months(verdict) or [()]
    return f"<h3>If the month were another</h3>{table(head, rows)}" if rows else ""


def splits(verdict: PilotVerdict) -> str:
    """The splits of the steps that were looked at, with their months."""
    rows = split_rows(verdict)
    return f"<h3>Splits that were tried</h3>{table(SPLIT_HEADS, rows)}" if rows else ""


def answers(verdict: PilotVerdict) -> str:
    """What was answered of what no trace can tell."""
    rows = [
        (clean(one.question), clean(one.answer, 200), clean(one.follows, MOST_CHARACTERS))
        for one in verdict.answers
    ]
    heads = ("asked", "answer", "what follows")
    return f"<h3>What no trace can tell</h3>{prose_table(heads, rows)}" if rows else ""


def crossings(verdict: PilotVerdict) -> str:
    """The break-evens that no chart shows, and why."""
    return bullets(
        [
            clean(f"No break-even by {even.by}: {even.reason or even.text}", MOST_CHARACTERS)
            for even in verdict.break_even
            if even.at is None and (even.reason or even.text)
        ]
    )


def effort(verdict: PilotVerdict) -> str:
    """What happened that somebody would have had to look after, and what a failure did."""
    rows = [
        (
            clean(found.target),
            clean(found.what, 200),
            NOTHING if found.detect_s is None else seconds(found.detect_s),
            _back(found),
            count(found.failed),
            count(found.retried_ok),
            count(found.sessions_lost),
        )
        for plane in verdict.planes
        if (found := plane.recovery) is not None
    ]
    heads = (
        "plane",
        "what was done",
        "seen after",
        "back after",
        "failed",
        "retried with success",
        "sessions lost",
    )
    said = bullets([clean(line, MOST_CHARACTERS) for line in verdict.effort])
    return said + (f"<h3>What a failure did</h3>{table(heads, rows)}" if rows else "")


def _back(found: Recovered) -> str:
    if found.met in ("no request", "no instance") and not found.failed:
        return f"nothing was running ({found.met})"
    if found.recovered_s is None:
        return "not within the run"
    shortened = "" if found.boots_share is None else f" (boots shortened to {percent(found.boots_share)})"
    return seconds(found.recovered_s) + shortened


def doubts(verdict: PilotVerdict) -> str:
    return bullets([clean(line, MOST_CHARACTERS) for line in verdict.doubts])


def afterwards(verdict: PilotVerdict) -> str:
    """Rollback and review date."""
    lines = [line for line in (verdict.rollback, verdict.check_again) if line]
    return bullets([clean(line, MOST_CHARACTERS) for line in lines])


def phases(verdict: PilotVerdict) -> str:
    """Every run that the pilot made, and what to know of them."""
    heads = ("phase", "target", "sent", "failed", "p50", "p99", "cold", "instances", "generator", "run")
    rows = [_phase(found) for found in verdict.phases]
    notes = [clean(note, MOST_CHARACTERS) for note in verdict.notes]
    # Where none were given, those that ceilings were asked for with stand there, and bound no plane.
    if verdict.slos and any(plane.budget for plane in verdict.planes):
        notes.append(f"held against: {clean(', '.join(verdict.slos), MOST_CHARACTERS)}")
    return (table(heads, rows) if rows else "") + bullets(notes)


def _phase(found: PhaseFigures) -> tuple[str, ...]:
    return (
        found.phase,
        clean(found.target),
        count(found.steps),
        count(found.failed),
        milliseconds(found.p50_ms),
        milliseconds(found.p99_ms),
        NOTHING if found.cold is None else count(found.cold),
        NOTHING if found.most_instances is None else count(found.most_instances),
        clean(found.generator),
        clean(found.run),
    )


def _targets(verdict: PilotVerdict) -> list[str]:
    return [clean(plane.target) for plane in verdict.planes]
