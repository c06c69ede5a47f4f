"""Runs with one planted cause each: it is named, and in the right share."""

import heapq
import re

import numpy as np
import pytest

from replay.judge.tail.attribution import attribute
from replay.results.columns import columns_of
from tests.support.runs import MS, Evidence, step, summary

RATE_MS = 10.0  # a step every 10 ms


def planted(records):
    return Evidence(summary(), columns_of([records]), "run")


def share(found, *names):
    return sum(cause.share for cause in found.causes if cause.cause in names)


def steady(rng, n=4000, name="search", **fields):
    """Steps one after the other, each of about 20 ms."""
    took = 20 + rng.gamma(4, 1, n)
    return [step(f"s-{i // 5}", float(took[i]), i, at_ms=i * RATE_MS, name=name, **fields) for i in range(n)]


def later(record, ms):
    """The same step with its answer so much later."""
    record.end_ns += int(ms * MS)
    return record


def sent_late(record, ms, **fields):
    """The same step sent, and answered, so much later."""
    for name in ("sent_ns", "first_byte_ns", "end_ns"):
        setattr(record, name, getattr(record, name) + int(ms * MS))
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def served_in_turn(arrivals_ms, service_ms, workers=1):
    """When each request ends that waits for one of so many workers."""
    free = [0.0] * workers
    for at, took in zip(arrivals_ms, service_ms, strict=True):
        worker = int(np.argmin(free))
        free[worker] = max(at, free[worker]) + took
        yield free[worker]


def test_where_nothing_was_planted_the_tail_is_unexplained(rng):
    found = attribute(planted(steady(rng)))

    assert share(found, "unexplained") >= 0.9
    assert found.windows == []
    assert (found.steps, found.of_steps) == (41, 4000)  # the step at the edge is in it


def test_a_pause_of_the_target_is_named_with_its_window(rng):
    records = steady(rng)
    for record in records:
        if record.end_ns > 20_000 * MS and record.sent_ns < 20_600 * MS:
            record.end_ns = max(record.end_ns, 20_600 * MS + int(rng.uniform(0, 5) * MS))

    found = attribute(planted(records))

    assert share(found, "pause") == pytest.approx(1.0, abs=0.1)
    (window,) = found.windows
    assert window.from_s == pytest.approx(20.0, abs=0.1)
    assert window.to_s == pytest.approx(20.6, abs=0.01)
    assert not window.is_ours


def test_a_burst_queues_and_is_no_pause(rng):
    at_ms = np.sort(np.concatenate([np.arange(0, 40_000, 10.0), 20_000 + np.arange(0, 100, 1.0)]))
    took = 8 * rng.gamma(100, 0.01, len(at_ms))
    ends = served_in_turn(at_ms, took)
    records = [
        step(f"s-{i}", end - at, i, at_ms=at) for i, (at, end) in enumerate(zip(at_ms, ends, strict=True))
    ]

    found = attribute(planted(records))

    assert share(found, "queueing") == pytest.approx(1.0, abs=0.1)
    assert found.windows == []


def test_slow_dns_is_a_new_connection(rng):
    records = steady(rng)
    for record in records[50::100]:
        sent_late(record, 300, connection="new", dns_ns=290 * MS, connect_ns=10 * MS)

    found = attribute(planted(records))

    assert share(found, "new_connection") == pytest.approx(1.0, abs=0.1)
    assert found.causes[0].ms == pytest.approx(40 * 300, rel=0.05)


def test_one_slow_instance_is_named(rng):
    records = steady(rng)
    for n, record in enumerate(records):
        record.instance = f"i-{n % 40}"
        if n % 40 == 7:
            later(record, 60)

    found = attribute(planted(records))

    assert share(found, "one_instance") == pytest.approx(1.0, abs=0.1)
    assert found.causes[0].names == ["i-7"]


def test_a_stalled_generator_is_blamed_for_steps_it_sent_late_and_answers_it_read_late(rng):
    records = steady(rng)
    for record in records:
        if 20_000 * MS <= record.intended_ns < 20_500 * MS:
            sent_late(record, 20_500 - record.intended_ns / MS)
        elif record.intended_ns < record.end_ns > 20_000 * MS:
            record.end_ns = 20_500 * MS

    found = attribute(planted(records))

    assert share(found, "dispatch_lag") == pytest.approx(1.0, abs=0.1)


