"""The `uvicorn-log` format: what uvicorn tells of requests, among the lines of the application that it serves.

    2026-07-14 22:37:50,765 INFO:     192.0.2.7:38194 - "POST /v1/chat/completions HTTP/1.1" 200 OK

FastAPI's applications, vLLM, SGLang and LiteLLM's proxy are served by it. It writes no time by itself: that has to
stand in front of its line, by a format of the application's own, or by who collected it (docker with `-t` or in JSON,
`kubectl logs --timestamps`, a container runtime). Where it has no zone, it is taken as UTC. uvicorn writes its line
when the head of the answer is sent, and no duration: the time is taken as the start.

--session-by takes `client` or `query:NAME`. Lines of the application itself are counted.
"""

import re
from typing import NamedTuple

from replay.assembly.requests.log_fields import status_of
from replay.importers.logs.applications.fronts import LONGEST_FRONT, stamp_ns, unpacked, without_time
from replay.importers.logs.line_logs import LineFormat, LoggedLine

_BETWEEN = ' - "'
_CLIENT = re.compile(r"(?P<client>\[?[\da-fA-F.:]{2,45}\]?):\d{1,5}\Z", re.ASCII).search
_REQUEST = re.compile(
    r"(?P<method>[A-Z]{1,20}) (?P<target>/[^\s\"]{0,8000}) HTTP/[\d.]{1,3}\" "
    r"(?P<status>\d{3})(?: [A-Z][\w' \-]{0,60})?\s*",
    re.ASCII,
).fullmatch
_IS_CUT_OFF = re.compile(r"[\da-fA-F.\]]:\d{1,5} - \"[A-Z]{1,20} /[^\"]*+\Z", re.ASCII).search
_LONGEST_CLIENT = 60
_OF_HEROKU = re.compile(r"(?:app|heroku)\[[\w.]{1,60}\]:").search

_CUT_OFF = "was cut off within its request."
_OTHERS = "line(s) of the application itself"
_EXPLAINED = (
    "Without durations, times are taken as starts; uvicorn writes a line when the head of the answer is sent.",
)


class _Parts(NamedTuple):
    front: str
    client: str
    request: "re.Match[str]"


def _parts(line: str) -> _Parts | None:
    """What stands in front of a request, who sent it, and the request; None where the line is none of uvicorn's."""
    front, between, rest = unpacked(line).partition(_BETWEEN)
    client = _CLIENT(front[-_LONGEST_CLIENT:]) if between and len(front) <= LONGEST_FRONT else None
    request = None if client is None else _REQUEST(rest)
    return None if client is None or request is None else _Parts(front, client["client"], request)


def _tells(line: str) -> bool:
    found = _parts(line)
    return found is not None and _OF_HEROKU(found.front) is None


def _read(line: str) -> LoggedLine | str:
    found = _parts(line)
    if found is None:
        return _CUT_OFF if _IS_CUT_OFF(unpacked(line)) else LoggedLine(left_out=_OTHERS)
    began_ns = stamp_ns(found.front)
    if began_ns is None:
        return without_time("uvicorn")
    return LoggedLine(
        stamp_ns=began_ns,
        method=found.request["method"],
        target=found.request["target"],
        peer=found.client,
        status=status_of(found.request["status"]),
    )


UVICORN_LOG = LineFormat(
    "uvicorn-log", "uvicorn's logs of requests, with times", _tells, _read, _EXPLAINED, is_whole=_tells
)
