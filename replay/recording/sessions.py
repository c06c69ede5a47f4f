"""Which session a request belongs to. Sans I/O.

A request belongs to the session named by the first of these that it has: the header that the user chose; the trace id
of `traceparent` (https://www.w3.org/TR/trace-context/); the cookie that the user chose, sent with the request or set by
its answer; a header in which agents name their sessions; its client's address. A session named by a header or a trace
id lasts as long as the recording and takes no memory. One named by a cookie or an address ends after an idle gap in
which none of its requests was open. Only so many of these are kept at once: the one that has been idle longest ends to
make room.

Ids are written to a file, so those that may be secrets are replaced by a keyed hash, and addresses by a number.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from replay.recording.types import SessionRef, SessionRules, ToldBy
from replay.trace.redaction.names import is_secret_header

_LONGEST_ID = 200
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?").fullmatch
_NS = 1_000_000_000
# As Claude Code, Codex (both spellings) and OpenCode send them, and what LiteLLM's proxy asks clients for.
_OF_AGENTS = frozenset(
    {"x-claude-code-session-id", "session-id", "session_id", "x-session-id", "x-litellm-session-id"}
)


class _Open:
    __slots__ = ("in_flight", "last_ns", "ref")

    def __init__(self, ref: SessionRef) -> None:
        self.ref = ref
        self.in_flight = 0
        self.last_ns = 0


class Sessions:
    """Tells requests' sessions. key: hashes what must not be written. is_harmless: whether a text may be written."""

    def __init__(
        self, rules: SessionRules, key: bytes, is_harmless: Callable[[str], bool] = lambda text: True
    ) -> None:
        self._header = rules.header.lower() if rules.header is not None else None
        self._cookie = rules.cookie
        self._gap_ns = int(rules.idle_gap_s * _NS)
        self._most_open = rules.most_open
        self._key = key
        self._is_harmless = is_harmless
        self._open: OrderedDict[tuple[ToldBy, str], _Open] = OrderedDict()
        self._of_ref: dict[str, tuple[ToldBy, str]] = {}
        self._numbers = 0

    def __repr__(self) -> str:
        return f"<Sessions {len(self._open)} open>"

    def began(self, headers: Sequence[tuple[str, str]], client: str, at_ns: int) -> SessionRef:
        """The session of a request that begins. headers: names in any case. Call `ended` when it is over."""
        named = self._header
        trace_id = cookie = of_agent = None
        for name, value in headers:
            lower = name.lower()
            if lower == named and value.strip():
                return SessionRef(self._shown(lower, value.strip()), "header")
            if lower == "traceparent":
                found = _TRACEPARENT(value.strip().lower())
                trace_id = found[1] if found else None
            elif lower in _OF_AGENTS and value.strip():
                of_agent = of_agent or (lower, value.strip())
            elif lower == "cookie" and self._cookie is not None:
                cookie = _cookie_value(value, self._cookie) or cookie
        if trace_id is not None:
            return SessionRef(trace_id, "traceparent")
        if cookie is not None:
            return self._idle_session("cookie", cookie, at_ns)
        if of_agent is not None:
            return SessionRef(self._shown(*of_agent), "header")
        return self._idle_session("client", client, at_ns)

    def may_be_told_by_answer(self, ref: SessionRef) -> bool:
        return self._cookie is not None and ref.told_by == "client"

    def answered(self, ref: SessionRef, headers: Sequence[tuple[str, str]], at_ns: int) -> SessionRef:
        """The session of a request whose answer has these headers.

        Whoever is given the session's cookie came without it: by address alone, all logins would be one session.
        """
        if self._cookie is None or not self.may_be_told_by_answer(ref):
            return ref
        for name, value in headers:
            if name.lower() == "set-cookie":
                given = _cookie_value(value.partition(";")[0], self._cookie)
                if given is not None:
                    self.ended(ref, at_ns)
                    return self._idle_session("cookie", given, at_ns)
        return ref

    def ended(self, ref: SessionRef, at_ns: int) -> None:
        """A request of this session is over."""
        key = self._of_ref.get(ref.id)
        if key is not None:
            session = self._open[key]
            session.in_flight -= 1
            session.last_ns = at_ns
            self._open.move_to_end(key)

    def _idle_session(self, told_by: ToldBy, value: str, at_ns: int) -> SessionRef:
        key = (told_by, value)
        session = self._open.get(key)
        if session is not None and not session.in_flight and at_ns - session.last_ns > self._gap_ns:
            self._close(key)
            session = None
        if session is None:
            while len(self._open) >= self._most_open:
                self._close(next(iter(self._open)))
            self._numbers += 1
            word = f"cookie-{self._hash(value)}" if told_by == "cookie" else "client"
            session = self._open[key] = _Open(SessionRef(f"{word}-{self._numbers}", told_by))
            self._of_ref[session.ref.id] = key
        session.in_flight += 1
        session.last_ns = at_ns
        self._open.move_to_end(key)
        return session.ref

    def _close(self, key: tuple[ToldBy, str]) -> None:
        del self._of_ref[self._open.pop(key).ref.id]

    def _shown(self, name: str, value: str) -> str:
        if (
            len(value) <= _LONGEST_ID
            and value.isascii()
            and value.isprintable()
            and not is_secret_header(name)
            and self._is_harmless(value)
        ):
            return value
        return f"session-{self._hash(value)}"

    def _hash(self, value: str) -> str:
        return blake2b(value.encode("utf-8", "surrogateescape"), key=self._key, digest_size=8).hexdigest()


def _cookie_value(header: str, wanted: str) -> str | None:
    for pair in header.split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals and name == wanted and value:
            return value
    return None
