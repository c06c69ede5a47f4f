"""Requests of any JSON log whose user says which key tells what: `start=ts,duration_ms=took,path=req.url`.

Pure. A key may be dotted, for one in an object, or hold the dots itself; case counts. An instant is a text or number as
replay/importers/logs/log_times.py reads it; `start` is when a request began, `end` when it had ended. The name of a
duration has its unit. A key that no line has is an error, since it is misspelt.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from replay.assembly.requests.log_fields import number, said, status_of
from replay.importers.logs.json_layouts import at
from replay.importers.logs.line_logs import LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.trace.errors import TraceError, shown

OPTION = "--keys"

_INSTANTS = ("start", "end")
_UNITS = {"duration_s": "s", "duration_ms": "ms", "duration_us": "us", "duration_ns": "ns"}
_NAMES = (
    *_INSTANTS, *_UNITS, "path", "method", "status", "session", "host", "client", "user_agent", "bytes",
    "request_bytes",
)  # fmt: skip
_SHOWN_KEYS = 40
_LOOKED_INTO = 20
_DEEPEST = 4

_NO_METHOD = "--keys names no method, so every request is taken as GET."


class NamedKeys:
    """Reads lines by the keys that a user named. Raises TraceError where they do not say enough."""

    def __init__(self, text: str, session_by: str | None) -> None:
        self._keys = _parsed(text)
        self._session_by = session_by
        self._instant = next(name for name in _INSTANTS if name in self._keys)
        self._took = next((name for name in _UNITS if name in self._keys), None)
        self._unseen = dict(self._keys)
        self._there: dict[str, None] = {}
        self._lines = 0

    @property
    def session_is(self) -> str | None:
        """What a session is, where a key tells."""
        key = self._keys.get("session")
        return None if key is None else f"A session is what has the same value of {shown(key)}."

    @property
    def notes(self) -> list[str]:
        return [] if "method" in self._keys else [_NO_METHOD]

    def fits(self, line: str) -> bool:
        """Whether a line is an object that says when a request was, and which."""
        entry = _entry(line)
        return entry is not None and all(
            at(entry, self._keys[name]) is not None for name in (self._instant, "path")
        )

    def read(self, line: str) -> LoggedLine | str:
        """What a line says, or a sentence that says why it says nothing."""
        entry = _entry(line)
        if entry is None:
            return "not a JSON object."
        self._lines += 1
        if self._lines <= _LOOKED_INTO:
            self._there |= dict.fromkeys(_dotted(entry, "", 1))
        told = {name: said(at(entry, key)) for name, key in self._keys.items()}
        if self._unseen:
            self._unseen = {name: key for name, key in self._unseen.items() if at(entry, key) is None}
        stamp_ns = instant_ns(told[self._instant] or "")
        for name, value in ((self._instant, stamp_ns), ("path", told["path"])):
            if value is None:
                held = f"{shown(text)}, which is not a time" if (text := told[name]) is not None else "nothing"
                return f"{shown(self._keys[name])}, its {name}, holds {held}."
        took = told.get(self._took or "")
        request_bytes = number(told.get("request_bytes"))
        by = self._session_by
        return LoggedLine(
            stamp_ns=stamp_ns or 0,
            is_end=self._instant == "end",
            took_us=duration_us(took, _UNITS[self._took]) if took and self._took else None,
            method=(told.get("method") or "GET").upper(),
            target=told["path"] or "",
            host=told.get("host"),
            peer=told.get("client"),
            session=told.get("session"),
            user_agent=told.get("user_agent"),
            status=status_of(told.get("status")),
            request_bytes=request_bytes,
            response_bytes=number(told.get("bytes")),
            body_bytes=request_bytes,
            told={by: said(at(entry, by))} if by is not None and ":" not in by else {},
        )

    def refuse_unseen(self, place: str) -> None:
        """Raises TraceError, which begins with place, where no line has a key that was named."""
        if self._lines and self._unseen:
            named = ", ".join(f"{shown(key)} ({name})" for name, key in self._unseen.items())
            there = [shown(key).strip('"') for key in self._there]
            more = ", ..." if len(there) > _SHOWN_KEYS else ""
            near = (difflib.get_close_matches(key, self._there, n=1) for key in self._unseen.values())
            hint = "".join(f" Did you mean {shown(found[0])}?" for found in near if found)
            has = (
                f"Its first lines have: {', '.join(there[:_SHOWN_KEYS])}{more}." if there else "They are empty."
            )
            raise TraceError(f"{place}: no line has the key {named} of {OPTION}.{hint} {has}")


def _parsed(text: str) -> dict[str, str]:
    """The key by name. Raises TraceError."""
    keys: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, key = (word.strip() for word in part.partition("="))
        if name not in _NAMES or not equals or not key:
            near = difflib.get_close_matches(name, _NAMES, n=1)
            hint = f"Did you mean {near[0]}=KEY?" if near else f"Known are: {', '.join(_NAMES)}."
            raise TraceError(f"{OPTION}: {shown(part)} is not NAME=KEY with a name that is known. {hint}")
        if name in keys:
            raise TraceError(f"{OPTION}: names {name} twice.")
        keys[name] = key
    for names, what in ((_INSTANTS, "start=KEY or end=KEY"), (("path",), "path=KEY")):
        if keys.keys().isdisjoint(names):
            raise TraceError(f"{OPTION}: does not say what tells the {names[0]} of a request. Add {what}.")
    for alike in (_INSTANTS, tuple(_UNITS)):
        if len(both := [name for name in alike if name in keys]) > 1:
            raise TraceError(f"{OPTION}: names {' and '.join(both)}, which mean the same. Leave one out.")
    return keys


def _entry(line: str) -> Mapping[str, Any] | None:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _dotted(entry: Mapping[str, Any], before: str, depth: int) -> Iterator[str]:
    """The keys of what is no object, dotted."""
    for key, value in entry.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _dotted(value, f"{before}{key}.", depth + 1)
        else:
            yield before + key
