"""What a pilot says: the workload it saw, each plane's figures, the rules that fired, and which plane fits.

These are the fields of its verdict.json. Times are milliseconds or seconds as their names say; money is in the
currency that stands beside it, for a month of 730 hours. What was not measured is null.
"""

from typing import Any, Literal

import msgspec

from replay.judge.types import Decision
from replay.money.types import BreakEvenFound, Sensitive

PlaneName = Literal["serverless", "vm", "hybrid"]
Choice = Literal["serverless", "vm", "hybrid", "inconclusive"]
Favours = Literal["serverless", "vm", "hybrid", "neither", "inconclusive"]
Basis = Literal["measured", "simulated", "estimated", "missing"]
WhereFrom = Literal["given", "default", "chosen", "profile", "measured", "trace"]
Met = Literal["requests", "no request", "no instance"]
PhaseName = Literal["representative", "bursts", "idle-wake", "long-chains", "failure", "ceiling"]


class StepClass(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The steps of one kind and name in the trace. busy_share: of all recorded request time. in_flight: in the mean
    over the trace. needs: why it cannot leave the machine, as the trace marks it; None where it does not. is_local: the
    trace has no request for it, so the agent did it itself, wherever it runs. cpu_share: what part of its time is work
    for the processor, as the trace marks it; None where it does not.
    """

    kind: str
    name: str
    steps: int
    p50_ms: float | None = None
    longest_ms: float | None = None
    busy_share: float = 0.0
    in_flight: float = 0.0
    peak_in_flight: int = 0
    needs: str | None = None
    is_local: bool = False
    cpu_share: float | None = None


class Bucket(msgspec.Struct, kw_only=True):
    """One load level of the trace: idle, normal or peak. weight: its share of the month, which is its share of the
    trace's time. requests_month: at its rate for its hours. cost_month: by target, this level's part of the month;
    cost_all_month: what a month costs that is at this level all the time.
    """

    name: str
    weight: float
    requests_share: float = 0.0
    requests_per_s: float = 0.0
    requests_month: float = 0.0
    mean_took_ms: float | None = None
    in_flight: float | None = None
    memory_bytes: int | None = None
    external_calls_month: float | None = None
    tokens_month: float | None = None
    cost_month: dict[str, float] = {}
    cost_all_month: dict[str, float] = {}


class Workload(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The shape of the trace, as far as a choice of plane depends on it. pattern_rule: why it is called so.

    idle_share: seconds in which nothing was under way. tool_share: of the request time, steps that wait on tools.
    peak_rps: requests a second in the fullest window of `window_s`; month_peak_rps: in that of the month that is
    priced, where it is another. buckets: the month's load levels.
    """

    trace: str
    sessions: int
    steps: int
    span_s: float
    pattern: str
    pattern_rule: str
    window_s: int
    mean_rps: float
    peak_rps: float
    mean_in_flight: float | None = None
    peak_in_flight: int | None = None
    idle_share: float | None = None
    tool_share: float | None = None
    peak_to_mean: float | None = None
    dispersion: float | None = None
    longest_ms: float | None = None
    longest_session_s: float | None = None
    series: list[StepClass] = []
    buckets: list[Bucket] = []
    month_peak_rps: float | None = None


class PhaseFigures(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One plane in one phase. run: its run directory, beside verdict.json. generator: what this machine says of itself.
    errors: failures, by class.
    """

    phase: PhaseName
    target: str
    run: str
    steps: int = 0
    failed: int = 0
    retries: int = 0
    sessions: int = 0
    sessions_lost: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    cold: int | None = None
    cold_share: float | None = None
    most_instances: int | None = None
    generator: str = "ok"
    errors: dict[str, int] = {}


class Recovered(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a failure did to one plane. recovered_s None: not within the run. what: what was done to it.

    met: what the fault found there; None where that is not known. machines: that there were then, the one that went
    among them; None for a plane that is not made of them.
    """

    target: str
    what: str
    detect_s: float | None = None
    recovered_s: float | None = None
    failed: int = 0
    retried_ok: int = 0
    sessions_lost: int = 0
    met: Met | None = None
    machines: int | None = None


class Boots(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The instances that were booted in the run that the latencies are of, and apart from them the steps that waited.

    count: boots; finished: of which an instance became ready, which the durations are of. woken_by: what each came of.
    waited: steps that waited while an instance booted, whichever served them then; wait_*: how long.
    """

    count: int
    finished: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    longest_s: float | None = None
    woken_by: dict[str, int] = {}
    waited: int = 0
    wait_p50_ms: float | None = None
    wait_longest_ms: float | None = None


class UndecidedSlo(msgspec.Struct, kw_only=True):
    """An SLO that a run could not decide, and why. is_broken: the run's own figure breaks it, or there is none.
    is_open: nothing bounds the figure on the limit's side, so it may be anything.
    """

    slo: str
    why: str
    is_broken: bool = False
    is_open: bool = False


class PilotPlane(msgspec.Struct, kw_only=True):
    """One target, all phases together; latencies are response times, of the run that figures_of names: the
    representative phase, or the whole trace simulated on the plane as it is priced.

    budget: what the SLOs say of it; broken: those that it broke; undecided: those that its run was too short for.
    cold_added_ms: what a cold start adds: a boot in the median, where boots are known. ceiling_ci_rps, cost_ci: 95 %.
    capacity_rps: what one machine carries, where the plane is made of machines; capacity_how: how that is known;
    sizing: why so many machines are priced. cost_without_free: the bill with no free tier; cost_with_staff: with the
    time of staff, where that is stated. cost_basis: how the instance seconds behind its cost are known. effort: how
    much trouble it was, counted over all phases but the one in which an instance was killed. steps: of the run that
    the latencies are of; answered: in all phases, and in the month that it was simulated for. staff_hours: a month,
    staff_rate: of an hour, where its file states them.

    carried_rps: the most requests a second that it was seen to answer in one window of the workload with its bounds
    kept, outside of the search for the ceiling; carried_by: with how many machines, or instances. ceiling_reason: why
    the ceiling is what it is, or why there is none.

    cold_tail_ms: by how much cold starts lift the p99; cold_tail_ci_ms: its interval, None where the run is too short
    to have one. memory_peak_bytes: the most that one instance held, where the plane tells.
    """

    target: str
    plane: PlaneName
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    mean_ms: float | None = None
    p99_ci_ms: tuple[float | None, float | None] | None = None
    cold_share: float | None = None
    cold_method: str | None = None
    cold_added_ms: float | None = None
    p99_without_cold_ms: float | None = None
    keep_alive_s: tuple[float, float | None] | None = None
    ceiling_rps: float | None = None
    ceiling_ci_rps: tuple[float, float | None] | None = None
    ceiling_verdict: str | None = None
    limited_by: str | None = None
    knee_rps: float | None = None
    machines: int | None = None
    capacity_rps: float | None = None
    utilisation: float | None = None
    cost_month: float | None = None
    cost_ci: tuple[float, float] | None = None
    currency: str | None = None
    cost_basis: Basis = "missing"
    staff_month: float | None = None
    cost_lines: list[dict[str, Any]] = []
    errors: int = 0
    error_share: float | None = None
    retries: int = 0
    sessions_lost: int = 0
    budget: Decision | None = None
    effort: dict[str, int] = {}
    recovery: Recovered | None = None
    steps: int = 0
    answered: int = 0
    generator: str = "ok"
    p95_ci_ms: tuple[float | None, float | None] | None = None
    carried_rps: float | None = None
    broken: list[str] = []
    undecided: list[UndecidedSlo] = []
    staff_hours: float | None = None
    staff_rate: float | None = None
    carried_by: int | None = None
    ceiling_reason: str | None = None
    boots: Boots | None = None
    cold_tail_ms: float | None = None
    cold_tail_ci_ms: tuple[float, float] | None = None
    memory_peak_bytes: int | None = None
    figures_of: Literal["representative", "month"] = "representative"
    capacity_how: Literal["stated", "measured", "seen"] | None = None
    sizing: str | None = None
    cost_without_free: float | None = None
    cost_with_staff: float | None = None


class Rule(msgspec.Struct, kw_only=True):
    """One decision rule. evidence: the numbers that fired it. flips_at: the value of one of them at which it would
    say otherwise. text: what it says, in words. decides: the choice was made by it. source: where the rule is from.
    """

    name: str
    favours: Favours
    evidence: dict[str, Any]
    text: str
    flips_at: dict[str, Any] | None = None
    decides: bool = False
    source: str = ""


class Dimension(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A row of the side-by-side table. by_plane: what was found, by target. better: a plane's name, "even" or
    "not measured".
    """

    name: str
    by_plane: dict[str, str]
    better: str
    why: str = ""


class PlannedRoute(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Where a hybrid would send the steps of one kind and name, and why."""

    kind: str
    name: str
    to: Literal["serverless", "vm"]
    why: str


class TriedSplit(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A split of the steps that was looked at. steps: on machines, as kind:name, in the order in which they were peeled
    off; the rest is serverless. machines: for them, as many as its month is priced with, at most at once.
    estimated_month: its bill by what both planes' own runs used.

    The rest is of its simulation, where there was one. simulated_machines: that it had, for the trace. run: its run
    directory. out: why it cannot be chosen.
    """

    steps: list[str]
    machines: int
    estimated_month: float
    cost_month: float | None = None
    cost_ci: tuple[float, float] | None = None
    currency: str | None = None
    p99_ms: float | None = None
    budget: Decision | None = None
    out: str | None = None
    run: str | None = None
    simulated_machines: int | None = None


class Hybrid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What came of looking for a split of the steps between two targets. serverless, vm: those. tried: in the order in
    which it was looked at them. target: the hybrid among the planes that is the best of them; None where none pays.
    text: it in a sentence.
    """

    serverless: str
    vm: str
    text: str
    tried: list[TriedSplit] = []
    target: str | None = None


class CalendarBill(msgspec.Struct, kw_only=True):
    """What the same load costs in a month that looks so. peak_rps: of its fullest window, by which machines are sized.

    cost_month, machines: by target. cheaper: the target with the lower bill, its staff time with it where that is
    stated; None where fewer than two have one.
    """

    name: str
    requests_month: float
    peak_rps: float
    cost_month: dict[str, float] = {}
    machines: dict[str, int] = {}
    cheaper: str | None = None


class Answered(msgspec.Struct, kw_only=True):
    """A question that no trace can answer, what was answered to it, and what follows from that. is_given False: nobody
    knew.
    """

    id: str
    question: str
    answer: str
    follows: str
    is_given: bool = True


class Assumption(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Something that the figures rest on. target: of which plane; None: of all. where_from: the user gave it; nobody
    did, so it is a default, or chosen by the pilot; a platform's profile has it; it was measured; it is the trace's.
    why: it was chosen, or which profile.
    """

    name: str
    target: str | None = None
    value: str
    unit: str = ""
    where_from: WhereFrom = "default"
    why: str = ""


class StaffLine(msgspec.Struct, kw_only=True):
    """What money decides without staff time and with it. between: the plane with the lower bill, and the other.

    month: what staff costs on each target that states it. rate: of an hour; is_rate_assumed: nobody stated it.
    flips_at_hours: of staff a month that the first may take more than the second before it is no cheaper.
    """

    between: tuple[str, str]
    without: Choice
    with_staff: Choice
    month: dict[str, float]
    rate: float
    is_rate_assumed: bool
    flips_at_hours: float
    text: str


class PilotVerdict(msgspec.Struct, kw_only=True):
    """The answer, and all it rests on.

    answer: it in a sentence. doubts: what is not known, most important first. headline: the three figures that carry
    it, as (name, value) by plane. pages of audit facts are in the run directories, which `phases` names.
    out: the targets that cannot be chosen, and why. represents: the target that stands for its kind, by kind, and
    represents_why how it was picked. leans: where the evidence points that did not suffice for a choice. calendar: how
    the month looks that all bills are of; calendars: its bills, and the same load's in other months. answers: to what
    no trace can tell; empty where nobody was asked. hybrid: what came of looking for a split of the steps; None where
    nobody looked for one, or the user's own was tried.
    """

    schema: str
    command: Literal["pilot"]
    verdict: Choice
    answer: str
    reasons: list[str]
    doubts: list[str]
    planes: list[PilotPlane]
    break_even: list[BreakEvenFound]
    rules: list[Rule]
    buckets: list[Bucket]
    workload: Workload
    phases: list[PhaseFigures] = []
    headline: list[tuple[str, dict[str, str]]] = []
    dimensions: list[Dimension] = []
    routes: list[PlannedRoute] = []
    sensitivity: list[Sensitive] = []
    effort: list[str] = []
    rollback: str = ""
    check_again: str = ""
    how: Literal["live", "quick", "simulated"] = "live"
    made_at: str = ""
    slos: list[str] = []
    prices: list[dict[str, Any]] = []
    notes: list[str] = []
    calendar: str = "flat"
    calendars: list[CalendarBill] = []
    answers: list[Answered] = []
    out: dict[str, str] = {}
    represents: dict[str, str] = {}
    represents_why: dict[str, str] = {}
    leans: PlaneName | None = None
    staff: StaffLine | None = None
    assumptions: list[Assumption] = []
    hybrid: Hybrid | None = None
