"""A pilot from beginning to end: look at the trace, carry the phases out on every plane, judge, and leave a verdict."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.engine.own_origin import refuse_own_origin
from replay.engine.progress import OnProgress
from replay.engine.simulation import simulated_plane, simulated_planes
from replay.engine.types import RunOptions
from replay.judge.choice.answered import answers_told
from replay.judge.choice.boots import boots_of
from replay.judge.choice.carried import most_carried
from replay.judge.choice.case import Case
from replay.judge.choice.decision import decide
from replay.judge.choice.dimensions import dimensions
from replay.judge.choice.planes import Seen, ended, plane_figures
from replay.judge.choice.questionnaire import Answers
from replay.judge.choice.standing import represented
from replay.judge.choice.types import CalendarBill, Met, PilotPlane, PilotVerdict, PlaneName, Recovered
from replay.judge.choice.words import check_again, effort_words, headline, rollback
from replay.judge.coldstart import judge_coldstart
from replay.judge.figures import Evidence
from replay.judge.money.calendar import Calendar
from replay.judge.recovery import Event, judge_recovery
from replay.judge.slo import Slo, parse_slo
from replay.judge.types import VERDICT_SCHEMA
from replay.planes.scaling import DEFAULT_FULL
from replay.results.rundir import RunDir, name_in_path
from replay.results.types import RunStatus
from replay.target import Target, TargetError
from replay.trace.file import scan
from replay.trials.compare import Question, judge_sides
from replay.trials.evidence import forget_verdict, read_evidence, read_instances, write_verdict
from replay.trials.pilot.answers import with_upkeep
from replay.trials.pilot.assumptions import all_assumptions
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
from replay.trials.pilot.caveats import are_many, recorded_failures
from replay.trials.pilot.embedded import embedded_targets
from replay.trials.pilot.faults import Fault
from replay.trials.pilot.flipping import flips
from replay.trials.pilot.levels import Measured
from replay.trials.pilot.lives import has_struck, lives_of, memory_peak_bytes
from replay.trials.pilot.machines import is_group
from replay.trials.pilot.money import Money, price_planes
from replay.trials.pilot.month import Month, calendar_bill, month_doubts, month_notes, month_of_trace
from replay.trials.pilot.phases import Excerpt, Plan, excerpt, pick, whole
from replay.trials.pilot.providing import needed, provided_by, unfit_of
from replay.trials.pilot.reading import TRACES_FOLDER, Material, read_material
from replay.trials.pilot.searching import Expected
from replay.trials.pilot.sending import routes_of
from replay.trials.pilot.workload import Shape
from replay.trials.prices import check_prices

_CEILING_LATENCY = 2.0
_CEILING_ERRORS = "errors < 1%"
_REVIEW_DAYS = 90
# A serverless request may last at most so long, where a target file does not say otherwise (Cloud Run's maximum).
_LONGEST_REQUEST_S = 3600.0
_FAR_RPS, _FAR_RATIO = 1000.0, 4.0
_NS = 1_000_000_000


class Told(NamedTuple):
    """What only the user can say. calendar: how the month looks; None: nobody said. requests_a_day: how much it has.
    answers: to what no trace can tell; None: nobody was asked.
    """

    calendar: Calendar | None = None
    requests_a_day: float | None = None
    answers: Answers | None = None


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
    if plan.how == "simulated":
        for target in targets:
            # Also that each plane to which its routes send steps is described.
            simulated_planes(target)
    else:
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
        month = whole(trace, folder) if imagined else part
        if imagined:
            carrier.months(month.trace)
        carrier.unscheduled(month.trace)
        carrier.variants(month.trace, month.requests)
        expected = _expected(directory, state, targets, bounds, shape)
        carrier.ceilings(bounds, lambda target: expected[target.name], _most_imagined_rps(shape))
    except BrokenOff as broken:
        return PilotOutcome(directory, broken.status, broken_in=broken.directory)
    faults = {target.name: what for target in targets if (what := fault.what(target)) is not None}
    verdict, material = judge(
        directory,
        state,
        shape,
        targets,
        plan,
        slos,
        part,
        faults,
        told,
        priced_by=month,
        imagined=imagined,
        seed=options.knobs.seed,
    )
    write_verdict(directory, verdict)
    return PilotOutcome(directory, "finished", verdict, material)


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


def _expected(
    directory: Path, state: State, targets: Sequence[Target], bounds: Sequence[Slo], shape: Shape
) -> dict[str, Expected]:
    """By target: what it was seen to carry, and how long its answers took, in representative traffic or in the month
    that it was simulated for.
    """
    found = {}
    for target in targets:
        folder = state.done.get(f"month/{target.name}", f"{state.done['representative']}/{target.name}")
        run = read_evidence(directory / folder)
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


def judge(
    directory: Path,
    state: State,
    shape: Shape,
    targets: Sequence[Target],
    plan: Plan,
    slos: Sequence[Slo],
    part: Excerpt,
    faults: Mapping[str, str],
    told: Told = Told(),  # noqa: B008 - a NamedTuple
    *,
    priced_by: Excerpt | None = None,
    imagined: Sequence[Target] = (),
    seed: int = 1,
) -> tuple[PilotVerdict, Material]:
    """Everything that was recorded, judged. faults: what was done to each target. priced_by: the part of the trace that
    bills are of, where that is not `part`. imagined: as run_pilot has them.

    The phases know nothing of what was told, so the same pilot can be judged again for another month.
    """
    material = read_material(directory, state.done, [target.name for target in targets])
    bounds = list(slos) or [parse_slo(text) for text in state.ceiling_slos]
    months = {
        target.name: directory / folder
        for target in targets
        if (folder := state.done.get(f"month/{target.name}")) is not None
    }
    planes = [
        plane_figures(
            _seen(
                target,
                material,
                months.get(target.name),
                faults.get(target.name),
                state.fault_at_s,
                bounds,
                shape,
            ),
            slos,
        )
        for target in targets
    ]
    for target, plane in zip(targets, planes, strict=True):
        if target.name in months:
            plane.answered += ended(read_evidence(months[target.name]).summary)
    month = month_of_trace(shape, told.calendar, told.requests_a_day)
    peak_rps = month.shape.workload.peak_rps
    workload = msgspec.structs.replace(
        shape.workload, month_peak_rps=None if peak_rps == shape.workload.peak_rps else peak_rps
    )
    case = Case(
        workload=workload,
        planes=planes,
        request_limit_s={
            target.name: limit_s for target in targets if (limit_s := _request_limit_s(target)) is not None
        },
        slos=[slo.text for slo in slos],
        calendar=month.calendar.name,
        answers=told.answers,
        provides={target.name: provided_by(target) for target in targets},
        unfit={
            target.name: unfit_of(target, needed(shape.workload.series, told.answers)) for target in targets
        },
    )
    measured = _measured(directory, state, targets, material, plan, part)
    paid, upkeep_doubts = with_upkeep(targets, told.answers)
    bills = _other_months(month, paid, planes, measured)
    money = price_planes(paid, planes, measured, month.shape, lambda: represented(case))
    bills.insert(0, calendar_bill(month.calendar, month.shape, planes))
    as_priced = {target.name: target for target in imagined}
    priced = [as_priced.get(target.name, target) for target in targets]
    others = {
        target.name: directory / folder
        for target in targets
        if (folder := state.done.get(f"variant/{target.name}")) is not None
    }
    workload = msgspec.structs.replace(workload, buckets=money.buckets)
    split = next((target for target in targets if target.name == represented(case).get("hybrid")), None)
    case = msgspec.structs.replace(
        case,
        workload=workload,
        break_even=money.break_even,
        hybrid_routes=[] if split is None else routes_of(split, workload),
    )
    decided = decide(case)
    left = [
        (target, plane) for target, plane in zip(priced, planes, strict=True) if plane.target not in decided.out
    ]
    flipping, staying = flips(
        [target for target, _ in left], [plane for _, plane in left], measured, others, month.shape, slos
    )
    shown = [plane for plane in planes if plane.target in decided.represents.values()] or planes
    today = datetime.now(UTC)
    verdict = PilotVerdict(
        schema=VERDICT_SCHEMA,
        command="pilot",
        verdict=decided.choice,
        answer=decided.answer,
        reasons=decided.reasons,
        doubts=month_doubts(month, bills, shape.workload.span_s, priced_by or part)
        + flipping
        + _doubts(part)
        + decided.doubts
        + [
            f"{p.target} has no ceiling: {p.ceiling_reason}"
            for p in planes
            if p.ceiling_rps is None and p.ceiling_reason
        ]
        + money.doubts
        + upkeep_doubts,
        planes=planes,
        break_even=money.break_even,
        rules=decided.rules,
        buckets=money.buckets,
        workload=workload,
        phases=material.figures,
        headline=headline(shown, month.calendar.name),
        dimensions=dimensions(case),
        routes=decided.routes,
        sensitivity=money.sensitivity,
        effort=effort_words(planes),
        rollback=rollback(decided.choice, shown),
        check_again=check_again(
            money.break_even,
            _in_days(today.date(), _REVIEW_DAYS),
            is_by_staff=decided.staff is not None and decided.staff.with_staff != decided.staff.without,
        ),
        how=plan.how,
        made_at=today.strftime("%Y-%m-%dT%H:%M:%SZ"),
        slos=[slo.text for slo in slos] or state.ceiling_slos,
        prices=money.prices,
        notes=_notes(plan, slos, state, targets, money, part) + month_notes(month, shape) + staying,
        calendar=month.calendar.name,
        calendars=bills,
        answers=answers_told(told.answers),
        assumptions=all_assumptions(
            priced,
            _ours(priced, shape),
            planes,
            workload,
            money.prices,
            seed,
            [slo.text for slo in bounds],
            are_bounds_given=bool(slos),
        ),
        out=decided.out,
        represents=decided.represents,
        represents_why=decided.represents_why,
        leans=decided.leans,
        staff=decided.staff,
    )
    return verdict, material


def _other_months(
    month: Month, targets: Sequence[Target], planes: Sequence[PilotPlane], measured: dict[str, Measured]
) -> list[CalendarBill]:
    """The planes, not priced yet, in the months that look otherwise."""
    found = []
    for calendar, shape in month.others:
        copies = [msgspec.structs.replace(plane) for plane in planes]
        price_planes(targets, copies, measured, shape)
        found.append(calendar_bill(calendar, shape, copies))
    return found


def _ours(priced: Sequence[Target], shape: Shape) -> frozenset[str]:
    """The targets that are the embedded planes, which the user said nothing of."""
    embedded = {target.name: target for target in embedded_targets(shape.workload, "simulated")}
    return frozenset(
        target.name
        for target in priced
        if target.name in embedded and target.simulate == embedded[target.name].simulate
    )


def _measured(
    directory: Path, state: State, targets: Sequence[Target], material: Material, plan: Plan, part: Excerpt
) -> dict[str, Measured]:
    """The run by which each target is priced."""
    found: dict[str, Measured] = {}
    for target in targets:
        name = target.name
        whole_trace = state.done.get(f"month/{name}")
        begins_s = 0.0 if whole_trace is not None else part.offset_s
        if (month := whole_trace or state.done.get(f"unscheduled/{name}")) is not None:
            lives = tuple(read_instances(directory / month))
            found[name] = Measured(
                read_evidence(directory / month), begins_s, is_simulated=True, instances=lives
            )
        elif (run := material.runs[name].get("representative")) is not None:
            offset_s = None if part.cut_s else part.offset_s
            lives = tuple(read_instances(material.folders[name]["representative"]))
            found[name] = Measured(run, offset_s, is_simulated=plan.how == "simulated", instances=lives)
    return found


def _seen(
    target: Target,
    material: Material,
    month: Path | None,
    fault: str | None,
    at_s: float | None,
    bounds: Sequence[Slo],
    shape: Shape,
) -> Seen:
    """month: where the simulation of the whole trace is, by which the target is priced, if it is."""
    name = target.name
    plane: PlaneName = target.plane or "serverless"
    folders = material.folders[name]
    failure = material.runs[name].get("failure")
    simulated = None if month is None else read_evidence(month)
    main, main_folder = (
        simulated or material.runs[name].get("representative"),
        month or folders.get("representative"),
    )
    cold = material.colds.get(name) if simulated is None else judge_coldstart(simulated)
    wake = material.wakes.get(name) if simulated is None else cold
    return Seen(
        target=name,
        plane=plane,
        phases=material.runs[name],
        cold=cold,
        keep_alive_s=wake.keep_alive_s if wake else None,
        ceiling=material.ceilings.get(name),
        recovery=None
        if failure is None or at_s is None
        else _recovered(target, failure, Event(round(at_s * _NS), fault or "a fault"), folders["failure"]),
        machines=_machines(target),
        bounds=bounds,
        window_s=float(shape.workload.window_s),
        boots=None
        if main is None or main_folder is None
        else boots_of(lives_of(main_folder), main, is_as_recorded=_answers_as_recorded(target)),
        memory_peak_bytes=max(
            (peak for folder in folders.values() if (peak := memory_peak_bytes(folder))), default=None
        ),
        month=simulated,
    )


def _machines(target: Target) -> int | None:
    """How many machines answer all that is sent to the target; None where other planes answer some of it."""
    cost = target.cost
    return cost.machines if cost is not None and cost.machine and target.plane != "hybrid" else None


def _answers_as_recorded(target: Target) -> bool:
    return bool((target.simulate or {}).get("as_recorded"))


def _recovered(target: Target, run: Evidence, event: Event, folder: Path) -> Recovered:
    (fault,) = judge_recovery(run, [event]).faults
    met: Met = "requests" if fault.under_way else "no request"
    return Recovered(
        target=target.name,
        what=fault.what,
        detect_s=fault.detect_s,
        recovered_s=fault.recovered_s,
        failed=fault.failed_steps,
        retried_ok=fault.retried_ok,
        sessions_lost=fault.sessions_lost,
        met="no instance" if has_struck(folder, event.at_ns) is False else met,
        machines=None if is_group(target) else _machines(target),
    )


def _lifetime(target: Target) -> str | None:
    """How long an instance of a live plane of our own stays idle before it goes."""
    idle_s = (target.simulate or {}).get("plane", {}).get("idle_lifetime_s")
    return None if idle_s is None else f"{idle_s:g} s"


def _request_limit_s(target: Target) -> float | None:
    """As its simulated plane has it; else the platform's for a serverless one, and none for machines."""
    if target.simulate is not None:
        return simulated_plane(target).plane.request_limit_s
    return _LONGEST_REQUEST_S if target.plane == "serverless" else None


