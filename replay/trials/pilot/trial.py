"""A pilot from beginning to end: look at the trace, carry the phases out on every plane, judge, and leave a verdict."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.engine.own_origin import refuse_own_origin
from replay.engine.progress import OnProgress
from replay.engine.types import RunOptions
from replay.judge.choice.case import Case
from replay.judge.choice.decision import decide
from replay.judge.choice.dimensions import dimensions
from replay.judge.choice.planes import Seen, carried_rps, ended, plane_figures
from replay.judge.choice.standing import represented
from replay.judge.choice.types import PilotVerdict, PlaneName, Recovered
from replay.judge.choice.words import check_again, effort_words, headline, rollback
from replay.judge.figures import Evidence
from replay.judge.gate import CONFIDENCE
from replay.judge.quantile import least_n
from replay.judge.recovery import Event, judge_recovery
from replay.judge.slo import Slo, parse_slo
from replay.judge.types import VERDICT_SCHEMA
from replay.results.rundir import RunDir, name_in_path
from replay.results.types import RunStatus
from replay.target import Target, TargetError
from replay.trace.file import scan
from replay.trials.compare import Question, judge_sides
from replay.trials.evidence import forget_verdict, read_evidence, read_instances, write_verdict
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
from replay.trials.pilot.embedded import CONCURRENCY
from replay.trials.pilot.faults import Fault
from replay.trials.pilot.levels import Measured
from replay.trials.pilot.money import Money, price_planes
from replay.trials.pilot.phases import Excerpt, Plan, excerpt, pick, whole
from replay.trials.pilot.providing import provided_by
from replay.trials.pilot.reading import TRACES_FOLDER, Material, read_material
from replay.trials.pilot.sending import routes_of
from replay.trials.pilot.workload import Shape
from replay.trials.prices import check_prices

_CEILING_LATENCY = 2.0
_CEILING_ERRORS = "errors < 1%"
_REVIEW_DAYS = 90
# A serverless request may last at most so long, where a target file does not say otherwise (Cloud Run's maximum).
_LONGEST_REQUEST_S = 3600.0
_FAR_RPS, _FAR_RATIO = 1000.0, 20.0
_NS = 1_000_000_000


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
    out: Path | None = None,
    on_stage: OnStage,
    on_progress: OnProgress | None = None,
) -> PilotOutcome:
    """Carry a pilot out, or go on with the one that `out` holds; verdict.json is left there.

    targets: each says what plane it is. imagined: the same as planes to be simulated, by the same names. Those are
    priced by a simulation of the whole trace, and others by their representative run; a quick pilot also looks for
    their ceilings in simulation, since levels of a second or two settle nothing. Raises TargetError
    (OriginRefused where the trace was recorded at one), RunDirError, TraceError, PriceTableError, CostError and
    TargetUnreachable.
    """
    check_targets(targets)
    check_prices(targets)
    found = scan(trace)
    if plan.how != "simulated":
        refuse_own_origin(trace, found.header, targets, to_origin=options.to_origin)
    directory = _directory(out, found.header.name)
    question = question_of(found.sha256, targets, plan, options)
    state = read_state(directory, question)
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
    )
    carrier = Carrier(experiment, state)
    try:
        carrier.carry_out()
        _compare(directory, state, targets)
        bounds = _ceiling_slos(directory, state, targets, slos)
        first = _first_scale(shape, part, bounds, plan.level_s)
        carrier.ceilings(bounds, first, _most_imagined(shape, part))
        if imagined:
            carrier.months(whole(trace, folder).trace)
    except BrokenOff as broken:
        return PilotOutcome(directory, broken.status, broken_in=broken.directory)
    faults = {target.name: what for target in targets if (what := fault.what(target)) is not None}
    verdict, material = judge(directory, state, shape, targets, plan, slos, part, faults)
    write_verdict(directory, verdict)
    return PilotOutcome(directory, "finished", verdict, material)


def check_targets(targets: Sequence[Target]) -> None:
    """Raises TargetError unless each target says what plane it is, under a name of its own."""
    for target in targets:
        if target.plane is None:
            raise TargetError(
                f'{target.name}: does not say what plane it is. Add plane = "serverless" (or "vm", "hybrid") to its '
                "file, or write -t serverless=URL."
            )
    names = [name_in_path(target.name) for target in targets]
    if len(set(names)) < len(names):
        raise TargetError("two targets have the same name. Give each a name of its own in its file.")


def _directory(out: Path | None, trace: str) -> Path:
    """A fresh one, or the one that holds this pilot."""
    if out is not None and (out / STATE_FILE).exists():
        return out
    return RunDir.create(out, f"pilot-{trace}", "planes").path


def _compare(directory: Path, state: State, targets: Sequence[Target]) -> None:
    """The planes side by side on representative traffic: verdict.json in that phase's folder."""
    if len(targets) < 2 or "representative" not in state.done:
        return
    names = [target.name for target in targets]
    material = read_material(directory, {"representative": state.done["representative"]}, names)
    sides = [(target.name, material.runs[target.name]["representative"]) for target in targets]
    write_verdict(directory / state.done["representative"], judge_sides(sides, "paired", Question()))


