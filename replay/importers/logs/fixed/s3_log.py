"""The `s3-log` format: server access logs of Amazon S3, as they lie in a bucket.

The layout is that of the guide "Amazon S3 server access log format". Its time is when a request was received; Total
Time, in ms, is from then to the last byte of the answer. The size of an object that was put stands for its body. What
S3 does by itself (lifecycle, replication) has no request line, and is counted. Owners, requesters, keys, referers and
ciphers are dropped.

--session-by takes `client`, `user_agent`, `host`, `operation`, `bucket`, or `query:NAME`.
"""

import re

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns

_LINE = re.compile(
    r"[0-9a-f]{64} (?P<bucket>\S{1,100}) \[(?P<time>[^\]]{20,40})\] (?P<client>\S{1,100}) \S{1,300} \S{1,100} "
    r"(?P<operation>(?:REST|SOAP|WEBSITE|BATCH|S3)\.\S{1,100}) \S++ (?:\"(?P<request>[^\"]*+)\"|-) (?P<status>\d{3}|-) "
    r"\S{1,100} (?P<sent>\d{1,18}|-) (?P<size>\d{1,18}|-) (?P<took>\d{1,12}|-) (?:\d{1,12}|-) "
    r"(?:\"(?:[^\"\\]|\\.)*+\"|-) (?:\"(?P<agent>(?:[^\"\\]|\\.)*+)\"|-)"
    r"(?: \S++(?: \S++ \S++ \S++ \S++(?: (?P<host>\S++))?)?)?(?: .*)?",
    re.ASCII | re.DOTALL,
).fullmatch
_REQUEST = re.compile(r"(?P<method>[A-Z]{1,20}) (?P<url>\S++) HTTP/\d(?:\.\d)?").fullmatch
_SENT_WITH_A_BODY = ("PUT", "POST")
_NO_LINE = "not in the format of S3's server access log."
_EXPLAINED = (
    "A request began when S3 received it, to the second. Durations end with the last byte of the answer.",
)


def _read(line: str) -> LoggedLine | str:
    found = _LINE(line)
    at_ns = None if found is None else instant_ns(found["time"])
    if found is None or at_ns is None:
        return _NO_LINE
    request = _REQUEST(found["request"] or "")
    if request is None:
        return LoggedLine(left_out="line(s) of what S3 did by itself")
    body_bytes = number(found["size"]) if request["method"] in _SENT_WITH_A_BODY else None
    agent, host = found["agent"], found["host"]
    return LoggedLine(
        stamp_ns=at_ns,
        took_us=duration_us(found["took"], "ms"),
        method=request["method"],
        target=request["url"],
        host=None if host == "-" else host,
        peer=found["client"],
        user_agent=None if agent in ("", "-") else agent,
        status=status_of(found["status"]),
        response_bytes=number(found["sent"]),
        request_bytes=body_bytes,
        body_bytes=body_bytes,
        told={"host": host, "operation": found["operation"], "bucket": found["bucket"]},
    )


S3_LOG = LineFormat(
    "s3-log",
    "server access logs of Amazon S3",
    lambda line: _LINE(line) is not None,
    _read,
    _EXPLAINED,
    suffix="",
)
