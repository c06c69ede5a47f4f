"""What is slow after idle times though the target says that no boot was: something behind it may have gone cold.

A database that is stopped while nobody asks, a pool of connections that were closed, a cache that ran out: an instance
that was there all the time waits for them as it would for a boot. So where a target tells its cold starts, its steps
are looked at by times as well.
"""

import numpy as np

from replay.judge.cold.finding import ColdSteps, cold_steps
from replay.results.columns import Columns, Flags

_LEAST = 5


def slow_all_the_same(columns: Columns, sent: Flags, found: ColdSteps) -> int:
    """How many steps that found the target idle, and not cold by its own word, are of a slow mode that comes after idle
    times for sure. 0 where they are few beside those that were cold, or the target does not tell.
    """
    if found.method not in ("header", "instance"):
        return 0
    unsaid = np.full(columns.n, -1, np.int32)
    by_times = cold_steps(columns._replace(cold=unsaid, instance=unsaid), sent)
    if by_times.confidence != "high":
        return 0
    woke = by_times.is_cold & by_times.waves.is_first
    n, of = int(np.count_nonzero(woke & ~found.is_cold)), int(np.count_nonzero(woke))
    return n if n >= max(_LEAST, of / 2) else 0
