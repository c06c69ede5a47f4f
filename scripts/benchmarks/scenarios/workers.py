"""What a second worker brings: the rate of two over that of one, where a server on the same machine leaves room.

One worker fills a core, and the server takes so much of another for each request; on a machine of two cores the three
have no more than those. What the cores allow at best is told beside what was measured: much less than two where
requests are as small as can be, so that the server takes a third of what a worker does, and nearly two where they are
model calls.
"""

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from benchmarks.machine import CORES, run
from benchmarks.peers.ours import PROGRAM
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import Light, light
from benchmarks.table import Row, spread, verdict
from benchmarks.work import CHAT, SEARCH, WORKS, Work, even_starts_ms, steps_of, write_trace

LEAST_RATIO = 1.5
_COUNTS = (1, 2)
_WORK_S = 4.0
# What leaves workers the least room beside a server, and what leaves them the most.
_WORKS = tuple(work for work in WORKS if work.per_session == 1 and work.path in (SEARCH, CHAT))


def measure(setting: Setting) -> Measured:
    """Rows for one worker and for two, and their ratio, median of the rounds' ratios, for each kind of work."""
    rows: list[Row] = []
    figures: dict[str, object] = {}
    with light() as server:
        for work in _WORKS:
            measured = _of(work, setting, server)
            rows += measured.rows
            figures[work.name] = measured.figures
    return Measured(rows, figures)


def _of(work: Work, setting: Setting, server: Light) -> Measured:
    # As much for each of two as one bears.
    sessions = max(2, round(2 * work.requests * setting.seconds / _WORK_S / work.per_session))
    trace = setting.folder / f"workers {work.name} {sessions}.jsonl"
    write_trace(trace, steps_of(work), even_starts_ms(sessions, 2 * work.offered_rps / work.per_session))
    rates: dict[int, list[float]] = {count: [] for count in _COUNTS}
    took_s: list[float] = []
    for _ in range(setting.rounds):
        for count in _COUNTS:
            answered, cpu_s = server.answered(), server.cpu_s()
            summary = _replayed(trace, server.url, setting.folder / "run", count)
            assert summary["counts"]["ok"] == sessions * work.per_session, summary["counts"]
            assert server.answered() - answered == summary["counts"]["sent"]
            rates[count].append(summary["rate"]["achieved_rps"])
            took_s.append((server.cpu_s() - cpu_s) / summary["counts"]["sent"])
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    ratio = statistics.median(ratios)
    rows = [
        Row(f"{work.name}, --workers {count}", spread(rates[count], lambda rps: f"{rps:,.0f}/s"))
        for count in _COUNTS
    ]
    # One worker has a core to itself, and two have as much between them as the server leaves of all cores.
    beside_one = statistics.median(rates[1]) * statistics.median(took_s)
    most = min(2.0, len(CORES) / (1 + beside_one))
    rows.append(
        Row(
            f"  two workers over one, {len(CORES)} cores with the server",
            spread(ratios, lambda value: f"{value:.2f}"),
            goal=f"at least {LEAST_RATIO:g}; the cores allow {most:.2f}",
            # More than there are cores for is no goal that workers could miss.
            verdict=verdict(ratio >= LEAST_RATIO) if most > LEAST_RATIO else "no room",
        )
    )
    return Measured(rows, {"rates": rates, "ratio": ratio, "most": most, "server_s": took_s})


def _replayed(trace: Path, url: str, out: Path, count: int) -> dict[str, Any]:
    command = [PROGRAM, "run", str(trace), "-t", url, "--out", str(out), "--json", "--workers", str(count)]
    ran = run(command, cores=CORES)
    shutil.rmtree(out)
    found: dict[str, Any] = json.loads(ran.text)
    return found
