"""Logs of one line a request in a layout that their server fixes, each told by a declaration: see `LineFormat`.

What becomes of a request is said in replay/importers/logs/logged_requests.py.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from replay.assembly.requests.log_fields import first_address, session_value
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.log_frames import unframed
from replay.importers.logs.logged_requests import LoggedRequest, RequestLog
from replay.reading.inputs import input_files


class LoggedLine(msgspec.Struct, gc=False, kw_only=True):
    """What a line tells. left_out: what it is, in plural, where it is no request; nothing else counts then.

    stamp_ns: since 1970; is_end: whether the request had ended by then. client: who sent it, where that is not an
    address. session: what it belongs to, where the line tells. told: what --session-by may name, besides `client` and
    `user_agent`.
    """

    stamp_ns: int = 0
    is_end: bool = False
    took_us: int | None = None
    method: str = ""
    target: str = ""
    host: str | None = None
    peer: str | None = None
    client: str | None = None
    session: str | None = None
    forwarded: str | None = None
    user_agent: str | None = None
    status: int | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    counts_head: bool = False
    body_bytes: int | None = None
    message_bytes: int | None = None
    attributes: dict[str, str] = {}
    told: Mapping[str, str | None] = {}
    left_out: str = ""


class LineFormat(msgspec.Struct, frozen=True):
    """One server's layout. tells: whether a line is of it. read: what a line says, or a sentence that says why nothing.

    explained: what its times stand for, for people. session_is: see RequestLog. suffix: of such files in a folder.
    is_whole: whether what looks like a collector's frame around a line is the layout's own, where that may be.
    """

    name: str
    describe: str
    tells: Callable[[str], bool]
    read: Callable[[str], LoggedLine | str]
    explained: tuple[str, ...]
    session_is: str | None = None
    suffix: str = ".log*"
    is_whole: Callable[[str], bool] | None = None


class LineLog:
    """The importer of a layout."""

    def __init__(self, layout: LineFormat) -> None:
        self.name = layout.name
        self.describe = layout.describe
        self._layout = layout

    def sniff(self, first_bytes: bytes) -> bool:
        layout = self._layout
        if layout.is_whole is None:
            return any(map(layout.tells, unframed(first_bytes)))
        return any(map(layout.tells, map(str.strip, first_bytes.decode("utf-8", "replace").splitlines())))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        layout = self._layout
        log = RequestLog(self.name, paths, options, session_is=layout.session_is)
        whole = layout.is_whole or (lambda line: False)
        for line in log.read_lines(input_files(paths, layout.suffix), layout.read, whole):
            add_line(log, line, options)
        return log.result(layout.explained)


def add_line(log: RequestLog, line: LoggedLine, options: ImportOptions) -> None:
    """Keep the request of a line, or count what it is instead. Raises TraceError where there are too many."""
    if line.left_out:
        log.departures.drop(line.left_out)
        return
    address = line.client if line.client is not None else first_address(line.forwarded, line.peer)
    chosen = line.session if options.session_by is None else None
    told = {**line.told, "client": address, "user_agent": line.user_agent}
    log.add(
        LoggedRequest(
            start_us=log.stamps.start_us(line.stamp_ns, line.took_us, line.is_end),
            took_us=line.took_us,
            method=line.method,
            path=line.target,
            client=address,
            host=line.host,
            user_agent=line.user_agent,
            session=chosen or session_value(options.session_by, line.target, told),
            status=line.status,
            request_bytes=line.request_bytes,
            response_bytes=line.response_bytes,
            counts_head=line.counts_head,
            body_bytes=line.body_bytes,
            message_bytes=line.message_bytes,
            attributes={name: value for name, value in line.attributes.items() if value not in ("", "-")},
        )
    )
