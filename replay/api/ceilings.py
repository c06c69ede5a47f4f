"""The highest load that a target bears."""

from collections.abc import Sequence
from functools import partial
from typing import Unpack

from replay.api.inputs import AnyPath, AnyTarget, aborts_of, out_of, path_of, slos_of, target_of
from replay.api.options import RunKeywords, options_of
from replay.engine.progress import OnProgress
from replay.errors import InputError
from replay.trials.aborting import keeping_workers, replay_one
from replay.trials.bounds import check_slos
from replay.trials.ceiling import CeilingOutcome, CeilingPlan, OnLevel, find_ceiling

_PLAN = CeilingPlan()


def ceiling(
    trace: AnyPath,
    target: AnyTarget,
    *,
    slos: Sequence[str] = (),
    first_scale: float = _PLAN.first_scale,
    most_scale: float = _PLAN.most_scale,
    precision: float = _PLAN.precision,
    level_s: float = _PLAN.level_s,
    most_s: float = _PLAN.most_s,
    shows_recovery: bool = _PLAN.shows_recovery,
    out: AnyPath | None = None,
    aborts: Sequence[str] = (),
    on_level: OnLevel | None = None,
    on_progress: OnProgress | None = None,
    **options: Unpack[RunKeywords],
) -> CeilingOutcome:
    """Find the highest multiple of a trace's arrivals at which the SLOs hold.

    slos: as in `gate`. first_scale, most_scale: the first load that is tried, and
    the last, as multiples of the trace's. precision: how near the two loads between which the ceiling lies have to
    be, 0 to 1. level_s: how long a load lasts at least. most_s: when the search is ended. shows_recovery: overload
    it in the end, and see how it recovers. on_level: told of each load once it is judged. The rest is as in `run`;
    how long a load lasts is said with level_s, so duration_s, repeat and phases are refused.

    Returns the verdict, with the directory of verdict.json and of a run for each load.

    Raises what `run` raises, and InputError for an SLO that cannot be read, or that nothing in the trace can settle.
    """
    chosen = options_of(options, "replay.ceiling")
    if chosen.duration_s is not None or chosen.repeat or chosen.phases:
        raise InputError(
            "how long a load lasts is said with level_s, so duration_s, repeat and phases do not apply."
        )
    for name, value in (("first_scale", first_scale), ("precision", precision), ("level_s", level_s)):
        if not value > 0:
            raise InputError(f"replay.ceiling cannot take {name}={value!r}: it is above 0.")
    aim = target_of(target)
    bounds = slos_of(slos, aim.slo)
    check_slos(bounds, path_of(trace), has_baseline=False)
    plan = CeilingPlan(
        first_scale=first_scale,
        most_scale=most_scale,
        precision=precision,
        level_s=level_s,
        most_s=most_s,
        shows_recovery=shows_recovery,
    )
    with keeping_workers(chosen) as crew:
        return find_ceiling(
            path_of(trace),
            aim,
            bounds,
            chosen,
            plan,
            out=out_of(out),
            on_progress=on_progress,
            on_level=on_level,
            replay=partial(replay_one, aborts=aborts_of(aborts), crew=crew),
        )
