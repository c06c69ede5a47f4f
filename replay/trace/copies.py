"""Where copies of a session start: the same rule for a run that scales a trace and a trace that was scaled."""

import hashlib


def jitter_ratio(seed: int, session_id: str, copy: int) -> float:
    """A number in [0, 1) that depends on these three alone; times a trace's mean gap, a copy's delay."""
    digest = hashlib.blake2b(f"{seed}:{copy}:{session_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def copy_id(session_id: str, copy: int) -> str:
    """The id of a session's copy; the first copy is number 1, and the session itself the first of all."""
    return f"{session_id}~{copy + 1}"
