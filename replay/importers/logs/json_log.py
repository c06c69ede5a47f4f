"""Requests of the `json-log` format: servers' access logs as JSON Lines, of nginx, Apache, Envoy and their like.

Keys are those that their documentation and common configurations use, whatever their case; see the tables below.
A value may be a text or a number. Objects in `request`, `response` and `http` are looked into too (Caddy writes so);
layouts with objects of their own (ECS, pino) are in replay/importers/logs/json_layouts.py. What becomes of a request is
said in replay/importers/logs/logged_requests.py. What the keys tell:

- `start_time`, Envoy's, is the start of a request, and so is any key with "start" in it; `completed_at` and its like
  are the end. So is every other instant, where there is a duration to go back by, as nginx and most others write a
  line when the request has ended.
- A duration has its unit in the name of its key (`latency_ms`). Of several, one in ms or finer counts before one in s,
  which is often rounded, and what a request took before what `elapsed`.
- `duration` has no unit in its name: where the line is Envoy's (`start_time` or `response_code`) it is ms; Caddy's
  is s. Elsewhere it is not used, and counted. A text with a unit (`12ms`, `1m2.5s`, `00:00:01.25`, `PT1.25S`)
  is what it says.
- The client is the first address that the request was forwarded for, or else the peer, with its user agent.
- Bodies have the size `bytes_received` (Envoy) or `content_length`; `request_length` (nginx) counts the head of the
  request as well.

--session-by takes a key, dotted for a key in an object, or `query:NAME`. Referers and all other keys are dropped.
Lines with other keys are read by those that `--keys` names (replay/importers/logs/named_keys.py).
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.requests.log_fields import (
    first_address,
    number,
    said,
    session_value,
    status_of,
)
from replay.assembly.requests.step_texts import LEFT_OUT_REFERERS
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.blocks.json_blocks import JsonBlocks
from replay.importers.logs.json_keys import (
    ATTRIBUTES,
    DURATIONS,
    DURATIONS_BY_TEXT,
    ENDS,
    INSTANTS,
    NESTING,
    OF_ENVOY,
    OF_VEGETA,
    STARTS,
    TOLD,
    TRAEFIK,
    flat_key,
)
from replay.importers.logs.json_layouts import told_by_layout
from replay.importers.logs.line_logs import add_line
from replay.importers.logs.log_frames import unframed
from replay.importers.logs.log_times import duration_us, instant_ns, told_duration_us
from replay.importers.logs.logged_requests import LoggedRequest, RequestLog
from replay.importers.logs.named_keys import NamedKeys
from replay.reading.inputs import input_files
from replay.reading.rows import as_json
from replay.trace.errors import shown_path

_ESCAPES = re.compile(r"\\\\|(?:\\x[\da-fA-F]{2})+")
# A number under a key that only sounds like a start may be a duration.
_EARLIEST_NS = 10**17  # in 1973

_NO_OBJECT = "not a JSON object."
_VEGETA = "a result of vegeta, whose times are starts. Name its format: vegeta-results."
_NO_TIME = "no request with a time: a key like start_time, completed_at, time_iso8601 or timestamp is needed."
_STAMPED_END = (
    "The logs' times are taken as the ends of requests, as nginx writes them; each began its duration earlier. Only "
    "keys with start in their name are taken as starts."
)
_STAMPED_START = "The logs' times are taken as the starts of requests, as Envoy's start_time is."


class JsonLog:
    """The importer; see the head of this module."""

    name = "json-log"
    describe = "nginx, Apache and Envoy access logs as JSON Lines"

    def sniff(self, first_bytes: bytes) -> bool:
        return any(_is_request(_entry(line)) for line in _sniffed(first_bytes))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, ".json*" if _has_json(paths) else ".log*")
        if options.keys is not None:
            named = NamedKeys(options.keys, options.session_by)
            session_is = named.session_is if options.session_by is None else None
            log = RequestLog(self.name, paths, options, session_is=session_is)
            for line in log.read_lines(files, named.read, named.fits):
                add_line(log, line, options)
            named.refuse_unseen(shown_path(files[0]))
            return log.result(named.notes)
        log = RequestLog(self.name, paths, options)
        for entry, stamp in log.read_lines(files, _parsed, _fits, JsonBlocks):
            _add(log, entry, stamp, options)
        stamps = log.stamps
        explained = [_STAMPED_END] if stamps.at_end else []
        explained += [_STAMPED_START] if stamps.at_start else []
        return log.result(explained)


def _sniffed(first_bytes: bytes) -> list[str]:
    """The first objects, on a line each or not."""
    text = first_bytes.decode("utf-8", "replace")
    begin = text.find("{")
    if begin < 0 or text[:begin].strip(" \t\r\n[,"):
        return unframed(first_bytes)
    try:
        _, end = json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return unframed(first_bytes)
    return [text[begin:end], *unframed(first_bytes)]


def _is_request(entry: dict[str, Any] | None) -> bool:
    if entry is None or entry.keys() >= OF_VEGETA or _stamp(entry) is None or _request(entry) is None:
        return False
    return status_of(_told(entry, "status")) is not None or _first(entry, tuple(DURATIONS)) is not None


def _fits(line: str) -> bool:
    return _is_request(_entry(line))


def _parsed(line: str) -> tuple[dict[str, Any], tuple[int, bool]] | str:
    entry = _entry(line)
    stamp = None if entry is None else _stamp(entry)
    if entry is None:
        return _NO_OBJECT
    if entry.keys() >= OF_VEGETA:
        return _VEGETA
    return _NO_TIME if stamp is None else (entry, stamp)


def _has_json(paths: Sequence[Path]) -> bool:
    """Whether a folder among these has files named for JSON; logs are often named .log all the same."""
    return any(next(path.rglob("*.json*"), None) is not None for path in paths if path.is_dir())


def _entry(line: str) -> dict[str, Any] | None:
    """A line's object by lower-case keys, with - and . as _, objects for requests laid open; None where it is none."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = _repaired(line)
    if not isinstance(found, dict):
        return None
    layout = told_by_layout(found)
    entry = _flat({**found, **layout} if layout else found)
    for key in NESTING:
        inner = entry.get(key)
        if isinstance(inner, dict):
            entry = {
                **_flat(inner),
                **{name: value for name, value in entry.items() if name != key},
                key: inner,
            }
    return entry


