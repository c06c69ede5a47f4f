"""Traces and planes of which an experienced engineer knows what fits: the decision table that a pilot is held to.

Each is made by a recipe with a seed, so that it is the same everywhere. Rates are as small as the question allows, since
virtual time costs the steps that are in it; what decides (idle shares, how long steps take, what the planes can do, the
ratio of the bills) is as in the case that it stands for.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from math import exp, log
from typing import Any, NamedTuple

from replay.choice.types import Workload
from replay.target.cost import Cost
from replay.target.target import Target
from replay.trace.types import Edge, Request, Session, Step
from replay.trials.pilot.embedded import embedded_targets

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
_WIDTH = log(3) / 2.326  # the 99th percentile is three times the median

Sessions = Callable[[], Iterator[Session]]
Offered = Callable[[Workload], Sequence[Target]]


class Case(NamedTuple):
    """right: the verdicts that an experienced engineer would give. on: the target that the answer must name, where several
    are of one kind. says, never: words of the answer, reasons and doubts. month: a calendar. answers: to the questionnaire.
    """

    name: str
    sessions: Sessions
    right: tuple[str, ...]
    why: str
    offered: Offered | None = None
    slos: tuple[str, ...] = ()
    on: str | None = None
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    month: str | None = None
    answers: str | None = None

    def targets(self, workload: Workload) -> Sequence[Target]:
        return self.offered(workload) if self.offered else embedded_targets(workload, "simulated")


def took_ms(drawn: random.Random, median_ms: float) -> float:
    return round(median_ms * exp(_WIDTH * drawn.gauss(0, 1)), 3)


def chain(
    name: str, start_s: float, *calls: tuple[str, str, float], needs: dict[str, str] | None = None
) -> Session:
    """A session whose calls, as (kind, name, duration in ms), follow one another."""
    steps: list[Step] = []
    at_ms = 0.0
    for n, (kind, call, lasts_ms) in enumerate(calls):
        after = (Edge(f"s{n - 1}", delay_ms=5.0),) if n else ()
        marks = {"needs": needs[call]} if needs and call in needs else {}
        steps.append(
            Step(
                f"s{n}",
                kind,
                call,
                after,
                at_ms,
                lasts_ms,
                Request("POST", f"/{kind}/{call}"),
                attributes=marks,
            )
        )
        at_ms += lasts_ms + 5.0
    return Session(name, round(start_s * 1000, 3), steps)


def agent(name: str, start_s: float, drawn: random.Random) -> Session:
    """Plan, search, look up, answer: 0.9, 0.15, 0.12 and 1.5 s in the median."""
    return chain(
        name,
        start_s,
        ("llm", "plan", took_ms(drawn, 900)),
        ("tool", "search", took_ms(drawn, 150)),
        ("tool", "crm", took_ms(drawn, 120)),
        ("llm", "answer", took_ms(drawn, 1500)),
    )


def poisson(rate: Callable[[float], float], most: float, ends_s: float, seed: int) -> Iterator[float]:
    """Arrivals at a rate that changes with time, by thinning (Lewis and Shedler, 1979). most: the rate's upper bound."""
    drawn, at_s = random.Random(seed), 0.0
    while (at_s := at_s + drawn.expovariate(most)) < ends_s:
        if drawn.random() * most < rate(at_s):
            yield at_s


def agents(rate: Callable[[float], float], most: float, ends_s: float, seed: int = 1) -> Iterator[Session]:
    drawn = random.Random(seed + 1000)
    for n, at_s in enumerate(poisson(rate, most, ends_s, seed)):
        yield agent(f"a-{n}", at_s, drawn)


def rare_bursts() -> Iterator[Session]:
    """Six times in a day sixty sessions within five seconds."""
    drawn = random.Random(1)
    for burst in range(6):
        starts = sorted(burst * 4 * HOUR_S + 5 * drawn.random() for _ in range(60))
        yield from (agent(f"b{burst}-{n}", at_s, drawn) for n, at_s in enumerate(starts))


def hot_steady() -> Iterator[Session]:
    """Five sessions a second, all the time."""
    return agents(lambda _: 5.0, 5.0, 240.0)