def _ceiling_slos(directory: Path, state: State, targets: Sequence[Target], slos: Sequence[Slo]) -> list[Slo]:
    """What a level of load must keep: the user's bounds, or twice the best plane's p95, and no more than 1 % errors."""
    if slos:
        return list(slos)
    if not state.ceiling_slos:
        names = [target.name for target in targets]
        material = read_material(directory, {"representative": state.done["representative"]}, names)
        known = [
            response.p95
            for runs in material.runs.values()
            if (response := runs["representative"].summary.latency_ms.get("response")) and response.p95
        ]
        limit = _CEILING_LATENCY * min(known) if known else 1000.0
        state.ceiling_slos = [f"p95 < {limit:.0f}ms", _CEILING_ERRORS]
        write_state(directory, state)
    return [parse_slo(text) for text in state.ceiling_slos]


def _first_scale(shape: Shape, part: Excerpt, slos: Sequence[Slo], level_s: float) -> Callable[[Target], float]:
    """Where the search begins: near what the plane's slots could carry, where the target file tells of them, and with
    as many requests in a level as the quantiles that are asked for need.
    """
    workload = shape.workload
    took_s = (workload.mean_in_flight or 0.0) / workload.mean_rps
    needed = max([least_n(slo.q, CONFIDENCE) for slo in slos if slo.q is not None] or [0])

    def first(target: Target) -> float:
        plane = (target.simulate or {}).get("plane", {})
        slots = float(plane.get("concurrency", CONCURRENCY)) * float(plane.get("max_instances", 0))
        carried_rps = slots / 2 / took_s if slots and took_s else 0.0
        return max(1.0, round(max(carried_rps, needed / level_s) / part.rps, 2))

    return first


def _most_imagined(shape: Shape, part: Excerpt) -> float:
    """Twenty times the peak, and a thousand requests a second, are far enough to look in virtual time."""
    return max(1.0, max(_FAR_RPS, _FAR_RATIO * shape.workload.peak_rps) / part.rps)


def judge(
    directory: Path,
    state: State,
    shape: Shape,
    targets: Sequence[Target],
    plan: Plan,
    slos: Sequence[Slo],
    part: Excerpt,
    faults: Mapping[str, str],
) -> tuple[PilotVerdict, Material]:
    """Everything that was recorded, judged. faults: what was done to each target."""
    material = read_material(directory, state.done, [target.name for target in targets])
    planes = [
        plane_figures(_seen(target, material, faults.get(target.name), plan.fault_at_s), slos)
        for target in targets
    ]
    for target, plane in zip(targets, planes, strict=True):
        whole_runs = [run for name, run in material.runs[target.name].items() if name == "representative"]
        if (month := state.done.get(f"month/{target.name}")) is not None:
            whole_runs.append(read_evidence(directory / month))
            plane.answered += ended(whole_runs[-1].summary)
        plane.carried_rps = carried_rps(whole_runs, shape.workload.window_s)
    case = Case(
        workload=shape.workload,
        planes=planes,
        request_limit_s={
            target.name: limit_s for target in targets if (limit_s := _request_limit_s(target)) is not None
        },
        slos=[slo.text for slo in slos],
        provides={target.name: provided_by(target) for target in targets},
    )
    measured = _measured(directory, state, targets, material, plan, part)
    money = price_planes(targets, planes, measured, shape, lambda: represented(case))
    workload = msgspec.structs.replace(shape.workload, buckets=money.buckets)
    split = next((target for target in targets if target.name == represented(case).get("hybrid")), None)
    case = msgspec.structs.replace(
        case,
        workload=workload,
        break_even=money.break_even,
        hybrid_routes=[] if split is None else routes_of(split, workload),
    )
    decided = decide(case)
    shown = [plane for plane in planes if plane.target in decided.represents.values()] or planes
    today = datetime.now(UTC)
    verdict = PilotVerdict(
        schema=VERDICT_SCHEMA,
        command="pilot",
        verdict=decided.choice,
        answer=decided.answer,
        reasons=decided.reasons,
        doubts=decided.doubts + money.doubts,
        planes=planes,
        break_even=money.break_even,
        rules=decided.rules,
        buckets=money.buckets,
        workload=workload,
        phases=material.figures,
        headline=headline(shown),
        dimensions=dimensions(case),
        routes=decided.routes,
        sensitivity=money.sensitivity,
        effort=effort_words(planes),
        rollback=rollback(decided.choice, shown),
        check_again=check_again(money.break_even, _in_days(today.date(), _REVIEW_DAYS)),
        how=plan.how,
        made_at=today.strftime("%Y-%m-%dT%H:%M:%SZ"),
        slos=[slo.text for slo in slos] or state.ceiling_slos,
        prices=money.prices,
        notes=_notes(plan, slos, state, targets, money, part),
        out=decided.out,
        represents=decided.represents,
        represents_why=decided.represents_why,
        leans=decided.leans,
        staff=decided.staff,
    )
    return verdict, material


