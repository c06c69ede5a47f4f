"""How fast a trace is read, and what memory that takes, of a small one and of one ten times as large."""

import statistics
import sys

from benchmarks.machine import run
from benchmarks.scenarios.memory import two_steps
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.table import Row, spread, verdict
from benchmarks.work import even_starts_ms, write_trace

LEAST_STEPS_PER_S = 150_000
MOST_GAINED_MIB = 8.0

READ = """
import resource, sys, time
from replay.trace.file.stream import read_sessions
before = time.perf_counter(); n = 0
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for session in read_sessions(sys.argv[1]): n += len(session.steps)
took = time.perf_counter() - before
print(n / took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024)
"""


def measure(setting: Setting) -> Measured:
    small, large = round(100_000 * setting.share), round(1_000_000 * setting.share)
    seen: dict[int, list[list[float]]] = {}
    for steps, rounds in ((small, setting.rounds), (large, 1)):
        trace = setting.folder / f"read-{steps}.jsonl"
        write_trace(trace, two_steps(5.0), even_starts_ms(steps // 2, 1000))
        for _ in range(rounds):
            words = run([sys.executable, "-c", READ, str(trace)]).text.split()
            seen.setdefault(steps, []).append([float(word) for word in words])
        trace.unlink()
    rates = [rate for rate, _ in seen[small]]
    gained_mib = (seen[large][0][1] - statistics.median(gained for _, gained in seen[small])) / 2**20
    rows = [
        Row(
            "trace reading",
            spread(rates, lambda rate: f"{rate:,.0f} steps/s"),
            goal=f"at least {LEAST_STEPS_PER_S:,}",
            verdict=verdict(statistics.median(rates) >= LEAST_STEPS_PER_S),
        ),
        Row(
            "memory gained reading 10 times as much",
            f"{gained_mib:+.1f} MiB",
            goal="flat",
            verdict=verdict(gained_mib < MOST_GAINED_MIB),
        ),
    ]
    return Measured(rows, {"steps_per_s": rates, "gained_mib": gained_mib})
