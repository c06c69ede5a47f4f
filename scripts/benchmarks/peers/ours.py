"""The engine of this project, by its command line, everything recorded."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import Ran, run
from benchmarks.peers.types import Load, Peer
from benchmarks.work import Work, even_starts_ms, steps_of, write_trace

PROGRAM = str(Path(sys.executable).with_name("replay"))
NAME = "replay"
# What a run of this project sends in about so many seconds, Work tells.
_WORK_S = 4.0


def replay(trace: Path, url: str, out: Path, *options: str) -> tuple[Ran, dict[str, Any]]:
    """Run a trace; the command and the summary. out must not be there."""
    ran = run([PROGRAM, "run", str(trace), "-t", url, "--out", str(out), "--json", *options])
    return ran, json.loads(ran.text)


def times_ns(out: Path, name: str) -> list[int]:
    """This instant of every step of a run, on CLOCK_MONOTONIC, in the order of the record."""
    start_ns = json.loads((out / "run.json").read_text())["clock"]["start_ns"]
    return [
        start_ns + int(found) for found in re.findall(rf'"{name}":(-?\d+)', (out / "steps.jsonl").read_text())
    ]


def load(work: Work, url: str, seconds: float, folder: Path) -> Load:
    sessions = max(1, round(work.requests * seconds / _WORK_S / work.per_session))
    trace, out = folder / f"{work.name} {sessions}.jsonl", folder / "run"
    if not trace.exists():
        starts_ms = even_starts_ms(sessions, work.offered_rps / work.per_session)
        write_trace(trace, steps_of(work), starts_ms)
    ran, summary = replay(trace, url, out)
    counts = summary["counts"]
    assert counts["ok"] == sessions * work.per_session, counts
    after_s = (ran.ended_ns - max(times_ns(out, "end_ns"))) / 1e9
    shutil.rmtree(out)
    return Load(counts["ok"], summary["rate"]["achieved_rps"], ran, after_s)


OURS = Peer(NAME, "", lambda: True, True, load)
