"""The search against servers of which queueing theory knows the ceiling."""

from heapq import heapreplace

import numpy as np
import pytest

from replay.judge.load.ceiling import conclude, knee_of, usl_of
from replay.judge.load.flow import settled
from replay.judge.load.level import judge_level
from replay.judge.load.search import Search
from replay.judge.load.types import Level
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from tests.judge import queues
from tests.judge.queues import Made, evidence_of
from tests.support.runs import MS, Evidence, step, summary

DURATION_S = 10.0


def served(rng, rps, workers, service_ms, is_poisson, duration_s=DURATION_S, **facts):
    """A run of single-step sessions against a first-come queue with so many workers."""
    n = int(rps * duration_s)
    random = np.sort(rng.uniform(0, duration_s * 1000, rng.poisson(n)))
    arrivals = random if is_poisson else np.arange(n) * (1000 / rps)
    free = [0.0] * workers
    records = []
    for number, at_ms in enumerate(arrivals):
        begin_ms = max(at_ms, free[0])
        heapreplace(free, begin_ms + service_ms)
        records.append(step(f"s-{number}", begin_ms + service_ms - at_ms, number, at_ms=at_ms))
    return Evidence(summary(**facts), columns_of([records]), f"{rps:g}")


def search_with(measure, **options):
    search = Search(**options)
    while (scale := search.next_scale()) is not None:
        search.tell(measure(scale))
    return search


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_ceiling_of_k_workers_is_k_over_the_service_time(workers, seed):
    rng = np.random.default_rng(seed)
    capacity = workers / 0.020

    search = search_with(
        lambda scale: judge_level(
            [parse_slo("p99 < 400ms")], served(rng, 10 * scale, workers, 20, False), scale, DURATION_S, None
        )
    )

    verdict, _, ceiling = conclude(search)
    assert verdict == "found"
    assert ceiling.scale * 10 == pytest.approx(capacity, rel=0.05)
    assert ceiling.ci_scale[1] * 10 >= capacity


def test_the_ceiling_of_a_queue_is_where_intervals_have_it_though_the_bracket_hardly_ever_has_it(rng):
    """One worker of 100/s whose answers vary keeps p95 < 100 ms up to 100 - ln 20 / 0.1 = 70/s."""
    slo, truth = parse_slo("p95 < 100ms"), 100 - np.log(20) / 0.1

    def measure(scale):
        made = queues.one_worker(rng, rng.poisson(10 * scale * DURATION_S), scale / 10)
        return judge_level([slo], queues.evidence_of(made), scale, DURATION_S, None)

    found = [conclude(search_with(measure))[2] for _ in range(20)]

    def holding(ends):
        return sum((low or 0.0) * 10 <= truth <= (high or np.inf) * 10 for low, high in ends)

    assert holding([ceiling.sure_scale for ceiling in found]) >= 18
    assert holding([ceiling.ci_scale for ceiling in found]) <= 8


def test_loads_of_which_chance_decides_are_told_beside_the_bracket():
    def measure(scale):
        is_sure = not 0.8 < scale < 1.6
        verdict = "pass" if scale < 1.1 else "fail"
        return level(
            scale, verdict, is_sure, "latency" if verdict == "fail" else None, reason="p95 < 1s does not hold"
        )

    verdict, reasons, ceiling = conclude(search_with(measure, first=0.5))

    assert verdict == "found"
    assert ceiling.sure_scale == (0.5, 2.0)
    assert reasons[-1] == (
        "at 95% 0.5x surely held and 2x surely broke: in between a load may hold in one run and not in the next; a longer "
        "--level narrows that"
    )


