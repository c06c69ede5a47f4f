"""The process that ends a gate's run early, without the process."""

from replay.engine.types import RunOptions
from replay.results.types import StepRecord
from replay.trials.early import Watch, watch
from tests.support.opened import count_openings


def test_it_reads_the_trace_once(write_trace, tmp_path, monkeypatch):
    trace = write_trace(*((float(n), [write_trace.get("a")]) for n in range(9)))
    opened = count_openings(monkeypatch)

    watcher = watch(Watch(str(trace), str(tmp_path), RunOptions(sessions=4), ["p99 < 1s"], 0.95))
    watcher.add([StepRecord(f"s-{n}", "a", "tool", "a", "t", "ok", 0, 1, end_ns=2) for n in range(9)])

    assert watcher.sessions == 4
    assert opened == {trace.name: 1}
