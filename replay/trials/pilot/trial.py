"""A pilot from beginning to end: look at the trace, carry the phases out, have them judged, and leave the verdict."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from replay.choice.carried import most_carried
from replay.choice.planes import failed_share
from replay.choice.standing import MOST_FAILED
from replay.choice.types import PilotVerdict
from replay.engine.progress import OnProgress
from replay.engine.requests.own_origin import refuse_own_origin
from replay.engine.run import replay_together
from replay.engine.types import RunOptions
from replay.judge.measures.slo import Slo, parse_slo
from replay.planes.core.scaling import DEFAULT_FULL
from replay.results.evidence import Evidence
from replay.results.manifest_types import RunStatus
from replay.results.rundir import RunDir, name_in_path
from replay.simulation.simulation import simulated_plane, simulated_planes
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.file.stream import scan
from replay.trace.types import Header
from replay.trials.aborting import Together
from replay.trials.compare import Question, judge_sides
from replay.trials.evidence import forget_verdict, write_verdict
from replay.trials.pilot.agreeing import check_agreement
from replay.trials.pilot.carrying import (
    STATE_FILE,
    BrokenOff,
    Carrier,
    Experiment,
    OnStage,
    State,
    question_of,
    read_state,
    write_state,
)
from replay.trials.pilot.faults import Fault
from replay.trials.pilot.judging import Done, Told, Weighed, judge, weigh
from replay.trials.pilot.reading import TRACES_FOLDER, Material, Runs, folder_of
from replay.trials.pilot.searching import Expected
from replay.trials.pilot.splitting import look_for_split
from replay.trials.pilot.workload.phases import Plan, excerpt, pick, whole
from replay.trials.pilot.workload.shape import Shape
from replay.trials.prices import check_prices

_CEILING_LATENCY = 2.0
_CEILING_ERRORS = "errors < 1%"
_FAR_RPS, _FAR_RATIO = 1000.0, 4.0


class PilotOutcome(NamedTuple):
    """status: finished, or how the run ended with which the phases broke off; there is no verdict then. broken_in: that
    run's directory, or a ceiling's.
    """

    directory: Path
    status: RunStatus
    verdict: PilotVerdict | None = None
    material: Material | None = None
    broken_in: Path | None = None


def run_pilot(
    trace: Path,
    targets: Sequence[Target],
    slos: Sequence[Slo],
    shape: Shape,
    plan: Plan,
    options: RunOptions,
    fault: Fault,
    *,
    imagined: Sequence[Target] = (),
    told: Told = Told(),  # noqa: B008 - a NamedTuple
    out: Path | None = None,
    on_stage: OnStage,
    on_progress: OnProgress | None = None,
    replay: Together = replay_together,
) -> PilotOutcome:
    """Carry a pilot out, or go on with the one that `out` holds; verdict.json is left there.

    targets: each says what plane it is. imagined: the same as planes to be simulated, by the same names. Those are
    priced by a simulation of the whole trace, and others by their representative run; a quick pilot also looks for
    their ceilings in simulation, since levels of a second or two settle nothing. replay: carries out what is sent to a
    target. Raises TargetError (OriginRefused where the trace was recorded at one), RunDirError, TraceError,
    PriceTableError, CostError and TargetUnreachable.
    """
    check_targets(targets)
    check_prices(targets)
    found = scan(trace)
    _refuse_unfit(trace, found.header, targets, plan, options)
    directory = _directory(out, found.header.name)
    state = read_state(directory, question_of(found.sha256, targets, plan, options))
    forget_verdict(directory)
    write_state(directory, state)
    folder = directory / TRACES_FOLDER
    folder.mkdir(exist_ok=True)
    part = excerpt(trace, folder, shape, plan)
    experiment = Experiment(
        directory,
        targets,
        plan,
        part,
        pick(trace, options.knobs.seed),
        options,
        slos,
        fault,
        on_stage,
        on_progress,
        {target.name: target for target in imagined},
        replay,
    )
    done = Done(
        directory,
        state,
        shape,
        targets,
        plan,
        slos,
        part,
        _faults(targets, fault),
        Runs(),
        told,
        imagined=imagined,
        seed=options.knobs.seed,
    )
    try:
        done, weighed = _carried_out(Carrier(experiment, state), done, trace, fault)
    except BrokenOff as broken:
        return PilotOutcome(directory, broken.status, broken_in=broken.directory)
    verdict = judge(done, weighed)
    write_verdict(directory, verdict)
    return PilotOutcome(directory, "finished", verdict, weighed.material)


def _refuse_unfit(
    trace: Path, header: Header, targets: Sequence[Target], plan: Plan, options: RunOptions
) -> None:
    """Raises TargetError where a plane cannot be simulated, and OriginRefused where the trace was recorded at one."""
    if plan.how != "simulated":
        refuse_own_origin(trace, header, targets, to_origin=options.to_origin)
        return
    for target in targets:
        # Also that each plane to which its routes send steps is described.
        simulated_planes(target)
        check_agreement(target)


def _carried_out(carrier: Carrier, done: Done, trace: Path, fault: Fault) -> tuple[Done, Weighed]:
    """All phases, and what they come to; `done` with the hybrid that pays, if one does. Raises BrokenOff."""
    directory, state, shape, targets, runs = done.directory, done.state, done.shape, done.targets, done.runs
    carrier.carry_out()
    _compare(directory, state, targets, runs)
    bounds = _ceiling_slos(directory, state, targets, done.slos, runs)
    month = whole(trace, directory / TRACES_FOLDER) if done.imagined else done.part
    done = done._replace(priced_by=month)
    if done.imagined:
        carrier.months(month.trace)
    carrier.unscheduled(month.trace)
    carrier.variants(month.trace, month.requests)
    expected = _expected(directory, state, targets, bounds, shape, runs)
    carrier.ceilings(bounds, lambda target: expected[target.name], _most_imagined_rps(shape))
    weighed = weigh(done)
    split = look_for_split(done, weighed, lambda hybrid: carrier.split(hybrid, month.trace))
    if split is None:
        return done, weighed
    done = done._replace(hybrid=split.hybrid)
    if split.paying is None:
        return done, weighed
    hybrid, *folders = split.paying
    carrier.join(hybrid, *folders)
    expected |= _expected(directory, state, [hybrid], bounds, shape, runs)
    carrier.ceilings(bounds, lambda target: expected[target.name], _most_imagined_rps(shape))
    done = _with_hybrid(done, hybrid, fault)
    return done, weigh(done)


def _faults(targets: Sequence[Target], fault: Fault) -> dict[str, str]:
    return {target.name: what for target in targets if (what := fault.what(target)) is not None}


def _with_hybrid(done: Done, hybrid: Target, fault: Fault) -> Done:
    """The pilot with one plane more."""
    targets = [*done.targets, hybrid]
    return done._replace(
        targets=targets,
        imagined=[*done.imagined, hybrid] if done.imagined else (),
        faults=_faults(targets, fault),
    )


def check_targets(targets: Sequence[Target]) -> None:
    """Raises TargetError unless each target says what plane it is, under a name of its own, and can be simulated if it
    says how.
    """
    for target in targets:
        if target.plane is None:
            raise TargetError(
                f'{target.name}: does not say what plane it is. Add plane = "serverless" (or "vm", "hybrid") to its '
                "file, or write -t serverless=URL."
            )
        if target.simulate is not None:
            # Before a folder is made, which would be that of another pilot once the file is mended.
            simulated_plane(target)
    names = [name_in_path(target.name) for target in targets]
    if len(set(names)) < len(names):
        raise TargetError("two targets have the same name. Give each a name of its own in its file.")


def _directory(out: Path | None, trace: str) -> Path:
    """A fresh one, or the one that holds this pilot."""
    if out is not None and (out / STATE_FILE).exists():
        return out
    return RunDir.create(out, f"pilot-{trace}", "planes").path


def _compare(directory: Path, state: State, targets: Sequence[Target], runs: Runs) -> None:
    """The planes side by side on representative traffic: verdict.json in that phase's folder."""
    if len(targets) < 2 or "representative" not in state.done:
        return
    sides = [(target.name, _representative(directory, state, target, runs)) for target in targets]
    write_verdict(directory / state.done["representative"], judge_sides(sides, "paired", Question()))


