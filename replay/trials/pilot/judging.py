"""What a pilot recorded, judged: each target's figures and price, and the verdict with its words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.choice.answered import answers_told
from replay.choice.boots import boots_of
from replay.choice.case import Case
from replay.choice.decision import decide
from replay.choice.dimensions import dimensions
from replay.choice.planes import Seen, ended, plane_figures
from replay.choice.questionnaire import Answers
from replay.choice.standing import represented, standing
from replay.choice.types import CalendarBill, Hybrid, Met, PilotPlane, PilotVerdict, PlaneName, Recovered
from replay.choice.words import check_again, effort_words, headline, rollback
from replay.judge.cold.coldstart import judge_coldstart
from replay.judge.load.recovery import Event, judge_recovery
from replay.judge.measures.slo import Slo, parse_slo
from replay.judge.types import VERDICT_SCHEMA
from replay.money.calendar import Calendar
from replay.results.evidence import Evidence
from replay.simulation.simulation import simulated_plane
from replay.target.target import Target
from replay.trials.pilot.answers import with_upkeep
from replay.trials.pilot.assumptions import all_assumptions
from replay.trials.pilot.carrying import State
from replay.trials.pilot.caveats import are_many, recorded_failures
from replay.trials.pilot.embedded import boots_share, embedded_targets
from replay.trials.pilot.lives import has_struck, lives_of, memory_peak_bytes
from replay.trials.pilot.pricing.flipping import flips
from replay.trials.pilot.pricing.levels import Measured
from replay.trials.pilot.pricing.machines import is_group
from replay.trials.pilot.pricing.money import Money, price_planes, put_break_evens
from replay.trials.pilot.pricing.month import Month, calendar_bill, month_doubts, month_notes, month_of_trace
from replay.trials.pilot.providing import needed, provided_by, unfit_of
from replay.trials.pilot.reading import Material, Runs, read_material
from replay.trials.pilot.sending import routes_of
from replay.trials.pilot.workload.phases import Excerpt, Plan
from replay.trials.pilot.workload.shape import Shape
from replay.words.numbers import percent, seconds

_REVIEW_DAYS = 90
# A serverless request may last at most so long, where a target file does not say otherwise (Cloud Run's maximum).
_LONGEST_REQUEST_S = 3600.0
_NS = 1_000_000_000


class Told(NamedTuple):
    """What only the user can say. calendar: how the month looks; None: nobody said. requests_a_day: how much it has.
    answers: to what no trace can tell; None: nobody was asked.
    """

    calendar: Calendar | None = None
    requests_a_day: float | None = None
    answers: Answers | None = None


class Done(NamedTuple):
    """A pilot whose phases were carried out, and what was asked. faults: what was done to each target. runs: those that
    were read. priced_by: the part of the trace that bills are of, where that is not `part`. imagined: as run_pilot has
    them. hybrid: what a search for a split found, where there was one.

    The phases know nothing of what was told, so the same pilot can be judged again for another month.
    """

    directory: Path
    state: State
    shape: Shape
    targets: Sequence[Target]
    plan: Plan
    slos: Sequence[Slo]
    part: Excerpt
    faults: Mapping[str, str]
    runs: Runs
    told: Told = Told()
    priced_by: Excerpt | None = None
    imagined: Sequence[Target] = ()
    seed: int = 1
    hybrid: Hybrid | None = None

    @property
    def bounds(self) -> list[Slo]:
        """What a level of load has to keep."""
        return list(self.slos) or [parse_slo(text) for text in self.state.ceiling_slos]

    @property
    def priced(self) -> list[Target]:
        """The targets as they are priced: as planes to be simulated, where they are."""
        imagined = {target.name: target for target in self.imagined}
        return [imagined.get(target.name, target) for target in self.targets]


class Weighed(NamedTuple):
    """What a choice is made from. planes: with their prices. paid: the targets with the upkeep that was answered.
    measured: the run by which each is priced. bills: of the month, and of those that look otherwise. doubts: about
    upkeep.
    """

    material: Material
    planes: list[PilotPlane]
    paid: list[Target]
    measured: dict[str, Measured]
    month: Month
    money: Money
    bills: list[CalendarBill]
    case: Case
    doubts: list[str]


def weigh(done: Done) -> Weighed:
    """Each target's figures and price, and all that the rules may look at."""
    directory, state, shape, targets, told = done.directory, done.state, done.shape, done.targets, done.told
    material = read_material(directory, state.done, [target.name for target in targets], done.runs)
    months = {
        target.name: directory / folder
        for target in targets
        if (folder := state.done.get(f"month/{target.name}")) is not None
    }
    planes = [
        plane_figures(_seen(done, target, material, months.get(target.name)), done.slos) for target in targets
    ]
    for target, plane in zip(targets, planes, strict=True):
        if target.name in months:
            plane.answered += ended(done.runs.at(months[target.name]).summary)
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
        slos=[slo.text for slo in done.slos],
        calendar=month.calendar.name,
        answers=told.answers,
        provides={target.name: provided_by(target) for target in targets},
        unfit={
            target.name: unfit_of(target, needed(shape.workload.series, told.answers)) for target in targets
        },
        routes={target.name: routes_of(target, workload) for target in targets if target.plane == "hybrid"},
    )
    measured = _measured(done, material)
    paid, doubts = with_upkeep(targets, told.answers)
    others = _other_months(month, paid, planes, measured)
    money = price_planes(paid, planes, measured, month.shape)
    out = standing(case).out
    bills = [
        calendar_bill(calendar, of_month, [plane for plane in priced if plane.target not in out])
        for calendar, of_month, priced in [(month.calendar, month.shape, planes), *others]
    ]
    case = msgspec.structs.replace(case, workload=msgspec.structs.replace(workload, buckets=money.buckets))
    return Weighed(material, planes, paid, measured, month, money, bills, case, doubts)