@pytest.mark.parametrize(
    ("limit", "tried"), [(0.6, [1.0, 0.1]), (0.02, [1.0, 0.1, 0.01]), (0.0015, [1.0, 0.1, 0.01, 0.001])]
)
def test_far_above_the_limit_loads_fall_by_tens_and_the_bracket_is_as_narrow_as_ever(limit, tried):
    def measure(scale):
        fails = {"verdict": "fail", "is_sure": True, "limited_by": "errors", "error_percent": 100.0}
        holds = {"verdict": "pass", "is_sure": True}
        told = fails if scale > limit else holds
        return Level(scale=scale, offered_rps=scale, achieved_rps=scale, sessions_per_s=scale, **told)

    search = search_with(measure, precision=0.05)

    assert search.ended_by == "precision"
    assert search.held <= limit < search.broke <= 1.05 * search.held
    loads = list(dict.fromkeys(level.scale for level in search.levels))
    assert loads[: len(tried)] == pytest.approx(tried)


def test_a_latency_limit_holds_the_ceiling_below_the_capacity(rng):
    # M/D/1 with 50 ms: the wait exceeds two services for one step in a hundred at about a third of the capacity.
    search = search_with(
        lambda scale: judge_level(
            [parse_slo("p99 < 150ms")], served(rng, 2 * scale, 1, 50, True, 60.0), scale, 60.0, None
        ),
        precision=0.05,
    )

    verdict, _, ceiling = conclude(search)
    assert verdict == "found"
    assert ceiling.limited_by == "latency"
    assert 5 < ceiling.scale * 2 < 9


def test_without_an_slo_the_ceiling_is_where_answers_fall_behind(rng):
    search = search_with(
        lambda scale: judge_level([], served(rng, 10 * scale, 1, 20, False), scale, DURATION_S, None)
    )

    verdict, _, ceiling = conclude(search)
    assert verdict == "found"
    assert ceiling.limited_by == "throughput"
    assert ceiling.scale * 10 == pytest.approx(50, rel=0.06)


def test_a_generator_that_gives_out_makes_it_at_least(rng):
    def measure(scale):
        generator = "saturated" if scale > 3 else "ok"
        run = served(rng, 10 * scale, 8, 20, False, generator=generator)
        return judge_level([parse_slo("p99 < 400ms")], run, scale, DURATION_S, None)

    verdict, reasons, ceiling = conclude(search_with(measure))

    assert verdict == "at_least"
    assert (ceiling.scale, ceiling.limited_by) == (2, "generator")
    assert reasons == ["this machine was saturated first: CPU was at 99%"]


def test_a_few_late_steps_far_below_the_limit_cost_no_ceiling(rng):
    def measure(scale):
        run = served(rng, 10 * scale, 2, 20, False, generator="suspect", late_ms=19.0)
        return judge_level([parse_slo("p95 < 632ms")], run, scale, DURATION_S, None)

    verdict, _, ceiling = conclude(search_with(measure))

    assert verdict == "found"
    assert ceiling.scale * 10 == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize(
    ("took_ms", "verdict", "limited_by"),
    [(90.0, "pass", None), (105.0, "inconclusive", "generator"), (130.0, "fail", "latency")],
)
def test_lateness_near_the_limit_is_the_generators_and_no_other(took_ms, verdict, limited_by):
    records = [step(f"s-{n}", took_ms + n % 3, n, at_ms=n * 10) for n in range(900)]
    run = Evidence(summary(generator="suspect", late_ms=19.0), columns_of([records]), "r")

    level = judge_level([parse_slo("p95 < 100ms")], run, 1.0, 9.0, None)

    assert (level.verdict, level.limited_by) == (verdict, limited_by)


def test_a_generator_late_for_another_reason_still_gives_out():
    records = [step(f"s-{n}", 20.0, n, at_ms=n * 10) for n in range(900)]
    run = Evidence(summary(generator="suspect"), columns_of([records]), "r")

    assert judge_level([parse_slo("p95 < 632ms")], run, 1.0, 9.0, None).limited_by == "generator"


