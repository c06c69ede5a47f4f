r"""Requests of the `access-log` format: what nginx and Apache write, in the common or the combined format.

    192.0.2.7 - ada [10/Oct/2000:13:55:36 -0700] "GET /x HTTP/1.1" 200 612 "-" "curl/8.0" rt=0.123 urt="0.120"

What becomes of a request is said in replay/importers/logs/logged_requests.py. A host before the address, as in
Apache's vhost_combined, is where it went; other columns there are passed over. What is read behind the size, or the
user agent, in any order:

- durations: `rt=`, `request_time=` (s, nginx), or a bare number with a fraction, which is taken as nginx's
  $request_time; `D=`, `duration_us=` (us, Apache's %D), `0/123456` (Apache's %T/%D), or `17ms` (Traefik). The
  upstream's (`urt=`,
  `upstream_response_time=`, or a second bare number) becomes the attribute `upstream_s`.
- `msec=`, or a bare number like 1700000000.123: the instant in ms, used in place of the one in brackets.
- the request's id: `rid=`, `request_id=`, or a bare UUID or 32 hexadecimal digits; and, in quotes after the user
  agent, whom the request was forwarded for, whose first address is then the client's.
- sizes of requests: `content_length=` of the body, `request_length=` with the head, and so the first number of
  ingress-nginx, before its duration and the upstream in brackets.
- other `key=value` fields are there for --session-by only.

The time in brackets: nginx writes $time_local, $time_iso8601 and $msec when a request has ended; Apache's %t is when
it began. Which one it is follows from the duration: rt, request_time and bare fractions are nginx's, so a request
began that much earlier; D, duration_us and %T/%D are Apache's. Without a duration the time is taken as the start. The
order of the lines tells too: logs are written when requests end, so starts run backwards where requests overlap.

--session-by takes `client`, `user`, `user_agent`, `request_id`, `query:NAME`, or a key of `key=value`. With a format
that the configuration declares (`--log-format`), lines are read by it alone, and --session-by takes its variables:
`cookie_run` of nginx's `$cookie_run`, `X-Run` of Apache's `%{X-Run}i`.
Referers are dropped. A line with a request that the server could not parse is left out.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from replay.assembly.requests.log_fields import (
    first_address,
    forwarded_addresses,
    number,
    request_line,
    session_value,
    status_of,
    text_or_none,
)
from replay.assembly.requests.step_texts import LEFT_OUT_REFERERS
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.apache_format import apache_pieces
from replay.importers.logs.blocks.access_blocks import AccessBlocks
from replay.importers.logs.blocks.access_layout import is_of_ingress
from replay.importers.logs.line_logs import add_line
from replay.importers.logs.log_format import OPTION, DeclaredFormat
from replay.importers.logs.log_frames import unframed
from replay.importers.logs.log_lines import stamped
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.importers.logs.logged_requests import LoggedRequest, RequestLog
from replay.importers.logs.nginx_format import nginx_pieces
from replay.reading.inputs import input_files
from replay.trace.errors import TraceError

# Possessive, so that a line that does not match fails in time linear in its length.
_LINE = re.compile(
    r'(?:(?P<host>[^\s":]++:\d{1,5}) )?(?P<client>[^\s"]++) (?P<ident>[^\s"]++) (?P<user>[^\["]{0,200}?) '
    r'\[(?P<time>[^\]]{1,40})\] "(?P<request>(?:[^"\\]|\\.)*+)" '
    r"(?P<status>\d{3}|-) (?P<bytes>\d{1,18}|-)(?P<rest> .*)?",
    re.ASCII | re.DOTALL,
).fullmatch
_FIELD = re.compile(
    r'(?:(?P<key>[A-Za-z_][\w.\-]{0,50}+)[=:])?"(?P<quoted>(?:[^"\\]|\\.)*+)"'
    r"|(?P<name>[A-Za-z_][\w.\-]{0,50}+)=(?P<value>[^\s\"]*+)|(?P<bare>\S++)",
    re.ASCII | re.DOTALL,
)
_INSTANT = re.compile(r"\d{9,10}\.\d{3}", re.ASCII).fullmatch
_FRACTION = re.compile(r"\d{1,7}\.\d{1,6}", re.ASCII).fullmatch
_MILLISECONDS = re.compile(r"\d{1,9}ms", re.ASCII).fullmatch
_SECONDS_AND_US = re.compile(r"(?P<s>\d{1,9})/(?P<us>\d{1,15})", re.ASCII).fullmatch
_REQUEST_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").fullmatch
_ADDRESS = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?|\[?[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}\]?"
).fullmatch

_END_KEYS = ("rt", "request_time")
_START_KEYS = ("D", "duration_us")
_UPSTREAM_KEYS = ("urt", "upstream_response_time")
_ID_KEYS = ("rid", "request_id")
_FORWARDED_KEYS = ("xff", "x_forwarded_for", "fwd")
_HOST_KEYS = ("host", "http_host", "vhost", "server_name")

_IS_NGINX = re.compile(r"\$(?:\{\w|[A-Za-z_])").search

_NO_LINE = "not in the common or the combined log format. Name the format that it is in, or leave it out."
_BARE_NUMBERS = "line(s) with whole numbers of unknown meaning; if they are Apache's %D, write D= before them"
_STAMPED_END = (
    "The log's times are taken as the ends of requests, as nginx writes them; each began request_time earlier."
)
_STAMPED_START = "The log's times are taken as the starts of requests, as Apache's %t is."
_NOT_KNOWN = (
    "Without durations, times are taken as starts. With nginx they are ends: add rt=$request_time to its log_format; "
    "with Apache, add D=%D."
)
_IN_ORDER = (
    "They never run back by more than 1 s within a file, as is so with ends: requests are logged when they end."
)
_BACKWARDS = (
    "They run back by more than 1 s {n} time(s) within a file. Ends do not, unless lines are buffered by several "
    "workers, and starts do where requests overlap: so they are likely starts."
)


class AccessLog:
    """The importer; see the head of this module."""

    name = "access-log"
    describe = "nginx and Apache access logs, common or combined, with request_time or %D"

    def sniff(self, first_bytes: bytes) -> bool:
        return any(_LINE(line) is not None for line in unframed(first_bytes))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options)
        if options.log_format is not None:
            declared = declared_format(options.log_format)
            for line in log.read_lines(_files(paths), declared.read, declared.fits):
                add_line(log, line, options)
            return log.result([*_explained(log), *declared.notes])
        blocks = AccessBlocks if AccessBlocks.knows(options.session_by) else None
        for found, stamp_ns in log.read_lines(_files(paths), stamped(_LINE, _NO_LINE), blocks=blocks):
            _add(log, found, stamp_ns, options)
        return log.result(_explained(log))


def declared_format(text: str) -> DeclaredFormat:
    """What reads lines of a format string of nginx or Apache. Raises TraceError."""
    if _IS_NGINX(text):
        pieces, notes = nginx_pieces(text)
        return DeclaredFormat(pieces, is_end=True, notes=notes)
    if "%" not in text:
        wanted = (
            'nginx\'s, as $remote_addr [$time_local] "$request" $status, or Apache\'s, as %h %t \\"%r\\" %>s'
        )
        raise TraceError(f"{OPTION}: has no variables. Write {wanted}.")
    return DeclaredFormat(apache_pieces(text), is_end="%{end:" in text)


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files; in a folder those with access in their name, as beside an error.log, or else all logs."""
    found: list[Path] = []
    for path in paths:
        has_access = path.is_dir() and next(path.glob("*access*"), None) is not None
        found += input_files([path], "access*" if has_access else ".log*")
    return found


