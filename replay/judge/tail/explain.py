"""All that `replay explain` says of a run, as one document."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.judge.measures.failures import Failures, check_at, class_at, failures
from replay.judge.tail.attribution import Attribution, attribute
from replay.judge.tail.critical_path import CriticalPaths, critical_paths
from replay.judge.tail.saturation import Saturation, saturation
from replay.judge.tail.session_path import PathPart, session_path
from replay.judge.types import VERDICT_SCHEMA
from replay.results.columns import ABSENT_NS, Columns
from replay.results.evidence import Evidence


class SessionStep(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A step of one session."""

    step: Annotated[str, Meta(description="Its id.")]
    kind: Annotated[str, Meta(description="Its kind.")]
    name: Annotated[str, Meta(description="Its name.")]
    from_ms: Annotated[float, Meta(description="When it began, in ms from the session's start.")]
    to_ms: Annotated[float, Meta(description="When it ended, in ms from the session's start.")]
    on_path: Annotated[bool, Meta(description="Whether it is on the critical path.")]
    gap_ms: Annotated[float, Meta(description="Think time before it, in ms; on the path only.")]
    waited_ms: Annotated[
        float,
        Meta(
            description=(
                "How long the path waited for it, until its end or its first byte, in ms; 0 off the path."
            )
        ),
    ]
    error: Annotated[str | None, Meta(description="The class of its failure, if it failed.")] = None
    check: Annotated[str | None, Meta(description="The expectation that it did not meet.")] = None
    recorded_ms: Annotated[float | None, Meta(description="How long it took in the recording, in ms.")] = None


class SessionPath(msgspec.Struct, kw_only=True):
    """One session, in order of time."""

    session: Annotated[str, Meta(description="Its id.")]
    makespan_ms: Annotated[float, Meta(description="From its first intended time to its last end, in ms.")]
    steps: Annotated[list[SessionStep], Meta(description="Its steps.")]


class ExplainVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What `replay explain --json` prints, in the schema of verdict.json."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["explain"], Meta(description="explain.")]
    target: Annotated[str, Meta(description="The target's name.")]
    run: Annotated[str, Meta(description="The name of the run directory.")]
    attribution: Annotated[Attribution, Meta(description="What the tail is made of.")]
    critical_paths: Annotated[CriticalPaths, Meta(description="What makespans are made of.")]
    saturation: Annotated[Saturation, Meta(description="How full the target was.")]
    generator: Annotated[str, Meta(description="The generator's self-check.")]
    failures: Annotated[Failures, Meta(description="What failed.")]
    session: Annotated[SessionPath | None, Meta(description="The session that was asked for.")] = None


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
