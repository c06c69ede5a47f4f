"""What cold starts do, in words."""

import io

import msgspec
import pytest

from replay.judge.cold.types import Burst, Cold, ColdVerdict, Tail
from replay.judge.load.types import Ceiling, CeilingVerdict
from replay.report.plain import plain_console
from replay.report.terminal.load import print_coldstart
from replay.report.words.outlines import (
    ceiling_headline,
    coldstart_outline,
    how_many_cold,
    stays_warm,
    what_cold_adds,
)
from replay.results.summary_types import Quantiles

COLD = Cold(
    method="header",
    confidence="certain",
    count=2,
    share=0.5,
    why="the target says so",
    latency_ms=Quantiles(n=2),
    warm_ms=Quantiles(n=2),
)


@pytest.mark.parametrize(
    ("keep_alive_s", "said"),
    [
        (None, ""),
        ((4.0, None), "it stays warm for longer than 4 s without a request"),
        ((1.875, 2.0), "it stays warm for between 1.88 s and 2 s without a request"),
        ((4.001, 4.003), "it stays warm for about 4 s without a request"),
    ],
)
def test_an_idle_lifetime_is_told_as_well_as_it_is_known(keep_alive_s, said):
    verdict = ColdVerdict(
        schema="replay.verdict/1",
        command="coldstart",
        cold=COLD,
        tail=Tail(),
        idle_curve=[],
        keep_alive_s=keep_alive_s,
    )

    assert stays_warm(verdict) == said


@pytest.mark.parametrize(
    ("probes", "count", "bursts", "said"),
    [
        (None, 2, [], "2 of 4 steps (50%) were cold"),
        (10, 2, [], "2 probes were cold"),
        (10, 2, [3], "2 probes were cold, and 3 requests of bursts"),
        (10, 1, [1, 0], "1 probe was cold, and 1 request of bursts"),
        (10, 0, [4], "0 probes were cold, and 4 requests of bursts"),
        (10, 0, [0], "no cold start was seen"),
        (None, 0, [], "no cold start was seen"),
    ],
)
def test_requests_of_bursts_are_told_beside_the_probes(probes, count, bursts, said):
    """A page told of 2 cold probes, and of 5 cold steps below."""
    verdict = ColdVerdict(
        schema="replay.verdict/1",
        command="coldstart",
        cold=msgspec.structs.replace(COLD, count=count),
        tail=Tail(),
        idle_curve=[],
        probes=probes,
        bursts=[Burst(size=8, cold=cold, slowest_ms=9.0, median_ms=5.0) for cold in bursts],
    )

    assert how_many_cold(verdict) == said


def cold_that_adds(**fields):
    return msgspec.structs.replace(COLD, **fields)


@pytest.mark.parametrize(
    ("cold", "said"),
    [
        (
            cold_that_adds(added_ms=801.4, added_ci_ms=(790.0, 1200.0), added_of=41),
            "a cold start adds 801 ms (95% interval 790 ms to 1.2 s): the median of 41 steps that woke the target, against "
            "warm ones of the same kind and name",
        ),
        (
            cold_that_adds(added_ms=801.4, added_of=1),
            "a cold start adds 801 ms: 1 step that woke the target, against warm ones of the same kind and "
            "name; too few for an interval",
        ),
        (
            cold_that_adds(added_why="no step is known to have waited for a whole boot"),
            "what a cold start adds is not known: no step is known to have waited for a whole boot",
        ),
        (cold_that_adds(added_ms=801.4), "a cold start adds 801 ms"),
        (COLD, ""),
    ],
)
def test_what_a_cold_start_adds_is_told_with_what_it_is_against_and_how_surely(cold, said):
    assert what_cold_adds(cold) == said


def test_every_medium_says_what_a_cold_start_adds():
    cold = cold_that_adds(added_ms=801.4, added_of=3)
    verdict = ColdVerdict(
        schema="replay.verdict/1", command="coldstart", cold=cold, tail=Tail(), idle_curve=[], target="t"
    )
    console = plain_console(width=400, file=io.StringIO())

    print_coldstart(verdict, console=console)

    assert what_cold_adds(cold) in coldstart_outline(verdict).headline
    assert what_cold_adds(cold) in console.file.getvalue()


@pytest.mark.parametrize(
    ("most", "said"),
    [(None, "180 requests/s"), (180.00001, "180 requests/s"), (193.3, "180 to 193.3 requests/s")],
)
def test_a_range_of_requests_whose_ends_read_alike_is_one_figure(most, said):
    found = Ceiling(
        scale=2.0,
        rps=180.0,
        sessions_per_s=1.0,
        in_flight=1.0,
        ci_scale=(2.0, 4.0),
        limited_by="latency",
        ci_rps=None if most is None else (180.0, most),
    )
    verdict = CeilingVerdict(
        schema="replay.verdict/1", command="ceiling", verdict="found", reasons=[], levels=[], ceiling=found
    )

    assert f", {said}, 1 sessions/s" in ceiling_headline(verdict)


@pytest.mark.parametrize(
    ("verdict", "high", "said"),
    [
        ("found", 4.0, "ceiling: 2x to 4x, 180 to 200 requests/s, "),
        ("at_least", None, "ceiling: at least 2x, 180 requests/s, "),
        ("inconclusive", 4.0, "no sure ceiling: 2x held, 4x did not; 180 to 200 requests/s, "),
        ("inconclusive", None, "no sure ceiling: 2x held; 180 requests/s, "),
    ],
)
def test_a_ceiling_that_is_not_sure_is_not_told_as_one(verdict, high, said):
    """It read "at least 2x to 4x", which says less and more than was found."""
    found = Ceiling(
        scale=2.0,
        rps=180.0,
        sessions_per_s=1.0,
        in_flight=1.0,
        ci_scale=(2.0, high),
        limited_by="latency",
        ci_rps=(180.0, None if high is None else 200.0),
    )
    of = CeilingVerdict(
        schema="replay.verdict/1", command="ceiling", verdict=verdict, reasons=[], levels=[], ceiling=found
    )

    assert ceiling_headline(of).startswith(said)