def test_a_level_of_long_requests_is_judged_once_the_target_is_full(rng):
    # A hundred workers of 2 s bear 50/s; within ten seconds from empty a fifth of what came has not ended.
    def measure(scale, fill_s):
        return judge_level([], served(rng, 45, 100, 2000, False, 10.0), scale, 10.0, None, fill_s)

    assert measure(1.0, 0.0).verdict == "fail"
    assert measure(1.0, 2.0).verdict == "pass"


def test_refusals_and_errors_are_told_apart(rng):
    def failing(status, grpc_status=None):
        records = [
            step(
                f"s-{n}",
                5.0,
                n,
                at_ms=n * 10,
                outcome="failed" if n % 5 == 0 else "ok",
                status=status if n % 5 == 0 else 200,
                grpc_status=grpc_status if n % 5 == 0 else None,
                error="status" if n % 5 == 0 else None,
            )
            for n in range(900)
        ]
        return judge_level([], Evidence(summary(), columns_of([records]), "r"), 1.0, 9.0, None)

    assert failing(429).limited_by == "refusals"
    assert failing(529).limited_by == "refusals"
    assert failing(200, "RESOURCE_EXHAUSTED").limited_by == "refusals"
    assert failing(200, "INTERNAL").limited_by == "errors"
    assert failing(500).limited_by == "errors"
    assert failing(500).verdict == "fail"


@pytest.mark.parametrize(("attempts", "are"), [(1, "were refused"), (3, "were refused and tried again")])
def test_a_limit_that_only_refused_steps_break_says_whether_they_were_tried_again(attempts, are):
    records = [
        step(f"s-{n}", 5.0, n, at_ms=n * 10, outcome="failed", status=503, error="status_5xx", attempt=attempts)
        if n % 12 == 0
        else step(f"s-{n}", 5.0, n, at_ms=n * 10)
        for n in range(900)
    ]
    slos = [parse_slo("errors < 20%"), parse_slo("p95 < 100ms")]
    level = judge_level(slos, Evidence(summary(), columns_of([records]), "r"), 1.0, 9.0, None)

    assert level.limited_by == "refusals"
    assert level.reason == f"p95 < 100ms does not hold for steps that {are}, and does for all others"


def all_failing(n=9, **fields):
    records = [step(f"s-{i}", 5.0, i, at_ms=i * 10, outcome="failed", **fields) for i in range(n)]
    return judge_level([], Evidence(summary(), columns_of([records]), "r"), 1.0, 9.0, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"status": 404, "error": "status_4xx"},
            "all 9 requests failed: status_4xx, for example tool:search: status 404",
        ),
        (
            {"status": 200, "error": "protocol", "why": "no MCP server is there"},
            "all 9 requests failed: protocol, for example tool:search: no MCP server is there",
        ),
        ({"status": None, "error": "tls"}, "all 9 requests failed: tls, for example tool:search: TLS failed"),
    ],
)
def test_where_everything_fails_as_it_would_at_any_load_that_is_the_reason(fields, reason):
    """It was told that these were too few requests, and the load was asked for five times."""
    failing = all_failing(**fields)
    search = search_with(lambda scale: failing)

    assert (failing.verdict, failing.limited_by, failing.is_sure) == ("fail", "errors", True)
    assert len(search.levels) == 1
    assert conclude(search) == ("inconclusive", [reason], None)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 429, "error": "status_4xx"},
        {"status": None, "error": "timeout"},
        {"status": 200, "error": "grpc_error", "grpc_status": "UNAVAILABLE"},
    ],
)
def test_where_everything_fails_as_too_much_load_may_have_it_less_is_tried(fields):
    failing = all_failing(**fields)
    search = search_with(lambda scale: failing, least=0.5)

    assert [failing.verdict, failing.at_any_load] == ["fail", False]
    assert len(search.levels) == 3, "the first load is asked for twice"
    assert conclude(search)[0] == "not_reached"


