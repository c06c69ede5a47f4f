"""Happy eyeballs (RFC 8305): of several addresses the first to take a connection, without waiting for a silent one.

Attempts begin one after the other, a quarter of a second apart, or at once where one has failed; the first to succeed
wins, and the rest are given up. Which address is tried when is decided before, by the address book.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from replay.system.shortage import ShortageError

# RFC 8305, section 8: recommended; from 100 ms to 2 s.
ATTEMPT_DELAY_S = 0.25

_T = TypeVar("_T")
_A = TypeVar("_A")


def interleaved(addresses: Sequence[_A], family_of: Callable[[_A], int]) -> list[_A]:
    """The same addresses, their families taking turns, each in its own order (RFC 8305, section 4)."""
    by_family: dict[int, list[_A]] = {}
    for address in addresses:
        by_family.setdefault(family_of(address), []).append(address)
    longest = max(map(len, by_family.values()), default=0)
    return [of_one[n] for n in range(longest) for of_one in by_family.values() if n < len(of_one)]


async def first_to_succeed(
    addresses: Sequence[_A],
    attempt: Callable[[_A], Awaitable[_T]],
    discard: Callable[[_T], None],
    failed: Callable[[_A, OSError | None], None] = lambda _, __: None,
    delay_s: float = ATTEMPT_DELAY_S,
) -> tuple[_A, _T]:
    """The first address whose attempt succeeds, and what came of it.

    discard: called with what came of an attempt that succeeded too late. failed: called with each address whose attempt
    raised OSError, and with that; with None where it was still silent when another succeeded. Where all fail, raises
    the ShortageError of one that met it, and without such the OSError of the last: with a shortage here, what
    the other addresses said does not tell whether the target can be reached. Cancelling this cancels every attempt.
    """
    left = list(addresses)
    running: dict[asyncio.Task[_T], _A] = {}
    last: OSError | None = None
    shortage: ShortageError | None = None

    def give_up(task: "asyncio.Task[_T]") -> None:
        if not task.cancelled() and task.exception() is None:
            discard(task.result())

    try:
        while left or running:
            if left:
                address = left.pop(0)
                running[asyncio.ensure_future(_awaited(attempt, address))] = address
            done, _ = await asyncio.wait(
                running, timeout=delay_s if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in sorted(done, key=lambda task: task.exception() is not None):
                address = running.pop(task)
                fault = task.exception()
                if fault is None:
                    for silent in running.values():
                        failed(silent, None)
                    return address, task.result()
                if not isinstance(fault, OSError):
                    raise fault
                failed(address, fault)
                last = fault
                if isinstance(fault, ShortageError):
                    shortage = fault
        raise shortage or last or OSError("no address")
    finally:
        for task in running:
            task.add_done_callback(give_up)
            task.cancel()


async def _awaited(attempt: Callable[[_A], Awaitable[_T]], address: _A) -> _T:
    return await attempt(address)
