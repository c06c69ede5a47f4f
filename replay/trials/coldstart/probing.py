"""How long a target stays warm, and what a cold start adds: the experiment, carried out, with its verdict."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from replay import __version__
from replay.engine.manifest import ended_by, host_facts, now_utc
from replay.engine.requests.destinations import destinations
from replay.engine.types import RunOptions
from replay.judge.cold.types import ColdVerdict
from replay.results.manifest_types import Manifest, TargetFacts, TraceFacts
from replay.results.rundir import RunDir
from replay.target.errors import TargetError
from replay.target.secrets import redacted
from replay.target.target import Target
from replay.trace.errors import TraceError
from replay.trace.file.rules import find_problem
from replay.trace.types import Session, Step
from replay.trials.coldstart.experiment import Experiment, ProbePlan
from replay.trials.coldstart.here import ask_here
from replay.trials.evidence import gone_if_empty, write_verdict

OnWait = Callable[[float, str], None]


class ProbeOutcome(NamedTuple):
    verdict: ColdVerdict
    directory: Path


def probe_coldstart(
    target: Target,
    step: Step,
    plan: ProbePlan = ProbePlan(),  # noqa: B008 - a NamedTuple, so no call can change it
    *,
    out: Path | None = None,
    on_wait: OnWait | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008 - it is frozen, so no call can change it
) -> ProbeOutcome:
    """Find how long a target stays warm, and what a cold start adds; verdict.json is left in `out`.

    step: what is sent. on_wait: told how long it will now wait, and why. options: how many workers send it, and where
    they are; the rest of them does not matter. Raises TargetError, RunDirError, TargetUnreachable and ProbeFailed,
    NotStarted where a worker could not begin, and TraceError where the step is none that a trace may hold.
    """
    _refuse_unsendable(step)
    _refuse_logins(target, options)
    directory = RunDir.create(out, "coldstart", target.name)
    experiment = Experiment(target, plan)
    if options.is_dealt:
        # One process has no use for it, and begins sooner without.
        from replay.trials.coldstart.dealt import ask_workers

        with gone_if_empty(directory.path):
            ask_workers(
                target, step, experiment.asks(), directory.path, on_wait or _unsaid, _of_probes(options)
            )
    else:
        _ask_here(target, step, plan, directory, experiment, on_wait or _unsaid)
    verdict = experiment.verdict(directory.path.name)
    write_verdict(directory.path, verdict)
    return ProbeOutcome(verdict, directory.path)


def _refuse_unsendable(step: Step) -> None:
    """What is read from a trace is held to its rules there; a line end in a path would be sent as a header."""
    problem = find_problem(Session("coldstart", 0.0, [step]))
    if problem is not None:
        raise TraceError(f"the probe {problem.text}.")


def _refuse_logins(target: Target, options: RunOptions) -> None:
    """Raises TargetError where sessions log in in a way that a probe cannot, without waking what it looks for."""
    logins = [place.login for place in destinations(target) if place.login is not None]
    if not logins:
        return
    if options.is_dealt:
        raise TargetError(
            f"{target.name}: sessions log in there, and each of several workers would, while the target is to be left "
            "alone. Probe from one process."
        )
    if any(login.differs for login in logins):
        raise TargetError(
            f"{target.name}: its login says who a session is, and a probe has no session. Log in with what is the same "
            "for all ({{env.NAME}}), give [auth] a token instead, or take the cold starts of a run."
        )
    if any(login.carrier is None for login in logins):
        raise TargetError(
            f"{target.name}: its login gives cookies alone, which probes do not keep. Name the one that counts "
            "(token_cookie), give [auth] a token instead, or take the cold starts of a run."
        )


def _ask_here(
    target: Target, step: Step, plan: ProbePlan, directory: RunDir, experiment: Experiment, on_wait: OnWait
) -> None:
    """The probes of this process are a run directory, which says how they ended."""
    manifest = Manifest(
        schema="replay.run/1",
        status="running",
        version=__version__,
        started_at=now_utc(),
        trace=TraceFacts(name="coldstart", sha256="", sessions=0, steps=0),
        target=redacted(target),
        target_facts=TargetFacts(name=target.name, url=redacted(target)["url"], plane=target.plane),
        options={"first_s": plan.first_s, "most_s": plan.most_s, "bursts": list(plan.bursts)},
        seed=0,
        host=host_facts(),
        clock={"source": "CLOCK_MONOTONIC"},
    )
    directory.write_manifest(manifest)
    try:
        ask_here(target, step, experiment.asks(), directory.path, on_wait)
        manifest.status = "finished"
    except BaseException as cause:
        ended_by(manifest, cause)
        raise
    finally:
        manifest.finished_at = now_utc()
        manifest.trace.sessions = manifest.trace.steps = experiment.sent
        directory.write_manifest(manifest)


def _of_probes(options: RunOptions) -> RunOptions:
    return RunOptions(workers=options.workers, listen=options.listen, cluster=options.cluster, references=False)


def _unsaid(_: float, __: str) -> None:
    pass
