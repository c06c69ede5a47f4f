"""Copies of a session: when they start, what they are called, and which is which.

The same rules for a run that scales a trace and for a trace that was scaled.
"""

import hashlib

from replay.trace.types import Session
from replay.words.copies import COPY, LAP


class Copy(Session, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A session as one run replays it. copy: its number; 0: the session as recorded. place: among the run's sessions,
    in order of start; counted only where something asks for it.
    """

    copy: int = 0
    place: int = 0


def jitter_ratio(seed: int, session_id: str, copy: int) -> float:
    """A number in [0, 1) that depends on these three alone; times a trace's mean gap, a copy's delay."""
    digest = hashlib.blake2b(f"{seed}:{copy}:{session_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def copy_id(session_id: str, copy: int, mark: str = COPY) -> str:
    """The id of a session's copy; the first copy is number 1, and the session itself the first of all."""
    return f"{session_id}{mark}{copy + 1}"


def lap_id(session_id: str, lap: int, mark: str = LAP) -> str:
    """The id of a session in a later lap of its trace; the lap after the first is number 1."""
    return f"{session_id}{mark}{lap + 1}"


class Marks:
    """What tells copies and laps from sessions whose recorded ids end as theirs would, as in a trace that was scaled
    before: the mark once more than any id has it, so that no two sessions of a run are called the same.
    """

    def __init__(self) -> None:
        self.copy, self.lap = COPY, LAP

    def __repr__(self) -> str:
        return f"<Marks {self.copy} {self.lap}>"

    def see(self, session_id: str) -> None:
        """A session of the trace is called so."""
        if session_id[-1:].isdigit():
            before = session_id.rstrip("0123456789")
            self.copy = max(self.copy, COPY * (_trailing(before, COPY) + 1), key=len)
            self.lap = max(self.lap, LAP * (_trailing(before, LAP) + 1), key=len)


def _trailing(text: str, mark: str) -> int:
    return len(text) - len(text.rstrip(mark))


def copied(session: Session, new_id: str, start_ms: float, copy: int) -> Copy:
    """The session once more, with steps that are its own to drop."""
    return Copy(
        id=new_id,
        start_ms=start_ms,
        steps=list(session.steps),
        attributes=session.attributes,
        extra=session.extra,
        copy=copy,
    )


def placed(session: Session, place: int) -> Copy:
    """The session with its place in the run."""
    if not isinstance(session, Copy):
        return Copy(
            id=session.id,
            start_ms=session.start_ms,
            steps=session.steps,
            attributes=session.attributes,
            extra=session.extra,
            place=place,
        )
    session.place = place
    return session