def office_hours() -> Iterator[Session]:
    """A week: from nine to five on five days, and next to nothing else."""

    def rate(at_s: float) -> float:
        day, hour = divmod(at_s / HOUR_S, 24)
        return 0.006 if day < 5 and 9 <= hour < 17 else 0.00003

    return agents(rate, 0.006, 7 * DAY_S)


def release_windows() -> Iterator[Session]:
    """A week of little, and two hours of eighty times as much."""

    def rate(at_s: float) -> float:
        return 0.08 if 58 * HOUR_S <= at_s < 60 * HOUR_S else 0.001

    return agents(rate, 0.08, 7 * DAY_S)


def builds() -> Iterator[Session]:
    """A webhook, a build of a minute and tests of one and a half, a comment; one every fifty seconds."""
    drawn = random.Random(2)
    for n, at_s in enumerate(poisson(lambda _: 0.02, 0.02, HOUR_S, 2)):
        yield chain(
            f"b-{n}",
            at_s,
            ("http", "webhook", took_ms(drawn, 80)),
            ("tool", "build", took_ms(drawn, 60_000)),
            ("tool", "tests", took_ms(drawn, 90_000)),
            ("http", "comment", took_ms(drawn, 200)),
        )


def held_streams() -> Iterator[Session]:
    """Streams of twenty to fifty minutes, thirty at once."""
    drawn = random.Random(3)
    for n, at_s in enumerate(poisson(lambda _: 30 / 2100, 30 / 2100, 3 * HOUR_S, 3)):
        yield chain(f"h-{n}", at_s, ("http", "stream", 1000 * drawn.uniform(1200, 3000)))


def long_streams() -> Iterator[Session]:
    """Streams of one and a half to two and a half hours."""
    drawn = random.Random(4)
    for n, at_s in enumerate(poisson(lambda _: 14 / 7200, 14 / 7200, DAY_S, 4)):
        yield chain(f"l-{n}", at_s, ("http", "stream", 1000 * drawn.uniform(5400, 9000)))


def gpu_now_and_then() -> Iterator[Session]:
    """A model of one's own on a GPU, busy for 1.7 % of the time."""
    drawn = random.Random(5)
    for n, at_s in enumerate(poisson(lambda _: 0.002, 0.002, 2 * DAY_S, 5)):
        yield chain(
            f"g-{n}",
            at_s,
            ("http", "ask", took_ms(drawn, 90)),
            ("tool", "transcribe", took_ms(drawn, 8000)),
            ("http", "answer", took_ms(drawn, 120)),
            needs={"transcribe": "gpu"},
        )


def sparse_day() -> Iterator[Session]:
    """One short request every four minutes, in the mean."""
    drawn = random.Random(6)
    for n, at_s in enumerate(poisson(lambda _: 1 / 240, 1 / 240, 45 * HOUR_S, 6)):
        yield chain(f"p-{n}", at_s, ("http", "ask", took_ms(drawn, 110)))


def tiny() -> Iterator[Session]:
    """Forty sessions a day."""
    return agents(lambda _: 40 / DAY_S, 40 / DAY_S, 2 * DAY_S)


def webhooks() -> Iterator[Session]:
    """One every five seconds, and two hundred at once every twenty minutes."""
    drawn = random.Random(7)
    background = [(at_s, "w") for at_s in poisson(lambda _: 0.2, 0.2, 2 * HOUR_S, 7)]
    at_once = [(1200.0 * k + drawn.random(), "x") for k in range(6) for _ in range(200)]
    for n, (at_s, mark) in enumerate(sorted(background + at_once)):
        yield chain(f"{mark}-{n}", at_s, ("http", "triage", took_ms(drawn, 200)))


def long_chains() -> Iterator[Session]:
    """Chains of a hundred and twenty steps, twelve of them an hour."""
    drawn = random.Random(8)
    for n, at_s in enumerate(poisson(lambda _: 12 / HOUR_S, 12 / HOUR_S, 4 * HOUR_S, 8)):
        calls = [
            ("llm" if k % 2 else "tool", "think" if k % 2 else "act", took_ms(drawn, 900 if k % 2 else 150))
            for k in range(120)
        ]
        yield chain(f"c-{n}", at_s, *calls)


