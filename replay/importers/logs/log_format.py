"""Lines of a format that a server's configuration declares, read by one pattern that is made of it.

Pure. A format is a sequence of texts and variables, as replay/importers/logs/nginx_format.py and apache_format.py take
them out of their server's language. Each variable ends where the text behind it begins, so that a line is matched in
time linear in its length: nothing in the pattern is tried twice.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from replay.assembly.requests.log_fields import number, status_of, unescaped, unescaped_json
from replay.importers.logs.line_logs import LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.trace.errors import TraceError, shown

OPTION = "--log-format"

# How a variable's value ends: at a blank or the text behind it (word); at that text only (text); as text, where commas
# and colons between values have blanks beside them (list); as a request line (request); by its own pattern (own).
Kind = Literal["word", "text", "list", "request", "own"]

_TIMES = ("msec", "time")
_DURATIONS = {"took_us": "us", "took_ms": "ms", "took_s": "s"}
_REQUEST = re.compile(r"(?P<method>\S+) (?P<target>.+?)(?: HTTP/\d(?:\.\d)?)?", re.DOTALL).fullmatch
_SHOWN = 40

_NO_REQUEST = "line(s) with a request that the server could not parse"


class Variable(msgspec.Struct, frozen=True):
    """A variable of a format. name: as it is written there. field: as --session-by names it.

    role: what it tells, "" where that is not used. pattern: of its own. begins: what a value that is there begins with,
    where another variable stands right before it. spares: what those right behind it write where they have no value.
    """

    name: str
    field: str
    role: str = ""
    kind: Kind = "text"
    pattern: str = ""
    begins: str = ""
    spares: str = ""


Piece = str | Variable


class DeclaredFormat:
    """Reads lines of a format. is_end: whether its times are those at which requests had ended. notes: for people.

    Raises TraceError where the format does not say when a request was, or which.
    """

    def __init__(self, pieces: Sequence[Piece], *, is_end: bool, notes: Sequence[str] = ()) -> None:
        self.notes = notes
        self._pieces = pieces
        self._is_end = is_end
        self._is_json = bool(pieces) and isinstance(pieces[0], str) and pieces[0].lstrip().startswith("{")
        self._variables = [piece for piece in pieces if isinstance(piece, Variable)]
        self._refuse_lacking({variable.role for variable in self._variables})
        self._patterns = [_pattern(pieces, n) for n in range(len(pieces))]
        self._match = re.compile("".join(f"({each})" for each in self._patterns), re.DOTALL).fullmatch
        self._places = {n + 1: piece for n, piece in enumerate(pieces) if isinstance(piece, Variable)}

    def fits(self, line: str) -> bool:
        """Whether a line is of this format."""
        return self._match(line) is not None

    def read(self, line: str) -> LoggedLine | str:
        """What a line says, or a sentence that says where it leaves the format."""
        found = self._match(line)
        if found is None:
            return self._why_not(line)
        roles: dict[str, str] = {}
        fields: dict[str, str | None] = {}
        for place, variable in self._places.items():
            text = found[place]
            if text in ("", "-"):
                continue
            if "\\" in text:
                text = (unescaped_json(text) if self._is_json else None) or unescaped(text)
            fields[variable.field] = text
            roles.setdefault(variable.role, text)
        stamp_ns = _stamp_ns(roles)
        if stamp_ns is None:
            return "has no time that can be read."
        request = _request(roles)
        if request is None:
            return LoggedLine(left_out=_NO_REQUEST)
        return self._line(stamp_ns, request, roles, fields)

    def _line(
        self,
        stamp_ns: int,
        request: tuple[str, str],
        roles: Mapping[str, str],
        fields: Mapping[str, str | None],
    ) -> LoggedLine:
        took = next(((roles[role], unit) for role, unit in _DURATIONS.items() if role in roles), None)
        body_bytes = number(roles.get("body_bytes"))
        return LoggedLine(
            stamp_ns=stamp_ns,
            is_end=self._is_end,
            took_us=None if took is None else duration_us(*took),
            method=request[0],
            target=request[1],
            host=roles.get("host"),
            peer=roles.get("peer"),
            forwarded=roles.get("forwarded"),
            user_agent=roles.get("user_agent"),
            status=status_of(roles.get("status")),
            request_bytes=body_bytes,
            response_bytes=number(roles.get("response_bytes", roles.get("sent_bytes"))),
            counts_head="response_bytes" not in roles,
            body_bytes=body_bytes,
            message_bytes=number(roles.get("message_bytes")),
            attributes={name: roles.get(name, "") for name in ("request_id", "upstream_s")},
            told={"user": roles.get("user"), **fields},
        )

    def _refuse_lacking(self, roles: set[str]) -> None:
        lacks = []
        if roles.isdisjoint({*_TIMES, "clock Y"}):
            lacks.append("no time")
        if "request" not in roles and not {"method", "path"} <= roles:
            lacks.append("no request, or method and path")
        if lacks:
            named = ", ".join(dict.fromkeys(variable.name for variable in self._variables))
            text = f"{OPTION}: has {' and '.join(lacks)}. Its variables are: {named}."
            raise TraceError(" ".join([text, *(note.removeprefix(f"{OPTION}: ") for note in self.notes)]))

    def _why_not(self, line: str) -> str:
        at, before = 0, ""
        for piece, pattern in zip(self._pieces, self._patterns, strict=True):
            found = re.compile(pattern, re.DOTALL).match(line, at)
            if found is None:
                what = piece.name if isinstance(piece, Variable) else shown(piece)
                behind = f"behind {before} comes" if before else "it begins with"
                return f"not in the format of {OPTION}: {behind} {shown(line[at : at + _SHOWN])}, not {what}."
            at, before = found.end(), piece.name if isinstance(piece, Variable) else before
        return f"not in the format of {OPTION}: after it comes {shown(line[at : at + _SHOWN])}."


def _pattern(pieces: Sequence[Piece], n: int) -> str:
    """What matches this piece, where those before it have matched. Raises TraceError where its end cannot be told."""
    piece = pieces[n]
    if isinstance(piece, str):
        return re.escape(piece)
    if piece.pattern:
        return piece.pattern
    stops = _stops(pieces, n)
    firsts = "".join(re.escape(stop[0]) for stop in stops)
    before = pieces[n - 1] if n else ""
    if isinstance(before, str) and before.endswith('"') and [stop[0] for stop in stops] == ['"']:
        return r'(?:[^"\\]|\\.)*+'
    match piece.kind:
        case "word":
            bare = rf"[^\s{firsts}]*+"
            return rf"(?:\[[^\]\s]*+\]|{bare})" if ":" in firsts else bare  # an IPv6 address before its port
        case "list":
            # Where a comma and a blank end it, it has none; where a comma does, its own have blanks behind them.
            comma = "" if any(stop.startswith(", ") for stop in stops) else "|, " if "," in firsts else "|, ?"
            return rf"(?:[^\s,{firsts}]{comma}| : )*+"
        case "request" if any(stop[0] == " " for stop in stops):
            return r"(?:\S++ \S*+(?: HTTP/[\d.]++)?+|-)"
    if piece.spares:
        ends = next((re.escape(each) for each in pieces[n + 1 :] if isinstance(each, str)), r"\Z")
        return f"(?:[^{firsts}{piece.spares}]|{piece.spares}(?!{ends}))*+"
    if not stops:
        return ".*+"
    if all(len(stop) == 1 for stop in stops):
        return f"[^{firsts}]*+"
    return f"(?:[^{firsts}]|(?!{'|'.join(map(re.escape, stops))}).)*+"


def _stops(pieces: Sequence[Piece], n: int) -> list[str]:
    """What a variable may end at: the next text, and what variables before that begin with."""
    stops: list[str] = []
    for piece in pieces[n + 1 :]:
        if isinstance(piece, str):
            return [*stops, piece]
        if not piece.begins:
            this = pieces[n]
            name = this.name if isinstance(this, Variable) else ""
            text = f"{name} and {piece.name} stand side by side, so there is no telling where one ends"
            raise TraceError(f"{OPTION}: {text}. Put something between them in the server's format.")
        stops.append(piece.begins)
    return stops


def _stamp_ns(roles: Mapping[str, str]) -> int | None:
    """The finest instant of a line."""
    fraction = f".{roles['clock f']}" if "clock f" in roles else ""
    for role in _TIMES:
        text = roles.get(role, "").strip("[]")
        if text and (stamp_ns := instant_ns(text + fraction if text.isdigit() else text)) is not None:
            return stamp_ns
    if "clock Y" not in roles:
        return None
    year, month, day, hour, minute, second, zone = (roles.get(f"clock {part}", "") for part in "YmdHMSz")
    clock = f"{hour or '00'}:{minute or '00'}:{second or '00'}{fraction}"
    if month.isdigit():
        return instant_ns(f"{year}-{month}-{day}T{clock}{zone}")
    return instant_ns(f"{day}/{month}/{year}:{clock}{f' {zone}' if zone else ''}")


def _request(roles: Mapping[str, str]) -> tuple[str, str] | None:
    """The method and the target."""
    whole = _REQUEST(roles.get("request", ""))
    if whole is not None:
        return whole["method"], whole["target"]
    method, path, query = roles.get("method"), roles.get("path"), roles.get("query", "")
    if method is None or path is None:
        return None
    return method, f"{path}?{query.removeprefix('?')}" if query and "?" not in path else path