def judge(done: Done, weighed: Weighed) -> PilotVerdict:
    """The verdict on what was weighed, and on a split that was looked for since."""
    shape, targets, plan, slos, state, part = (
        done.shape,
        done.targets,
        done.plan,
        done.slos,
        done.state,
        done.part,
    )
    material, planes, paid, measured, month, money, bills, case, upkeep_doubts = weighed
    put_break_evens(money, paid, measured, month.shape, represented(case))
    case = msgspec.structs.replace(case, break_even=money.break_even, hybrid=done.hybrid)
    priced, workload = done.priced, case.workload
    others = {
        name: done.runs.measured(
            done.directory / folder, measured[name].offset_s if name in measured else None, is_simulated=True
        )
        for name in (target.name for target in targets)
        if (folder := state.done.get(f"variant/{name}")) is not None
    }
    decided = decide(case)
    left = [
        (target, plane)
        for target, plane in zip(priced, planes, strict=True)
        if plane.target not in decided.out and plane.plane in ("serverless", "vm", decided.choice)
    ]
    flipping, staying = flips(
        [target for target, _ in left], [plane for _, plane in left], measured, others, month.shape, slos
    )
    shown = [plane for plane in planes if plane.target in decided.represents.values()] or planes
    today = datetime.now(UTC)
    return PilotVerdict(
        schema=VERDICT_SCHEMA,
        command="pilot",
        verdict=decided.choice,
        answer=decided.answer,
        reasons=decided.reasons,
        doubts=month_doubts(month, bills, shape.workload.span_s, done.priced_by or part)
        + flipping
        + list(shape.import_doubts)
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
            [] if decided.choice == "hybrid" else money.break_even,
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
        answers=answers_told(done.told.answers),
        assumptions=all_assumptions(
            priced,
            _ours(priced, shape, done.hybrid),
            planes,
            workload,
            money.prices,
            done.seed,
            [slo.text for slo in done.bounds],
            are_bounds_given=bool(slos),
        ),
        out=decided.out,
        represents=decided.represents,
        represents_why=decided.represents_why,
        leans=decided.leans,
        staff=decided.staff,
        hybrid=done.hybrid,
    )