def huge() -> Iterator[Session]:
    """More than a hundred requests a second."""
    return agents(lambda _: 30.0, 30.0, 65.0)


def two_every_quarter() -> Iterator[Session]:
    """Two requests every sixteen minutes: each finds the plane asleep."""
    drawn = random.Random(9)
    for n in range(180):
        for k in range(2):
            yield chain(f"t-{n}-{k}", n * 960.0 + k * 0.5, ("http", "ask", took_ms(drawn, 80)))


def even_day() -> Iterator[Session]:
    """More than one session a second, evenly, with no pause: half an hour of a day that is all alike."""
    drawn = random.Random(10)
    for n in range(1500):
        yield agent(f"e-{n}", n * 0.864, drawn)


def one_session() -> Iterator[Session]:
    yield agent("only", 0.0, random.Random(11))


def bursts_of_triage() -> Iterator[Session]:
    """Storms of short calls with little between, as webhooks of a repository come."""
    drawn = random.Random(12)
    n = 0
    for storm in range(40):
        for _ in range(12):
            yield chain(
                f"q-{n}",
                storm * 90.0 + 3 * drawn.random(),
                ("http", "triage", took_ms(drawn, 70)),
                ("llm", "label", took_ms(drawn, 400)),
            )
            n += 1


def steady_of_long_requests() -> Iterator[Session]:
    """Few arrivals, but each is long, so that something is always under way."""
    drawn = random.Random(13)
    for n, at_s in enumerate(poisson(lambda _: 0.1, 0.1, 3 * HOUR_S, 13)):
        yield chain(f"u-{n}", at_s, ("http", "render", took_ms(drawn, 60_000)))


def day_and_night() -> Iterator[Session]:
    """A day of which the night is quiet."""
    return agents(lambda at_s: 0.02 if 8 * HOUR_S <= at_s < 20 * HOUR_S else 0.0005, 0.02, DAY_S + 60, 15)


def steady_minute() -> Iterator[Session]:
    """A minute of steady work, of which nothing says how the rest of the day looks."""
    return agents(lambda _: 4.0, 4.0, 65.0, 14)


def streams_and_storms() -> Iterator[Session]:
    """Three streams that are always open, two minutes each; and every four minutes sixty short calls at once."""
    drawn = random.Random(16)
    for n in range(30):
        for k in range(3):
            yield chain(f"s-{n}-{k}", 40.0 * k + 120.0 * n, ("llm", "stream", 119_000.0))
    for storm in range(15):
        for n in range(60):
            at_s = 30 + 240 * storm + drawn.random()
            yield chain(f"t-{storm}-{n}", at_s, ("tool", "check", took_ms(drawn, 700)))


def jobs_and_storms() -> Iterator[Session]:
    """Six jobs of ten minutes that are always under way; and every four minutes sixty short calls at once."""
    drawn = random.Random(17)
    for n in range(9):
        for k in range(6):
            yield chain(f"j-{n}-{k}", 100.0 * k + 600.0 * n, ("tool", "render", 599_000.0))
    for storm in range(22):
        for n in range(60):
            at_s = 30 + 240 * storm + drawn.random()
            yield chain(f"t-{storm}-{n}", at_s, ("http", "triage", took_ms(drawn, 500)))


def fan_outs() -> Iterator[Session]:
    """Once a minute a plan, and then fifty calls at once of a second each."""
    for n in range(40):
        calls = [
            Step(f"c{k}", "tool", "fetch", (Edge("p"),), 100.0, 1000.0, Request("POST", "/tool/fetch"))
            for k in range(50)
        ]
        plan = Step("p", "llm", "plan", (), 0.0, 100.0, Request("POST", "/llm/plan"))
        yield Session(f"f-{n}", 60_000.0 * n, [plan, *calls])


