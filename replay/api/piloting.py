"""Which execution plane fits a trace."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Literal

from replay.api.inputs import AnyPath, AnyTarget, out_of, path_of, slos_of
from replay.api.options import options_of
from replay.engine.progress import OnProgress
from replay.engine.types import Knobs, RunOptions
from replay.errors import InputError
from replay.money.calendar import Calendar
from replay.target.target import Target
from replay.trials.aborting import dealing_runs
from replay.trials.calendars import calendar_from
from replay.trials.pilot.aims import aims_of
from replay.trials.pilot.answers import read_answers
from replay.trials.pilot.carrying import OnStage
from replay.trials.pilot.judging import Told
from replay.trials.pilot.trial import PilotOutcome, run_pilot
from replay.trials.pilot.workload.phases import LIVE, QUICK, SIMULATED
from replay.trials.pilot.workload.shape import shape_of

_PLANS = {"live": LIVE, "quick": QUICK, "simulated": SIMULATED}


def pilot(
    trace: AnyPath,
    targets: AnyTarget | Sequence[AnyTarget] = (),
    *,
    how: Literal["live", "quick", "simulated"] = "live",
    slos: Sequence[str] = (),
    fail: Mapping[str, str] | None = None,
    month: AnyPath | Calendar | None = None,
    requests_a_day: float | None = None,
    answers: AnyPath | None = None,
    seed: int = 1,
    read_only: bool = False,
    to_origin: bool = False,
    workers: int = 1,
    listen: str | None = None,
    cluster: str | None = None,
    out: AnyPath | None = None,
    on_stage: OnStage | None = None,
    on_progress: OnProgress | None = None,
) -> PilotOutcome:
    """Find out which plane fits a trace: serverless, VMs or both.

    targets: each says what plane it is, in its file or as "vm=http://10.0.0.5:8080"; without any, two planes of
    this machine, served by processes of their own, so a script then needs its `if __name__ == "__main__":`. how:
    "live" takes the better part of an hour, "quick" minutes; "simulated" sends nothing, and takes the planes from
    the [simulate] tables of the targets. slos: as in `gate`. fail: by target, the shell command that makes an
    instance of it go away. month, requests_a_day: as in `cost`. answers: a file of answers to what no trace can
    tell (`replay pilot --ask` makes one). seed: of everything random in it. read_only, to_origin, workers, listen,
    cluster: as among the options of `run`. out: its folder; one that holds a pilot that was interrupted goes on with
    that. on_stage: told what comes next. The rest is as in `run`.

    Returns the verdict with its folder, or no verdict and the status of the run that broke off.

    Raises what `run` raises, and InputError for a target that does not say what plane it is.
    """
    plan = _PLANS.get(how)
    if plan is None:
        raise InputError(f"replay.pilot cannot take how={how!r}: use one of {', '.join(_PLANS)}.")
    calendar = month if month is None or isinstance(month, Calendar) else calendar_from(fspath(month))
    told = Told(calendar, requests_a_day, None if answers is None else read_answers(path_of(answers)))
    one_or_more = [targets] if isinstance(targets, Target | str | PathLike) else targets
    named = [target if isinstance(target, Target) else fspath(target) for target in one_or_more]
    dealt = options_of({"workers": workers, "listen": listen, "cluster": cluster}, "replay.pilot")
    if how == "simulated" and dealt.is_dealt:
        raise InputError("how='simulated' sends nothing, so there is nothing for workers to share.")
    shape = shape_of(path_of(trace))
    with aims_of(named, shape, plan) as aims, dealing_runs(dealt) as replay:
        known = [target.name for target in aims.targets]
        if unknown := [name for name in fail or {} if name not in known]:
            raise InputError(f"fail names {unknown[0]!r}, which is not one of the targets {', '.join(known)}.")
        return run_pilot(
            path_of(trace),
            aims.targets,
            slos_of(slos, aims.slos),
            shape,
            plan,
            RunOptions(knobs=Knobs(seed=seed), to_origin=to_origin, read_only=read_only),
            aims.fault(fail or {}, plan),
            imagined=aims.imagined,
            told=told,
            out=out_of(out),
            on_stage=on_stage or (lambda _: None),
            on_progress=on_progress,
            replay=replay,
        )
