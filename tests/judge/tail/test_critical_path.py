"""Sessions whose critical path is known by how they were made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.tail.critical_path import critical_paths
from replay.judge.tail.session_path import session_path
from replay.results.columns import columns_of
from tests.support.runs import MS, Evidence, step, summary


def run_of(*sessions):
    """Sessions of (name, due in ms, took in ms), with the fields of a record if there are more."""
    records = []
    for number, steps in enumerate(sessions):
        for n, (name, at_ms, took_ms, *fields) in enumerate(steps):
            records.append(
                step(f"s-{number}", took_ms, n, name=name, at_ms=at_ms, **(fields[0] if fields else {}))
            )
    return Evidence(summary(), columns_of([records]), "run")


def path(run):
    return [part.name for part in session_path(run.columns, list(range(run.columns.n))) if part.on_path]


# plan, then two tools at once, then the answer, which waits for the slower
JOIN = (("plan", 0, 100), ("search", 110, 50), ("crm", 110, 200), ("answer", 320, 80))


def test_the_path_goes_through_the_slower_branch_of_a_join():
    assert path(run_of(JOIN)) == ["plan", "crm", "answer"]


def test_gaps_and_steps_of_the_path_add_up_to_the_makespan():
    parts = [part for part in session_path(run_of(JOIN).columns, [3, 1, 0, 2]) if part.on_path]

    assert [part.gap_ns / MS for part in parts] == [0, 10, 10]
    assert sum(part.gap_ns + part.until_ns - part.from_ns for part in parts) == 400 * MS


def test_a_step_that_follows_a_streams_first_byte_is_not_behind_its_end():
    stream = {"first_byte_ns": 40 * MS, "first_token_ns": 40 * MS, "tokens": 9}
    run = run_of((("plan", 0, 300, stream), ("search", 50, 400)))

    parts = session_path(run.columns, [0, 1])

    assert path(run) == ["plan", "search"]
    assert parts[0].until_ns == 40 * MS
    assert parts[1].gap_ns == 10 * MS


def test_a_step_that_nobody_waits_for_is_off_the_path():
    assert path(run_of((("plan", 0, 100), ("log", 105, 20), ("answer", 105, 300)))) == ["plan", "answer"]


def test_shares_of_makespans_are_of_the_path_only():
    found = critical_paths(run_of(JOIN, JOIN))

    shares = {series.name: series.share for series in found.series}
    assert shares == {"crm": 0.5, "plan": 0.25, "answer": 0.2}
    assert found.gap_share == pytest.approx(0.05)
    assert (found.sessions, found.p50_ms) == (2, 400.0)


def test_a_faster_step_wins_no_more_than_the_other_branch_of_the_join_lets_it():
    almost = (("plan", 0, 100), ("search", 110, 190), ("crm", 110, 200), ("answer", 320, 80))

    wins = {series.name: series.wins for series in critical_paths(run_of(almost)).series}

    # crm at half its time would end after 100 ms, but search still takes 190
    assert [win.p50_ms for win in wins["crm"]] == [10.0, 10.0]
    assert [win.p50_ms for win in wins["plan"]] == [10.0, 50.0]


def test_a_chain_wins_all_that_its_steps_are_shortened_by():
    chain = (("a", 0, 100), ("b", 100, 100), ("a", 200, 100))

    wins = {series.name: series.wins for series in critical_paths(run_of(chain)).series}

    assert [(win.faster, win.p50_ms, win.p99_ms) for win in wins["a"]] == [
        (0.1, 20.0, 20.0),
        (0.5, 100.0, 100.0),
    ]


def test_a_run_without_steps_has_no_paths():
    found = critical_paths(Evidence(summary(), columns_of([]), "run"))

    assert (found.sessions, found.p50_ms, found.series) == (0, None, [])


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 500), st.integers(0, 300)), min_size=1, max_size=25
    )
)
def test_whatever_the_times_the_path_covers_the_makespan_and_no_win_exceeds_its_steps(steps):
    run = run_of(steps)

    parts = [part for part in session_path(run.columns, list(range(len(steps)))) if part.on_path]
    found = critical_paths(run)

    makespan_ns = int(run.columns.makespan_ns[0])
    assert sum(part.gap_ns + part.until_ns - part.from_ns for part in parts) == pytest.approx(
        makespan_ns, abs=1e6
    )
    assert found.gap_share + sum(series.share for series in found.series) == pytest.approx(1.0, abs=0.01) or (
        makespan_ns == 0
    )
    for series in found.series:
        for win in series.wins:
            assert (
                0
                <= win.p50_ms
                <= win.faster * np.sum([took for name, _, took in steps if name == series.name]) + 0.01
            )


def test_of_a_long_run_an_even_part_of_the_sessions_is_looked_at_and_that_is_said(monkeypatch):
    records = [step(f"s-{n}", 10.0 + n % 2, n, at_ms=n * 20.0) for n in range(40)]
    run = Evidence(summary(), columns_of([records]), "run")
    monkeypatch.setattr("replay.judge.tail.critical_path._MOST_LOOKED_AT", 10)

    found = critical_paths(run)

    assert found.sessions == 10
    assert "makespans and paths are those of one of 4 sessions, evenly drawn" in found.notes
