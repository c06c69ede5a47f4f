"""The ceiling of a target whose sessions are chains of steps, each of which waits for the one before it."""

from pathlib import Path

import pytest

from replay.engine.types import RunOptions
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Edge, Header, Request, Session, Step
from replay.trials.ceiling import CeilingPlan, find_ceiling

EVERY_S = 4.0


def searched(folder, steps, took_ms, slots, think_ms=0.0, starts_s=tuple(n * EVERY_S for n in range(400))):
    """Of a machine that answers so many requests at once; a session begins every four seconds, or as told."""
    trace = folder / "trace.jsonl"
    with TraceWriter(trace, Header(FORMAT, VERSION, "t")) as writer:
        for n, start_s in enumerate(starts_s):
            chain = [
                Step(
                    str(k),
                    "llm",
                    "ask",
                    (Edge(step=str(k - 1), delay_ms=think_ms),) if k else (),
                    k * (took_ms + think_ms),
                    took_ms,
                    Request("GET", f"/{n}/{k}"),
                )
                for k in range(steps)
            ]
            writer.write(Session(f"s-{n}", start_s * 1000, chain))
    plane = {"kind": "vm", "concurrency": slots, "max_instances": 1, "request_timeout_s": 7200.0}
    target = Target(
        url="http://127.0.0.1:9", name="vm", plane="vm", simulate={"as_recorded": True, "plane": plane}
    )
    return find_ceiling(
        trace,
        target,
        (),
        RunOptions(),
        CeilingPlan(shows_recovery=False, precision=0.1, most_scale=64.0),
        out=folder / "c",
        replay=lambda trace, target, options, out, *_: simulate_trace(trace, target, options, out),
    ).verdict


@pytest.mark.parametrize(
    ("steps", "took_ms", "slots", "think_ms"),
    [(50, 100.0, 5, 0.0), (20, 100.0, 5, 0.0), (50, 20.0, 1, 80.0)],
)
def test_as_many_sessions_a_second_are_named_as_its_places_can_serve(
    tmp_path: Path, steps, took_ms, slots, think_ms
):
    """An overloaded target makes sessions wait, and so is asked for no more than it answers: 8.7 was said of 4."""
    found = searched(tmp_path, steps, took_ms, slots, think_ms)

    bearable_rps = slots / (took_ms / 1000)
    assert found.verdict == "found"
    assert found.ceiling is not None
    assert found.ceiling.scale == pytest.approx(bearable_rps / steps * EVERY_S, rel=0.1)
    assert found.ceiling.sessions_per_s == pytest.approx(bearable_rps / steps, rel=0.1)
    assert found.ceiling.ci_scale[0] <= found.ceiling.ci_scale[1]
    assert any("in the long run, of which levels asked for" in reason for reason in found.reasons)


def test_sessions_that_are_short_beside_a_level_need_no_such_words(tmp_path: Path):
    found = searched(tmp_path, 2, 100.0, 1)

    assert found.ceiling is not None
    assert found.ceiling.scale == pytest.approx(10 / 2 * EVERY_S, rel=0.15)
    assert not any("in the long run" in reason for reason in found.reasons)
