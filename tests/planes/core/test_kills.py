"""An instance that dies at a set time takes its requests with it, in a simulation and behind the gateway alike."""

import json
from collections import Counter

import pytest

from replay.engine.types import RunOptions
from replay.planes.modelled.time_types import Constant
from replay.planes.modelled.types import Faults, ModelSpec
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target
from tests.support.modelled_planes import behind_a_gateway


def simulated(trace, out, plane, faults):
    model = {
        "boot": {"of": "constant", "ms": 100.0},
        "service": {"of": "constant", "ms": 300.0},
        "faults": faults,
    }
    target = Target(url="http://x", name="virtual", simulate={"plane": plane, "instances": model})
    summary = simulate_trace(trace, target, RunOptions(), out).summary
    return summary, [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]


def test_only_what_the_instance_had_is_lost_and_another_is_booted(write_trace, tmp_path):
    get = write_trace.get
    trace = write_trace(*((n * 100.0, [get("a", "/x")]) for n in range(20)))

    summary, lines = simulated(
        trace, tmp_path / "run", {"kind": "vm", "max_instances": 1, "concurrency": 4}, {"kills_s": [0.95]}
    )

    lost = [line for line in lines if line["outcome"] == "failed"]
    # Three were under way, and one came while no machine was there.
    assert [line["status"] for line in lost] == [503, 503, 503, 503]
    assert sorted(line["end_ns"] for line in lost) == [950_000_000, 950_000_000, 950_000_000, 1_000_000_000]
    assert summary.plane.instances == 2
    assert {line["instance"] for line in lines if line["intended_ns"] > 1_050_000_000} == {"i-2"}


def test_nothing_happens_if_no_instance_is_there(write_trace, tmp_path):
    trace = write_trace((2000.0, [write_trace.get("a", "/x")]))

    summary, _ = simulated(trace, tmp_path / "run", {"kind": "serverless"}, {"kills_s": [0.5]})

    assert (summary.counts.ok, summary.counts.failed) == (1, 0)


@pytest.mark.anyio
async def test_behind_the_gateway_the_busiest_dies_at_its_time():
    model = ModelSpec(boot=Constant(0.0), service=Constant(1000.0), faults=Faults(kills_s=(0.3,)))
    seen = Counter()

    async with behind_a_gateway(model, kind="vm", max_instances=1, concurrency=2) as (client, _):
        answer = await client.get("/tools/search")
        seen[answer.status_code] += 1
        answer = await client.get("/tools/search")
        seen[answer.headers["x-replay-instance"]] += 1

    assert seen == {503: 1, "i-2": 1}


def test_times_that_are_no_times_are_refused():
    with pytest.raises(ValueError, match="kills_s"):
        Faults(kills_s=(-1.0,))
