"""Room for libraries in C, where a process may have only so many addresses (ulimit -v).

OpenBLAS, of which numpy and scipy have one each, asks for a buffer a thread as it is loaded. Where there is no room for
it, numpy's ends the process or crashes, and scipy's asks for ever (seen with OpenBLAS 0.3.29 and 0.3.30). So they are
not begun to be loaded where they would not fit, which an ImportError cannot say afterwards.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

try:
    import resource
except ImportError:  # not on Windows, where no such limit is set
    resource = None  # type: ignore[assignment]

_MIB = 1 << 20
_A_THREAD_BYTES = 32 * _MIB
# What each needs besides, measured: the least room in which it was loaded, less a buffer.
_NEEDED_BYTES = {"numpy": 64 * _MIB, "scipy": 96 * _MIB}


def hold_to_room() -> None:
    """From here on, raise MemoryError where one of them is imported for the first time, and would not fit."""
    if resource is not None and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        sys.meta_path.insert(0, _RoomFirst())


class _RoomFirst(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        needed = _NEEDED_BYTES.get(fullname)
        if needed is not None and _room_bytes() < needed + _threads() * _A_THREAD_BYTES:
            raise MemoryError(f"there is no room for {fullname}")
        return None


def _room_bytes() -> float:
    """How many addresses are left; infinite where nobody says."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return float("inf")
    return float("inf") if limit == resource.RLIM_INFINITY else limit - used


def _threads() -> int:
    asked = os.environ.get("OPENBLAS_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else os.cpu_count() or 1