def in_order(sessions: Sessions) -> Sessions:
    """Sessions by their starts, as a trace has them."""

    def sorted_ones() -> Iterator[Session]:
        return iter(sorted(sessions(), key=lambda session: session.start_ms))

    sorted_ones.__name__ = sessions.__name__
    return sorted_ones


def serverless(
    name: str = "serverless", *, boot_ms: float = 1200, cost: dict[str, Any] | None = None, **plane: Any
) -> Target:
    """A Cloud Run service, in virtual time. plane: of [simulate.plane]; cost: of [cost]."""
    return _target(
        name,
        "serverless",
        plane,
        boot_ms,
        {"price": "cloud-run-us-central1", "vcpu": 1.0, "memory_gib": 2.0, **(cost or {})},
    )


def machines(name: str = "vm", count: int = 1, *, cost: dict[str, Any] | None = None, **plane: Any) -> Target:
    """E2 machines that are always on, in virtual time, with eight slots each."""
    priced = {"price": "gce-e2-us-central1", "machine": "e2-medium", "machines": count, **(cost or {})}
    return _target(
        name, "vm", {"kind": "vm", "concurrency": 8, "max_instances": count, **plane}, 30_000, priced
    )


def _target(
    name: str, kind: Any, plane: dict[str, Any], boot_ms: float, cost: dict[str, Any], **model: Any
) -> Target:
    instances = {
        "as_recorded": True,
        "boot": {"of": "lognormal", "p50_ms": boot_ms, "p99_ms": 2 * boot_ms},
        "seed": 1,
        **model,
    }
    return Target(
        url="http://127.0.0.1:9",
        name=name,
        plane=kind,
        send_recorded_ms=True,
        instance_header="x-replay-instance",
        cold_header="x-replay-cold",
        simulate={"as_recorded": True, "plane": plane, "instances": instances},
        cost=Cost(**cost),
    )


def _pair(**changed: Any) -> Offered:
    return lambda _: [serverless(**changed), machines()]


def _eights_and_machines(_: Workload) -> list[Target]:
    return [serverless("eights", concurrency=8, max_instances=100), machines(count=3)]


def _eighties_and_machines(_: Workload) -> list[Target]:
    """Cloud Run's own default of requests to an instance, paid by instance."""
    by_instance = {"billing": "instance", "memory_gib": 0.5}
    return [serverless("eighties", concurrency=80, max_instances=100, cost=by_instance), machines(count=3)]


def _warm_or_not(_: Workload) -> list[Target]:
    return [
        serverless("from-zero", boot_ms=1400),
        serverless("kept-warm", boot_ms=1400, min_instances=1, cost={"min_instances": 1}),
        machines(),
    ]


def _cold_or_machines(_: Workload) -> list[Target]:
    return [serverless("from-zero", boot_ms=1400), machines()]


def _all_slow(_: Workload) -> list[Target]:
    return [serverless(boot_ms=1400), machines()]


def _one_fails(_: Workload) -> list[Target]:
    """Four requests in a hundred fail on the serverless one."""
    failing = _target(
        "serverless",
        "serverless",
        {},
        1200,
        {"price": "cloud-run-us-central1", "vcpu": 1.0, "memory_gib": 2.0},
        faults={"error_ratio": 0.04},
    )
    return [failing, machines()]


def _dear_staff(_: Workload) -> list[Target]:
    """Machines that somebody looks after for four hours a month."""
    return [
        serverless("eights", concurrency=8, max_instances=100),
        machines(count=3, cost={"staff_hours": 4.0, "staff_rate": 90.0}),
    ]


def _too_few_machines(_: Workload) -> list[Target]:
    """One machine with eight slots, where thirteen requests are in flight on average."""
    return [serverless("eights", concurrency=8, max_instances=100), machines(count=1)]


def _two_sizes(_: Workload) -> list[Target]:
    """Two fleets that carry it, of which one is twice as dear."""
    return [
        serverless("eights", concurrency=8, max_instances=100),
        machines("large", 3, cost={"machine": "e2-standard-2"}),
        machines("small", 3),
    ]


def _many_machines(_: Workload) -> list[Target]:
    """Enough of either for more than a hundred requests a second."""
    return [serverless(concurrency=8, max_instances=200), machines(count=16)]


