"""Which planes a pilot tries where none are named."""

import json

import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.simulation.simulation import simulate_trace
from replay.trials.pilot.aims import aims_of
from replay.trials.pilot.workload.phases import QUICK, SIMULATED
from replay.trials.pilot.workload.shape import shape_of

STEP = {"id": "a", "kind": "ws", "name": "ask", "took_ms": 5.0, "ws": {"path": "/", "text": "x", "until": {}}}


@pytest.mark.parametrize("how", ["live", "virtual"])
def test_the_embedded_planes_hold_websockets(how, tmp_path):
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
    lines += [{"id": f"s{n}", "start_ms": n * 100.0, "steps": [STEP]} for n in range(3)]
    trace = tmp_path / "t.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with aims_of((), shape_of(trace), QUICK if how == "live" else SIMULATED) as aims:
        for target in aims.targets:
            carried_out = replay_trace if how == "live" else simulate_trace
            summary = carried_out(trace, target, RunOptions(), tmp_path / target.name).summary
            assert (summary.counts.ok, summary.counts.failed) == (3, 0)
            assert summary.plane.cold == (3 if target.plane == "serverless" else 0)
