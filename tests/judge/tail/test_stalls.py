"""Stalls, for all gaps of a run at once: the same as gap by gap over all steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.judge.tail import stalls
from replay.judge.tail.causes import medians_of
from replay.judge.tail.stalls import Stall, find_stalls, held_up
from replay.results.columns import ABSENT_NS, columns_of
from replay.results.types import StepRecord

MS = 1_000_000
# Mostly quick steps, all of which wait where one of them ends in a pause.
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2000), st.integers(0, 3), st.integers(1, 12), st.sampled_from("abc"), st.booleans()
    ),
    min_size=25,
    max_size=120,
)
PAUSES = st.lists(st.tuples(st.integers(0, 2000), st.integers(60, 300)), max_size=4)


def columns_with(steps, pauses):
    records = []
    for n, (due, lag, took, name, is_sent) in enumerate(steps):
        end = due + lag + took
        for start, length in sorted(pauses):
            end = start + length if start <= end < start + length else end
        sent_ns = (due + lag) * MS if is_sent or n < 20 else None
        records.append(
            StepRecord(
                f"s{n}", "1", "tool", name, "t", "ok" if sent_ns is not None else "failed",
                intended_ns=due * MS, sent_ns=sent_ns, end_ns=end * MS,
            )
        )  # fmt: skip
    return columns_of([records])


def plain_stalls(columns, sent, warm, service_ms, usual):
    ended = sent & columns.answered & ~columns.censored
    ends = np.sort(columns.end_ns[ended])
    least_ns = max(20e6, 3e6 * np.median(service_ms[ended]))
    found = []
    for from_ns, to_ns in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        at_work = np.count_nonzero(sent & (columns.sent_ns < to_ns)) - np.count_nonzero(
            sent & (columns.end_ns < to_ns)
        )
        if to_ns - from_ns <= least_ns or at_work < 3:
            continue
        held = np.flatnonzero(warm & (columns.sent_ns < to_ns) & (columns.end_ns >= to_ns))
        elapsed = (to_ns - columns.sent_ns[held]) / 1e6
        overdue = elapsed > 2 * usual[held]
        if np.count_nonzero(overdue) < max(3, 0.8 * np.count_nonzero(elapsed > usual[held])):
            continue
        if to_ns - from_ns < 3e6 * usual[held[overdue]].max():
            continue
        log_chance = np.log(len(ends) - 1)
        for row, ms in zip(held, elapsed, strict=True):
            alike = service_ms[sent & (columns.series == columns.series[row])]
            before = max(0, from_ns - columns.sent_ns[row]) / 1e6
            log_chance += np.log(np.count_nonzero(alike >= ms) / np.count_nonzero(alike >= before))
        if log_chance < np.log(0.01):
            due = (columns.intended_ns > from_ns) & (columns.intended_ns < to_ns)
            late = due & sent & (columns.sent_ns >= to_ns)
            is_ours = np.count_nonzero(late) >= max(1, 0.8 * np.count_nonzero(due))
            found.append(Stall(from_ns, to_ns, bool(is_ours)))
    return found


@pytest.mark.parametrize("most_pairs", [3, stalls._MOST_PAIRS])
@settings(max_examples=60)
@given(steps=STEPS, pauses=PAUSES)
def test_stalls_are_those_of_a_look_at_every_gap_by_itself(most_pairs, steps, pauses):
    columns = columns_with(steps, pauses)
    sent = columns.sent_ns != ABSENT_NS
    service_ms = np.where(sent, (columns.end_ns - columns.sent_ns) / 1e6, 0.0)
    usual = medians_of(service_ms, columns, sent)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stalls, "_MOST_PAIRS", most_pairs)
        found = find_stalls(columns, sent, sent, service_ms, usual)

    assert found == plain_stalls(columns, sent, sent, service_ms, usual)


@given(STEPS, st.lists(st.integers(0, 2500), min_size=2, max_size=12, unique=True), st.booleans())
def test_a_stall_takes_of_each_step_what_lies_within_it(steps, edges, is_ours):
    columns = columns_with(steps, [])
    sent = columns.sent_ns != ABSENT_NS
    edges = sorted(edges)
    found = [Stall(a * MS, b * MS, is_ours) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    taken_ms = np.zeros(columns.n)

    for name, rows, ms in held_up(columns, sent, found):
        assert name == ("dispatch_lag" if is_ours else "pause")
        assert len(set(rows.tolist())) == len(rows)
        taken_ms[rows] += ms

    for row in range(columns.n):
        within = [min(columns.end_ns[row], one.to_ns) - max(columns.sent_ns[row], one.from_ns) for one in found]
        expected = sum(max(0, ns) for ns in within) / 1e6 if sent[row] else 0.0
        assert taken_ms[row] == pytest.approx(expected)
