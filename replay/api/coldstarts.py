"""Cold starts: of a run that was made, or of a target, found by leaving it alone."""

from collections.abc import Sequence
from typing import overload

from replay.api.inputs import AnyPath, AnyTarget, out_of, path_of, target_of
from replay.api.options import options_of
from replay.errors import InputError
from replay.judge.cold.coldstart import judge_coldstart
from replay.results.evidence import read_evidence
from replay.trace.redaction.requests import clean_path
from replay.trace.types import Request, Step
from replay.trials.coldstart.experiment import ProbePlan
from replay.trials.coldstart.probing import OnWait, ProbeOutcome, probe_coldstart

_PLAN = ProbePlan()


@overload
def coldstart(
    target: AnyTarget,
    *,
    path: str = "/",
    method: str = "GET",
    first_s: float = _PLAN.first_s,
    most_s: float = _PLAN.most_s,
    precision: float = _PLAN.precision,
    bursts: Sequence[int] = (),
    out: AnyPath | None = None,
    on_wait: OnWait | None = None,
    workers: int = 1,
    listen: str | None = None,
    cluster: str | None = None,
) -> ProbeOutcome: ...


@overload
def coldstart(*, run: AnyPath) -> ProbeOutcome: ...


def coldstart(
    target: AnyTarget | None = None,
    *,
    run: AnyPath | None = None,
    path: str = "/",
    method: str = "GET",
    first_s: float = _PLAN.first_s,
    most_s: float = _PLAN.most_s,
    precision: float = _PLAN.precision,
    bursts: Sequence[int] = (),
    out: AnyPath | None = None,
    on_wait: OnWait | None = None,
    workers: int = 1,
    listen: str | None = None,
    cluster: str | None = None,
) -> ProbeOutcome:
    """Find how long a target stays warm and what a cold start adds, or say which steps of a run were cold starts.

    path, method: what is asked for; it must succeed every time. first_s, most_s: the shortest and the longest idle
    time that is tried, so it takes minutes. precision: of the idle time that is found, 0 to 1. bursts: sizes of
    bursts that it is then woken with. workers, listen, cluster: who sends them, as among the options of `run`: a burst
    is dealt to all workers. on_wait: told how many seconds it will now wait, and why. run: judge the run
    in this directory instead; nothing is sent then, and nothing written. `target` and `out` are as in `run`.

    Returns the verdict, and the directory of verdict.json or of the run.

    Raises InputError for a target or a run that cannot be used, and ReplayError where a probe is not answered as it
    must be for the experiment to mean anything.
    """
    if (run is None) == (target is None):
        raise InputError("coldstart takes a target to probe, or a run that was made.")
    if run is not None:
        directory = path_of(run)
        return ProbeOutcome(judge_coldstart(read_evidence(directory)), directory)
    assert target is not None
    if not 0 < first_s <= most_s or not precision > 0:
        raise InputError(
            "first_s and most_s are idle times in seconds, the shorter first; precision is above 0."
        )
    step = Step("probe", "http", f"{method} {clean_path(path)}", request=Request(method, path))
    plan = ProbePlan(first_s, most_s, precision, tuple(bursts))
    options = options_of({"workers": workers, "listen": listen, "cluster": cluster}, "replay.coldstart")
    return probe_coldstart(target_of(target), step, plan, out=out_of(out), on_wait=on_wait, options=options)
