"""The ceiling of a target with K slots of a known service time, its load dealt to two workers: the same target, the
same arrivals and the same queue as for one process, in virtual time.
"""

import msgspec
import pytest

from replay.engine.run import Outcome
from replay.engine.types import RunOptions
from replay.judge.measures.slo import parse_slo
from replay.results.manifest_types import WorkerFacts
from replay.results.merging.layout import worker_directory
from replay.results.merging.merge import merge
from replay.results.record import read_steps
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target
from replay.trials.ceiling import CeilingPlan, find_ceiling
from tests.support.worker_directories import leave

SLOTS, SERVICE_S = 8, 0.05
TRUE_RPS = SLOTS / SERVICE_S
TARGET = Target(
    url="http://127.0.0.1:9",
    name="slots",
    plane="vm",
    simulate={"as_recorded": True, "plane": {"kind": "vm", "concurrency": SLOTS, "max_instances": 1}},
)
PLAN = CeilingPlan(first_scale=40.0, level_s=2.0, shows_recovery=False)


def by_one(trace, target, options, out, *_):
    return simulate_trace(trace, target, options, out)


def by_two(trace, target, options, out, *_):
    """What two workers leave of the same run: each the sessions of its place, merged afterwards."""
    whole = simulate_trace(trace, target, options, out.with_name(f"{out.name}-at-once"))
    told = RunDir(whole.directory).read_manifest()
    records = sorted(read_steps(whole.directory / "steps.jsonl"), key=lambda record: record.intended_ns)
    sessions = list(dict.fromkeys(record.session for record in records))
    for place in range(2):
        mine = set(sessions[place::2])
        lines = [record for record in records if record.session in mine]
        facts = msgspec.structs.replace(told.trace, sessions=len(mine), steps=len(lines))
        leave(worker_directory(out, place), lines, msgspec.structs.replace(told, trace=facts))
    top = msgspec.structs.replace(told, workers=[WorkerFacts(n) for n in range(2)], status="running")
    RunDir(out).write_manifest(top)
    merged = merge(out, top)
    RunDir(out).write_manifest(merged)
    return Outcome(rebuild(out, merged), out)


@pytest.fixture
def evenly(write_trace):
    """One request a second, which takes a slot for as long as the recording says."""
    get = write_trace.get
    return write_trace(*[(n * 1000.0, [{**get("a", "/a"), "took_ms": SERVICE_S * 1000}]) for n in range(100)])


def test_the_ceiling_of_two_workers_is_that_of_one_and_within_5_percent_of_the_truth(evenly, tmp_path):
    slos = [parse_slo("p95 < 200ms")]

    one, two = (
        find_ceiling(evenly, TARGET, slos, RunOptions(), PLAN, out=tmp_path / name, replay=replay).verdict
        for name, replay in (("one", by_one), ("two", by_two))
    )

    assert (one.verdict, two.verdict) == ("found", "found")
    assert two.ceiling.scale == one.ceiling.scale
    assert two.ceiling.rps == pytest.approx(TRUE_RPS, rel=0.05)
    assert [level.scale for level in two.levels] == [level.scale for level in one.levels]
