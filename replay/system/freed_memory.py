"""Memory that is freed, kept by the process for what it asks for next."""

import ctypes
import sys

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_BYTES = 32 << 20  # no more is taken
_MOST_KEPT_BYTES = 64 << 20


def keep_freed_memory() -> None:
    """Have up to 64 MiB of freed memory kept by this process, where its C library can be told so.

    For a process that works on one block of megabytes after the other, and is ours alone: as it is, each block's memory
    goes back to the system, which clears every page of it before the next one gets it.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_TRIM_THRESHOLD, _MOST_KEPT_BYTES)
