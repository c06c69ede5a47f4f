"""Pilots in virtual time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from replay.choice.types import PilotVerdict
from replay.engine.types import Knobs, RunOptions
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Edge, Header, Request, Session, Step
from replay.trials.pilot.embedded import embedded_targets
from replay.trials.pilot.faults import KillInstance
from replay.trials.pilot.judging import Told
from replay.trials.pilot.trial import PilotOutcome, run_pilot
from replay.trials.pilot.workload.phases import SIMULATED
from replay.trials.pilot.workload.shape import shape_of

# A plan of the same phases, shorter where virtual time still costs the steps of it.
PLAN = SIMULATED._replace(burst_rounds=2, chains_s=60.0, failure_s=30.0, level_s=4.0, precision=0.3)


def call(
    n: int, kind: Any, name: str, took_ms: float, after: tuple[Edge, ...] = (), at_ms: float = 0.0, **more: Any
) -> Step:
    request = Request("POST", f"/{kind}/{name}")
    return Step(f"s{n}", kind, name, after, at_ms, took_ms, request=request, **more)


def edges_and_builds() -> Iterator[Session]:
    """Four short calls, then a build of most of a minute on the spot; one such session every ten seconds."""
    for n in range(120):
        steps = [call(0, "http", "edge", 60.0)]
        for i in range(1, 4):
            steps.append(call(i, "http", "edge", 60.0, (Edge(f"s{i - 1}", delay_ms=20.0),), i * 80.0))
        steps.append(call(4, "tool", "build", 45_000.0, (Edge("s3", delay_ms=5.0),), 320.0))
        yield Session(f"e-{n}", n * 10_000.0, steps)


def written(tmp_path: Path, sessions: Callable[[], Iterator[Session]], name: str = "a trace") -> Path:
    path = tmp_path / f"{sessions.__name__}.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, name)) as writer:
        for session in sessions():
            writer.write(session)
    return path


def piloted(trace: Path, out: Path, slos: tuple[Any, ...] = (), **changed: Any) -> PilotOutcome:
    shape = shape_of(trace)
    targets = changed.pop("targets", None) or embedded_targets(shape.workload, "simulated")
    return run_pilot(
        trace,
        targets,
        slos,
        shape,
        changed.pop("plan", PLAN),
        RunOptions(knobs=Knobs(seed=changed.pop("seed", 1))),
        KillInstance("simulated"),
        imagined=changed.pop("imagined", ()),
        out=out,
        told=changed.pop("told", Told()),
        on_stage=changed.pop("on_stage", lambda _: None),
    )


def verdict_of(outcome: PilotOutcome) -> PilotVerdict:
    assert outcome.verdict is not None
    return outcome.verdict
