"""The process that ends a gate's run early, without the process."""

from hypothesis import given
from hypothesis import strategies as st

from replay.engine.types import RunOptions
from replay.judge.measures.slo import parse_slo
from replay.results.types import StepRecord
from replay.trials.gate.early import Planned, SessionWatcher, Watch, watch
from tests.support.opened import count_openings


def test_it_reads_the_trace_once(write_trace, tmp_path, monkeypatch):
    trace = write_trace(*((float(n), [write_trace.get("a")]) for n in range(9)))
    opened = count_openings(monkeypatch)

    watcher = watch(Watch(str(trace), str(tmp_path), RunOptions(sessions=4), ["p99 < 1s"], 0.95))
    watcher.add([StepRecord(f"s-{n}", "a", "tool", "a", "t", "ok", 0, 1, end_ns=2) for n in range(9)])

    assert watcher.sessions == 4
    assert opened == {trace.name: 1}


class Heard:
    """In a check's stead: which sessions it was told of, in turn."""

    slo, decision = parse_slo("p99 < 1s"), "inconclusive"

    def __init__(self):
        self.sessions = []

    def add(self, columns, seen_ns):
        self.sessions += columns.sessions


@given(st.integers(1, 40), st.integers(1, 5), st.lists(st.integers(0, 4), max_size=60))
def test_sessions_count_in_order_of_start_however_the_records_of_several_workers_come(sessions, of, turns):
    """So the bets are those of one process, and what is decided errs as often."""
    plan = [f"s-{n}" for n in range(sessions)]
    left = [
        [
            StepRecord(name, step, "tool", "a", "t", "ok", 0, 1, end_ns=2)
            for name in plan[place::of]
            for step in "ab"
        ]
        for place in range(of)
    ]
    heard = Heard()
    watcher = SessionWatcher((Planned(name, 2, 0) for name in plan), sessions, [heard])

    for turn in turns:
        mine = left[turn % of]
        part = (len(mine) + 1) // 2
        watcher.add(mine[:part])
        del mine[:part]
        assert heard.sessions == plan[: len(heard.sessions)]
    for mine in left:
        watcher.add(mine)

    assert heard.sessions == plan
    assert watcher.sessions == sessions