def _explained(log: RequestLog) -> list[str]:
    """What the times were taken for, and whether the order of the lines agrees."""
    stamps = log.stamps
    explained = [_STAMPED_START] if stamps.at_start else []
    explained += [_NOT_KNOWN] if stamps.without_duration else []
    if stamps.at_end:
        explained += [_STAMPED_END, _BACKWARDS.format(n=stamps.backwards) if stamps.backwards else _IN_ORDER]
    return explained


def _add(log: RequestLog, found: "re.Match[str]", stamp_ns: int, options: ImportOptions) -> None:
    request = request_line(found["request"])
    if request is None:
        log.departures.drop("line(s) with a request that the server could not parse")
        return
    texts, fields, bare = _fields(found["rest"] or "")
    referer, user_agent, forwarded_for = (*texts, None, None, None)[:3]
    log.departures.drop(LEFT_OUT_REFERERS, referer not in (None, "-", ""))
    user_agent = text_or_none(user_agent)
    forwarded_for = forwarded_addresses(forwarded_for) or _first(fields, _FORWARDED_KEYS)
    instant = (next(filter(_INSTANT, bare), None) if bare else None) or fields.get("msec")
    stamp_ns = (instant_ns(instant) if instant else None) or stamp_ns
    took_us, is_end, upstream = _duration(fields, bare)
    if took_us is None and bare:
        log.departures.drop(_BARE_NUMBERS, any(text.isdigit() for text in bare))
    request_id = _first(fields, _ID_KEYS) or (next(filter(_REQUEST_ID, bare), None) if bare else None)
    length = number(fields.get("content_length"))
    client, user, host = _columns(found)
    address = first_address(forwarded_for, client)
    method, path = request
    told = {
        **fields,
        "client": address,
        "user": user,
        "user_agent": user_agent,
        "request_id": request_id,
    }
    log.add(
        LoggedRequest(
            start_us=log.stamps.start_us(stamp_ns, took_us, is_end),
            took_us=took_us,
            method=method,
            path=path,
            client=address,
            host=host or _first(fields, _HOST_KEYS),
            user_agent=user_agent,
            session=session_value(options.session_by, path, told),
            status=status_of(found["status"]),
            request_bytes=length,
            response_bytes=number(found["bytes"]),
            body_bytes=length,
            message_bytes=number(fields.get("request_length") or (bare[0] if is_of_ingress(bare) else None)),
            attributes={
                key: value for key, value in (("request_id", request_id), ("upstream_s", upstream)) if value
            },
        )
    )


