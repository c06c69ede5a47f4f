"""What a second worker brings: the rate of two over that of one, where a server on the same machine leaves room.

One worker fills a core, and the server takes so much of another for each request; on a machine of two cores the three
have no more than those. What the cores allow at best is told beside what was measured.
"""

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from benchmarks.machine import CORES, run
from benchmarks.peers.ours import PROGRAM
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import light
from benchmarks.table import Row, spread, verdict
from benchmarks.work import WORKS, even_starts_ms, steps_of, write_trace

LEAST_RATIO = 1.5
_COUNTS = (1, 2)
_WORK_S = 4.0


def measure(setting: Setting) -> Measured:
    """Rows for one worker and for two, and their ratio, median of the rounds' ratios."""
    work = WORKS[0]
    # As much for each of two as one bears.
    sessions = max(2, round(2 * work.requests * setting.seconds / _WORK_S / work.per_session))
    trace = setting.folder / f"workers {sessions}.jsonl"
    write_trace(trace, steps_of(work), even_starts_ms(sessions, 2 * work.offered_rps / work.per_session))
    rates: dict[int, list[float]] = {count: [] for count in _COUNTS}
    took_s: list[float] = []
    with light() as server:
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
            verdict=verdict(ratio >= LEAST_RATIO),
        )
    )
    return Measured(rows, {"rates": rates, "ratio": ratio, "most": most, "server_s": took_s})


def _replayed(trace: Path, url: str, out: Path, count: int) -> dict[str, Any]:
    command = [PROGRAM, "run", str(trace), "-t", url, "--out", str(out), "--json", "--workers", str(count)]
    ran = run(command, cores=CORES)
    shutil.rmtree(out)
    found: dict[str, Any] = json.loads(ran.text)
    return found
