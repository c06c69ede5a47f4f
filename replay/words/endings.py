"""How a run that did not finish came to its end: its status as a clause."""

_ENDINGS = {
    "running": "the run has not ended",
    "interrupted": "the run was interrupted",
    "incomplete": "the run was incomplete",
    "failed": "the run broke off",
}


def ending(status: str) -> str:
    """Empty for a run that finished."""
    return _ENDINGS.get(status, "")
