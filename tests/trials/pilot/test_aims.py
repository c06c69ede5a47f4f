"""Which planes a pilot tries where none are named."""

import json

import pytest

from replay.target.errors import TargetError
from replay.trials.pilot.aims import aims_of
from replay.trials.pilot.workload.shape import shape_of

STEP = {"id": "a", "kind": "ws", "name": "ask", "took_ms": 5.0, "ws": {"path": "/", "text": "x", "until": {}}}


class Plan:
    how = "live"


def test_embedded_planes_open_no_websockets_and_say_so_before_anything_is_sent(tmp_path):
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
    lines += [{"id": f"s{n}", "start_ms": n * 1_000.0, "steps": [STEP]} for n in range(3)]
    trace = tmp_path / "t.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with pytest.raises(TargetError, match="t: has steps on WebSockets, which the embedded planes do not open"):
        with aims_of((), shape_of(trace), Plan()):
            pass
