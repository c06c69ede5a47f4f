"""A target that answers something else under load bears less than it answers."""

import numpy as np
import pytest

from replay.judge.load.types import Level
from replay.judge.load.unlike import usual_sizes, why_unlike
from replay.results.columns import columns_of
from tests.support.runs import step


def level(scale: float, *sizes: tuple[int, int], verdict: str = "pass", series: str = "http:a") -> Level:
    requests = sum(count for _, count in sizes)
    return Level(
        scale=scale,
        offered_rps=20 * scale,
        achieved_rps=20 * scale,
        sessions_per_s=20 * scale,
        requests=requests,
        verdict=verdict,  # type: ignore[arg-type]
        usual_bytes={series: list(sizes)},
    )


def test_a_page_in_the_place_of_answers_is_told_at_the_load_where_it_comes():
    found = why_unlike(
        [level(4.0, (94, 300), (400, 200)), level(1.0, (400, 200)), level(2.0, (400, 390), (94, 10))]
    )

    assert found is not None
    assert found.startswith(
        "at 4x 60% of the answers to http:a have 94 bytes, and 0 of 200 at 1x: what is answered"
    )


@pytest.mark.parametrize(
    "levels",
    [
        [level(1.0, (400, 200)), level(4.0, (400, 790), (94, 10))],  # a handful
        [level(1.0, (400, 200), (94, 60)), level(4.0, (94, 300), (400, 500))],  # it was there before
        [level(1.0, (99, 200)), level(4.0, (101, 300), (102, 300))],  # a counter that grew by a digit
        [level(1.0, (400, 30)), level(4.0, (94, 300))],  # too few below to tell
        [level(1.0, (400, 200)), level(4.0, (94, 300), verdict="fail")],  # which bears nothing anyhow
        [level(1.0, (400, 200)), level(4.0, (94, 300), series="http:b")],  # another part of the trace
        [level(1.0, (400, 200))],
        [],
    ],
)
def test_what_may_be_chance_or_another_question_tells_nothing(levels: list[Level]):
    assert why_unlike(levels) is None


def test_sizes_that_vary_by_themselves_are_hardly_ever_taken_for_another_answer():
    """Answers of a few sizes drawn alike at all loads, 400 searches: a false alarm is one in a thousand at most."""
    drawn, alarms = np.random.default_rng(5), 0
    for _ in range(400):
        sizes = drawn.integers(50, 5000, size=drawn.integers(2, 7))
        shares = drawn.dirichlet(np.ones(len(sizes)))
        levels = [
            level(scale, *zip(sizes.tolist(), drawn.multinomial(n, shares).tolist(), strict=True))
            for scale, n in ((1.0, 100), (2.0, 200), (4.0, 400), (8.0, 800))
        ]
        alarms += why_unlike(levels) is not None

    assert alarms == 0


@pytest.mark.parametrize("sizes", [9, 12, 20, 24, 40])
def test_answers_of_many_sizes_are_not_taken_for_others_where_only_some_are_listed(sizes: int):
    drawn, alarms = np.random.default_rng(sizes), 0
    for _ in range(50):
        levels = []
        for scale, n in ((1.0, 300), (2.0, 600), (4.0, 1200)):
            found = (100 * 1.2 ** drawn.integers(0, sizes, n)).astype(int)
            rows = [step("a", 5.0, response_bytes=size) for size in found.tolist()]
            columns = columns_of([rows])
            (listed,) = usual_sizes(columns, np.ones(columns.n, np.bool_)).values()
            levels.append(level(scale, *listed))
        alarms += why_unlike(levels) is not None

    assert alarms <= 1  # of 12 sizes at two loads one is by chance in 400 searches


def test_a_page_among_answers_of_many_sizes_is_told():
    many = [(100 * n, 10) for n in range(2, 22)]

    found = why_unlike([level(1.0, *many), level(4.0, (94, 300), *many[:19])])

    assert found is not None
    assert "and at most 10 of 200 at 1x" in found


def test_the_usual_sizes_are_of_the_answered_steps_by_kind_and_name():
    rows = [step("a", 5.0, at_ms=10.0 * n, response_bytes=80 if n % 4 else 94) for n in range(40)]
    columns = columns_of([rows])

    (sizes,) = usual_sizes(columns, np.ones(columns.n, np.bool_)).values()

    assert sizes == [(80, 30), (94, 10)]
