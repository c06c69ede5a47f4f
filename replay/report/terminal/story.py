"""One session's story: what it asked, when, of whom, and what came of it, with the audit facts of its trace."""

from collections.abc import Sequence

from rich.console import Console

from replay.report.plain import Table, Text, fitted, plain_console
from replay.report.words.failures import failure_name
from replay.results.types import StepRecord
from replay.words.names import clean
from replay.words.numbers import milliseconds
from replay.words.phrases import counted

_NS_PER_MS = 1e6
_STYLES = {"ok": "green", "failed": "red", "unsent": "yellow"}


def print_story(session: str, records: Sequence[StepRecord], console: Console | None = None) -> None:
    """Print every attempt of every step of a session, in order of time. records: of this session alone."""
    console = console or plain_console()
    ordered = sorted(records, key=_when)
    first_ns = next((record.intended_ns for record in ordered if record.intended_ns is not None), 0) or 0
    ends_ns = (record.end_ns for record in ordered if not record.handshake)
    last_ns = max((end_ns for end_ns in ends_ns if end_ns is not None), default=first_ns)
    finals = [record for record in ordered if record.final]
    failed = sum(record.outcome == "failed" for record in finals)
    unsent = sum(record.outcome == "unsent" for record in finals)
    console.print()
    console.print(Text(f"session {clean(session, 80)}", style="bold"))
    said = f"{counted(len(finals), 'step')} in {milliseconds((last_ns - first_ns) / _NS_PER_MS)}"
    recorded_ms = _recorded_makespan_ms(finals)
    if recorded_ms is not None:
        said += f" ({milliseconds(recorded_ms)} when it was recorded)"
    retries = sum(not record.final and not record.handshake for record in ordered)
    handshakes = sum(record.handshake for record in ordered)
    for n, what in ((failed, "failed"), (unsent, "unsent")):
        if n:
            said += f", {n} {what}"
    for n, one, more in ((retries, "retry", "retries"), (handshakes, "handshake", "handshakes")):
        if n:
            said += f", {counted(n, one, more)}"
    console.print(Text(f"{said}; it began {milliseconds(first_ns / _NS_PER_MS)} into the run"))
    shared = _shared(finals)
    for name, value in shared.items():
        console.print(Text(f"  {clean(name, 40)}: {clean(value, 200)}", style="dim"), soft_wrap=True)
    console.print()
    table = Table(box=None, padding=(0, 1), header_style="dim")
    has_recording = any(record.recorded_ms is not None for record in ordered)
    rows = [_row(record, first_ns, shared) for record in ordered]
    has_facts = any(row[-1] for row in rows)
    for head in ("due", "late", "service", *(["recorded"] if has_recording else [])):
        table.add_column(head, justify="right", no_wrap=True)
    for head in ("step", "outcome", *(["facts"] if has_facts else [])):
        table.add_column(head, overflow="fold")
    for record, (due, late, service, step, outcome, facts) in zip(ordered, rows, strict=True):
        recorded = [milliseconds(record.recorded_ms)] if has_recording else []
        table.add_row(due, late, service, *recorded, step, outcome, *([facts] if has_facts else []))
    console.print(fitted(table, console, folds=True))


def _recorded_makespan_ms(records: Sequence[StepRecord]) -> float | None:
    """From the first start to the last end in the recording; None where a step has no recorded duration."""
    if not records or any(record.recorded_ms is None for record in records):
        return None
    first = min(record.recorded_at_ms for record in records)
    return max(record.recorded_at_ms + (record.recorded_ms or 0.0) for record in records) - first


def _when(record: StepRecord) -> tuple[int, int]:
    return (record.intended_ns if record.intended_ns is not None else 1 << 62, record.attempt)


def _row(record: StepRecord, first_ns: int, shared: dict[str, str]) -> tuple[str | Text, ...]:
    intended, sent, end = record.intended_ns, record.sent_ns, record.end_ns
    due = "–" if intended is None else f"+{milliseconds((intended - first_ns) / _NS_PER_MS)}"
    late = "–" if intended is None or sent is None else milliseconds((sent - intended) / _NS_PER_MS)
    service = "–" if sent is None or end is None else milliseconds((end - sent) / _NS_PER_MS)
    outcome = record.outcome if record.error is None else failure_name(record.error, record.check)
    if record.outcome == "ok" and sent is None:
        outcome, service = "wait", milliseconds(((end or 0) - (intended or 0)) / _NS_PER_MS)
    if record.status is not None:
        outcome += f" {record.status}"
    if record.handshake:
        outcome += " (handshake)"
    elif record.attempt > 1 or not record.final:
        outcome += f" (try {record.attempt})"
    facts = {name: value for name, value in (record.attributes or {}).items() if shared.get(name) != value}
    if record.cold:
        facts = {"cold": "yes", **facts}
    if record.instance is not None:
        facts = {"instance": record.instance, **facts}
    shown = ", ".join(f"{clean(name, 30)}={clean(value, 60)}" for name, value in facts.items())
    return (
        due,
        late,
        service,
        f"{record.kind}:{clean(record.name, 40)} ({clean(record.step, 20)})",
        Text(clean(outcome, 120), style=_STYLES[record.outcome]),
        shown,
    )


def _shared(records: Sequence[StepRecord]) -> dict[str, str]:
    """The facts that all steps have alike: the session's own."""
    sent = [
        record.attributes or {}
        for record in records
        if record.outcome != "unsent" and record.sent_ns is not None
    ]
    if not sent:
        return {}
    return {name: value for name, value in sent[0].items() if all(other.get(name) == value for other in sent)}
