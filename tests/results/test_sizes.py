"""One answer to all that was asked, where the recorded ones were of many sizes; and no honest ones."""

import numpy as np
import pytest

from replay.results.fidelity import LEAST_FIDELITY
from replay.results.sizes import SizesFold
from replay.results.tables.table import table_of
from replay.results.types import StepRecord


def ratio_of(sizes, recorded, names=("x", "y", "z")):
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


@pytest.mark.parametrize(("least", "most"), [(1_003, 1_003), (1_000, 1_030), (12, 12)])
def test_one_answer_to_all_that_is_asked_is_none_of_those_that_were_recorded(least, most):
    sizes = np.random.default_rng(1).integers(least, most + 1, 400)

    assert ratio_of(sizes, many_sizes(2)) < 0.2


def test_names_whose_answers_are_one_are_found_among_others():
    names = [f"n{n}" for n in range(10)]
    recorded = many_sizes(5, 1_000)

    def ratio(share, size):
        return ratio_of(np.where(np.arange(1_000) % 10 < share, size, recorded), recorded, names)

    assert ratio(6, 70) == pytest.approx(0.4)
    assert ratio(2, 900) == pytest.approx(0.8)
    # As two empty lists are, of ten.
    assert ratio(2, 2) == 1
    assert ratio(1, 900) == 1


def test_names_with_sizes_of_their_own_that_were_always_one_are_answered_with_another():
    """Answers of each name of one size, in the recording, and one page here."""
    recorded = np.tile([400, 5_000, 90_000], 100)

    assert ratio_of([2_300] * 300, recorded) == 0
    assert ratio_of(recorded, recorded) == 1


def test_what_was_of_one_size_when_it_was_recorded_may_be_so_again():
    """Health checks, acknowledgements: of one size there, and of another here."""
    assert ratio_of([17] * 300, [11] * 300) == 1
    assert ratio_of([4] * 300, [1] * 300) == 1


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
        # One account, or data that does not change: each name has an answer of its own.
        lambda was, rng: np.tile([300.0, 5_000.0, 90_000.0], len(was))[: len(was)],
        # Rows of fixtures, and lists that hold less, compressed.
        lambda was, rng: np.tile([310.0, 900.0, 2_000.0], len(was))[: len(was)] + rng.integers(0, 20, len(was)),
        lambda was, rng: np.rint(30 + was / 40 * rng.uniform(0.5, 3, len(was))),
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
