"""What copies of a session are called: its id, the mark of a copy or of a later lap, and a number."""

COPY, LAP = "~", "@"

_DIGITS = "0123456789"


def recorded_id(session_id: str) -> str:
    """What a copy, or a session of a later lap, is one of; other ids are what they are."""
    while (before := session_id.rstrip(_DIGITS)) != session_id and before[-1:] in (COPY, LAP):
        session_id = before.rstrip(before[-1])
    return session_id
