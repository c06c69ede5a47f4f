"""Whatever replays a trace refuses to do so where it was recorded, before anything is sent or left behind."""

import pytest

from replay.cli.failures import failure_of
from replay.engine.forecast.dryrun import foresee
from replay.engine.requests.own_origin import OriginRefused
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.judge.measures.slo import parse_slo
from replay.target.target import Target
from replay.trials.ceiling import find_ceiling
from replay.trials.compare import compare_recorded, compare_targets
from replay.trials.gate.trial import gate_trace
from replay.trials.pilot.faults import Commands
from replay.trials.pilot.trial import run_pilot
from replay.trials.pilot.workload.phases import LIVE
from replay.trials.pilot.workload.shape import shape_of

PROD = Target(url="https://prod.invalid/v1", name="staging", plane="vm")
OTHER = Target(url="https://staging.invalid", name="other", plane="serverless")
SLO = parse_slo("errors < 1%")
OPTIONS = RunOptions()

CALLS = {
    "run": lambda trace, out: replay_trace(trace, PROD, OPTIONS, out),
    "gate": lambda trace, out: gate_trace(trace, PROD, [SLO], OPTIONS, out=out),
    "compare": lambda trace, out: compare_targets(trace, [OTHER, PROD], OPTIONS, out=out),
    "compare, one after the other": lambda trace, out: compare_targets(
        trace, [PROD, OTHER], OPTIONS, "sequential", out=out
    ),
    "compare --recorded": lambda trace, out: compare_recorded(trace, PROD, OPTIONS, out=out),
    "ceiling": lambda trace, out: find_ceiling(trace, PROD, [SLO], OPTIONS, out=out),
    "pilot": lambda trace, out: run_pilot(
        trace, [OTHER, PROD], [], shape_of(trace), LIVE, OPTIONS, Commands({}), out=out, on_stage=lambda _: None
    ),
}


@pytest.fixture
def trace(write_trace):
    sessions = [(n * 1000.0, [write_trace.get("a", took_ms=5.0)]) for n in range(4)]
    return write_trace(*sessions, origins=["https://PROD.invalid"])


@pytest.mark.parametrize("call", CALLS)
def test_it_is_refused(call, trace, tmp_path):
    with pytest.raises(
        OriginRefused, match=r"was recorded at https://prod\.invalid, and the target staging"
    ) as error:
        CALLS[call](trace, tmp_path / "out")

    assert not (tmp_path / "out").exists()
    assert failure_of(error.value).exit_code == 2


def test_a_dry_run_says_so_and_goes_on(trace):
    assert foresee(trace, PROD, OPTIONS).notes == [
        "the trace was recorded at https://prod.invalid, which is this target; a run is refused without --to-origin"
    ]
    assert foresee(trace, OTHER, OPTIONS).notes == []
