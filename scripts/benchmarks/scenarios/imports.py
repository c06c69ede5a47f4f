"""How fast long logs are imported by all cores, and in what memory: of a log, and of one a tenth as long."""

import statistics

from benchmarks.logs import LINES, write_log
from benchmarks.machine import CORES, Ran, run
from benchmarks.peers.ours import PROGRAM
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.table import Row, spread, verdict

LEAST_MB_PER_S = 60
MOST_GAINED_MIB = 100
_MB, _MIB = 1_000_000, 1 << 20
_LONG_MB = 1_000


def measure(setting: Setting) -> Measured:
    rows, figures = [], {}
    is_full = setting.share == 1  # the goals are for long logs
    for log_format in LINES:
        long_mb = round(_LONG_MB * setting.share)
        runs = {mb: _imports(log_format, mb, setting) for mb in (long_mb // 10, long_mb)}
        rates = [long_mb / ran.wall_s for ran in runs[long_mb]]
        short_mib, long_mib = (
            statistics.median(ran.peak_bytes / _MIB for ran in each) for each in runs.values()
        )
        rows += [
            Row(
                f"{log_format}, {long_mb:,} MB",
                f"{spread(rates, lambda rate: f'{rate:.1f} MB/s')}, {long_mib:.0f} MiB",
                f"{statistics.median(ran.cpu_s for ran in runs[long_mb]):.1f} s",
                f"at least {LEAST_MB_PER_S} MB/s" if is_full else "",
                verdict(statistics.median(rates) >= LEAST_MB_PER_S) if is_full else "",
            ),
            Row(
                "memory gained importing 10 times as much",
                f"{long_mib - short_mib:+.0f} MiB",
                goal=f"at most {MOST_GAINED_MIB} MiB" if is_full else "",
                verdict=verdict(long_mib - short_mib <= MOST_GAINED_MIB) if is_full else "",
            ),
        ]
        figures[log_format] = [
            {"mb": mb, "wall_s": ran.wall_s, "cpu_s": ran.cpu_s, "peak_bytes": ran.peak_bytes}
            for mb, each in runs.items()
            for ran in each
        ]
    return Measured(rows, figures)


def _imports(log_format: str, size_mb: int, setting: Setting) -> list[Ran]:
    log, trace = setting.folder / f"{size_mb}.log", setting.folder / "imported.jsonl.zst"
    write_log(log, log_format, size_mb * _MB)
    command = [PROGRAM, "trace", "import", log_format, str(log), "-o", str(trace)]
    runs = [run(command, cores=CORES) for _ in range(setting.rounds)]
    log.unlink()
    return runs
