"""Requests of the `envoy-log` format: Envoy's access log in its default text format, or in Istio's.

    [START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS BYTES_RECEIVED BYTES_SENT DURATION UPSTREAM_TIME "FORWARDED_FOR"
    "USER_AGENT" "REQUEST_ID" "AUTHORITY" "UPSTREAM_HOST"

on one line; Istio's has the response's details between FLAGS and BYTES_RECEIVED, and more at the end. What becomes of a
request is said in replay/importers/logs/logged_requests.py. START_TIME is when a request began, DURATION is ms, and
BYTES_RECEIVED is the size of the body. The request's id, the upstream's time (`upstream_ms`) and the flags become
attributes. The peer's address is not in this format: a client is told by whom its requests were forwarded for, and by
its user agent.

--session-by takes `client`, `user_agent`, `request_id`, `authority`, or `query:NAME`. Logs in JSON: `json-log`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from replay.assembly.requests.log_fields import first_address, number, session_value, status_of
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.log_frames import unframed
from replay.importers.logs.log_lines import stamped
from replay.importers.logs.log_times import duration_us
from replay.importers.logs.logged_requests import LoggedRequest, RequestLog
from replay.reading.inputs import input_files

_LINE = re.compile(
    r'\[(?P<time>\d{4}-[^\]]{1,40})\] "(?P<method>[^\s"]++) (?P<path>[^"]*?)(?: (?:HTTP/[\d.]+|-))?" '
    r"(?P<status>\d{1,3}|-) (?P<flags>[\w,\-]{1,200}) "
    r'(?:[^\s"]{1,200}(?: [^\s"]{1,200}){0,20}? "[^"]*+" )?'  # Istio's details, and why the upstream failed
    r"(?P<received>\d{1,18}|-) (?P<sent>\d{1,18}|-) (?P<ms>\d{1,15}|-) (?P<upstream>\S{1,40})"
    r'(?: "(?P<forwarded>[^"]*+)" "(?P<agent>[^"]*+)" "(?P<id>[^"]*+)" "(?P<authority>[^"]*+)".*)?',
    re.ASCII | re.DOTALL,
).fullmatch

_NO_LINE = "not in Envoy's default access log format. Name the format that it is in, or leave it out."
_STAMPED = "The logs' times are taken as the starts of requests, as Envoy's START_TIME is."


class EnvoyLog:
    """The importer; see the head of this module."""

    name = "envoy-log"
    describe = "Envoy's and Istio's access logs in their default text format"

    def sniff(self, first_bytes: bytes) -> bool:
        return any(_LINE(line) is not None for line in unframed(first_bytes))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options)
        for found, stamp_ns in log.read_lines(input_files(paths, ".log*"), stamped(_LINE, _NO_LINE)):
            _add(log, found, stamp_ns, options)
        return log.result([_STAMPED])


def _add(log: RequestLog, found: "re.Match[str]", stamp_ns: int, options: ImportOptions) -> None:
    took_us = duration_us(found["ms"], "ms")
    user_agent, request_id = _told(found["agent"]), _told(found["id"])
    address = first_address(found["forwarded"], None)
    path = found["path"]
    told = {
        "client": address,
        "user_agent": user_agent,
        "request_id": request_id,
        "authority": found["authority"],
    }
    received = number(found["received"])
    log.add(
        LoggedRequest(
            start_us=log.stamps.start_us(stamp_ns, took_us, is_end=False),
            took_us=took_us,
            method=found["method"],
            path=path,
            client=address,
            user_agent=user_agent,
            session=session_value(options.session_by, path, told),
            status=status_of(found["status"]),
            request_bytes=received,
            response_bytes=number(found["sent"]),
            body_bytes=received,
            attributes={
                "request_id": request_id or "",
                "upstream_ms": _told(found["upstream"]) or "",
                "response_flags": _told(found["flags"]) or "",
            },
        )
    )


def _told(text: str | None) -> str | None:
    return None if text in (None, "", "-") else text
