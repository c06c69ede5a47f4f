"""All that `replay explain` says of a run, as one document."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from replay.judge.measures.failures import Failures, check_at, class_at, failures
from replay.judge.tail.attribution import Attribution, attribute
from replay.judge.tail.critical_path import CriticalPaths, critical_paths
from replay.judge.tail.saturation import Saturation, saturation
from replay.judge.tail.session_path import PathPart, session_path
from replay.judge.types import VERDICT_SCHEMA
from replay.results.columns import ABSENT_NS, Columns
from replay.results.evidence import Evidence


class SessionStep(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A step of one session, in ms from the session's start. gap_ms: think time before it, on the path only.
    waited_ms: how long the path waited for it, until its end or its first byte; 0 off the path. error, check: the class
    of a step that failed, and the expectation that it did not meet. recorded_ms: how long it took in the recording.
    """

    step: str
    kind: str
    name: str
    from_ms: float
    to_ms: float
    on_path: bool
    gap_ms: float
    waited_ms: float
    error: str | None = None
    check: str | None = None
    recorded_ms: float | None = None


class SessionPath(msgspec.Struct, kw_only=True):
    """One session, in order of time."""

    session: str
    makespan_ms: float
    steps: list[SessionStep]


class ExplainVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What `replay explain --json` prints, in the schema of verdict.json. session: the one that was asked for."""

    schema: str
    command: Literal["explain"]
    target: str
    run: str
    attribution: Attribution
    critical_paths: CriticalPaths
    saturation: Saturation
    generator: str
    failures: Failures
    session: SessionPath | None = None


def explain_run(
    evidence: Evidence, quantile: float = 0.99, connection_limit: int | None = None
) -> ExplainVerdict:
    """What a run's tail is made of, the critical path of its sessions, and how full the target was.

    connection_limit: how many connections the run might open. Raises ValueError for a quantile outside 0..1.
    """
    return ExplainVerdict(
        schema=VERDICT_SCHEMA,
        command="explain",
        target=evidence.summary.target.name,
        run=evidence.name,
        attribution=attribute(evidence, quantile, connection_limit),
        critical_paths=critical_paths(evidence),
        saturation=saturation(evidence),
        generator=evidence.summary.generator.verdict,
        failures=failures(evidence.columns),
    )


def path_of_session(evidence: Evidence, session: str) -> SessionPath | None:
    """One session step by step; None if the run has no step of it."""
    columns = evidence.columns
    if session not in columns.sessions:
        return None
    code = columns.sessions.index(session)
    rows = (columns.session == code).nonzero()[0].tolist()
    parts = session_path(columns, rows)
    if not parts:
        return None
    start_ns = parts[0].from_ns
    by_step = {columns.step[row]: row for row in rows}
    return SessionPath(
        session=session,
        makespan_ms=(max(part.to_ns for part in parts) - start_ns) / 1e6,
        steps=[_step(columns, by_step, part, start_ns) for part in parts],
    )


def _step(columns: Columns, rows: Mapping[str, int], part: PathPart, start_ns: int) -> SessionStep:
    row = rows[part.step]
    is_failed = not columns.ok[row]
    recorded_ns = int(columns.numbers("recorded_ns")[row])
    return SessionStep(
        step=part.step,
        kind=part.kind,
        name=part.name,
        from_ms=(part.from_ns - start_ns) / 1e6,
        to_ms=(part.to_ns - start_ns) / 1e6,
        on_path=part.on_path,
        gap_ms=part.gap_ns / 1e6,
        waited_ms=(part.until_ns - part.from_ns) / 1e6 if part.on_path else 0.0,
        error=class_at(columns, row) if is_failed else None,
        check=check_at(columns, row) if is_failed else None,
        recorded_ms=None if recorded_ns == ABSENT_NS else recorded_ns / 1e6,
    )
