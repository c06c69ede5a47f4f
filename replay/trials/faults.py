"""Faults in the middle of a run, read back from what the run left, and judged."""

from pathlib import Path

from replay.judge.load.recovery import Event, RecoveryVerdict, judge_recovery
from replay.results.evidence import Evidence, read_evidence
from replay.results.rundir import read_lines
from replay.results.types import EVENTS_FILE, EventRecord
from replay.trials.evidence import write_verdict


def read_events(run_dir: Path) -> list[EventRecord]:
    """What was done to the target in a run, nothing for a run without. Raises RunDirError if it cannot be read."""
    path = run_dir / EVENTS_FILE
    return read_lines(path, EventRecord, "is not a valid record of events") if path.exists() else []


def judge_faults(run_dir: Path, run: Evidence | None = None) -> RecoveryVerdict | None:
    """What the faults of a run did; verdict.json is left in its directory. None for a run in which nothing was done."""
    records = read_events(run_dir)
    if not records:
        return None
    verdict = judge_recovery(
        run or read_evidence(run_dir), [Event(record.at_ns, record.what) for record in records if record.done]
    )
    verdict.notes += [_outcome(record) for record in records if _outcome(record)]
    write_verdict(run_dir, verdict)
    return verdict


def _outcome(record: EventRecord) -> str:
    """What a reader must know of how it went."""
    if record.exit_code:
        return f"`{record.what}` ended with exit code {record.exit_code}; events.log has what it said"
    if record.answer is not None and not record.answer.startswith("{"):
        return f"{record.what}: {record.answer}"
    if record.ended_ns is None:
        return f"{record.what}: was still running when the run ended, and was stopped with it"
    return ""