def test_a_target_that_fails_for_good_within_a_search_has_no_ceiling_concluded_from_that():
    gone = all_failing(status=401, error="status_4xx")
    search = search_with(lambda scale: level(scale) if scale < 4 else gone)

    verdict, reasons, ceiling = conclude(search)
    assert (verdict, ceiling.scale) == ("inconclusive", 2.0)
    assert reasons[0].startswith("all 9 requests failed: status_4xx")


def test_too_few_requests_say_how_many_are_needed_and_are_not_asked_for_again():
    records = [step(f"s-{n}", 5.0, n, at_ms=n * 10) for n in range(9)]
    few = judge_level([], Evidence(summary(), columns_of([records]), "r"), 1.0, 9.0, None)

    assert len(search_with(lambda scale: few).levels) == 1
    assert few.reason == (
        "9 requests in 9 s are too few to judge a level by; 20 are needed: a longer --level, or a higher --from"
    )


def level(scale, verdict="pass", is_sure=True, limited_by=None, **figures):
    figures = {"offered_rps": scale, "achieved_rps": scale, "sessions_per_s": scale, **figures}
    return Level(scale=round(scale, 6), verdict=verdict, is_sure=is_sure, limited_by=limited_by, **figures)


def test_one_noisy_level_does_not_decide():
    """At loads that hold, every third run looks bad by chance, without being sure."""
    count = 0

    def measure(scale):
        nonlocal count
        count += 1
        if scale > 40:
            return level(scale, "fail", limited_by="latency")
        is_bad = count % 3 == 0
        return level(scale, "fail" if is_bad else "pass", False, "latency" if is_bad else None)

    _, _, ceiling = conclude(search_with(measure))

    assert ceiling.scale == pytest.approx(40, rel=0.05)


def test_a_target_that_holds_at_no_load_has_no_ceiling():
    search = search_with(lambda scale: level(scale, "fail", limited_by="latency"), least=0.1)

    assert conclude(search)[0] == "not_reached"


def test_where_load_may_help_it_is_said_that_no_more_was_tried():
    """A target that fills batches breaks its limit when it is idle, and holds it from 3x to 30x."""
    search = search_with(
        lambda scale: level(scale, "pass") if 3 <= scale < 30 else level(scale, "fail", limited_by="latency"),
        least=0.1,
    )

    verdict, reasons, _ = conclude(search)

    assert (verdict, reasons[1:]) == ("not_reached", ["no load above 1x was tried"])


def limit_that_moves(from_scale, to_scale, after_levels):
    """A target that holds below the one load for its first levels, and then below the other."""
    told = 0

    def measure(scale):
        nonlocal told
        told += 1
        if scale < (from_scale if told <= after_levels else to_scale):
            return level(scale, "pass")
        return level(scale, "fail", limited_by="latency", reason="p99 < 100ms does not hold")

    return measure


@pytest.mark.parametrize("after_levels", range(4, 9))
def test_a_target_that_scales_out_while_it_is_looked_at_has_the_ceiling_of_the_end(after_levels):
    verdict, reasons, ceiling = conclude(search_with(limit_that_moves(5.0, 20.0, after_levels)))

    assert verdict == "found"
    assert ceiling.scale == pytest.approx(20, rel=0.03)
    assert reasons[1].endswith(
        "did not hold at first and did later, so the limit moved while it was looked for, as that of a target that "
        "scales out or warms up does: a load that comes all at once meets the lower one"
    )


@pytest.mark.parametrize("after_levels", range(6, 10))
def test_a_target_that_lives_on_credits_has_not_the_ceiling_of_the_beginning(after_levels):
    verdict, reasons, ceiling = conclude(search_with(limit_that_moves(20.0, 5.0, after_levels)))

    assert verdict == "found"
    assert ceiling.scale == pytest.approx(5, rel=0.03)
    assert " held at first and did not later, so the limit moved" in reasons[1]


