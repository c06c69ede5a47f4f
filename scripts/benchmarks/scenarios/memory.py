"""The memory of a session that sleeps through a gap: the peak of a run of many less that of a run of few."""

import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import run
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import nginx
from benchmarks.table import Row, verdict
from benchmarks.work import SEARCH, even_starts_ms, write_trace

SESSIONS, FEW = 100_000, 1_000
MOST_BYTES = 2048
_ARRIVE_S = 10.0
_SLEEP_MS = 15_000.0

RUN = """
import re, sys
from pathlib import Path
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.file import load_target
done = replay_trace(Path(sys.argv[1]), load_target(sys.argv[2]), RunOptions(), Path(sys.argv[3]))
assert done.summary.counts.ok == done.summary.counts.steps, done.summary.counts
# Not ru_maxrss, which a process inherits from the one that started it.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
"""


def two_steps(sleep_ms: float) -> list[dict[str, Any]]:
    """A session that sleeps between its two steps."""
    request = {"method": "GET", "path": SEARCH}
    first = {"id": "a", "kind": "tool", "name": "search", "took_ms": 1.0, "request": request}
    after = [{"step": "a", "delay_ms": sleep_ms}]
    return [first, {**first, "id": "b", "name": "fetch", "at_ms": sleep_ms + 1.0, "after": after}]


def measure(setting: Setting) -> Measured:
    sessions = max(2 * FEW, round(SESSIONS * setting.share))
    arrive_s, sleep_ms = _ARRIVE_S * setting.share, _SLEEP_MS * setting.share
    with nginx() as server:
        few, many = (
            _peak_bytes(count, arrive_s, sleep_ms, server.url, setting.folder) for count in (FEW, sessions)
        )
    each_bytes = (many - few) / (sessions - FEW)
    row = Row(
        f"idle session in memory, {sessions:,} of them",
        f"{each_bytes:,.0f} bytes",
        goal=f"at most {MOST_BYTES:,}",
        verdict=verdict(each_bytes <= MOST_BYTES),
    )
    return Measured([row], {"bytes_per_session": each_bytes, "peak_bytes": many})


def _peak_bytes(count: int, arrive_s: float, sleep_ms: float, url: str, folder: Path) -> int:
    trace, out = folder / f"idle-{count}.jsonl", folder / f"idle-run-{count}"
    write_trace(trace, two_steps(sleep_ms), even_starts_ms(count, count / arrive_s))
    return int(run([sys.executable, "-c", RUN, str(trace), url, str(out)]).text.split()[-1])
