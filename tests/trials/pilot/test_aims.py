"""Which planes a pilot tries where none are named."""

import json

import pytest

from replay.engine.types import RunOptions
from replay.simulation.simulation import simulate_trace
from replay.target.errors import TargetError
from replay.trials.pilot.aims import aims_of
from replay.trials.pilot.workload.phases import SIMULATED
from replay.trials.pilot.workload.shape import shape_of

STEP = {"id": "a", "kind": "ws", "name": "ask", "took_ms": 5.0, "ws": {"path": "/", "text": "x", "until": {}}}


class Plan:
    how = "live"


def test_live_embedded_planes_open_no_websockets_and_say_so_before_anything_is_sent(tmp_path):
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
    lines += [{"id": f"s{n}", "start_ms": n * 1_000.0, "steps": [STEP]} for n in range(3)]
    trace = tmp_path / "t.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with pytest.raises(
        TargetError, match=r"which the embedded planes hold in virtual time alone\. Add --simulate"
    ):
        with aims_of((), shape_of(trace), Plan()):
            pass


def test_in_virtual_time_they_hold_websockets(tmp_path):
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
    lines += [{"id": f"s{n}", "start_ms": n * 1_000.0, "steps": [STEP]} for n in range(3)]
    trace = tmp_path / "t.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with aims_of((), shape_of(trace), SIMULATED) as aims:
        for target in aims.targets:
            summary = simulate_trace(trace, target, RunOptions(), tmp_path / target.name).summary
            assert (summary.counts.ok, summary.counts.failed) == (3, 0)
