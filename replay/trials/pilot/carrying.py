"""Carrying a pilot out: one phase after another on every plane, each a folder of run directories, and none twice.

What is done is kept in pilot.json, so that a pilot that was interrupted goes on where it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from replay.choice.types import PhaseName
from replay.engine.progress import OnProgress
from replay.engine.run import Job, Outcome, StopWhen, replay_together
from replay.engine.types import Knobs, RunOptions
from replay.judge.gate.judging import CONFIDENCE
from replay.judge.measures.slo import Slo
from replay.judge.statistics.quantile import least_n
from replay.results.manifest_types import RunStatus
from replay.results.rundir import RunDirError, decoded
from replay.simulation.simulation import simulate_trace
from replay.system.files import write_whole
from replay.target.secrets import redacted
from replay.target.target import Target
from replay.trials.aborting import Together
from replay.trials.ceiling import find_ceiling
from replay.trials.pilot.faults import Fault
from replay.trials.pilot.pricing.flipping import MOST_REQUESTS, simulated_variants
from replay.trials.pilot.pricing.schedule import unscheduled
from replay.trials.pilot.reading import TRACES_FOLDER
from replay.trials.pilot.searching import Expected, leave_no_ceiling, search_in_virtual_time, search_live
from replay.trials.pilot.workload.failing import failing
from replay.trials.pilot.workload.phases import Excerpt, Picked, Plan, bursts, chains, idle_wake
from replay.trials.pilot.workload.steady import steady

STATE_FILE = "pilot.json"
_NO_STATE = "does not say how far a pilot came"
STATE_SCHEMA = "replay.pilot/1"
_LONGEST_TAIL_S = 10.0


class State(msgspec.Struct, omit_defaults=True, kw_only=True):
    """pilot.json. question: what was asked; a pilot goes on only for the same. done: each phase's folder, by its name
    (a ceiling's and a failure's with the target after a slash). fault_at_s: when in the failure phase it came.
    """

    schema: str
    question: dict[str, Any]
    done: dict[str, str] = {}
    ceiling_slos: list[str] = []
    fault_at_s: float | None = None


class Stage(NamedTuple):
    """What comes next. number, of: its place among all. left_s: of the whole pilot, as planned."""

    phase: PhaseName
    target: str
    number: int
    of: int
    takes_s: float
    left_s: float


OnStage = Callable[[Stage], None]


class BrokenOff(Exception):
    """The pilot was ended before its phases were. phase, directory: where. status: how the run there ended."""

    def __init__(self, phase: PhaseName, directory: Path, status: RunStatus) -> None:
        super().__init__(f"{phase} was {status}")
        self.phase, self.directory, self.status = phase, directory, status


class Experiment(NamedTuple):
    """Everything that the phases need. options: of every run, but for what a phase sets itself. imagined: targets as
    planes to be simulated, by name. replay: carries out what is sent to a target.
    """

    directory: Path
    targets: Sequence[Target]
    plan: Plan
    excerpt: Excerpt
    picked: Picked
    options: RunOptions
    slos: Sequence[Slo]
    fault: Fault
    on_stage: OnStage
    on_progress: OnProgress | None = None
    imagined: Mapping[str, Target] = MappingProxyType({})
    replay: Together = replay_together


class Carrier:
    """Carries out phases and notes which are done."""

    def __init__(self, experiment: Experiment, state: State) -> None:
        self._it = experiment
        self._state = state
        self._joined: list[Target] = []
        self._stages = self._planned()

    def traces(self) -> Path:
        folder = self._it.directory / TRACES_FOLDER
        folder.mkdir(exist_ok=True)
        return folder

    def carry_out(self) -> None:
        """All phases but the ceilings. Raises BrokenOff, and what replay_trace raises."""
        for phase, trace, options in self._shared():
            self._together(phase, trace, options)
        for group in self._struck():
            self._fail(group, self._calm)

    @property
    def _calm(self) -> Knobs:
        return self._knobs(self._it.plan.idle_cap_s)

    @property
    def _simulated(self) -> Sequence[Target]:
        """The targets as they are simulated, where they are."""
        return self._it.targets if self._it.plan.how == "simulated" else list(self._it.imagined.values())

    @property
    def _plain(self) -> RunOptions:
        """Of the whole trace as it is."""
        return RunOptions(knobs=Knobs(seed=self._it.options.knobs.seed))

    def _shared(self) -> list[tuple[PhaseName, Path, RunOptions]]:
        """The phases that all targets go through at once, each with its trace."""
        it, plan, folder = self._it, self._it.plan, self.traces()
        bursts_s, chains_s = _bursts_s(plan), plan.chains_s
        return [
            ("representative", it.excerpt.trace, self._limited(plan.representative_s)),
            ("bursts", bursts(it.picked, folder, plan), self._limited(bursts_s, self._calm)),
            ("idle-wake", idle_wake(it.picked, folder, plan), it.options),
            ("long-chains", chains(it.picked, folder, plan), self._limited(chains_s, self._calm)),
        ]

    def split(self, hybrid: Target, trace: Path) -> Path:
        """The whole trace on a hybrid that may be the answer; returns where. The same split is simulated once."""
        what = msgspec.json.encode([hybrid.routes, hybrid.simulate])
        key = f"split/{sha256(what).hexdigest()[:16]}"
        options = self._plain if self._it.imagined else self._limited(self._it.plan.representative_s)
        return self._once(("splits", "split"), trace, hybrid, options, key)

    def join(self, hybrid: Target, run: Path, priced_by: Path) -> None:
        """A hybrid that may be the answer goes through what the others did, where they did it in virtual time; its
        ceiling is to be looked for as theirs. run: of its whole trace. priced_by: the same without its schedule, if
        it has one. Raises BrokenOff.
        """
        it, done, name = self._it, self._state.done, hybrid.name
        self._joined = [hybrid]
        main = f"{'month' if it.imagined else 'representative'}/{name}"
        if done.get(main) != str(run.relative_to(it.directory)):
            # Whatever another split by that name went through.
            for key in [key for key in done if key.endswith(f"/{name}")]:
                del done[key]
            self._note(main, run)
        if priced_by != run:
            self._note(f"unscheduled/{name}", priced_by)
        if it.imagined:
            return
        for phase, trace, options in self._shared()[1:]:
            key = f"{phase}/{name}"
            if key not in done:
                self._begin(phase, name)
            self._once((phase, name), trace, hybrid, options)
        if it.fault.what(hybrid) is not None:
            self._fail([hybrid], self._calm)

    def _struck(self) -> list[list[Target]]:
        """Targets to which a failure can be done: those that share a run."""
        targets = [target for target in self._it.targets if self._it.fault.what(target) is not None]
        return [targets] if self._it.fault.is_shared and targets else [[target] for target in targets]

    def months(self, trace: Path) -> None:
        """The whole trace on each simulated plane, by which it is priced: a phase that takes no time of anybody's."""
        for target in self._it.imagined.values():
            self._once(("month", target.name), trace, target, self._plain)

    def unscheduled(self, trace: Path) -> None:
        """The trace on each simulated group that has a daily schedule, without it: a bill needs to know how many
        machines the load takes at hours that the run did not come to.
        """
        for target in self._simulated:
            if (other := unscheduled(target)) is not None:
                self._once(("unscheduled", target.name), trace, other, self._plain)

    def variants(self, trace: Path, requests: int) -> None:
        """Other set-ups of the planes that are simulated, by which it is told what would flip the answer. requests: in
        the trace; of too many it takes too long.
        """
        for target in self._simulated:
            other = simulated_variants(target)
            if other is not None and requests <= MOST_REQUESTS:
                self._once(("variant", target.name), trace, other, self._plain)

    def ceilings(
        self, slos: Sequence[Slo], expected: Callable[[Target], Expected], most_imagined_rps: float
    ) -> None:
        """The ceilings under these SLOs. expected: what is known of a target beforehand.
        most_imagined_rps: no load beyond this is tried in virtual time, where each request costs some of this
        machine's.
        """
        it = self._it
        # A request that is taken out of its session has none of its cookies.
        has_cookies = any(target.session.cookies for target in it.targets)
        load = steady(it.excerpt.trace, self.traces(), keeps_sessions=has_cookies)
        needed = max([least_n(slo.q, CONFIDENCE) for slo in slos if slo.q is not None] or [0])
        for aim in [*it.targets, *self._joined]:
            key = f"ceiling/{aim.name}"
            if key in self._state.done:
                continue
            self._begin("ceiling", aim.name)
            is_imagined = self._finds_ceiling_in_virtual_time(aim)
            target = it.imagined.get(aim.name, aim) if is_imagined else aim
            known = expected(target)
            search = (
                search_in_virtual_time(load, known, most_imagined_rps, it.plan)
                if is_imagined
                else search_live(load, known, needed, it.plan)
            )
            folder = self._folder("ceiling", target.name)
            if isinstance(search, str):
                leave_no_ceiling(folder, target, load, slos, search)
                self._note(key, folder)
                continue
            outcome = find_ceiling(
                load.trace,
                target,
                slos,
                msgspec.structs.replace(it.options, knobs=self._knobs(it.plan.idle_cap_s)),
                search,
                out=folder,
                on_progress=it.on_progress,
                replay=_simulated if is_imagined else self._replay_one,
            )
            if outcome.status != "finished":
                raise BrokenOff("ceiling", outcome.directory, outcome.status)
            self._note(key, outcome.directory)

    def _once(
        self, place: tuple[str, str], trace: Path, target: Target, options: RunOptions, key: str | None = None
    ) -> Path:
        """The folder of a simulation, done there if it was not done yet. place: of a new folder. key: under which it is
        noted as done, where that is not its place.
        """
        key = key or "/".join(place)
        if key not in self._state.done:
            folder = self._folder(*place)
            simulate_trace(trace, target, options, folder)
            self._note(key, folder)
        return self._it.directory / self._state.done[key]

    def _together(self, phase: PhaseName, trace: Path, options: RunOptions) -> None:
        if phase in self._state.done:
            return
        names = ", ".join(target.name for target in self._it.targets)
        self._begin(phase, names)
        folder = self._folder(phase)
        jobs = [Job(target, folder / target.name) for target in self._it.targets]
        self._finished(phase, self._replay(trace, jobs, options))
        self._note(phase, folder)

    def _fail(self, targets: Sequence[Target], calm: Knobs) -> None:
        """The busiest part of representative traffic, in which an instance fails."""
        it = self._it
        names = ", ".join(target.name for target in targets)
        left = [target for target in targets if f"failure/{target.name}" not in self._state.done]
        if not left:
            return
        self._begin("failure", names)
        amid = failing(it.excerpt.trace, self.traces(), it.plan.failure_s, it.plan.idle_cap_s)
        self._state.fault_at_s = amid.at_s
        options = self._limited(amid.length_s, calm)
        struck = [it.fault.struck(target, options, amid.at_s) for target in targets]
        folders = [self._folder("failure", target.name) for target in targets]
        jobs = [Job(one.target, folder) for one, folder in zip(struck, folders, strict=True)]
        self._finished("failure", self._replay(amid.trace, jobs, struck[0].options))
        for target, folder in zip(targets, folders, strict=True):
            self._note(f"failure/{target.name}", folder)

    def _finished(self, phase: PhaseName, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.summary.status != "finished":
                raise BrokenOff(phase, outcome.directory, outcome.summary.status)

    def _replay(self, trace: Path, jobs: Sequence[Job], options: RunOptions) -> list[Outcome]:
        if self._it.plan.how == "simulated":
            return [simulate_trace(trace, job.target, options, job.out) for job in jobs]
        return self._it.replay(trace, jobs, options, self._it.on_progress, None)

    def _replay_one(
        self,
        trace: Path,
        target: Target,
        options: RunOptions,
        out: Path | None,
        on_progress: OnProgress | None,
        stop_when: StopWhen | None,
    ) -> Outcome:
        return self._it.replay(trace, [Job(target, out)], options, on_progress, stop_when)[0]

    def _finds_ceiling_in_virtual_time(self, target: Target) -> bool:
        how = self._it.plan.how
        is_only_simulated = how == "simulated" or target in self._joined
        return is_only_simulated or (how == "quick" and target.name in self._it.imagined)

    def _limited(self, duration_s: float, knobs: Knobs | None = None) -> RunOptions:
        """For so long at most; to its end where that is infinite."""
        options = self._it.options
        if isfinite(duration_s):
            options = msgspec.structs.replace(options, duration_s=duration_s)
        return options if knobs is None else msgspec.structs.replace(options, knobs=knobs)

    def _knobs(self, idle_cap_s: float) -> Knobs:
        knobs = self._it.options.knobs
        caps = [cap for cap in (knobs.idle_cap_s, idle_cap_s) if cap is not None]
        return msgspec.structs.replace(knobs, idle_cap_s=min(caps))

    def _planned(self) -> list[tuple[PhaseName, str, float]]:
        """Phases to come and how long each is likely to take. Virtual time takes none."""
        it, plan = self._it, self._it.plan
        live = 0.0 if plan.how == "simulated" else 1.0
        tail_s = min(_LONGEST_TAIL_S, plan.representative_s / 4)
        names = ", ".join(target.name for target in it.targets)
        representative_s = min(plan.representative_s, it.excerpt.length_s) + tail_s
        stages: list[tuple[PhaseName, str, float]] = [
            ("representative", names, live * representative_s),
            ("bursts", names, live * (_bursts_s(plan) + tail_s / 2)),
            ("idle-wake", names, live * (sum(plan.idle_gaps_s) + 2)),
            ("long-chains", names, live * plan.chains_s),
        ]
        stages += [
            ("failure", ", ".join(target.name for target in group), live * (plan.failure_s + tail_s / 2))
            for group in self._struck()
        ]
        for target in it.targets:
            takes_s = 2.0 if self._finds_ceiling_in_virtual_time(target) else 1.3 * plan.search_s
            stages.append(("ceiling", target.name, live * takes_s))
        return stages

    def _begin(self, phase: PhaseName, target: str) -> None:
        known = [stage[:2] for stage in self._stages]
        if (phase, target) not in known:
            # Of a hybrid, of which nobody knew beforehand.
            known.append((phase, target))
            self._stages.append((phase, target, 0.0))
        at = known.index((phase, target))
        left_s = sum(takes_s for _, _, takes_s in self._stages[at:])
        self._it.on_stage(Stage(phase, target, at + 1, len(self._stages), self._stages[at][2], left_s))

    def _folder(self, *parts: str) -> Path:
        """A folder for a phase. What an interrupted pilot left under that name stays as it is."""
        path = self._it.directory.joinpath(*parts)
        n = 1
        while path.exists():
            n += 1
            path = path.with_name(f"{parts[-1]}-{n}")
        return path

    def _note(self, key: str, folder: Path) -> None:
        self._state.done[key] = str(folder.relative_to(self._it.directory))
        write_state(self._it.directory, self._state)


def _simulated(
    trace: Path,
    target: Target,
    options: RunOptions,
    out: Path | None,
    on_progress: OnProgress | None,
    stop_when: StopWhen | None,
) -> Outcome:
    """As replay_trace, in virtual time, where nothing can be watched meanwhile."""
    return simulate_trace(trace, target, options, out)


def _bursts_s(plan: Plan) -> float:
    return (plan.burst_rounds - 1) * plan.burst_gap_s + min(plan.burst_gap_s, 30.0)


def question_of(sha256: str, targets: Sequence[Target], plan: Plan, options: RunOptions) -> dict[str, Any]:
    """What makes two pilots the same: the trace, the targets (their addresses may change), the plan, the options."""
    asked = []
    for target in targets:
        shown = redacted(target)
        for moving in ("url", "observe"):
            shown.pop(moving, None)
        asked.append(shown)
    found: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(
            {"trace": sha256, "targets": asked, "plan": plan, "options": msgspec.to_builtins(options)}
        )
    )
    return found


def read_state(directory: Path, question: dict[str, Any]) -> State:
    """Where a pilot stands: at its beginning, or where it was interrupted. Raises RunDirError."""
    path = directory / STATE_FILE
    if not path.exists():
        return State(schema=STATE_SCHEMA, question=question)
    try:
        state = decoded(path.read_bytes(), State, str(path), _NO_STATE)
    except OSError as cause:
        raise RunDirError(f"{path}: cannot be read ({cause.strerror}).") from cause
    if state.question != question:
        raise RunDirError(
            f"{directory}: holds a pilot of another trace, other targets or other options. Choose another --out."
        )
    return state


def done_phases(directory: Path) -> dict[str, str]:
    """The folders of a pilot's phases, whatever was asked of it. Raises RunDirError if the folder holds no pilot."""
    path = directory / STATE_FILE
    try:
        return decoded(path.read_bytes(), State, str(path), _NO_STATE).done
    except OSError as cause:
        raise RunDirError(f"{path}: cannot be read ({cause.strerror}).") from cause


def write_state(directory: Path, state: State) -> None:
    """Raises OSError that names the file."""
    write_whole(directory / STATE_FILE, msgspec.json.format(msgspec.json.encode(state)) + b"\n")
