"""The `fastify-log` format: what Fastify writes of requests by default, a line when one comes and a line when it ended.

    {"level":30,"time":1,"pid":1,"hostname":"h","reqId":"req-1","req":{"method":"GET","url":"/a"},"msg":"incoming..."}
    {"level":30,"time":9,"pid":1,"hostname":"h","reqId":"req-1","res":{"statusCode":200},"responseTime":7.85,"msg":"..."}

The two are put together by `reqId`, process and host. A request began at the `time` of its first line, and took
`responseTime`, in ms. One whose second line is not there, or that has another before it, has no duration and no status,
and is counted. All other lines are the application's own. pino-http's lines have both halves: they are `json-log`'s.

--session-by takes `client`, `host` or `query:NAME`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.requests.log_fields import status_of
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.line_logs import LoggedLine, add_line
from replay.importers.logs.log_frames import unframed
from replay.importers.logs.log_times import instant_ns
from replay.importers.logs.logged_requests import RequestLog
from replay.reading.inputs import input_files

_MOST_UNDER_WAY = 100_000
_LONGEST_MS = 1e12
_OTHERS = "line(s) of the application itself"
_UNFINISHED = "request(s) whose end was not logged have no duration"
_NO_OBJECT = "not a JSON object."
_EXPLAINED = ("A request began when its first line says that it came.",)


class _Request(msgspec.Struct, gc=False):
    method: str
    url: str
    host: str | None = None
    hostname: str | None = None
    remote_address: str | None = msgspec.field(default=None, name="remoteAddress")


class _Response(msgspec.Struct, gc=False):
    status: int | None = msgspec.field(default=None, name="statusCode")


class _Line(msgspec.Struct, gc=False):
    id: str | int = msgspec.field(name="reqId")
    time: int | float | str
    pid: int | None = None
    hostname: str | None = None
    req: _Request | None = None
    res: _Response | None = None
    took_ms: float | None = msgspec.field(default=None, name="responseTime")


_decode = msgspec.json.Decoder(_Line).decode
_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class FastifyLog:
    """The importer; see the head of this module."""

    name = "fastify-log"
    describe = "Fastify's logs, two lines a request"

    def sniff(self, first_bytes: bytes) -> bool:
        lines = (_parsed(line) for line in unframed(first_bytes))
        return any(isinstance(line, _Line) and line.req is not None and line.res is None for line in lines)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options)
        for line in _requests(log.read_lines(input_files(paths, ".*"), _parsed), log):
            add_line(log, line, options)
        return log.result(_EXPLAINED)


def _parsed(line: str) -> _Line | LoggedLine | str:
    """A half of a request, or what else the line is."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        _is_object(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _NO_OBJECT
    return LoggedLine(left_out=_OTHERS)


def _requests(lines: Iterator[_Line | LoggedLine], log: RequestLog) -> Iterator[LoggedLine]:
    under_way: dict[tuple[object, ...], _Line] = {}
    for line in lines:
        if isinstance(line, LoggedLine):
            yield line
            continue
        key = (line.hostname, line.pid, line.id)
        first = under_way.pop(key, None)
        if line.req is not None and line.res is None:
            if first is None and len(under_way) >= _MOST_UNDER_WAY:
                first = under_way.pop(next(iter(under_way)))
            under_way[key] = line
            if first is not None:
                yield from _whole(first, None, log)
        elif first is not None and line.res is not None:
            yield from _whole(first, line, log)
        else:
            if first is not None:  # the application's own, about a request under way
                under_way[key] = first
            yield LoggedLine(left_out=_OTHERS)
    for first in under_way.values():
        yield from _whole(first, None, log)


def _whole(first: _Line, last: _Line | None, log: RequestLog) -> Iterator[LoggedLine]:
    stamp_ns = instant_ns(str(first.time))
    if stamp_ns is None or first.req is None:
        yield LoggedLine(left_out=_OTHERS)
        return
    log.departures.infer(_UNFINISHED, last is None)
    took_ms = None if last is None else last.took_ms
    host = first.req.host or first.req.hostname
    yield LoggedLine(
        stamp_ns=stamp_ns,
        took_us=None if took_ms is None or not 0 <= took_ms <= _LONGEST_MS else round(took_ms * 1_000),
        method=first.req.method,
        target=first.req.url,
        host=host,
        peer=first.req.remote_address,
        status=None if last is None or last.res is None else status_of(str(last.res.status)),
        attributes={"request_id": str(first.id)},
        told={"host": host},
    )