def _representative(directory: Path, state: State, target: Target, runs: Runs) -> Evidence:
    return runs.at(directory / folder_of(state.done, "representative", target.name))


def _ceiling_slos(
    directory: Path, state: State, targets: Sequence[Target], slos: Sequence[Slo], runs: Runs
) -> list[Slo]:
    """What a level of load must keep: the user's bounds, or twice the best plane's p95, and no more than 1 % errors."""
    if slos:
        return list(slos)
    if not state.ceiling_slos:
        main = [_representative(directory, state, target, runs) for target in targets]
        # Who fails has no time for what it failed, which may be what takes the longest.
        known = [
            response.p95
            for run in main
            if (response := run.summary.latency_ms.get("response"))
            and response.p95
            and (failed_share(run.summary) or 0.0) <= MOST_FAILED
        ]
        limit = _CEILING_LATENCY * min(known) if known else 1000.0
        state.ceiling_slos = [f"p95 < {max(round(limit), 1)}ms", _CEILING_ERRORS]
        write_state(directory, state)
    return [parse_slo(text) for text in state.ceiling_slos]


def _expected(
    directory: Path,
    state: State,
    targets: Sequence[Target],
    bounds: Sequence[Slo],
    shape: Shape,
    runs: Runs,
) -> dict[str, Expected]:
    """By target: what it was seen to carry, and how long its answers took, in representative traffic or in the month
    that it was simulated for.
    """
    found = {}
    for target in targets:
        folder = state.done.get(f"month/{target.name}", folder_of(state.done, "representative", target.name))
        run = runs.at(directory / folder)
        carried = most_carried(run, float(shape.workload.window_s), bounds)
        response = run.summary.latency_ms.get("response")
        usual_ms = response.p99 if response is not None and not run.summary.counts.failed else None
        found[target.name] = Expected(
            max(_by_slots_rps(shape, target), carried or 0.0) or None,
            None if usual_ms is None else usual_ms / 1000,
        )
    return found


def _by_slots_rps(shape: Shape, target: Target) -> float:
    """Half of what the slots of a plane could take, where its file tells of them; else 0."""
    workload = shape.workload
    took_s = (workload.mean_in_flight or 0.0) / workload.mean_rps
    plane = None if target.simulate is None else simulated_plane(target).plane
    slots = 0 if plane is None else (plane.concurrency or DEFAULT_FULL) * plane.max_instances
    return slots / 2 / took_s if slots and took_s else 0.0


def _most_imagined_rps(shape: Shape) -> float:
    """Four times the peak, and a thousand requests a second, are far enough to look in virtual time."""
    return max(_FAR_RPS, _FAR_RATIO * shape.workload.peak_rps)