def test_waiting_for_a_connection_is_told_from_our_own_lateness_by_the_limit(rng):
    at_ms = np.sort(np.concatenate([np.arange(0, 40_000, 10.0), 20_000 + np.arange(0, 60, 1.0)]))
    took = 15 + rng.gamma(4, 0.2, len(at_ms))
    ends = served_in_turn(at_ms, took, workers=2)
    records = []
    for i, (at, end) in enumerate(zip(at_ms, ends, strict=True)):
        begin_ns = int((end - took[i]) * MS)
        records.append(step(f"s-{i}", end - at, i, at_ms=at, sent_ns=begin_ns, first_byte_ns=begin_ns))

    limited, unlimited = (attribute(planted(records), connection_limit=limit) for limit in (2, None))

    assert share(limited, "waiting_for_connection") == pytest.approx(1.0, abs=0.1)
    assert share(unlimited, "dispatch_lag") == pytest.approx(1.0, abs=0.1)


def test_cold_starts_by_the_targets_own_words(rng):
    records = steady(rng, cold=False)
    for record in records[50::100]:
        later(record, 400)
        record.cold = True

    found = attribute(planted(records))

    assert share(found, "cold_start") == pytest.approx(1.0, abs=0.1)


def test_steps_that_wait_for_one_boot_are_cold_starts_and_no_pause(rng):
    records, at_ms = [], 0.0
    for wave in range(300):
        is_cold = wave % 30 == 29
        at_ms += 90_000 if is_cold else 1_000
        for n in range(3):
            took = 20 + rng.gamma(4, 1) + (700 if is_cold else 0)
            records.append(step(f"s-{wave}", took, 3 * wave + n, at_ms=at_ms + 2 * n))
            records[-1].first_byte_ns = records[-1].end_ns

    found = attribute(planted(records), quantile=0.97)  # 30 of 900 are cold

    assert share(found, "cold_start") == pytest.approx(1.0, abs=0.1)
    assert found.windows == []


def in_bursts(rng, bursts=250):
    """When steps are due that come up to thirty at once, every 2 s, and how many each came with."""
    sizes = rng.integers(1, 30, bursts)
    at_ms = np.concatenate([2000.0 * n + np.sort(rng.uniform(0, 5, size)) for n, size in enumerate(sizes)])
    return at_ms, np.repeat(sizes, sizes)


@pytest.mark.parametrize("field", ["tokens", "response_bytes"])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.5])
def test_a_queue_behind_headers_that_came_at_once_is_no_length(rng, sigma, field):
    """Its wait was taken for the pace of the answers: a quarter of the tail was long answers."""
    at_ms, _ = in_bursts(rng)
    ends = served_in_turn(at_ms, rng.gamma(20, 0.5, len(at_ms)), 2)
    sizes = np.maximum(1, rng.lognormal(5, sigma, len(at_ms))).astype(int)
    records = [
        step(f"s-{n}", end - at, n, at_ms=float(at), first_byte_ns=int((at + 1) * 1e6), **{field: int(size)})
        for n, (at, end, size) in enumerate(zip(at_ms, ends, sizes, strict=True))
    ]

    found = attribute(planted(records))

    assert share(found, "queueing") >= 0.95
    assert share(found, "long_answer") == 0


def test_long_answers_that_are_asked_for_together_are_no_queue(rng):
    """A quarter of the tail was a queue."""
    at_ms, together = in_bursts(rng)
    took = 10 + 2 * together * rng.normal(1, 0.05, len(at_ms))
    records = [
        step(f"s-{n}", float(ms), n, at_ms=float(at), tokens=int(20 * many))
        for n, (at, ms, many) in enumerate(zip(at_ms, took, together, strict=True))
    ]

    found = attribute(planted(records))

    assert share(found, "long_answer") >= 0.95
    assert share(found, "queueing") == 0


def test_a_queue_is_one_however_long_its_answers_are(rng):
    at_ms, _ = in_bursts(rng)
    tokens = rng.integers(10, 30, len(at_ms))
    ends = served_in_turn(at_ms, 0.5 * tokens, 2)
    records = []
    for n, (at, end, many) in enumerate(zip(at_ms, ends, tokens, strict=True)):
        records.append(step(f"s-{n}", float(end - at), n, at_ms=float(at), tokens=int(many)))
        records[-1].first_byte_ns = records[-1].end_ns - int(0.5 * many * MS)

    found = attribute(planted(records))

    assert share(found, "queueing") >= 0.95


