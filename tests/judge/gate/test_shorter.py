"""Answers far shorter than the recorded ones are told of, and honest ones of a staging server are not."""

import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import step, summary

N = 200


def run_of(here, recorded, name="search", kind="tool", **fields):
    records = [
        step(
            f"s-{n}", 20.0, n, kind=kind, name=name, response_bytes=int(size), recorded_bytes=int(was), **fields
        )
        for n, (size, was) in enumerate(zip(here, recorded, strict=True))
    ]
    return Evidence(summary(), columns_of([records]), "r")


def notes(run):
    return judge_gate([parse_slo("p50 < 1s"), parse_slo("errors < 5%")], run).notes


def many_sizes(seed, middle=9_000, spread=0.6):
    return np.rint(middle * np.exp(spread * np.random.default_rng(seed).standard_normal(N))) + 200


def test_one_error_under_status_200_to_all_of_one_name_is_told():
    (note,) = notes(run_of(np.full(N, 31), np.linspace(2_000, 40_000, N)))

    assert note == (
        "answers of one size, far below every recorded one: tool:search (200 answers of 31 bytes, recorded with 2 kB to "
        "40 kB): as an error under status 200 would be, or an empty list of a test account. [[expect]] with json in a "
        "target file says what a right one has"
    )


def test_an_error_with_a_time_in_it_where_one_answer_was_recorded_is_told():
    assert "far below every recorded one" in notes(run_of(40 + np.arange(N) % 2, np.full(N, 2_000)))[0]


@pytest.mark.parametrize(
    ("here", "recorded"),
    [
        (many_sizes(1), many_sizes(2)),  # other data
        (many_sizes(1) / 8, many_sizes(1)),  # compressed
        (many_sizes(1, middle=300), many_sizes(2)),  # shorter lists
        (np.full(N, 6_000), many_sizes(2)),  # a fixture
        (np.full(N, 700), np.full(N, 4_000)),  # one answer, compressed
        (np.full(N, 2), np.full(N, 11)),  # {} where {"ok":true} was
        (np.where(np.arange(N) % 3, 31, 9_000), many_sizes(2)),  # an error now and then
    ],
)
def test_honest_answers_are_not(here, recorded):
    assert notes(run_of(here, recorded)) == []
