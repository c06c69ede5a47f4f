"""Loads that might have come in place of the one that was: windows of a run drawn anew, for intervals of bills. Pure.

A bootstrap of blocks that wrap around (Politis and Romano 1992, "A circular block-resampling procedure for stationary
data"): what happens in neighbouring windows stays together. Windows are drawn from all that are alike before anybody
knows what came in them, such as those of one hour of the day. Drawn from those with as many requests, a month would
have as many each time, as if chance had no part in how many came. Coverage is simulated in
tests/money/test_resampling.py.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from replay.money.usage import MONTH_S, Usage, Windows

_DRAWS = 200
FEWEST = 5
# What is not of one window alone: an instance lives for longer, and who is kept when is not told by parts.
LIVES = ("live_s", "beyond_kept_s", "waiting_s")
_NAMES = (
    "requests",
    "earlier_tries",
    "on_sockets",
    "active_s",
    "billed_s",
    "request_s",
    "boot_s",
    "egress_bytes",
)
Counts = npt.NDArray[np.int64]


def block_counts(
    strata: npt.NDArray[np.int64], block: int | npt.NDArray[np.int64], seed: int, draws: int = _DRAWS
) -> Counts:
    """How often each window is in each of so many draws, shape (draws, windows): of each stratum as many as it has, in
    blocks of so many neighbours. block: of all strata, or of each, as np.unique has them.
    """
    random = np.random.default_rng(seed)
    counts = np.zeros((draws, len(strata)), np.int64)
    kinds = np.unique(strata)
    for stratum, wanted in zip(kinds, np.broadcast_to(block, kinds.shape).tolist(), strict=True):
        members = np.flatnonzero(strata == stratum)
        n = len(members)
        length = max(1, min(wanted, n))
        starts = random.integers(0, n, (draws, -(-n // length)))
        places = (starts[..., None] + np.arange(length)).reshape(draws, -1)[:, :n] % n
        for counted, drawn in zip(counts, places, strict=True):
            counted[members] += np.bincount(drawn, minlength=n)
    return counts


def drawn_usages(windows: Windows, which: npt.NDArray[np.intp], counts: Counts) -> list[Usage]:
    """The usage of these windows in each draw, in the time that they have themselves: a load that is drawn more often
    is more of the month. counts: of all windows, as block_counts has them.
    """
    whole = windows.of(which)
    columns = np.stack([getattr(windows, name)[which] for name in _NAMES])
    unknown = dict.fromkeys(LIVES)
    return [
        msgspec.structs.replace(whole, **unknown, **dict(zip(_NAMES, sums, strict=True)))
        for sums in (counts[:, which] @ columns.T).tolist()
    ]


def resampled(windows: Sequence[Usage], seed: int, draws: int = _DRAWS) -> list[Usage]:
    """Usages, each the sum of as many windows drawn with replacement; nothing for fewer than five windows."""
    if len(windows) < FEWEST:
        return []
    random = np.random.default_rng(seed)
    table = np.array([[getattr(window, name) for name in _NAMES] for window in windows])
    whole, unknown = windows[0], dict.fromkeys(LIVES)
    seconds = sum(window.seconds for window in windows)
    found = []
    for _ in range(draws):
        sums = table[random.integers(0, len(windows), len(windows))].sum(axis=0)
        values = dict(zip(_NAMES, (float(value) for value in sums), strict=True))
        found.append(
            msgspec.structs.replace(whole, seconds=seconds, **unknown, **values).times(MONTH_S / seconds)
        )
    return found