def test_a_retry_is_charged_with_all_that_came_before_the_last_try(rng):
    records = steady(rng)
    again = []
    for record in records[50::100]:
        first = step(record.session, 30, int(record.step), at_ms=record.intended_ns / MS)
        first.outcome, first.final, first.error = "failed", False, "status_5xx"
        again.append(first)
        sent_late(record, 530, attempt=2)

    found = attribute(planted([*again, *records]))

    assert share(found, "retry") == pytest.approx(1.0, abs=0.1)


def test_slow_tokens_are_a_slow_stream_and_many_tokens_a_long_answer(rng):
    records = steady(rng, tokens=20)
    for n, record in enumerate(records[25::50]):
        if n % 2:
            later(record, 200)
        else:
            record.tokens = 200
            later(record, 200)

    found = attribute(planted(records), quantile=0.98)

    assert share(found, "slow_stream") == pytest.approx(0.5, abs=0.1)
    assert share(found, "long_answer") == pytest.approx(0.5, abs=0.1)


def test_half_pause_and_half_cold_starts_are_told_apart(rng):
    records = steady(rng, cold=False)
    for record in records[50:2000:100]:
        later(record, 400)
        record.cold = True
    for record in records:
        if record.end_ns > 30_000 * MS and record.sent_ns < 30_200 * MS:
            record.end_ns = max(record.end_ns, 30_200 * MS)

    found = attribute(planted(records), quantile=0.99)

    assert share(found, "cold_start") == pytest.approx(0.5, abs=0.1)
    assert share(found, "pause") == pytest.approx(0.5, abs=0.1)


def test_steps_slow_in_one_session_name_that_session(rng):
    records = steady(rng, n=4000)
    for n, record in enumerate(records):
        record.session = f"s-{n % 100}"
        if n % 100 == 3:
            later(record, rng.uniform(40, 80))

    found = attribute(planted(records))

    assert share(found, "one_session") == pytest.approx(1.0, abs=0.1)
    assert found.causes[0].names == ["s-3"]


def slow_for_a_while(rng, factor):
    """4,000 steps one after the other, each so many times as slow as by the share of the run at which it comes."""
    records = steady(rng)
    for n, record in enumerate(records):
        took_ms = (record.end_ns - record.intended_ns) / MS
        later(record, took_ms * (factor(n / len(records)) - 1))
    return attribute(planted(records))


@pytest.mark.parametrize(
    ("factor", "from_s", "to_s", "like"),
    [
        (lambda at: 1 + 4 * np.exp(-at / 0.05), 0, 4, "a target that warms up"),
        (
            lambda at: 4.0 if at > 0.95 else 1.0,
            37,
            40,
            "a target that wears out, or has used up its credits,",
        ),
        (
            lambda at: 1 + 4 * max(0.0, at - 0.8),
            32,
            40,
            "a target that wears out, or has used up its credits,",
        ),
        (
            lambda at: 3.0 if 0.5 < at < 0.55 else 1.0,
            19,
            23,
            "a target beside a busy neighbour, or with other work to do,",
        ),
    ],
)
def test_a_while_in_which_all_is_slow_is_no_queue_though_more_is_in_flight_then(
    rng, factor, from_s, to_s, like
):
    found = slow_for_a_while(rng, factor)

    assert share(found, "queueing") == 0
    assert share(found, "unexplained") > 0.6
    (note,) = [note for note in found.notes if "unexplained" in note]
    begins, ends = re.search(r"between (.+) and (.+) of the run", note).groups()
    begins_s, ends_s = (
        float(said.split()[0]) / (1000 if said.endswith("ms") else 1) for said in (begins, ends)
    )
    assert from_s <= begins_s < ends_s <= to_s
    assert note.endswith(f"it was slow for that while, as {like} is")


def in_random_bursts(rng):
    return np.concatenate([2000.0 * n + np.sort(rng.uniform(0, 5, rng.integers(1, 30))) for n in range(120)])


def at_random(rng, n=2000):
    return np.cumsum(rng.exponential(20, n))


def lognormal_ms(rng, n):
    return 20 * rng.lognormal(0, 1.2, n)


def pareto_ms(rng, n):
    return 20 * (1 + rng.pareto(1.5, n))