def _measured(
    directory: Path, state: State, targets: Sequence[Target], material: Material, plan: Plan, part: Excerpt
) -> dict[str, Measured]:
    """The run by which each target is priced."""
    found: dict[str, Measured] = {}
    for target in targets:
        name = target.name
        if (month := state.done.get(f"month/{name}")) is not None:
            lives = tuple(read_instances(directory / month))
            found[name] = Measured(read_evidence(directory / month), 0.0, is_simulated=True, instances=lives)
        elif (run := material.runs[name].get("representative")) is not None:
            offset_s = None if part.cut_s else part.offset_s
            lives = tuple(read_instances(material.folders[name]["representative"]))
            found[name] = Measured(run, offset_s, is_simulated=plan.how == "simulated", instances=lives)
    return found


def _seen(target: Target, material: Material, fault: str | None, at_s: float) -> Seen:
    name = target.name
    plane: PlaneName = target.plane or "serverless"
    wake = material.wakes.get(name)
    failure = material.runs[name].get("failure")
    return Seen(
        target=name,
        plane=plane,
        phases=material.runs[name],
        cold=material.colds.get(name),
        keep_alive_s=wake.keep_alive_s if wake else None,
        ceiling=material.ceilings.get(name),
        recovery=None
        if failure is None
        else _recovered(name, failure, Event(round(at_s * _NS), fault or "a fault")),
        machines=target.cost.machines if target.cost is not None and target.cost.machine else None,
    )


def _recovered(target: str, run: Evidence, event: Event) -> Recovered:
    (fault,) = judge_recovery(run, [event]).faults
    return Recovered(
        target=target,
        what=fault.what,
        detect_s=fault.detect_s,
        recovered_s=fault.recovered_s,
        failed=fault.failed_steps,
        retried_ok=fault.retried_ok,
        sessions_lost=fault.sessions_lost,
    )


def _request_limit_s(target: Target) -> float | None:
    """As its file says; else the platform's for a serverless one, and none for machines."""
    stated = (target.simulate or {}).get("plane", {}).get("request_timeout_s")
    if stated is None:
        return _LONGEST_REQUEST_S if target.plane == "serverless" else None
    return float(stated)


def _in_days(today: date, days: int) -> str:
    return (today + timedelta(days=days)).isoformat()


_HOW = {
    "simulated": "simulated in virtual time: nothing was sent",
    "quick": "a quick look: minutes, where a pilot proper takes the better part of an hour",
    "live": "every phase was replayed against the targets",
}


def _notes(
    plan: Plan, slos: Sequence[Slo], state: State, targets: Sequence[Target], money: Money, part: Excerpt
) -> list[str]:
    notes = [_HOW[plan.how]]
    if part.cut_s:
        notes.append(
            f"the trace is sparse: in representative traffic its pauses were cut to {plan.pause_s:g} s, "
            f"{part.cut_s:,.0f} s in all; what a pause does to a plane is in the idle and wake phase"
        )
    if all(target.send_recorded_ms and target.simulate for target in targets):
        notes.append(
            "the planes are emulated ones: they answer after as long as the recording says, so real tools, models and "
            "networks were not tried"
        )
    if plan.how == "quick" and any(name.startswith("month/") for name in state.done):
        notes.append("ceilings and months were found in virtual time, on the same planes as simulated")
    if not slos and state.ceiling_slos:
        notes.append(f"ceilings were asked for with {', '.join(state.ceiling_slos)}, since no --slo was given")
    return notes + money.notes