def _other_months(
    month: Month, targets: Sequence[Target], planes: Sequence[PilotPlane], measured: dict[str, Measured]
) -> list[tuple[Calendar, Shape, list[PilotPlane]]]:
    """The planes, not priced yet, priced for the months that look otherwise."""
    found = []
    for calendar, shape in month.others:
        copies = [msgspec.structs.replace(plane) for plane in planes]
        price_planes(targets, copies, measured, shape)
        found.append((calendar, shape, copies))
    return found


def _ours(priced: Sequence[Target], shape: Shape, hybrid: Hybrid | None) -> frozenset[str]:
    """The targets that are the embedded planes, which the user said nothing of, and the hybrid of both."""
    embedded = {target.name: target for target in embedded_targets(shape.workload, "simulated")}
    found = {
        target.name
        for target in priced
        if target.name in embedded and target.simulate == embedded[target.name].simulate
    }
    if hybrid is not None and hybrid.target is not None and {hybrid.serverless, hybrid.vm} <= found:
        found.add(hybrid.target)
    return frozenset(found)


def _measured(done: Done, material: Material) -> dict[str, Measured]:
    """The run by which each target is priced."""
    found: dict[str, Measured] = {}
    part, folders = done.part, done.state.done
    for target in done.targets:
        name = target.name
        whole_trace = folders.get(f"month/{name}")
        begins_s = 0.0 if whole_trace is not None else part.offset_s
        if (month := folders.get(f"unscheduled/{name}", whole_trace)) is not None:
            found[name] = done.runs.measured(done.directory / month, begins_s, is_simulated=True)
        elif (main := material.folders[name].get("representative")) is not None:
            offset_s = None if part.cut_s else part.offset_s
            found[name] = done.runs.measured(main, offset_s, is_simulated=done.plan.how == "simulated")
    return found


def _seen(done: Done, target: Target, material: Material, month: Path | None) -> Seen:
    """month: where the simulation of the whole trace is, by which the target is priced, if it is."""
    fault, at_s = done.faults.get(target.name), done.state.fault_at_s
    name = target.name
    plane: PlaneName = target.plane or "serverless"
    folders = material.folders[name]
    failure = material.runs[name].get("failure")
    simulated = None if month is None else done.runs.at(month)
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
        keep_alive_s=None if wake is None or wake.missed_by_times else wake.keep_alive_s,
        ceiling=material.ceilings.get(name),
        recovery=None
        if failure is None or at_s is None
        else _recovered(target, failure, Event(round(at_s * _NS), fault or "a fault"), folders["failure"]),
        machines=_machines(target),
        bounds=done.bounds,
        window_s=float(done.shape.workload.window_s),
        boots=None
        if main is None or main_folder is None
        else boots_of(lives_of(main_folder), main, is_as_recorded=_answers_as_recorded(target)),
        memory_peak_bytes=max(
            (peak for folder in folders.values() if (peak := memory_peak_bytes(folder))), default=None
        ),
        month=simulated,
    )


def _machines(target: Target) -> int | None:
    """How many machines it stands for; None where it is not made of them."""
    return target.cost.machines if target.cost is not None and target.cost.machine else None


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
        boots_share=boots_share(target),
    )


def _lifetime(target: Target) -> str | None:
    """How long an instance of a live plane of our own stays idle before it goes."""
    idle_s = (target.simulate or {}).get("plane", {}).get("idle_lifetime_s")
    return None if idle_s is None else seconds(idle_s)


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
    return [f"{percent(share)} of the requests were recorded as failed, and no plane was held to that"]


def _notes(
    plan: Plan, slos: Sequence[Slo], state: State, targets: Sequence[Target], money: Money, part: Excerpt
) -> list[str]:
    notes = [_HOW[plan.how]]
    if part.cut_s:
        notes.append(
            f"the trace is sparse: in representative traffic its pauses were cut to {seconds(plan.pause_s)}, "
            f"{seconds(part.cut_s)} in all; what a pause does to a plane is in the idle and wake phase"
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