def one_in_ten_far_longer_ms(rng, n):
    return np.where(rng.random(n) < 0.1, 2000.0, 20.0) * rng.lognormal(0, 0.3, n)


def slow_as_sessions_ms(rng, n):
    return 20 * rng.lognormal(0, 0.4, n) * np.where(np.repeat(rng.random(n // 5 + 1) < 0.1, 5)[:n], 4.0, 1.0)


@pytest.mark.parametrize(
    ("arrivals", "times"),
    [
        (in_random_bursts, lognormal_ms),
        (in_random_bursts, pareto_ms),
        (at_random, lognormal_ms),
        (at_random, one_in_ten_far_longer_ms),
        (at_random, slow_as_sessions_ms),
    ],
)
def test_the_longest_of_many_steps_are_no_stall(arrivals, times):
    """They are left when all others have ended. Half of such runs, or all, had windows."""
    windows = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        at_ms = arrivals(rng)
        took = times(rng, len(at_ms))
        records = [
            step(f"s-{i // 5}", float(ms), i, at_ms=float(at))
            for i, (at, ms) in enumerate(zip(at_ms, took, strict=True))
        ]
        windows += len(attribute(planted(records)).windows)

    assert windows <= 1


@pytest.mark.parametrize("per_session", [1, 5, 50])
def test_a_stall_is_found_however_few_sessions_it_holds_up(rng, per_session):
    found = 0
    for _ in range(5):
        at_ms = 100.0 * np.arange(2000)
        ends = at_ms + 20 * rng.lognormal(0, 0.4, 2000)
        held = (ends > 100_000) & (at_ms < 101_000)
        ends[held] = np.maximum(ends[held], 101_000 + rng.uniform(0, 5, np.count_nonzero(held)))
        records = [
            step(f"s-{i // per_session}", float(end - at), i, at_ms=float(at))
            for i, (at, end) in enumerate(zip(at_ms, ends, strict=True))
        ]
        found += len(attribute(planted(records)).windows)

    assert found == 5


def slow_at_times(rng, n, persistence=0.98):
    """Lognormal factors that stay alike for a while, as of a target that has busy neighbours."""
    drawn = rng.normal(0, (1 - persistence**2) ** 0.5, n)
    level, found = 0.0, []
    for change in drawn.tolist():
        level = persistence * level + change
        found.append(level)
    return np.exp(0.6 * np.array(found))


def test_a_target_that_is_slow_at_times_whatever_it_is_asked_has_no_queue():
    """More is in flight while it is slow, for neighbouring steps too. By that alone all of these runs had a queue."""
    with_queue = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        at_ms, factors = np.cumsum(rng.exponential(10, 2000)), slow_at_times(rng, 2000)
        found = attribute(
            planted(
                [
                    step(f"s-{i}", 20 * float(factors[i]), i, at_ms=float(at))
                    for i, at in enumerate(at_ms.tolist())
                ]
            )
        )
        with_queue += share(found, "queueing") > 0

    assert with_queue <= 2


def test_sessions_that_wait_for_a_slow_target_make_no_queue_of_it():
    """What follows an answer is sent the later the slower it came: closed loops, as agents are."""
    with_queue = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        factors = slow_at_times(rng, 7000)
        events = [(at, n, 0) for n, at in enumerate(rng.uniform(0, 60_000, 500))]
        heapq.heapify(events)
        records = []
        while events:
            at, session, n = heapq.heappop(events)
            took = 20 * float(factors[min(6999, int(at / 10))]) * rng.lognormal(0, 0.2)
            records.append(step(f"s-{session}", took, n, at_ms=at))
            if n < 4:
                heapq.heappush(events, (at + took + rng.exponential(20), session, n + 1))
        with_queue += share(attribute(planted(records)), "queueing") > 0

    assert with_queue <= 1


def test_steps_sent_at_one_instant_are_in_no_order_though_the_record_has_them_in_that_of_their_answers():
    """As in virtual time: of fan-outs that nobody waits in, six of 25 runs queued."""
    with_queue = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        sizes = np.where(rng.random(900) < 0.5, 1, rng.integers(2, 11, 900))
        at_ms = np.repeat(np.cumsum(rng.exponential(30, 900)), sizes)
        took_ms = 20 * slow_at_times(rng, len(at_ms))
        records = [
            step(f"s-{i}", took, i, at_ms=at)
            for i, (at, took) in enumerate(zip(at_ms.tolist(), took_ms.tolist(), strict=True))
        ]
        records.sort(key=lambda record: record.end_ns)
        with_queue += share(attribute(planted(records)), "queueing") > 0

    assert with_queue == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_fan_outs_between_idle_gaps_queue(rng, workers):
    at_ms = []
    while len(at_ms) < 2000:
        began = (at_ms[-1] if at_ms else 0.0) + rng.exponential(5000)
        at_ms += [began + 0.01 * n for n in range(rng.integers(1, 30))]
    ends = served_in_turn(at_ms, 20 * rng.gamma(20, 0.05, len(at_ms)), workers)
    records = [
        step(f"s-{i}", end - at, i, at_ms=at) for i, (at, end) in enumerate(zip(at_ms, ends, strict=True))
    ]

    assert share(attribute(planted(records)), "queueing") > 0.95


@pytest.mark.parametrize(
    ("at_ms", "workers"),
    [
        (np.arange(1000) * 10.0, 1),  # half as much again as it bears, and no step sooner than another
        (np.arange(200) * 0.5, 4),  # a fan-out, and nothing else
    ],
)
def test_what_a_target_falls_behind_with_queues_though_it_comes_evenly(rng, at_ms, workers):
    ends = served_in_turn(at_ms, 15 * rng.gamma(100, 0.01, len(at_ms)), workers)
    records = [
        step(f"s-{i}", float(end - at), i, at_ms=float(at))
        for i, (at, end) in enumerate(zip(at_ms, ends, strict=True))
    ]

    assert share(attribute(planted(records)), "queueing") > 0.95


def test_calls_at_once_that_all_take_long_have_no_queue():
    """None was answered while they were sent, and they are slow whatever else is asked."""
    with_queue = 0
    for seed in range(20):
        took_ms = 1000 * np.random.default_rng(seed).lognormal(0, 0.2, 200)
        records = [step(f"s-{i}", float(ms), i, at_ms=0.2 * i) for i, ms in enumerate(took_ms)]
        with_queue += share(attribute(planted(records)), "queueing") > 0

    assert with_queue <= 1


def pausing(at_ms, took_ms, every_ms, pause_ms):
    """When requests end of an instance that stands still now and then."""
    ends = at_ms + took_ms
    for begins in np.arange(every_ms, at_ms[-1], every_ms):
        waits = (at_ms < begins + pause_ms) & (ends > begins)
        ends = np.where(waits, ends + pause_ms - np.maximum(0.0, at_ms - begins), ends)
    return ends


@pytest.mark.parametrize("is_sticky", [False, True])
def test_an_instance_that_stands_still_now_and_then_is_named_and_none_of_its_sessions(rng, is_sticky):
    """Its median is that of the others."""
    at_ms = np.cumsum(rng.exponential(10, 4000))
    sessions = rng.integers(0, 64, 4000)
    instances = sessions % 8 if is_sticky else rng.integers(0, 8, 4000)
    took_ms = rng.gamma(8, 2.5, 4000)
    ends = np.where(instances == 3, pausing(at_ms, took_ms, 5000.0, 500.0), at_ms + took_ms)
    records = [
        step(f"s-{session}", end - at, i, at_ms=at, instance=f"i-{instance}")
        for i, (session, instance, at, end) in enumerate(
            zip(sessions.tolist(), instances.tolist(), at_ms.tolist(), ends.tolist(), strict=True)
        )
    ]

    found = attribute(planted(records))

    assert share(found, "one_instance") > 0.9
    assert found.causes[0].names == ["i-3"]


def test_a_slow_session_is_named_and_not_the_instance_that_serves_it(rng):
    at_ms, sessions = np.cumsum(rng.exponential(10, 4000)), rng.integers(0, 64, 4000)
    took_ms = rng.gamma(8, 2.5, 4000) * np.where(sessions == 7, 5, 1)
    records = [
        step(f"s-{session}", took, i, at_ms=at, instance=f"i-{session % 8}")
        for i, (session, at, took) in enumerate(
            zip(sessions.tolist(), at_ms.tolist(), took_ms.tolist(), strict=True)
        )
    ]

    found = attribute(planted(records))

    assert share(found, "one_session") == pytest.approx(1.0, abs=0.1)
    assert found.causes[0].names == ["s-7"]


def test_a_session_is_not_to_blame_for_the_time_at_which_it_came(rng):
    """All steps of two seconds are slow, in which four sessions take turns, as in any other two."""
    records = steady(rng)
    for n, record in enumerate(records):
        record.session = f"s-{n // 200}-{n % 4}"
        if 20_000 <= record.intended_ns / MS < 22_000:
            later(record, rng.uniform(40, 80))

    found = attribute(planted(records))

    assert share(found, "one_session") == 0
    assert share(found, "unexplained") > 0.9


def test_a_tail_that_comes_all_along_is_said_to_come_at_no_time_in_particular():
    for seed in range(50):
        found = attribute(planted(steady(np.random.default_rng(seed), n=2000)))

        assert not any("unexplained" in note for note in found.notes)


def test_where_no_step_of_a_kind_was_warm_its_normal_is_said_to_be_of_cold_ones(rng):
    """A model call begins each session and wakes the target, and a tool call follows."""
    records = []
    for n in range(300):
        records.append(
            step(f"s-{n}", 1500 + rng.gamma(4, 40), 0, kind="llm", name="plan", at_ms=n * 60_000, cold=True)
        )
        records.append(step(f"s-{n}", 50 + rng.random(), 1, at_ms=n * 60_000 + 3_000, cold=False))

    found = attribute(planted(records), 0.9)

    assert share(found, "cold_start") > 0.9
    assert (
        "no step of llm:plan was warm, so its normal is of cold ones, and a cold start cost it more than is said here"
        in found.notes
    )
    assert not any("was warm" in note for note in attribute(planted(steady(rng))).notes)


def test_a_tail_of_one_step_name_names_it(rng):
    records = steady(rng)
    for n, record in enumerate(records):
        if n % 20 == 3:
            record.name = "crawl"
            later(record, rng.exponential(300))

    found = attribute(planted(records))

    assert share(found, "one_step_name") == pytest.approx(1.0, abs=0.1)
    assert found.causes[0].names == ["tool:crawl"]


def test_names_that_are_alike_are_not_blamed_when_another_ones_tail_is_explained(rng):
    records = steady(rng, n=8000)
    for n, record in enumerate(records):
        record.name = f"n-{n % 8}"
        if n % 8 == 0:
            record.tokens = 20
            later(record, rng.exponential(20))

    found = attribute(planted(records), quantile=0.9)

    assert share(found, "one_session", "one_step_name") == 0.0


def test_what_the_causes_cost_adds_up_to_what_the_tail_took_over_its_normal(rng):
    records = steady(rng, cold=False)
    for record in records[50::100]:
        later(record, 400)
        record.cold = True
    run = planted(records)

    found = attribute(run)

    response_ms = np.sort((run.columns.end_ns - run.columns.intended_ns) / MS)
    over = response_ms[-found.steps :] - np.median(response_ms)
    assert sum(cause.ms for cause in found.causes) == pytest.approx(over.sum(), rel=0.01)
    assert sum(cause.share for cause in found.causes) == pytest.approx(1.0, abs=0.001)


def test_a_run_that_sent_nothing_has_no_tail():
    found = attribute(Evidence(summary(), columns_of([]), "run"))

    assert (found.edge_ms, found.steps, found.causes) == (None, 0, [])


@pytest.mark.parametrize("quantile", [0, 1, 99])
def test_a_quantile_is_a_share(rng, quantile):
    with pytest.raises(ValueError, match=r"the quantile must lie between 0 and 1"):
        attribute(planted(steady(rng, n=10)), quantile=quantile)


def test_a_boot_is_no_part_of_what_is_normal_where_most_steps_wait_for_one():
    """Their median was a boot, so that a step that was also sent 60 ms late was late above all."""
    records = [
        step(f"s-{n}", (760.0 if n % 4 else 20.0) + n % 7, n, at_ms=n * 2000.0, cold=n % 4 > 0)
        for n in range(80)
    ]
    late = step("late", 880.0, 90, at_ms=400_000.0, cold=True)
    late.sent_ns += 60_000_000

    found = attribute(Evidence(summary(), columns_of([[*records, late]]), "run"), 0.99)

    assert [(cause.cause, cause.steps) for cause in found.causes if cause.steps] == [("cold_start", 1)]
    assert found.causes[0].ms == pytest.approx(795, abs=10)