def _repaired(line: str) -> Any:
    """What a line with values and escapes that JSON has not would say; None where it is no JSON even so."""
    data = line.encode("utf-8", "replace")
    repaired = as_json(_ESCAPES.sub(_as_json, line).encode("utf-8", "replace"))
    try:
        return None if repaired == data else msgspec.json.decode(repaired)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _as_json(escaped: "re.Match[str]") -> str:
    """Bytes as Apache writes them, and nginx without escape=json, as JSON has them."""
    if escaped[0] == "\\\\":
        return escaped[0]
    text = bytes.fromhex(escaped[0].replace("\\x", "")).decode("utf-8", "replace")
    return json.dumps(text)[1:-1]


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    return {flat_key(key): value for key, value in found.items()}


def _first(entry: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """The first of these that is a text that says something, or a number, as a text."""
    for key in keys:
        if key in entry and (text := said(entry[key])) is not None:
            return text
    return None


def _told(entry: Mapping[str, Any], name: str) -> str | None:
    return _first(entry, TOLD[name])


def _stamp(entry: Mapping[str, Any]) -> tuple[int, bool] | None:
    """The instant, and whether it is the end."""
    for keys, is_end in ((STARTS, False), (ENDS, True), (INSTANTS, True)):
        for key in keys:
            text = _first(entry, (key,))
            stamp_ns = None if text is None else instant_ns(text)
            if stamp_ns is not None:
                return stamp_ns, is_end
        if not is_end:
            inner = entry.get("request")
            of_request = _flat(inner) if isinstance(inner, dict) else {}
            others = (key for key in entry if "start" in key and key not in STARTS and key not in of_request)
            stamps = (instant_ns(text) for key in others if (text := _first(entry, (key,))) is not None)
            stamp_ns = next((each for each in stamps if each is not None and each >= _EARLIEST_NS), None)
            if stamp_ns is not None:
                return stamp_ns, False
    return None


def _request(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """The method, which some write small, and the target."""
    method, path = (_told(entry, "method") or "").upper(), _told(entry, "path")
    if method and path:
        query = _told(entry, "query")
        if query and "?" not in path:
            path = f"{path}?{query.removeprefix('?')}"
        return method, path
    line = _told(entry, "line") or ""
    if method and line.startswith("/"):  # Apache's "%U%q"
        return method, line
    words = line.split(" ")
    return (words[0], words[1]) if len(words) >= 2 and words[1] else None


def _took_us(entry: Mapping[str, Any], log: RequestLog) -> int | None:
    there = [key for key in DURATIONS if key in entry]
    named = [(text, DURATIONS[key]) for key in there if (text := said(entry[key])) is not None]
    if named:
        return next((us for text, unit in named if (us := duration_us(text, unit)) is not None), None)
    begun, ended = (instant_ns(_first(entry, keys) or "") for keys in (STARTS, ENDS))
    if begun is not None and ended is not None and ended >= begun:
        return (ended - begun) // 1_000
    text = _first(entry, DURATIONS_BY_TEXT)
    if text is None:
        return None
    if (told_us := told_duration_us(text)) is not None:
        return told_us
    if all(key in entry for key in TRAEFIK):
        return duration_us(text, "ns")
    if "start_time" in entry or "response_code" in entry:
        return duration_us(text, "ms")
    if isinstance(entry.get("request"), dict) and isinstance(entry.get("ts"), float):
        return duration_us(text, "s")
    log.departures.drop("duration(s) without a unit in name or value")
    return None


def _add(log: RequestLog, entry: Mapping[str, Any], stamp: tuple[int, bool], options: ImportOptions) -> None:
    request = _request(entry)
    if request is None:
        log.departures.drop("line(s) without a method and path")
        return
    method, path = request
    stamp_ns, is_end = stamp
    took_us = _took_us(entry, log)
    user_agent = _told(entry, "user_agent")
    log.departures.drop(LEFT_OUT_REFERERS, _told(entry, "referer") is not None)
    attributes = {name: _first(entry, (key,)) or "" for key, name in ATTRIBUTES.items()}
    attributes["request_id"] = _told(entry, "request_id") or ""
    address = first_address(_told(entry, "forwarded"), _told(entry, "peer"))
    body_bytes = number(_told(entry, "response_bytes"))
    sent_bytes = number(_told(entry, "sent_bytes")) if body_bytes is None else None
    length = number(_told(entry, "body_bytes"))
    told: dict[str, str | None] = {"client": address}
    if options.session_by is not None and options.session_by != "client":
        told[options.session_by] = _dotted(entry, options.session_by)
    log.add(
        LoggedRequest(
            start_us=log.stamps.start_us(stamp_ns, took_us, is_end),
            took_us=took_us,
            method=method,
            path=path,
            client=address,
            host=_told(entry, "host"),
            user_agent=user_agent,
            session=session_value(options.session_by, path, told),
            status=status_of(_told(entry, "status")),
            request_bytes=length,
            response_bytes=sent_bytes if body_bytes is None else body_bytes,
            counts_head=sent_bytes is not None and OF_ENVOY not in entry,
            body_bytes=length,
            message_bytes=number(_told(entry, "message_bytes")),
            attributes=attributes,
        )
    )


def _dotted(entry: Mapping[str, Any], path: str) -> str | None:
    """The text or number at a dotted path: the whole path as a key, or else from object to object."""
    whole = flat_key(path)
    if whole in entry:
        return _first(entry, (whole,))
    value: Any = entry
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key, _flat(value).get(flat_key(key)))
    return said(value)
