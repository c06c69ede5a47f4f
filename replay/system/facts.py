"""What this machine is, as far as it tells: what bears on how much it can send, and how precisely.

Nothing here raises: a system that does not tell leaves None.
"""

import os
from pathlib import Path

_CPUS = "sys/devices/system/cpu"
_CLOCK_SOURCE = "sys/devices/system/clocksource/clocksource0/current_clocksource"
# Of control groups of version 2 and 1, as a container sees its own.
_QUOTA = "sys/fs/cgroup/cpu.max"
_QUOTA_V1 = ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/cpu.cfs_period_us")
_MEMORY_LIMITS = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
_ROOT = Path("/")


def governors(root: Path = _ROOT) -> list[str] | None:
    """The rules by which the frequency of the cores is chosen, each named once; None where none is told."""
    found = {_line(path) for path in (root / _CPUS).glob("cpu[0-9]*/cpufreq/scaling_governor")} - {None}
    return sorted(name for name in found if name) or None


def clock_source(root: Path = _ROOT) -> str | None:
    """What the kernel reads the time from."""
    return _line(root / _CLOCK_SOURCE)


def core_quota(root: Path = _ROOT) -> float | None:
    """How many cores' time this process may use, where a control group limits it."""
    words = (_line(root / _QUOTA) or "").split() or [_line(root / path) or "" for path in _QUOTA_V1]
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def memory_left_bytes(root: Path = _ROOT) -> int | None:
    """How much memory there is still to have: the system's, or what a control group leaves of it."""
    left = []
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("MemAvailable:"):
            left.append(int(line.split()[1]) * 1024)
    for limit, used in _MEMORY_LIMITS:
        try:
            left.append(max(0, int(_line(root / limit) or "") - int(_line(root / used) or "")))
        except ValueError:
            continue
    return min(left, default=None)


def load_per_core(cores: int) -> float | None:
    """Programs that ran or wanted to, in the mean of the last minute, over the cores."""
    try:
        return os.getloadavg()[0] / max(1, cores)
    except (OSError, AttributeError):
        return None


def niceness() -> int | None:
    """How far this process stands back behind others, -20 to 19."""
    if not hasattr(os, "getpriority"):
        return None
    return os.getpriority(os.PRIO_PROCESS, 0)


def _line(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
