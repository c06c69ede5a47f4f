"""How a URL is told to people: without the secrets that may be in it, also where it cannot be read. Pure."""

import re

REDACTED = "(redacted)"
NO_PORT = "a port is a number from 1 to 65535"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match
_HOST = re.compile(r"(?:[\w.~%-]*|\[[^\]]*\])(?::\d*)?").fullmatch
_CONTROL_TOKEN = re.compile(r"/token-[A-Za-z0-9_-]{16,}")


def shown_url(url: str) -> str:
    """A URL without its secrets: user and password, query and fragment, and the token of a plane's control address.

    A password that is not percent-encoded may hold whatever ends an authority, so that the last @ tells where it ends;
    where that may as well be an @ of a query, only the scheme is shown.
    """
    found = _SCHEME(url)
    scheme, rest = (found[0], url[found.end() :]) if found else ("", url)
    before, at, after = rest.rpartition("@")
    if at:
        authority, query, _ = _split(before, "?#")
        is_query = query and _HOST(_split(authority, "/")[0].rpartition("@")[2])
        return scheme + REDACTED if is_query else f"{scheme}{REDACTED}@{_shown(after)}"
    return scheme + _shown(rest)


def problem_of(url: str, cause: ValueError) -> str:
    """Why urllib cannot read this URL, without the pieces of a password that it quotes."""
    if "@" in url and "'" in str(cause):
        return "what stands before the @ of a URL must be percent-encoded"
    if str(cause).startswith("Port "):
        return NO_PORT
    return str(cause)


def _shown(rest: str) -> str:
    kept, mark, hidden = _split(rest, "?#")
    return _CONTROL_TOKEN.sub(f"/token-{REDACTED}", kept) + mark + (REDACTED if hidden else "")


def _split(text: str, marks: str) -> tuple[str, str, str]:
    """The text before the first of these marks, the mark, and the text after it."""
    at = min((at for mark in marks if (at := text.find(mark)) >= 0), default=len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]