def test_a_backlog_well_below_the_ceiling_is_told_where_it_was_seen_once():
    """A server that scales out after ten seconds bears 40/s of what comes at once, and 80/s later."""
    told: list[float] = []

    def measure(scale):
        told.append(scale)
        if told.count(2.0) == 1 and scale == 2.0:
            return level(scale, "fail", False, "throughput", reason="response times grew to the end")
        return level(scale, "pass") if scale < 20 else level(scale, "fail", limited_by="latency")

    _, reasons, ceiling = conclude(search_with(measure))

    assert ceiling.scale == pytest.approx(20, rel=0.03)
    assert reasons[1] == (
        "2x did not hold at first (response times grew to the end) and did later: a load that comes all at once may meet "
        "a lower limit, as that of a target that scales out"
    )


def test_a_first_run_that_surely_does_not_hold_is_made_again_since_the_target_may_be_cold():
    told = limit_that_moves(1.0, 50.0, 1)
    search = search_with(lambda scale: told(scale), first=20.0)

    verdict, reasons, ceiling = conclude(search)
    assert verdict == "found"
    assert ceiling.scale == pytest.approx(50, rel=0.03)
    assert [level.scale for level in search.levels[:3]] == [20.0, 20.0, 40.0]
    assert reasons[1] == (
        "the first run, at 20x, did not hold (p99 < 100ms does not hold), and the next at that load did, so it is not "
        "counted: a target that is cold bears less"
    )


def test_a_load_that_a_longer_level_does_not_bear_is_no_ceiling():
    """Near the limit a queue takes long to grow: 103/s was told of a server that bears 100."""
    search, lasted = Search(first=50.0), []
    while (scale := search.next_scale()) is not None:
        lasted.append(search.asks_longer)
        holds = scale < (100 if search.asks_longer else 104)
        search.tell(level(scale) if holds else level(scale, "fail", limited_by="throughput", reason="slow"))

    verdict, _, ceiling = conclude(search)
    assert verdict == "found"
    assert ceiling.ci_scale[0] < 100 <= ceiling.ci_scale[1] <= 1.025 * ceiling.ci_scale[0]
    assert lasted.index(True) > 5, "what is only on the way to the limit is asked for briefly"
    assert all(lasted[lasted.index(True) :])


def failing_in(errors, requests, scale, allowed=1.0, **options):
    broke = 100 * errors / requests > allowed
    told = {"verdict": "fail", "limited_by": "errors", "allowed_percent": allowed} if broke else {}
    is_sure = {"is_sure": False, "reason": "errors < 1% does not hold" if broke else "holds every SLO"}
    return level(scale, errors=errors, requests=requests, **is_sure, **told, **options)


@pytest.mark.parametrize("seed", range(5))
def test_failures_that_are_as_frequent_at_any_load_do_not_end_the_way_up(seed):
    rng = np.random.default_rng(seed)

    def measure(scale):
        if scale >= 60:
            return level(scale, "fail", limited_by="throughput", reason="slow")
        return failing_in(int(rng.binomial(300, 0.004)), 300, scale)

    verdict, _, ceiling = conclude(search_with(measure))
    assert verdict == "found"
    assert (ceiling.limited_by, ceiling.scale) == ("throughput", pytest.approx(60, rel=0.03))


@pytest.mark.parametrize("seed", range(5))
def test_failures_at_the_very_limit_make_no_ceiling(seed):
    """One in a hundred fails at any load, and no more than that may: 1x was told, of a server that bears 100."""
    rng = np.random.default_rng(seed)
    search = search_with(lambda scale: failing_in(int(rng.binomial(300, 0.01)), 300, scale), most=1000.0)

    verdict, _, ceiling = conclude(search)
    assert verdict != "found" or ceiling is None or search.ended_by == "max"


def test_failures_that_come_of_load_are_a_ceiling():
    search = search_with(lambda scale: failing_in(0 if scale < 40 else 9, 300, scale))

    verdict, _, ceiling = conclude(search)
    assert (verdict, ceiling.limited_by) == ("found", "errors")
    assert ceiling.scale == pytest.approx(40, rel=0.03)


