"""Answers of one size where the recorded ones were of many, and far smaller ones; and no honest ones."""

import numpy as np
import pytest

from replay.results.fidelity import LEAST_FIDELITY
from replay.results.sizes import SizesFold
from replay.results.tables.table import table_of
from replay.results.types import StepRecord


def ratio_of(sizes, recorded, names=("x",)):
    """Of answers of these sizes to steps of these names in turn."""
    fold = SizesFold()
    records = [
        StepRecord(
            session=f"s-{n}",
            step="a",
            kind="http",
            name=names[n % len(names)],
            target="t",
            outcome="ok",
            response_bytes=int(size),
            recorded_bytes=None if was is None else int(was),
        )
        for n, (size, was) in enumerate(zip(sizes, recorded, strict=True))
    ]
    for start in range(0, len(records), 100):
        table = table_of(records[start : start + 100])
        fold.add(table, np.ones(table.n, np.bool_))
    return fold.ratio()


def many_sizes(seed, n=400, spread=0.6, middle=900):
    return np.rint(middle * np.exp(spread * np.random.default_rng(seed).standard_normal(n))) + 1


@pytest.mark.parametrize(("least", "most"), [(1_003, 1_003), (1_000, 1_060), (12, 12)])
def test_one_answer_to_all_that_is_asked_is_none_of_those_that_were_recorded(least, most):
    sizes = np.random.default_rng(1).integers(least, most + 1, 400)

    assert ratio_of(sizes, many_sizes(2)) < 0.2


@pytest.mark.parametrize("n", [400, 2_000])
def test_half_of_the_answers_being_one_are_unlike(n):
    sizes = np.where(np.arange(n) % 2, 64, many_sizes(3, n))

    assert ratio_of(sizes, many_sizes(3, n)) < 0.9


def test_answers_of_a_twentieth_are_told_one_by_one_whatever_their_sizes_are():
    recorded = many_sizes(4, middle=20_000)
    sizes = np.where(np.arange(400) < 100, np.maximum(1, recorded // 30), recorded)

    assert ratio_of(sizes, recorded) == 0.75


def test_nearly_all_answers_of_a_twelfth_are_told_though_recorded_ones_were_of_one_size():
    """Streams that ended after their first token, and said so well."""
    rng = np.random.default_rng(6)

    assert ratio_of(rng.integers(340, 350, 400), rng.integers(6_000, 7_000, 400)) == 0
    assert ratio_of(rng.integers(900, 950, 400), rng.integers(6_000, 7_000, 400)) == 1


def test_a_few_names_whose_answers_are_one_are_found_among_others():
    names = [f"n{n}" for n in range(10)]
    recorded = many_sizes(5, 1_000)
    sizes = np.where(np.arange(1_000) % 10 < 2, 70, recorded)

    assert ratio_of(sizes, recorded, names) == pytest.approx(0.84, abs=0.03)


def test_what_was_of_one_size_when_it_was_recorded_may_be_so_again():
    """Health checks, acknowledgements: of one size there, and of another here."""
    assert ratio_of([17] * 300, [11] * 300) == 1


@pytest.mark.parametrize("n", [20, 60, 400])
def test_what_was_of_nearly_one_size_when_it_was_recorded_may_be_of_one(n):
    """Streams of forty tokens each, in which only the words differ."""
    rng = np.random.default_rng(7)

    assert ratio_of(rng.integers(6_150, 6_250, n), rng.integers(6_000, 7_000, n)) == 1


def test_what_is_not_known_of_the_recording_is_held_to_nothing():
    assert ratio_of([17] * 300, [None] * 300) is None
    assert ratio_of([17] * 300, [0] * 300) is None


@pytest.mark.parametrize("spread", [0.15, 0.3, 0.6, 1.2])
@pytest.mark.parametrize(
    "answered",
    [
        lambda was, rng: was,
        lambda was, rng: was[rng.permutation(len(was))],
        # Other data than the recorded ones.
        lambda was, rng: np.rint(900 * np.exp(0.25 * rng.standard_normal(len(was)))),
        # Compressed, which makes the large ones smaller by more than the small ones.
        lambda was, rng: np.rint(80 + was**0.75),
        lambda was, rng: np.rint(was * rng.uniform(0.15, 0.3, len(was))),
        lambda was, rng: np.rint(200 + 0.12 * was),
        # A model that says something else.
        lambda was, rng: np.rint(was * np.exp(0.4 * rng.standard_normal(len(was)))),
    ],
)
def test_honest_answers_are_never_called_unlike(spread, answered):
    for seed in range(60):
        for n in (20, 60, 400):
            was = many_sizes(100 + seed, n, spread, 2_000)
            found = ratio_of(np.maximum(1, answered(was, np.random.default_rng(seed))), was)
            assert found >= LEAST_FIDELITY, (seed, n, found)
