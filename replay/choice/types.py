"""What a pilot says: the workload it saw, each plane's figures, the rules that fired, and which plane fits.

These are the fields of its verdict.json. Times are milliseconds or seconds as their names say; money is in the
currency that stands beside it, for a month of 730 hours. What was not measured is null.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

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
    """The steps of one kind and name in the trace."""

    kind: Annotated[str, Meta(description="Their kind.")]
    name: Annotated[str, Meta(description="Their name.")]
    steps: Annotated[int, Meta(description="How many there are.")]
    p50_ms: Annotated[float | None, Meta(description="Their median recorded duration, in ms.")] = None
    longest_ms: Annotated[float | None, Meta(description="The longest recorded duration, in ms.")] = None
    busy_share: Annotated[float, Meta(description="Their share of all recorded request time, from 0 to 1.")] = (
        0.0
    )
    in_flight: Annotated[
        float, Meta(description="How many are under way at once, on average over the trace.")
    ] = 0.0
    peak_in_flight: Annotated[int, Meta(description="The most under way at once.")] = 0
    needs: Annotated[
        str | None, Meta(description="Why they cannot leave the machine, as the trace marks them.")
    ] = None
    is_local: Annotated[
        bool,
        Meta(
            description=(
                "Whether the trace has no request for them, so that the agent did them itself, wherever it "
                "runs."
            )
        ),
    ] = False
    cpu_share: Annotated[
        float | None,
        Meta(
            description=(
                "What part of their time is work for the processor, from 0 to 1, as the trace marks it."
            )
        ),
    ] = None


class Bucket(msgspec.Struct, kw_only=True):
    """One load level of the trace: idle, normal or peak."""

    name: Annotated[str, Meta(description="The level's name.")]
    weight: Annotated[
        float, Meta(description="Its share of the month, from 0 to 1, which is its share of the trace's time.")
    ]
    requests_share: Annotated[float, Meta(description="Its share of the requests, from 0 to 1.")] = 0.0
    requests_per_s: Annotated[float, Meta(description="Requests a second at it.")] = 0.0
    requests_month: Annotated[float, Meta(description="Requests of a month at its rate for its hours.")] = 0.0
    mean_took_ms: Annotated[
        float | None, Meta(description="The mean recorded duration of its requests, in ms.")
    ] = None
    in_flight: Annotated[float | None, Meta(description="Requests under way at once, on average.")] = None
    memory_bytes: Annotated[
        int | None, Meta(description="Memory that its instances held, in bytes, where the plane tells.")
    ] = None
    external_calls_month: Annotated[float | None, Meta(description="Calls to others a month.")] = None
    tokens_month: Annotated[float | None, Meta(description="Tokens of models a month.")] = None
    cost_month: Annotated[dict[str, float], Meta(description="Its part of the month's bill, by target.")] = {}
    cost_all_month: Annotated[
        dict[str, float], Meta(description="What a month costs that is at this level all the time, by target.")
    ] = {}


class Workload(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The shape of the trace, as far as a choice of plane depends on it."""

    trace: Annotated[str, Meta(description="The trace's name.")]
    sessions: Annotated[int, Meta(description="Sessions in it.")]
    steps: Annotated[int, Meta(description="Steps in it.")]
    span_s: Annotated[float, Meta(description="How long it is, in s.")]
    pattern: Annotated[str, Meta(description="What its arrivals are called, such as bursty or steady.")]
    pattern_rule: Annotated[str, Meta(description="Why they are called so.")]
    window_s: Annotated[int, Meta(description="The length of the windows in which requests are counted, in s.")]
    mean_rps: Annotated[float, Meta(description="Requests a second, on average.")]
    peak_rps: Annotated[float, Meta(description="Requests a second in the fullest window.")]
    mean_in_flight: Annotated[float | None, Meta(description="Requests under way at once, on average.")] = None
    peak_in_flight: Annotated[int | None, Meta(description="The most requests under way at once.")] = None
    idle_share: Annotated[
        float | None, Meta(description="Seconds in which nothing was under way, as a share from 0 to 1.")
    ] = None
    tool_share: Annotated[
        float | None, Meta(description="Steps that wait on tools, as a share of the request time from 0 to 1.")
    ] = None
    peak_to_mean: Annotated[
        float | None, Meta(description="The fullest window's requests over the mean's.")
    ] = None
    dispersion: Annotated[
        float | None,
        Meta(description="The index of dispersion of requests in windows; 1 where they are independent."),
    ] = None
    longest_ms: Annotated[float | None, Meta(description="The longest step, in ms.")] = None
    longest_session_s: Annotated[float | None, Meta(description="The longest session, in s.")] = None
    series: Annotated[list[StepClass], Meta(description="Its steps by kind and name.")] = []
    buckets: Annotated[list[Bucket], Meta(description="The load levels of the month.")] = []
    month_peak_rps: Annotated[
        float | None,
        Meta(
            description=(
                "Requests a second in the fullest window of the month that is priced, where it is another."
            )
        ),
    ] = None