def test_a_limit_that_never_stays_is_no_ceiling():
    """It goes to the other side of whatever is asked for again."""
    search, limit = Search(), 7.95
    while (scale := search.next_scale()) is not None:
        if search.is_confirming:
            limit = scale / 3 if scale == search.held else 3 * scale
        search.tell(
            level(scale) if scale < limit else level(scale, "fail", limited_by="latency", reason="slow")
        )

    verdict, reasons, _ = conclude(search)

    assert verdict == "inconclusive"
    assert reasons[1] == (
        "each time an end of the bracket was asked for again it showed the other thing: the limit moves"
    )


def test_a_target_that_then_breaks_below_its_ceiling_has_none():
    search = search_with(limit_that_moves(20.0, 20.0, 0))
    half = level(10.0, "fail", limited_by="latency", reason="p99 < 100ms does not hold")

    verdict, reasons, _ = conclude(search, [level(5.0), half])

    assert (verdict, reasons[-1]) == ("inconclusive", "10x did not hold after that: p99 < 100ms does not hold")
    assert conclude(search, [level(5.0), level(10.0)])[0] == "found"


@pytest.mark.parametrize("limit", [0.3, 1.0, 7.7, 40.0, 333.0])
def test_a_limit_that_stays_costs_few_levels_more(limit):
    """One or two at the ends of the bracket, and one where the first load was above the limit."""
    search = search_with(limit_that_moves(limit, limit, 0))
    once = search_with(limit_that_moves(limit, limit, 0), tries=1)

    verdict, reasons, ceiling = conclude(search)
    assert (verdict, len(reasons)) == ("found", 1)
    assert ceiling.ci_scale[0] < limit <= ceiling.ci_scale[1]
    assert len(once.levels) < len(search.levels) <= len(once.levels) + 2 + (limit <= 1)


@pytest.mark.parametrize("seed", range(20))
def test_loads_near_the_limit_that_are_decided_by_chance_move_it_no_further_than_that(seed):
    """Within 3% of the limit either verdict may come, and look sure."""
    rng = np.random.default_rng(seed)

    def measure(scale):
        holds = scale < 10 * rng.uniform(0.97, 1.03)
        return level(scale, "pass") if holds else level(scale, "fail", limited_by="latency", reason="slow")

    verdict, reasons, ceiling = conclude(search_with(measure))

    assert verdict in ("found", "inconclusive")
    assert ceiling.scale == pytest.approx(10, rel=0.08)
    assert not any("the limit moved" in reason for reason in reasons)


def test_a_target_that_holds_all_that_was_tried_is_at_least_that():
    verdict, _, ceiling = conclude(search_with(level, most=10.0))

    assert (verdict, ceiling.scale, ceiling.ci_scale) == ("at_least", 10.0, (10.0, None))


def test_levels_that_tell_nothing_end_the_search_undecided():
    verdict, _, _ = conclude(search_with(lambda scale: level(scale, "inconclusive", False)))

    assert verdict == "inconclusive"


def test_the_scalability_law_is_found_again():
    n = np.array([1, 2, 4, 8, 16, 32, 64.0])
    x = 100 * n / (1 + 0.03 * (n - 1) + 0.0005 * n * (n - 1))

    found = usl_of([level(1.0, achieved_rps=float(b), in_flight=float(a)) for a, b in zip(n, x, strict=True)])

    assert found.alpha == pytest.approx(0.03, rel=0.01)
    assert found.beta == pytest.approx(0.0005, rel=0.02)
    assert found.peak_in_flight == pytest.approx(((1 - 0.03) / 0.0005) ** 0.5, rel=0.02)
    assert usl_of([level(1.0, in_flight=1.0)] * 3) is None


