"""Tokens in the path of a link that somebody was sent: to reset a password, confirm, accept, unsubscribe. Pure.

Whoever has such a link may do what it is for. So the segments behind its words go that look drawn at random; numbers,
names and files there stay. A word that other things share (`/api/servers/reset/...`, `/orders/confirmation/...`) is one
of a link behind an account's, and at the root of a path where the segment behind it looks like nothing but a token.
Webhooks of Discord are links of the same kind.
"""

import re

from replay.trace.redaction.names import REDACTED
from replay.trace.redaction.references import is_of_words, is_random

_SHORTEST = 10
_SHORTEST_AT_ROOT = 16
# One of them stands in each word: a search for these costs a text that has none a few ns a kilobyte.
_PARTS = (
    "reset",
    "verif",
    "confirm",
    "activat",
    "validat",
    "invit",
    "magic",
    "unsub",
    "opt-",
    "opt_",
    "optout",
    "pass",
    "pwd",
    "recover",
    "login",
    "signin",
    "sign-in",
    "one-",
    "one_",
    "onetime",
    "webhooks/",
)
_WORDS = (
    r"(?:(?:re)?set|forgot(?:ten)?|change|create|new|recover|restore|update)[-_]?(?:password|passwd|pwd|pass)"
    r"|password[-_]?(?:less|(?:re)?set|recover(?:y)?|change|forgot(?:ten)?)"
    r"|(?:verify|confirm|activate|validate)[-_]?(?:e?mail|account|user|registration|signup|address|login)"
    r"|(?:e?mail|account|user|registration)[-_]?(?:verification|confirmation|activation|verify|confirm|activate)"
    r"|magic[-_]?(?:link|login|auth|signin|sign-in)|(?:login|signin|sign-in)[-_]?link"
    r"|(?:accept|join|claim|redeem)[-_]?invit(?:e|ation)|invit(?:e|ation)(?:[-_]?(?:accept|link))?"
    r"|(?:list[-_]?)?unsubscribe|opt[-_]?out|one[-_]?time[-_]?(?:login|link|secret)"
)
_SHARED = (
    r"reset|recover(?:y)?|confirm(?:ation)?|verify|verification|activate|activation|validate|validation|magic"
)
_AT_ROOT = r"reset|recover|confirm|verify|activate|validate|magic|invites|invitations"
# Behind it may stand whose: /users/12/confirm/..., or a version.
_OF_ACCOUNT = r"(?:accounts?|users?|auth|passwords?|e?mails?|login|registration|signup)"
_WHOSE = r"(?:/(?=[^/]{0,64}\d)[\w\-]{1,64})?"
_SLASH = r"(?:/|%2[Ff])"
_SEGMENT = r"(?:[^/?#\s\"'<>\\%]|%(?!2[Ff])){1,500}+"
_REST = rf"{_SLASH})(?P<rest>{_SEGMENT}(?:{_SLASH}{_SEGMENT}){{0,2}})"
_LINK = re.compile(
    rf"(?P<word>{_SLASH}(?:{_WORDS}|{_OF_ACCOUNT}{_WHOSE}{_SLASH}(?:{_SHARED})){_REST}", re.IGNORECASE
)
_BARE = re.compile(rf"(?P<word>/(?:{_AT_ROOT})/)(?P<rest>{_SEGMENT})(?!/[^?#\s])", re.IGNORECASE)
# https://discord.com/developers/docs/resources/webhook: behind the id, a snowflake, stands a token of 68 characters.
_WEBHOOK = re.compile(r"(?P<word>/webhooks/\d{17,20}/)(?P<rest>[\w\-]{10,})", re.ASCII)
_LENGTH_OF_DISCORD = 60
_IS_OF_DISCORD = re.compile(r"discord(?:app)?\.com(?::\d+)?/api(?:/v\d+)?\Z").search
_IS_WORD = re.compile(r"[a-z_\-]+", re.IGNORECASE).fullmatch
_IS_FILE = re.compile(
    r".*\.(?:m?js|css|map|json|png|jpe?g|gif|svg|webp|ico|woff2?|ttf|pdf|xml|txt|csv|zip|wasm|mp4)",
    re.IGNORECASE,
).fullmatch
_HAS_THREE_CLASSES = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w\-]*").fullmatch
# What stands before a path's own words: a host, how the interface is called, its version, a language.
_IS_ROOT = re.compile(
    r"(?:\A|[\s\"'<>()=?#])(?:(?:[a-z][a-z+]{1,9}:)?//[^/\s\"'<>?#]{1,255})?"
    r"(?:/(?:api|app|auth|v\d+|[a-z]{2}(?:[-_][A-Za-z]{2})?))*\Z"
).search
_MOST_BEFORE = 300


def may_have_link(text: str) -> bool:
    """Whether a link of this kind stands in the text, whatever it ends in."""
    return _has_part(text) and any(link.search(text) is not None for link in (_LINK, _BARE, _WEBHOOK))


def without_tokens_of_links(text: str) -> str:
    """The text with such tokens replaced."""
    if "/" not in text or not _has_part(text):
        return text
    if "webhooks/" in text:
        text = _WEBHOOK.sub(_without_token_of_discord, text)
    return _BARE.sub(_without_token_at_root, _LINK.sub(_without_tokens, text))


def _without_tokens(found: "re.Match[str]") -> str:
    segments = re.split(f"({_SLASH})", found["rest"])
    return found["word"] + "".join(REDACTED if _is_token(segment) else segment for segment in segments)


def _without_token_at_root(found: "re.Match[str]") -> str:
    token, start = found["rest"], found.start()
    is_one = len(token) >= _SHORTEST_AT_ROOT and _is_nothing_but_a_token(token)
    if is_one and _IS_ROOT(found.string, max(0, start - _MOST_BEFORE), start):
        return f"{found['word']}{REDACTED}"
    return found[0]


def _without_token_of_discord(found: "re.Match[str]") -> str:
    token, start = found["rest"], found.start()
    is_one = (
        len(token) >= _LENGTH_OF_DISCORD
        or _is_nothing_but_a_token(token)
        or (_IS_OF_DISCORD(found.string, max(0, start - _MOST_BEFORE), start) and not _IS_WORD(token))
    )
    return f"{found['word']}{REDACTED}" if is_one else found[0]


def _is_token(segment: str) -> bool:
    return len(segment) >= _SHORTEST and is_random(segment) and not _IS_FILE(segment)


def _is_nothing_but_a_token(segment: str) -> bool:
    """Whether it is rather one than an id, a digest or what people call something."""
    return bool(_HAS_THREE_CLASSES(segment)) and is_random(segment) and not is_of_words(segment)


def _has_part(text: str) -> bool:
    lower = text.lower()
    for part in _PARTS:  # noqa: SIM110  (a generator in any() takes three times as long, for each path of a log)
        if part in lower:
            return True
    return False
