"""Run directories as workers leave them, of records that a test makes up."""

import random

import msgspec

from replay.results.folding import IntervalFold
from replay.results.hlog import HlogWriter
from replay.results.rundir import RunDir


def leave(path, records, told):
    """A run directory, as one process leaves it. told: its manifest."""
    path.mkdir(parents=True)
    RunDir(path).write_manifest(told)
    (path / "steps.jsonl").write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records))
    with (path / "latency.hlog").open("wb") as out:
        log = HlogWriter(out.write)
        log.begin(1_700_000_000.0)
        fold = IntervalFold(log)
        last_s = int(max((each.end_ns or 0) for each in records) / 1e9) if records else -1
        for second in range(last_s + 1):
            inside = [each for each in records if each.end_ns is not None and each.end_ns // 10**9 == second]
            for each in inside:
                to = fold.series(each.kind, each.name)
                (to.response if each.outcome == "ok" else to.failed)(each.end_ns - each.intended_ns)
                fold.makespan(each.end_ns - each.intended_ns)
            # Seconds are never closed on the dot, and by no two workers at the same instant.
            late_s = random.Random(len(records)).random() * 0.01
            list(fold.close_interval(second + late_s, 1.0))
