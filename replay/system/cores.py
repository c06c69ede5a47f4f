"""The cores that this process may use."""

import os


def usable_cores() -> list[int]:
    """Their numbers; where the system does not say which, as many as there are."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def spare_cores() -> int:
    """How many a program may fill: all but one, which is left to the system and to whoever watches; at least one."""
    return max(1, len(usable_cores()) - 1)


def keep_to(core: int) -> None:
    """Have this process run on one core alone. Raises OSError where the system refuses it, or cannot do so."""
    if not hasattr(os, "sched_setaffinity"):
        raise OSError("this system keeps no process to a core")
    os.sched_setaffinity(0, {core})