def _fours(count: int, **staff: float) -> Offered:
    """Cloud Run with four requests to an instance, and machines with four places each."""
    return lambda _: [
        serverless(concurrency=4, max_instances=20),
        machines(count=count, concurrency=4, cost=staff),
    ]


def _short_requests_only(_: Workload) -> list[Target]:
    """A service whose requests may last for five minutes."""
    return [serverless(concurrency=4, max_instances=20, request_timeout_s=300.0), machines(count=8)]


CASES = (
    Case("rare bursts", rare_bursts, ("serverless",), "nothing is under way for most of the day"),
    Case(
        "hot and steady, eight to an instance",
        hot_steady,
        ("vm",),
        "three machines carry it for less than a third of the price by request",
        _eights_and_machines,
    ),
    Case(
        "hot and steady, eighty to an instance",
        hot_steady,
        ("serverless",),
        "at the vendor's own concurrency, by instance, it costs half of the machines",
        _eighties_and_machines,
    ),
    Case("office hours", office_hours, ("serverless",), "three quarters of the week nobody works"),
    Case("release windows", release_windows, ("serverless",), "two hours of a week are busy"),
    Case(
        "builds",
        builds,
        ("vm", "hybrid"),
        "builds of minutes need a machine's processor; a pool of them, or jobs",
        # Five instances: of its usual hundred the ceiling alone would take half a million requests.
        lambda _: [serverless(max_instances=5), machines(count=2)],
    ),
    Case(
        "streams that are held for half an hour",
        held_streams,
        ("vm",),
        "Cloud Run ends a request after its timeout, and thirty are always open",
        lambda _: [serverless(request_timeout_s=300.0), machines(count=6)],
    ),
    Case(
        "streams of hours",
        long_streams,
        ("vm",),
        "no serverless request may last longer than one",
        lambda _: [serverless(request_timeout_s=3600.0), machines(count=3)],
    ),
    Case(
        "a GPU now and then",
        gpu_now_and_then,
        ("serverless", "inconclusive"),
        "a GPU that is busy for 1.7 % of the time is not worth a machine, and this machine has none",
    ),
    Case(
        "strict budget, sparse day, one kept warm",
        sparse_day,
        ("serverless",),
        "one instance that is kept meets the budget for a third of a machine",
        _warm_or_not,
        ("p99 < 800ms",),
        on="kept-warm",
    ),
    Case(
        "strict budget, sparse day, none kept warm",
        sparse_day,
        ("vm",),
        "what scales to zero breaks the budget at each wake",
        _cold_or_machines,
        ("p99 < 800ms",),
    ),
    Case("tiny", tiny, ("serverless",), "forty sessions a day"),
    Case(
        "webhooks in storms",
        webhooks,
        ("serverless",),
        "two hundred at once, and little between",
        _pair(max_instances=40),
    ),
    Case(
        "chains of 120 steps",
        long_chains,
        ("serverless", "inconclusive"),
        "either carries it; state decides, and nobody said where it is",
    ),
    Case(
        "huge",
        huge,
        ("vm",),
        "the machines that were seen to carry it cost a third of as many instances by request",
        _many_machines,
    ),
    Case(
        "two every sixteen minutes",
        two_every_quarter,
        ("serverless",),
        "nobody said that they may not wait for a boot",
        says=("cold",),
        never=("not clearly slower",),
    ),
    Case(
        "four in a hundred fail on one",
        sparse_day,
        ("vm",),
        "a plane that fails more than one in a hundred is out",
        _one_fails,
    ),
    Case("one session", one_session, ("inconclusive",), "one session says nothing"),
    Case(
        "an even day",
        even_day,
        ("vm",),
        "it never pauses, and one or two machines carry it",
        lambda _: [serverless(), machines(count=2)],
    ),
    Case("storms of triage", bursts_of_triage, ("serverless",), "a minute of silence after each storm"),
    Case(
        "a budget that none keeps",
        sparse_day,
        ("inconclusive",),
        "no plane answers faster than the work takes",
        _all_slow,
        ("p50 < 20ms",),
    ),
    Case(
        "few but long",
        steady_of_long_requests,
        ("vm",),
        "something is always under way, though arrivals are rare",
        never=("bursty",),
    ),
    Case(
        "a minute that nobody placed in a day",
        steady_minute,
        ("vm", "serverless", "inconclusive"),
        "a minute is no month: whatever the answer, that is the first doubt",
        lambda _: [serverless(), machines(count=3)],
        says=("no calendar was given",),
    ),
    Case(
        "a day with a quiet night",
        day_and_night,
        ("serverless",),
        "its own hours are the month's, and half of them are nearly empty",
        never=("no calendar was given",),
    ),
    Case(
        "a minute of an office's day",
        steady_minute,
        ("serverless",),
        "somebody said that it is so for eight hours of workdays only, and machines are paid at night, too",
        lambda _: [serverless(cost={"memory_gib": 0.5}), machines(count=3)],
        month="office-hours",
    ),
    Case(
        "sessions that only memory has",
        tiny,
        ("vm",),
        "scaling to zero loses them, and none may be lost",
        answers='memory = "sessions"\nstate_external = "no"\nlost_sessions = "no"\n',
    ),
    Case(
        "a zone that only machines satisfy",
        tiny,
        ("vm",),
        "where data may be goes before what it costs",
        answers='zones = ["data residency"]\nzone_allows = ["vm"]\n',
    ),
    Case(
        "connections that are held for hours",
        tiny,
        ("vm",),
        "no serverless request lives that long",
        answers='sockets = "hours"\n',
    ),
    Case(
        "a browser of its own",
        tiny,
        ("vm",),
        "what runs in the user's own network or on a desktop needs a machine there",
        answers='local = ["browser"]\n',
    ),
    Case(
        "machines that somebody looks after",
        hot_steady,
        ("serverless",),
        "four hours at 90 are more than what the machines save",
        _dear_staff,
        says=("staff",),
    ),
    Case(
        "machines that are too few for the budget",
        hot_steady,
        ("serverless",),
        "they are cheaper, and steps wait for minutes in their queue",
        _too_few_machines,
        ("p95 < 10s",),
    ),
    Case(
        "two sizes of machines",
        hot_steady,
        ("vm",),
        "the smaller carries it as well, for half of the price",
        _two_sizes,
        on="small",
    ),
    Case(
        "streams beside storms",
        streams_and_storms,
        ("hybrid",),
        "streams fill one machine all month; storms would take six, and are free by request",
        _fours(6),
        ("p90(tool) < 5s",),
        says=("llm:stream on VMs, the rest serverless",),
        never=("neither priced nor run",),
    ),
    Case(
        "jobs that no request may last for, beside storms",
        jobs_and_storms,
        ("hybrid",),
        "jobs of ten minutes need a machine, and eight of them for storms are seven too many",
        _short_requests_only,
        ("p90(http) < 5s",),
        says=("tool:render on VMs, the rest serverless",),
    ),
    Case(
        "streams beside storms that may wait",
        streams_and_storms,
        ("vm",),
        "one machine carries both, so that there is nothing to peel off",
        _fours(1),
        never=("neither priced nor run",),
    ),
    Case(
        "streams beside storms, and machines that somebody looks after",
        streams_and_storms,
        ("serverless",),
        "four hours at 90 for a machine are more than all of it costs by request",
        _fours(6, staff_hours=4.0, staff_rate=90.0),
        ("p90(tool) < 5s",),
    ),
    Case(
        "fan-outs of fifty calls at once",
        fan_outs,
        ("serverless",),
        "one machine of ten places would carry their rate, and each fan-out would take it five times as long",
        lambda _: [
            serverless(concurrency=4, max_instances=20, cost={"memory_gib": 2.0}),
            machines(count=5, concurrency=10, cost={"machine": "e2-micro"}),
        ],
        ("p95 < 4s",),
    ),
    Case(
        "a run too short for its budget",
        bursts_of_triage,
        ("serverless", "inconclusive"),
        "480 requests in storms do not show a p99.9",
        slos=("p99.9 < 5s",),
        says=("p99.9",),
    ),
)
