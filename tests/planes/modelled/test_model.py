"""Modelled times: the same for the same seed and key, and spread as the service model says."""

from statistics import mean, median

import pytest

from replay.planes.modelled.model import Model, time_ms, uniform
from replay.planes.modelled.time_types import USUAL_TIMES, Spread
from replay.planes.modelled.types import Asked, ServiceModel

CONSTANT = ServiceModel(
    by_kind={"llm": Spread(300.0), "tool": Spread(100.0), "mcp": Spread(50.0), "http": Spread(20.0)},
    between_tokens=Spread(10.0),
)
NOTHING = Asked()


def keys(n: int) -> list[bytes]:
    return [b"00-%032x-%016x-01" % (number, number) for number in range(n)]


def waits_ms(model: Model, n: int) -> list[float]:
    return [model.answer("tool", "search", NOTHING, key).wait_ms for key in keys(n)]


def test_the_same_seed_and_key_get_the_same_answer_in_any_order():
    one, other = Model(ServiceModel(seed=7)), Model(ServiceModel(seed=7))

    assert waits_ms(one, 50) == waits_ms(other, 50)
    assert one.answer("tool", "search", NOTHING, keys(50)[3]).wait_ms == waits_ms(other, 50)[3]


def test_another_seed_gets_other_times():
    assert waits_ms(Model(ServiceModel(seed=7)), 50) != waits_ms(Model(ServiceModel(seed=8)), 50)


def test_the_times_are_known_numbers_on_every_machine():
    answer = Model(ServiceModel(seed=1)).answer("tool", "search", NOTHING, b"1")

    assert uniform(0, 0) == pytest.approx(0.8833108082136426)  # splitmix64 of seed 0 begins e220a8397b1dcdaf
    assert answer.wait_ms == pytest.approx(70.56994989128721)


def test_half_of_the_times_are_below_the_median_and_one_in_a_hundred_above_the_p99():
    times = sorted(waits_ms(Model(ServiceModel()), 20_000))
    spread = USUAL_TIMES["tool"]

    assert median(times) == pytest.approx(spread.median_ms, rel=0.02)
    assert times[19_800] == pytest.approx(time_ms(spread, 0.99), rel=0.05)


def test_a_name_goes_before_its_kind():
    model = Model(ServiceModel(by_kind=CONSTANT.by_kind, by_name={"search": Spread(7.0)}))

    assert model.answer("tool", "search", NOTHING, b"k").wait_ms == 7.0
    assert model.answer("tool", "crm", NOTHING, b"k").wait_ms == 100.0


def test_speed_divides_every_time():
    model = Model(ServiceModel(by_kind=CONSTANT.by_kind, between_tokens=CONSTANT.between_tokens, speed=4.0))
    answer = model.answer("llm", "chat", Asked(10, stream=True), b"k")

    assert answer.wait_ms == 75.0
    assert model.gap_ms(answer.draw, 1) == 2.5


def test_a_whole_completion_takes_as_long_as_its_stream_would():
    streamed = Model(CONSTANT).answer("llm", "chat", Asked(11, stream=True), b"k")
    whole = Model(CONSTANT).answer("llm", "chat", Asked(11), b"k")

    assert (streamed.wait_ms, streamed.tokens) == (300.0, 11)
    assert (whole.wait_ms, whole.tokens) == (300.0 + 10 * 10.0, 11)


def test_a_whole_completion_is_spread_as_the_sum_of_its_gaps():
    model = Model(ServiceModel(by_kind=CONSTANT.by_kind))  # the usual gaps, after a constant first token
    whole = [model.answer("llm", "chat", Asked(101), key).wait_ms for key in keys(2_000)]
    draws = [model.answer("llm", "chat", Asked(101, stream=True), key).draw for key in keys(200)]
    streamed = [300.0 + sum(model.gap_ms(draw, n) for n in range(1, 101)) for draw in draws]

    assert mean(whole) == pytest.approx(mean(streamed), rel=0.005)


def test_tokens_are_bounded_and_never_none():
    model = Model(ServiceModel(token_limit=500, default_tokens=40))

    assert model.answer("llm", "chat", Asked(10**9), b"k").tokens == 500
    assert model.answer("llm", "chat", Asked(0), b"k").tokens == 1
    assert model.answer("llm", "chat", NOTHING, b"k").tokens == 40


def test_the_error_ratio_is_the_share_of_503s_and_leaves_the_other_times_alone():
    sound, failing = Model(ServiceModel()), Model(ServiceModel(error_ratio=0.1))
    pairs = [
        (sound.answer("http", "/", NOTHING, key), failing.answer("http", "/", NOTHING, key))
        for key in keys(10_000)
    ]

    assert sum(answer.status == 503 for _, answer in pairs) == pytest.approx(1_000, abs=100)
    assert all(a.wait_ms == b.wait_ms for a, b in pairs)


@pytest.mark.parametrize("seed", [-1, 0, 2**200])
def test_any_whole_number_is_a_seed(seed):
    assert Model(ServiceModel(seed=seed)).answer("http", "/", NOTHING, b"k").wait_ms > 0


def test_a_tiny_speed_waits_a_day_and_not_for_ever():
    assert Model(ServiceModel(speed=1e-300)).answer("http", "/", NOTHING, b"k").wait_ms == 86_400_000.0