def _columns(found: "re.Match[str]") -> tuple[str, str, str | None]:
    """The client, the user, and the host where one stands in front, as virtual hosts and collectors write it.

    A user may hold blanks: columns in front are told by an address, or a name before a dash, three columns before the
    time.
    """
    user = found["user"]
    if " " not in user:
        return found["client"], user, found["host"]
    words = [found["client"], found["ident"], *user.split(" ")]
    client, ident = words[-3], words[-2]
    is_client = _ADDRESS(client) is not None or (ident == "-" and client != "-" and not _ADDRESS(words[0]))
    if not is_client:
        return found["client"], user, found["host"]
    host = next((word for word in words[:-3] if "." in word and not _ADDRESS(word)), None)
    return client, words[-1], found["host"] or host


def _fields(rest: str) -> tuple[list[str], dict[str, str], list[str]]:
    """What stands behind the size: texts in quotes, key=value, and the rest."""
    texts: list[str] = []
    fields: dict[str, str] = {}
    bare: list[str] = []
    for key, quoted, name, value, word in _FIELD.findall(rest):  # a group that is not there is empty
        if word:
            bare.append(word)
        elif name:
            fields.setdefault(name, value)
        elif key:
            fields.setdefault(key, quoted)
        else:
            texts.append(quoted)
    return texts, fields, bare + [text for text in texts[2:] if _FRACTION(text) or _REQUEST_ID(text)]


def _duration(fields: dict[str, str], bare: Sequence[str]) -> tuple[int | None, bool, str | None]:
    """The duration, whether the stamp beside it is the end, and what the upstream took."""
    upstream = _first(fields, _UPSTREAM_KEYS)
    text = _first(fields, _END_KEYS)
    if text is not None:
        return duration_us(text, "s"), True, upstream
    text = _first(fields, _START_KEYS)
    if text is not None:
        return duration_us(text, "us"), False, upstream
    if not bare:
        return None, False, upstream
    fractions = [text for text in bare if _FRACTION(text)]
    milliseconds = next((text for text in bare if _MILLISECONDS(text)), None)
    for found in filter(None, map(_SECONDS_AND_US, bare)):
        if int(found["us"]) // 1_000_000 == int(found["s"]):
            return duration_us(found["us"], "us"), False, upstream
    if milliseconds is not None:  # Traefik's, behind the number of the request and where it went
        return duration_us(milliseconds, "ms"), False, upstream
    if fractions:
        return duration_us(fractions[0], "s"), True, upstream or (fractions[1] if len(fractions) > 1 else None)
    return None, False, upstream


def _first(fields: dict[str, str], keys: Sequence[str]) -> str | None:
    for key in keys:
        if key in fields and (text := fields[key]) not in ("", "-"):
            return text
    return None