def test_the_knee_of_an_m_d_1_queue_is_where_theory_puts_it(rng):
    """Power is largest at rho = 2 - sqrt(2) = 0.586 for deterministic service (Kleinrock 1979)."""
    levels = []
    for scale in (10, 20, 25, 29.3, 34, 40, 46):
        run = served(rng, scale, 1, 20, True, 60.0)
        levels.append(judge_level([], run, float(scale), 60.0, None))

    assert knee_of(levels).scale / 50 == pytest.approx(0.586, abs=0.12)


def test_settling_is_found(rng):
    times = np.arange(2000) * 5 * MS
    values = (20 + rng.exponential(3, 2000) + 200 * np.exp(-np.arange(2000) / 60)) * MS

    steadiness = settled(times, values.astype(np.int64))

    assert 100 <= steadiness.from_ns / (5 * MS) <= 600
    assert not steadiness.grows


def test_a_search_that_ends_for_want_of_requests_says_why_the_loads_before_did_not_hold():
    def measure(scale):
        if scale < 0.1:
            return level(scale, "inconclusive", reason="16 requests are too few")
        return level(scale, "fail", limited_by="latency", reason="p95 < 300ms does not hold")

    verdict, reasons, _ = conclude(search_with(measure))

    assert verdict == "inconclusive"
    assert reasons == [
        "at 1x p95 < 300ms does not hold",
        "and then 16 requests are too few",
        "no load above 1x was tried",
    ]


@pytest.mark.parametrize(
    ("sessions", "share", "told"), [(9, 0.7, 1.0), (100, 0.7, 0.7), (100, 0.88, 1.0), (2, 0.1, 1.0)]
)
def test_few_sessions_that_ask_for_little_are_taken_for_chance(sessions, share, told):
    search = Search(tries=1, precision=0.5)
    for scale, verdict in ((1.0, "pass"), (2.0, "fail"), (2**0.5, "pass")):
        level = Level(
            scale=round(scale, 6),
            offered_rps=100 * share,
            achieved_rps=100 * share,
            sessions_per_s=10.0,
            sessions=sessions,
            planned_rps=100.0,
            verdict=verdict,
            is_sure=True,
            limited_by="latency" if verdict == "fail" else None,
        )
        search.tell(level)

    _, reasons, ceiling = conclude(search)

    assert ceiling.scale == pytest.approx(2**0.5 * told, rel=1e-4)
    assert any("in the long run" in reason for reason in reasons) == (told < 1)


def sessions_that_fail_whole(rng, scale, share, sessions_a_second=2, steps=20):
    """A level of 10 s of a target that never slows down. Of the sessions this share fails, whatever the load."""
    n = max(1, rng.poisson(10 * sessions_a_second * scale))
    at_ms = (np.sort(rng.random(n))[:, None] * 10_000 + np.arange(steps) * 0.4).ravel()
    order = np.argsort(at_ms, kind="stable")
    session = np.repeat(np.arange(n, dtype=np.int32), steps)[order]
    ok = np.repeat(rng.random(n) >= share, steps)[order]
    made = Made(at_ms[order], 10 * np.exp(rng.normal(0, 0.3, n * steps)), session)
    return judge_level([parse_slo("p95 < 100ms")], evidence_of(made, ok=ok), scale, 10.0, None)


def test_a_session_that_fails_whole_now_and_then_is_no_ceiling(rng):
    """Taken for twenty failures, one such session ended 7 of 40 searches with a ceiling, of one in 200."""
    found = [
        conclude(search_with(lambda scale: sessions_that_fail_whole(rng, scale, 0.005), most=16.0))[0]
        for _ in range(20)
    ]

    assert found.count("at_least") >= 19


def test_sessions_that_fail_whole_beyond_a_load_are_its_ceiling(rng):
    search = search_with(
        lambda scale: sessions_that_fail_whole(rng, scale, 0.002 if scale < 8 else 0.3), most=64.0
    )

    verdict, _, ceiling = conclude(search)

    assert (verdict, ceiling.limited_by) == ("found", "errors")
    assert ceiling.scale == pytest.approx(8, rel=0.06)
