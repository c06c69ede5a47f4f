"""Steps that found the target idle: the same as looking at one step after the other."""

from hypothesis import given
from hypothesis import strategies as st

from replay.judge.cold.waves import find_waves
from replay.results.columns import ABSENT_NS, columns_of
from replay.results.types import StepRecord

TIMES = st.tuples(st.integers(0, 60), st.integers(0, 20), st.integers(0, 9), st.booleans())


def plainly(steps):
    """(idle, is the first, the first's row) of each step. steps: (sent, answered, end) in ns."""
    found = [(ABSENT_NS, False, -1)] * len(steps)
    busy_until = None
    wave_idle, wave_answered, wave_row = ABSENT_NS, -1, -1
    for row in sorted(range(len(steps)), key=lambda row: steps[row][0]):
        at, answered, end = steps[row]
        if busy_until is not None and at >= busy_until:
            wave_idle, wave_answered, wave_row = at - busy_until, answered, row
            found[row] = wave_idle, True, row
        elif wave_idle != ABSENT_NS and at < wave_answered:
            found[row] = wave_idle, False, wave_row
            wave_answered = min(wave_answered, answered)
        busy_until = end if busy_until is None else max(busy_until, end)
    return found


@given(st.lists(TIMES, max_size=12))
def test_waves_are_those_of_a_look_at_each_step_in_turn(times):
    records = [
        StepRecord(
            "s", str(n), "tool", "x", "t", "ok", intended_ns=at, sent_ns=at,
            first_byte_ns=at + byte if has_byte else None, end_ns=at + byte + rest,
        )
        for n, (at, byte, rest, has_byte) in enumerate(times)
    ]  # fmt: skip
    columns = columns_of([records])

    found = find_waves(columns, columns.ok)

    steps = [
        (at, at + byte if has_byte else at + byte + rest, at + byte + rest)
        for at, byte, rest, has_byte in times
    ]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == plainly(steps)
