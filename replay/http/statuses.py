"""The words that stand beside a status."""

from http import HTTPStatus

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


def reason_of(status: int) -> bytes:
    """The reason phrase of a status (RFC 9110, section 15); `Error` where it is none that is registered."""
    return _REASONS.get(status, b"Error")
