"""What workers of this machine need of it, known before they start: file descriptors, and local ports. Pure.

By the recording a run has so many requests under way at once on average, each on a connection. That is the least that
it needs: at its peak it needs more, and so it does of a target that is slower than the recording. What is not refused
here may still run short, which the self-check then says.
"""

from math import ceil
from typing import NamedTuple

from replay.errors import ReplayError
from replay.words.numbers import count
from replay.words.phrases import counted

# Files, the event loop and its timers, name look-ups (replay/system/shortage.py keeps 32 of these in reserve).
_OTHER_DESCRIPTORS = 64


class Room(NamedTuple):
    """What this machine has. descriptors: the most that a process may open; ports: local ones to one address; None:
    without a limit, or one that is not known.
    """

    descriptors: int | None
    ports: int | None


class TooLittleRoom(ReplayError):
    """This machine has too little of something; str() says of what, and what to raise."""


def check_room(connections: float, workers: int, room: Room) -> None:
    """Whether so many connections at once to one target, of all workers together, find room. Raises TooLittleRoom."""
    needed = ceil(connections / workers) + _OTHER_DESCRIPTORS
    if room.descriptors is not None and needed > room.descriptors:
        raise TooLittleRoom(
            f"The run has some {count(ceil(connections))} connections open at once, {count(needed)} descriptors for "
            f"each of {counted(workers, 'worker')}, and a process of this machine may have {count(room.descriptors)}. "
            "Raise it with ulimit -Hn, or take more --workers."
        )
    if room.ports is not None and connections > room.ports:
        raise TooLittleRoom(
            f"The run has some {count(ceil(connections))} connections open at once to one target, and this machine has "
            f"{count(room.ports)} local ports for them. Widen net.ipv4.ip_local_port_range, or take workers on further "
            "machines (--listen, --cluster)."
        )
