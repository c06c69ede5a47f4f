"""Tokens in the path of a link that somebody was sent: to reset a password, confirm, accept, unsubscribe. Pure.

Whoever has such a link may do what it is for. So the segments behind its word go that look drawn at random; numbers and
names there stay. Webhooks of Discord are links of the same kind.
"""

import re

from replay.trace.redaction.names import REDACTED
from replay.trace.redaction.references import is_random

_SHORTEST = 10
# One of them stands in each word: a search for these costs a text that has none a few ns a kilobyte.
_PARTS = (
    "reset",
    "verif",
    "confirm",
    "activat",
    "invit",
    "magic",
    "unsub",
    "opt",
    "pass",
    "recover",
    "login",
    "webhooks/",
)
_WORDS = (
    r"(?:(?:re)?set|forgot(?:ten)?|change|create|new|recover|restore|update)[-_]?(?:password|passwd|pwd|pass)"
    r"|password[-_]?(?:less|(?:re)?set|recover(?:y)?|change|forgot(?:ten)?)|reset|recover(?:y)?"
    r"|(?:verify|confirm|activate|validate)(?:[-_]?(?:e?mail|account|user|registration|signup|address|login))?"
    r"|(?:e?mail|account|user|registration)[-_]?(?:verification|confirmation|activation|verify|confirm|activate)"
    r"|verification|confirmation|activation|magic(?:[-_]?(?:link|login|auth|signin|sign-in))?|(?:login|signin|sign-in)[-_]?link"
    r"|(?:accept|join|claim|redeem)[-_]?invit(?:e|ation)|invit(?:e|ation)(?:[-_]?(?:accept|link))?"
    r"|unsubscribe|opt[-_]?out|one[-_]?time[-_]?(?:login|link|secret)"
)
_LINK = re.compile(
    rf"/(?P<word>(?:{_WORDS})/)(?P<rest>[^/?#\s\"'<>\\]{{1,500}}+(?:/[^/?#\s\"'<>\\]{{1,500}}+){{0,2}})",
    re.IGNORECASE,
)
# https://discord.com/developers/docs/resources/webhook: behind the id, a snowflake, stands a token.
_WEBHOOK = re.compile(r"(?P<word>/webhooks/\d{17,20}/)(?P<rest>(?![a-z_\-]+(?![\w\-]))[\w\-]{10,})", re.ASCII)


def may_have_link(text: str) -> bool:
    """Whether a link of this kind stands in the text, whatever it ends in."""
    return _has_part(text) and (_LINK.search(text) is not None or _WEBHOOK.search(text) is not None)


def without_tokens_of_links(text: str) -> str:
    """The text with such tokens replaced."""
    if "/" not in text or not _has_part(text):
        return text
    if "webhooks/" in text:
        text = _WEBHOOK.sub(rf"\g<word>{REDACTED}", text)
    return _LINK.sub(_without_token, text)


def _without_token(found: "re.Match[str]") -> str:
    segments = found["rest"].split("/")
    kept = [REDACTED if len(segment) >= _SHORTEST and is_random(segment) else segment for segment in segments]
    return f"/{found['word']}{'/'.join(kept)}"


def _has_part(text: str) -> bool:
    lower = text.lower()
    for part in _PARTS:  # noqa: SIM110  (a generator in any() takes three times as long, for each path of a log)
        if part in lower:
            return True
    return False
