"""Distributions: drawn as they say, the same for the same seed, and read from text and TOML alike."""

import re
from random import Random
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.planes.modelled.distributions import draw, parse_distribution
from replay.planes.modelled.time_types import Constant, Distribution, Empirical, Lognormal, Mixture

EVERY_KIND = [
    Constant(800.0),
    Lognormal(800.0, 2000.0),
    Empirical((10.0, 20.0, 30.0)),
    Mixture((Constant(5.0), Lognormal(800.0, 2000.0)), (9.0, 1.0)),
]


def draws(distribution: Distribution, n: int, seed: int = 1) -> list[float]:
    random = Random(seed)
    return [draw(distribution, random) for _ in range(n)]


def test_a_constant_is_always_the_same():
    assert draws(Constant(7.5), 3) == [7.5, 7.5, 7.5]


def test_half_of_a_lognormal_is_below_its_p50_and_one_in_a_hundred_above_its_p99():
    times = sorted(draws(Lognormal(800.0, 2000.0), 40_000))

    assert median(times) == pytest.approx(800.0, rel=0.02)
    assert times[39_600] == pytest.approx(2000.0, rel=0.04)


def test_a_lognormal_whose_p99_is_its_p50_is_a_constant():
    assert draws(Lognormal(800.0, 800.0), 3) == [800.0, 800.0, 800.0]


def test_seen_values_come_equally_often_and_nothing_else_does():
    times = draws(Empirical((10.0, 20.0, 30.0)), 30_000)

    assert set(times) == {10.0, 20.0, 30.0}
    assert times.count(20.0) == pytest.approx(10_000, rel=0.05)


def test_a_mixture_draws_from_its_parts_by_their_weights():
    times = draws(Mixture((Constant(1.0), Constant(100.0)), (9.0, 1.0)), 20_000)

    assert times.count(100.0) == pytest.approx(2_000, rel=0.1)


@pytest.mark.parametrize("distribution", EVERY_KIND)
def test_the_same_seed_gives_the_same_times(distribution):
    assert draws(distribution, 20, seed=4) == draws(distribution, 20, seed=4)


@pytest.mark.parametrize("distribution", EVERY_KIND)
def test_what_is_written_as_json_is_read_back(distribution):
    assert msgspec.json.decode(msgspec.json.encode(distribution), type=Distribution) == distribution


def test_a_distribution_is_a_table_of_a_toml_file():
    table = b'boot = { of = "lognormal", p50_ms = 800, p99_ms = 2000 }'

    assert msgspec.toml.decode(table, type=dict[str, Distribution])["boot"] == Lognormal(800.0, 2000.0)


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("800ms", Constant(800.0)),
        (" 1.5 s ", Constant(1500.0)),
        ("2m", Constant(120_000.0)),
        ("lognormal:800ms,2s", Lognormal(800.0, 2000.0)),
        ("empirical:1s, 1.2s,3s", Empirical((1000.0, 1200.0, 3000.0))),
        (
            "mixture:9*800ms+1*lognormal:2s,5s",
            Mixture((Constant(800.0), Lognormal(2000.0, 5000.0)), (9.0, 1.0)),
        ),
    ],
)
def test_the_short_form_is_read(text, distribution):
    assert parse_distribution(text) == distribution


FORMS = "800ms, lognormal:P50,P99, empirical:T1,T2,... or mixture:WEIGHT*TIME+WEIGHT*TIME"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("800", f"'800' is not a valid time or distribution. Write {FORMS}."),
        ("normal:1s,2s", f"'normal:1s,2s' is not a valid time or distribution. Write {FORMS}."),
        ("lognormal:1s", f"'lognormal:1s' is not a valid time or distribution. Write {FORMS}."),
        ("lognormal:2s,1s", "p50_ms must be above 0, and p99_ms no less than p50_ms"),
        ("mixture:1s+2s", "'1s' is not a valid part of a mixture. Write a weight before each, as in 9*800ms."),
        ("mixture:1*mixture:1*1s", "a mixture cannot hold another. Write all its parts in one."),
        ("mixture:0*1s", "weights must not all be 0"),
        ("mixture:nan*1s", "weights must be finite and not negative"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        parse_distribution(text)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_and_nothing_else_is_raised(text):
    try:
        assert draw(parse_distribution(text), Random(1)) >= 0
    except ValueError:
        pass
