"""Replaying a trace: against a target, or against a plane in virtual time."""

from collections.abc import Sequence
from typing import Unpack

from replay.api.inputs import AnyPath, AnyTarget, aborts_of, out_of, path_of, target_of
from replay.api.options import RunKeywords, options_of
from replay.engine.hosting.threads import await_in_thread
from replay.engine.progress import OnProgress
from replay.engine.run import Outcome
from replay.simulation.simulation import simulate_trace
from replay.trials.aborting import replay_one
from replay.trials.faults import judge_faults
from replay.trials.prices import check_currency


def run(
    trace: AnyPath,
    target: AnyTarget,
    *,
    out: AnyPath | None = None,
    aborts: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    **options: Unpack[RunKeywords],
) -> Outcome:
    """Replay a trace against a target at precise times, record every latency, and wait until that is done.

    trace: the path of a trace file. target: a URL, the path of a target file, or a Target. out: the run directory; by
    default a fresh one in `runs`. aborts: rules that end the run, as failed, once they hold, such as
    "errors > 20% over 10s". on_progress: told how the run goes twice a second, in the run's own thread, where it should
    be quick. options: those of RunOptions and Knobs (replay.engine.types), such as speed=4, duration_s=60, scale=10.

    Returns the summary and the run directory, which open_run reads. What a target does wrong is in the summary; a run
    that a rule or a budget ended says so in summary.ended. With `at`, what was done to the target is judged, too: the
    verdict is in the directory.

    It may be called anywhere: in a script, in any thread, and in a notebook or another running event loop, which it
    holds up until it is done; what is served by that same loop cannot answer meanwhile, so await arun there. The run
    turns in a thread of its own, with an event loop of its own, for two reasons: nothing else in the program makes its
    steps late, and no signal handler breaks into what is being recorded. Handlers are left as they are. Ctrl-C gives
    responses in flight their grace time (grace_s), a second one does not; then the run directory is whole, says that
    the run was interrupted, and KeyboardInterrupt is raised, with a note of where the directory is.

    Raises InputError for a trace, a target or an option that cannot be used, and ReplayError where nothing answers at
    the target; str() of either is one or two sentences. OSError where this machine cannot write the record.
    """
    chosen, aim = options_of(options, "replay.run"), target_of(target)
    check_currency(chosen.budget, [aim])
    outcome = replay_one(path_of(trace), aim, chosen, out_of(out), on_progress, None, aborts_of(aborts))
    if chosen.at:
        judge_faults(outcome.directory)
    return outcome


async def arun(
    trace: AnyPath,
    target: AnyTarget,
    *,
    out: AnyPath | None = None,
    aborts: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    **options: Unpack[RunKeywords],
) -> Outcome:
    """As run, awaited in an event loop of asyncio, which goes on meanwhile; several may be awaited together.

    The run has a thread and an event loop of its own all the same, so that neither makes the other late. Cancelled, as
    by asyncio.timeout, it gives up what is in flight, waits until the run directory is whole, which then says that the
    run was interrupted, and raises CancelledError. Cancelled once more, it no longer waits.
    """
    return await await_in_thread(
        lambda: run(trace, target, out=out, aborts=aborts, on_progress=on_progress, **options)
    )


def simulate(
    trace: AnyPath, target: AnyTarget, *, out: AnyPath | None = None, **options: Unpack[RunKeywords]
) -> Outcome:
    """Replay a trace against a modelled plane in virtual time: nothing is sent, and no time passes but to compute it.

    target: a target file with a [simulate] table, or a Target with `simulate`. out, options, and what is returned and
    raised: as run has them; InputError also where the plane is not described.
    """
    return simulate_trace(
        path_of(trace), target_of(target), options_of(options, "replay.simulate"), out_of(out)
    )
