"""Debounce and batch start one session for several triggers, never before the last of them."""

from hypothesis import given
from hypothesis import strategies as st

from replay.trace.transforms.triggers import Merge
from replay.trace.transforms.types import Tally
from replay.trace.types import Session, Step


def triggered(*starts_ms: float, agents: str = "a") -> list[Session]:
    return [
        Session(f"s-{n}", start_ms, [Step("x", "tool", "t")], {"agent": agents[n % len(agents)]})
        for n, start_ms in enumerate(starts_ms)
    ]


def merged(merge: Merge, *given: Session) -> tuple[list[tuple[str, float]], Tally]:
    tally = Tally()
    return [(left.id, left.start_ms) for left in merge.apply(iter(given), tally)], tally


def test_debounce_keeps_the_last_trigger_once_it_has_been_quiet():
    kept, tally = merged(Merge(10.0), *triggered(0.0, 6.0, 12.0, 40.0))
    assert kept == [("s-2", 22.0), ("s-3", 50.0)]
    assert tally["sessions merged into a later one"] == 2
    assert tally["ms of added delay at p50"] == 13  # of 10, 10, 16 and 22


def test_a_batch_fires_when_it_is_full_or_its_time_is_over():
    kept, _ = merged(Merge(10.0, 2), *triggered(0.0, 6.0, 20.0, 40.0))
    assert kept == [("s-1", 6.0), ("s-2", 30.0), ("s-3", 50.0)]


def test_agents_are_merged_apart():
    kept, _ = merged(Merge(10.0), *triggered(0.0, 1.0, 2.0, 3.0, agents="ab"))
    assert kept == [("s-2", 12.0), ("s-3", 13.0)]


@given(st.lists(st.integers(0, 300).map(float)).map(sorted), st.sampled_from([None, 1, 3]))
def test_sessions_stay_in_order_once_each_and_never_start_early(starts_ms, count):
    kept, tally = merged(Merge(10.0, count), *triggered(*starts_ms, agents="abc"))
    assert [start for _, start in kept] == sorted(start for _, start in kept)
    assert (
        len({name for name, _ in kept})
        == len(kept)
        == len(starts_ms) - tally["sessions merged into a later one"]
    )
    assert all(start >= starts_ms[int(name[2:])] for name, start in kept)
