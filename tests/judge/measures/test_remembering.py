"""Runs that send the same requests again: to a target that keeps answers, to one that does not, to one that wears out."""

import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.remembering import remembering
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from tests.support.runs import Evidence, step, summary


def repeated(rng, copies=3, sessions=30, steps=4, again=1.0, mark="@"):
    """Sessions one after the other, over and over; what came before takes so many times as long."""
    records, at_ms = [], 0.0
    for copy in range(copies):
        for session in range(sessions):
            name = f"s-{session}" + (f"{mark}{copy + 1}" if copy else "")
            for place in range(steps):
                took_ms = 100.0 * np.exp(rng.normal(0, 0.3)) * (again if copy else 1.0)
                records.append(step(name, took_ms, place, at_ms=at_ms))
                at_ms += took_ms + 10
    return Evidence(summary(), columns_of([records]), "run")


@pytest.mark.parametrize("mark", ["@", "~", "~~", "@@"])
def test_a_target_that_keeps_answers_is_told_with_both_times(rng, mark):
    found = remembering(repeated(rng, again=0.2, mark=mark).columns)

    assert (found.requests, found.sessions) == (120, 30)
    assert found.first_ms == pytest.approx(100, rel=0.15)
    assert found.again_ms == pytest.approx(20, rel=0.15)


@pytest.mark.parametrize("again", [1.0, 0.95, 2.0])
def test_a_target_that_does_not_is_not(rng, again):
    assert remembering(repeated(rng, again=again).columns) is None


def test_by_chance_it_is_told_no_more_often_than_the_test_allows():
    found = [
        remembering(repeated(np.random.default_rng(seed), sessions=8, steps=1).columns) for seed in range(200)
    ]

    assert sum(one is not None for one in found) <= 6  # 2 expected at most


def test_where_nothing_comes_twice_nothing_is_said(rng):
    assert remembering(repeated(rng, copies=1, again=0.2).columns) is None


def test_recorded_names_that_end_in_digits_are_no_copies(rng):
    records = [step(f"user-{n % 7}{n}", 10.0, n) for n in range(100)]

    assert remembering(columns_of([records])) is None


def test_a_gate_says_so_beside_its_pass(rng):
    run = repeated(rng, copies=20, again=0.2)

    verdict = judge_gate([parse_slo("p90 < 90ms")], run)

    (note,) = verdict.notes
    assert note.startswith("the same requests took ")
    assert note.endswith(
        "later in the run (120 of 30 sessions): a target that keeps answers, or has warmed up, is slower for new ones"
    )