class PhaseFigures(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One plane in one phase."""

    phase: Annotated[PhaseName, Meta(description="The phase.")]
    target: Annotated[str, Meta(description="The target's name.")]
    run: Annotated[str, Meta(description="Its run directory, beside verdict.json.")]
    steps: Annotated[int, Meta(description="Steps that were tried.")] = 0
    failed: Annotated[int, Meta(description="Steps that failed.")] = 0
    retries: Annotated[int, Meta(description="Attempts beyond the first of their step.")] = 0
    sessions: Annotated[int, Meta(description="Sessions that were replayed.")] = 0
    sessions_lost: Annotated[int, Meta(description="Sessions that lost a step.")] = 0
    p50_ms: Annotated[float | None, Meta(description="The median response time, in ms.")] = None
    p95_ms: Annotated[float | None, Meta(description="The 95th percentile of response time, in ms.")] = None
    p99_ms: Annotated[float | None, Meta(description="The 99th percentile of response time, in ms.")] = None
    max_ms: Annotated[float | None, Meta(description="The longest response time, in ms.")] = None
    cold: Annotated[int | None, Meta(description="Cold steps.")] = None
    cold_share: Annotated[
        float | None, Meta(description="Cold steps, as a share of all sent, from 0 to 1.")
    ] = None
    most_instances: Annotated[int | None, Meta(description="The most instances at once.")] = None
    generator: Annotated[str, Meta(description="The generator's self-check.")] = "ok"
    errors: Annotated[dict[str, int], Meta(description="Failures, by class.")] = {}


class Recovered(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a failure did to one plane."""

    target: Annotated[str, Meta(description="The target's name.")]
    what: Annotated[str, Meta(description="What was done to it.")]
    detect_s: Annotated[
        float | None, Meta(description="From then until the first step ended failed or late, in s.")
    ] = None
    recovered_s: Annotated[
        float | None, Meta(description="From then until the target was back, in s; absent: not within the run.")
    ] = None
    failed: Annotated[int, Meta(description="Steps that failed.")] = 0
    retried_ok: Annotated[int, Meta(description="Steps that were tried again and then answered.")] = 0
    sessions_lost: Annotated[int, Meta(description="Sessions that lost a step.")] = 0
    met: Annotated[
        Met | None, Meta(description="What the fault found there; absent where that is not known.")
    ] = None
    machines: Annotated[
        int | None,
        Meta(
            description=(
                "Machines that there were then, the one that went among them; absent for a plane that is not "
                "made of them."
            )
        ),
    ] = None
    boots_share: Annotated[
        float | None,
        Meta(description="Of how long boots take, what they took there; absent where that is all of it."),
    ] = None


class Boots(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The instances that were booted in the run that the latencies are of, and the steps that waited meanwhile."""

    count: Annotated[int, Meta(description="Boots.")]
    finished: Annotated[
        int, Meta(description="Boots of which an instance became ready; the durations are of these.")
    ] = 0
    p50_s: Annotated[float | None, Meta(description="The median boot, in s.")] = None
    p95_s: Annotated[float | None, Meta(description="The 95th percentile of boots, in s.")] = None
    longest_s: Annotated[float | None, Meta(description="The longest boot, in s.")] = None
    woken_by: Annotated[dict[str, int], Meta(description="How many boots came of what.")] = {}
    waited: Annotated[
        int, Meta(description="Steps that waited while an instance booted, whichever served them then.")
    ] = 0
    wait_p50_ms: Annotated[
        float | None,
        Meta(description="The median time that they waited, in ms; absent where it is not known of each."),
    ] = None
    wait_longest_ms: Annotated[
        float | None,
        Meta(description="The longest time that one waited, in ms; absent where it is not known of each."),
    ] = None


class UndecidedSlo(msgspec.Struct, kw_only=True):
    """An SLO that a run could not decide."""

    slo: Annotated[str, Meta(description="The SLO as it was written.")]
    why: Annotated[str, Meta(description="Why, in a sentence.")]
    is_broken: Annotated[
        bool, Meta(description="Whether the run's own figure breaks it, or there is none.")
    ] = False
    is_open: Annotated[
        bool,
        Meta(description="Whether nothing bounds the figure on the limit's side, so that it may be anything."),
    ] = False


class OtherBill(msgspec.Struct, kw_only=True):
    """A target's month if something that its bill takes for granted were otherwise."""

    what: Annotated[str, Meta(description="What would be otherwise, as a sentence begins with it.")]
    why: Annotated[str, Meta(description="Why it may be so.")]
    cost_month: Annotated[float, Meta(description="The month's bill then.")]


class PilotPlane(msgspec.Struct, kw_only=True):
    """One target, all phases together. Latencies are response times, of the run that figures_of names. Null is what
    was not measured.
    """

    target: Annotated[str, Meta(description="The target's name.")]
    plane: Annotated[PlaneName, Meta(description="How it is executed.")]
    p50_ms: Annotated[float | None, Meta(description="The median response time, in ms.")] = None
    p95_ms: Annotated[float | None, Meta(description="The 95th percentile of response time, in ms.")] = None
    p99_ms: Annotated[float | None, Meta(description="The 99th percentile of response time, in ms.")] = None
    mean_ms: Annotated[float | None, Meta(description="The mean response time, in ms.")] = None
    p99_ci_ms: Annotated[
        tuple[float | None, float | None] | None, Meta(description="The interval of p99_ms, in ms.")
    ] = None
    cold_share: Annotated[
        float | None, Meta(description="Cold steps, as a share of all sent, from 0 to 1.")
    ] = None
    cold_method: Annotated[str | None, Meta(description="How cold steps were told.")] = None
    cold_added_ms: Annotated[
        float | None,
        Meta(description="What a cold start adds, in ms: a boot in the median, where boots are known."),
    ] = None
    p99_without_cold_ms: Annotated[
        float | None, Meta(description="The 99th percentile without cold steps, in ms.")
    ] = None
    keep_alive_s: Annotated[
        tuple[float, float | None] | None,
        Meta(description="It stays warm for longer than the first, and goes cold before the second, in s."),
    ] = None
    ceiling_rps: Annotated[float | None, Meta(description="The most requests a second that hold the SLOs.")] = (
        None
    )
    ceiling_ci_rps: Annotated[
        tuple[float, float | None] | None,
        Meta(
            description=(
                "Between which requests a second the ceiling lies for certain: the most that held by its own 95% "
                "interval, and the least that did not; the search's bracket on a side where no load was that sure."
            )
        ),
    ] = None
    ceiling_at_once: Annotated[
        float | None,
        Meta(
            description=(
                "Requests in flight that a request found at the ceiling, itself among them: one in twenty found more."
            )
        ),
    ] = None
    ceiling_verdict: Annotated[str | None, Meta(description="The verdict of the search for the ceiling.")] = (
        None
    )
    limited_by: Annotated[str | None, Meta(description="What gives way beyond the ceiling.")] = None
    knee_rps: Annotated[float | None, Meta(description="Requests a second at the knee.")] = None
    machines: Annotated[int | None, Meta(description="Machines that are priced.")] = None
    capacity_rps: Annotated[
        float | None,
        Meta(description="Requests a second that one machine carries, where the plane is made of machines."),
    ] = None
    utilisation: Annotated[float | None, Meta(description="How busy it is, from 0 to 1.")] = None
    cost_month: Annotated[float | None, Meta(description="The month's bill, in `currency`.")] = None
    cost_ci: Annotated[tuple[float, float] | None, Meta(description="The interval of cost_month at 95 %.")] = (
        None
    )
    currency: Annotated[str | None, Meta(description="The currency of all its money.")] = None
    cost_basis: Annotated[Basis, Meta(description="How the instance seconds behind its cost are known.")] = (
        "missing"
    )
    staff_month: Annotated[
        float | None, Meta(description="What the time of staff costs a month, where it is stated.")
    ] = None
    cost_lines: Annotated[list[dict[str, Any]], Meta(description="The lines of the bill.")] = []
    errors: Annotated[int, Meta(description="Attempts that failed, in all phases.")] = 0
    error_share: Annotated[float | None, Meta(description="Their share, from 0 to 1.")] = None
    error_share_ci: Annotated[
        tuple[float, float] | None,
        Meta(
            description=(
                "The interval of error_share at 95 %, as a gate on errors has it: failures that come together, as in "
                "sessions that fail as a whole, count as one."
            )
        ),
    ] = None
    retries: Annotated[int, Meta(description="Attempts beyond the first of their step.")] = 0
    sessions_lost: Annotated[int, Meta(description="Sessions that lost a step.")] = 0
    budget: Annotated[Decision | None, Meta(description="What the SLOs say of it.")] = None
    effort: Annotated[
        dict[str, int],
        Meta(
            description=(
                "How much trouble it was, by what happened, over all phases but the one in which an instance "
                "was killed."
            )
        ),
    ] = {}
    recovery: Annotated[Recovered | None, Meta(description="What a failure did to it.")] = None
    steps: Annotated[int, Meta(description="Steps of the run that the latencies are of.")] = 0
    answered: Annotated[
        int, Meta(description="Steps answered in all phases, and in the month that it was simulated for.")
    ] = 0
    generator: Annotated[str, Meta(description="The generator's self-check.")] = "ok"
    p95_ci_ms: Annotated[
        tuple[float | None, float | None] | None, Meta(description="The interval of p95_ms, in ms.")
    ] = None
    carried_rps: Annotated[
        float | None,
        Meta(
            description=(
                "The most requests a second that it was seen to answer within bounds, outside of the search "
                "for the ceiling."
            )
        ),
    ] = None
    broken: Annotated[list[str], Meta(description="The SLOs that it broke.")] = []
    undecided: Annotated[list[UndecidedSlo], Meta(description="The SLOs that its run was too short for.")] = []
    staff_hours: Annotated[
        float | None, Meta(description="Hours of staff a month, where its file states them.")
    ] = None
    staff_rate: Annotated[
        float | None, Meta(description="What an hour of staff costs, where its file states it.")
    ] = None
    carried_by: Annotated[
        int | None, Meta(description="With how many machines, or instances, carried_rps was seen.")
    ] = None
    ceiling_reason: Annotated[
        str | None, Meta(description="Why the ceiling is what it is, or why there is none.")
    ] = None
    boots: Annotated[Boots | None, Meta(description="Its boots, and who waited.")] = None
    cold_tail_ms: Annotated[
        float | None, Meta(description="By how much cold starts lift the 99th percentile, in ms.")
    ] = None
    cold_tail_ci_ms: Annotated[
        tuple[float, float] | None,
        Meta(description="The interval of cold_tail_ms; null where the run is too short to have one."),
    ] = None
    memory_peak_bytes: Annotated[
        int | None, Meta(description="The most memory that one instance held, in bytes, where the plane tells.")
    ] = None
    figures_of: Annotated[
        Literal["representative", "month"],
        Meta(
            description=(
                "The run that the latencies are of: the representative phase, or the whole trace simulated on "
                "the plane as it is priced."
            )
        ),
    ] = "representative"
    capacity_how: Annotated[
        Literal["stated", "measured", "seen"] | None, Meta(description="How capacity_rps is known.")
    ] = None
    sizing: Annotated[str | None, Meta(description="Why so many machines are priced.")] = None
    cost_without_free: Annotated[float | None, Meta(description="The month's bill with no free tier.")] = None
    cost_with_staff: Annotated[
        float | None, Meta(description="The month's bill with the time of staff, where that is stated.")
    ] = None
    otherwise: Annotated[
        list[OtherBill], Meta(description="Its bill where what it takes for granted does not hold.")
    ] = []


class Rule(msgspec.Struct, kw_only=True):
    """One decision rule, and what it says here."""

    name: Annotated[str, Meta(description="Its name.")]
    favours: Annotated[Favours, Meta(description="The plane that it speaks for.")]
    evidence: Annotated[dict[str, Any], Meta(description="The numbers that fired it.")]
    text: Annotated[str, Meta(description="What it says, in words.")]
    flips_at: Annotated[
        dict[str, Any] | None,
        Meta(description="The value of one of the numbers at which it would say otherwise."),
    ] = None
    decides: Annotated[bool, Meta(description="Whether the choice was made by it.")] = False
    source: Annotated[str, Meta(description="Where the rule is from.")] = ""


class Dimension(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A row of the side-by-side table."""

    name: Annotated[str, Meta(description="What is compared.")]
    by_plane: Annotated[dict[str, str], Meta(description="What was found, by target.")]
    better: Annotated[str, Meta(description="The plane that is better in it, even, or not measured.")]
    why: Annotated[str, Meta(description="Why, in a sentence.")] = ""


class PlannedRoute(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Where a hybrid would send the steps of one kind and name."""

    kind: Annotated[str, Meta(description="Their kind.")]
    name: Annotated[str, Meta(description="Their name.")]
    to: Annotated[Literal["serverless", "vm"], Meta(description="The plane that they would be sent to.")]
    why: Annotated[str, Meta(description="Why, in a sentence.")]


class TriedSplit(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A split of the steps that was looked at; from cost_month on, of its simulation, where there was one."""

    steps: Annotated[
        list[str],
        Meta(
            description=(
                "Steps on machines, as kind:name, in the order in which they were peeled off; the rest is "
                "serverless."
            )
        ),
    ]
    machines: Annotated[
        int, Meta(description="Machines for them, as many as its month is priced with, at most at once.")
    ]
    estimated_month: Annotated[float, Meta(description="Its bill by what both planes' own runs used.")]
    cost_month: Annotated[float | None, Meta(description="Its month's bill.")] = None
    cost_ci: Annotated[tuple[float, float] | None, Meta(description="The interval of cost_month at 95 %.")] = (
        None
    )
    currency: Annotated[str | None, Meta(description="The currency of its money.")] = None
    p99_ms: Annotated[float | None, Meta(description="The 99th percentile of response time, in ms.")] = None
    budget: Annotated[Decision | None, Meta(description="What the SLOs say of it.")] = None
    out: Annotated[str | None, Meta(description="Why it cannot be chosen.")] = None
    run: Annotated[str | None, Meta(description="Its run directory.")] = None
    simulated_machines: Annotated[
        int | None, Meta(description="Machines that the simulation had, for the trace.")
    ] = None


class Hybrid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What came of looking for a split of the steps between two targets."""

    serverless: Annotated[str, Meta(description="The target of the steps that are not split off.")]
    vm: Annotated[str, Meta(description="The target of those that are.")]
    text: Annotated[str, Meta(description="What came of it, in a sentence.")]
    tried: Annotated[
        list[TriedSplit], Meta(description="The splits, in the order in which they were looked at.")
    ] = []
    target: Annotated[
        str | None,
        Meta(description="The hybrid among the planes that is the best of them; absent where none pays."),
    ] = None


class CalendarBill(msgspec.Struct, kw_only=True):
    """What the same load costs in a month that looks so."""

    name: Annotated[str, Meta(description="The calendar's name.")]
    requests_month: Annotated[float, Meta(description="Requests in the month.")]
    peak_rps: Annotated[
        float, Meta(description="Requests a second in its fullest window, by which machines are sized.")
    ]
    cost_month: Annotated[dict[str, float], Meta(description="The month's bill, by target.")] = {}
    machines: Annotated[dict[str, int], Meta(description="Machines, by target.")] = {}
    cheaper: Annotated[
        str | None,
        Meta(
            description=(
                "The target with the lower bill, its staff time with it where that is stated; null where "
                "fewer than two have one."
            )
        ),
    ] = None


class Answered(msgspec.Struct, kw_only=True):
    """A question that no trace can answer, and what was answered to it."""

    id: Annotated[str, Meta(description="Its id.")]
    question: Annotated[str, Meta(description="The question.")]
    answer: Annotated[str, Meta(description="What was answered.")]
    follows: Annotated[str, Meta(description="What follows from that.")]
    is_given: Annotated[bool, Meta(description="Whether anybody answered; false: nobody knew.")] = True


class Assumption(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Something that the figures rest on."""

    name: Annotated[str, Meta(description="What it is.")]
    target: Annotated[str | None, Meta(description="The plane that it is of; absent: of all.")] = None
    value: Annotated[str, Meta(description="What is assumed.")]
    unit: Annotated[str, Meta(description="The unit of value.")] = ""
    where_from: Annotated[
        WhereFrom,
        Meta(
            description=(
                "Where it is from: given by the user, a default, chosen by the pilot, a platform's profile, "
                "measured, or the trace's."
            )
        ),
    ] = "default"
    why: Annotated[str, Meta(description="Why it was chosen, or which profile.")] = ""


class StaffLine(msgspec.Struct, kw_only=True):
    """What money decides without staff time and with it."""

    between: Annotated[tuple[str, str], Meta(description="The plane with the lower bill, and the other.")]
    without: Annotated[Choice, Meta(description="The choice without staff time.")]
    with_staff: Annotated[Choice, Meta(description="The choice with it.")]
    month: Annotated[dict[str, float], Meta(description="What staff costs a month, by target that states it.")]
    rate: Annotated[float, Meta(description="What an hour of staff costs.")]
    is_rate_assumed: Annotated[bool, Meta(description="Whether nobody stated that.")]
    flips_at_hours: Annotated[
        float,
        Meta(
            description=(
                "Hours of staff a month that the first may take more than the second before it is no cheaper."
            )
        ),
    ]
    text: Annotated[str, Meta(description="All this, in a sentence.")]


class PilotVerdict(msgspec.Struct, kw_only=True):
    """verdict.json of `replay pilot`: the answer, and all it rests on. Money is in the currency that stands beside
    it, for a month of 730 hours.
    """

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["pilot"], Meta(description="pilot.")]
    verdict: Annotated[Choice, Meta(description="The plane that fits, or inconclusive.")]
    answer: Annotated[str, Meta(description="The answer, in a sentence.")]
    reasons: Annotated[list[str], Meta(description="Why, in sentences.")]
    doubts: Annotated[list[str], Meta(description="What is not known, most important first.")]
    planes: Annotated[list[PilotPlane], Meta(description="The targets, one by one.")]
    break_even: Annotated[list[BreakEvenFound], Meta(description="Where two planes cost the same.")]
    rules: Annotated[list[Rule], Meta(description="The decision rules that fired.")]
    buckets: Annotated[list[Bucket], Meta(description="The load levels of the month.")]
    workload: Annotated[Workload, Meta(description="The shape of the trace.")]
    phases: Annotated[
        list[PhaseFigures], Meta(description="Each plane in each phase; run directories have the audit facts.")
    ] = []
    headline: Annotated[
        list[tuple[str, dict[str, str]]],
        Meta(description="The three figures that carry the answer: name, and value by plane."),
    ] = []
    dimensions: Annotated[list[Dimension], Meta(description="The side-by-side table.")] = []
    routes: Annotated[list[PlannedRoute], Meta(description="Where a hybrid would send which steps.")] = []
    sensitivity: Annotated[list[Sensitive], Meta(description="How inputs move the answer.")] = []
    effort: Annotated[list[str], Meta(description="What trouble each plane was, in sentences.")] = []
    rollback: Annotated[str, Meta(description="How to go back.")] = ""
    check_again: Annotated[str, Meta(description="When to ask again.")] = ""
    how: Annotated[Literal["live", "quick", "simulated"], Meta(description="How the planes were tried.")] = (
        "live"
    )
    made_at: Annotated[str, Meta(description="When the verdict was made, in UTC (ISO 8601).")] = ""
    slos: Annotated[list[str], Meta(description="The SLOs, as they were written.")] = []
    prices: Annotated[list[dict[str, Any]], Meta(description="The price tables that were used.")] = []
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []
    calendar: Annotated[str, Meta(description="How the month looks that all bills are of.")] = "flat"
    calendars: Annotated[
        list[CalendarBill], Meta(description="The bills of that month, and of the same load in other months.")
    ] = []
    answers: Annotated[
        list[Answered],
        Meta(description="What was answered to what no trace can tell; empty where nobody was asked."),
    ] = []
    out: Annotated[dict[str, str], Meta(description="The targets that cannot be chosen, and why.")] = {}
    represents: Annotated[
        dict[str, str], Meta(description="The target that stands for its kind, by kind.")
    ] = {}
    represents_why: Annotated[dict[str, str], Meta(description="How that was picked, by kind.")] = {}
    leans: Annotated[
        PlaneName | None, Meta(description="Where evidence points that did not suffice for a choice.")
    ] = None
    staff: Annotated[
        StaffLine | None, Meta(description="What money decides without staff time and with it.")
    ] = None
    assumptions: Annotated[list[Assumption], Meta(description="What the figures rest on.")] = []
    hybrid: Annotated[
        Hybrid | None,
        Meta(
            description=(
                "What came of looking for a split of the steps; null where nobody looked, or the user's own "
                "was tried."
            )
        ),
    ] = None