def _in_days(today: date, days: int) -> str:
    return (today + timedelta(days=days)).isoformat()


_HOW = {
    "simulated": "simulated in virtual time: nothing was sent",
    "quick": "a quick look: minutes, where a pilot proper takes the better part of an hour",
    "live": "every phase was replayed against the targets",
}


def _doubts(part: Excerpt) -> list[str]:
    """What of the trace no plane was held to."""
    if not are_many(part.failed, part.requests):
        return []
    share = sum(part.failed.values()) / part.requests
    return [f"{share:.1%} of the requests were recorded as failed, and no plane was held to that"]


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
    are_emulated = all((target.simulate or {}).get("as_recorded") for target in targets)
    if failures := recorded_failures(part.failed, part.requests, are_emulated=are_emulated):
        notes.append(failures)
    if months := [target for target in targets if f"month/{target.name}" in state.done]:
        names = ", ".join(target.name for target in months)
        live = ", ".join(sorted(set(filter(None, (_lifetime(target) for target in months)))))
        notes.append(
            f"latencies, cold starts and bills of {names} are of the whole trace in virtual time, on one and the same "
            "plane" + (", and so are ceilings" if plan.how == "quick" else "")
        )
        notes.append(
            "the phases were replayed live through the same engine; there "
            + (f"instances go after {live} of idling, so that waking up shows within minutes: " if live else "")
            + "they check the engine and show bursts and failures, and their latencies are in the list of phases only"
        )
    if not slos and state.ceiling_slos:
        notes.append(f"ceilings were asked for with {', '.join(state.ceiling_slos)}, since no --slo was given")
    return notes + money.notes
