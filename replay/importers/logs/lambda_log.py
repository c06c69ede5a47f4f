"""The `lambda-log` format: invocations of AWS Lambda functions, out of what the platform writes to CloudWatch Logs.

The lines are those of the Lambda Developer Guide, "Sending Lambda function logs to CloudWatch Logs", as text
(`REPORT RequestId: ...`) or JSON (`platform.report`). They are read out of `aws logs tail`, `sam logs` and S3 exports
(a line with its time each), and out of `filter-log-events`, `get-log-events`, Logs Insights and subscriptions (JSON).

- An invocation is a session of one `http` step, POST /functions/NAME, NAME from the log group where that is there.
  Neither method, path nor body are recorded.
- It began at its START, or else as long before its REPORT as it lasted. `Init Duration` (or `Restore Duration`) says
  that the invocation waited for an instance to boot: `cold` is true, it began that much earlier, and the boot is part
  of its duration, as for who called. Where INIT_START says that the instance was booted more than a second before
  that, or that it was provisioned, nobody waited: `cold` is false. The boot is kept as `init_ms` either way.
- Memory (`memory_mb`, `max_memory_mb`), the billed duration (`billed_ms`), the instance (its log stream) and the id of
  the request become attributes. A REPORT without a time, or a START that has one, is damaged.

What functions write themselves is dropped and counted.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.requests.log_fields import session_value
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.log_lines import read_log_lines
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.importers.logs.logged_requests import LoggedRequest, RequestLog
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_items
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path

_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_STREAM = r"\d{4}/\d\d/\d\d/[\w\-]{0,100}\[[\w$.\-]{1,128}\][0-9a-f]{1,64}"
_PREFIX = re.compile(
    rf"(?:(?P<before>{_STREAM})\s+)?(?P<time>{_ISO})\s+(?:(?P<after>{_STREAM})\s+)?(?P<message>\S.*)", re.DOTALL
).fullmatch
_EVENT = re.compile(
    r"(?P<what>REPORT|START) RequestId: (?P<id>[0-9A-Za-z\-]{1,64})\b(?P<rest>.*)", re.DOTALL
).match
_MEASURE = re.compile(r"(?P<name>[A-Z][A-Za-z ]{2,30}): (?P<value>\d{1,12}(?:\.\d{1,6})?) (?:ms|MB)\b")
_TOLD = re.compile(
    rb'(?:REPORT|START) RequestId: [0-9a-f\-]{36}|"type"\s*:\s*"platform\.(?:report|start)"'
    rb'|\\"type\\"\s*:\s*\\"platform\.(?:report|start)\\"'
).search

_ARRAYS = ("events", "logEvents", "results")
_STREAMS = ("logStreamName", "logStream", "@logStream")
_GROUPS = ("logGroup", "logGroupName", "@log")
_NAMES = {
    "durationMs": "Duration",
    "billedDurationMs": "Billed Duration",
    "memorySizeMB": "Memory Size",
    "maxMemoryUsedMB": "Max Memory Used",
    "initDurationMs": "Init Duration",
    "restoreDurationMs": "Restore Duration",
}
_ATTRIBUTES = {
    "Init Duration": "init_ms",
    "Restore Duration": "init_ms",
    "Billed Duration": "billed_ms",
    "Memory Size": "memory_mb",
    "Max Memory Used": "max_memory_mb",
}
_BOOTS = ("Init Duration", "Restore Duration")
_AHEAD_NS = 1_000_000_000
_MOST_OPEN = 100_000

_NO_TIME = "a REPORT without a time. Export the log with its times, as aws logs tail writes it."
_NO_DURATION = "a REPORT without a duration."
_OTHERS = "line(s) that functions wrote themselves, or that tell of no invocation"
_SESSION = "Each invocation is a session: who waited for whom is not recorded."
_EXPLAINED = (
    "Where a function had to boot, its invocation began that much earlier, and the boot is part of its duration.",
    "Calls are POST /functions/NAME; methods, paths and bodies are not recorded.",
)


class _Event(msgspec.Struct, gc=False):
    """A message of the platform. what: REPORT, START, or INIT_START; "" for any other."""

    what: str = ""
    request_id: str = ""
    time_ns: int | None = None
    stream: str = ""
    function: str = ""
    is_ahead: bool = False
    measures: dict[str, str] = {}
    place: str = ""


class LambdaLog:
    """The importer; see the head of this module."""

    name = "lambda-log"
    describe = "AWS Lambda's REPORT, START and INIT_START lines, as text or JSON"

    def sniff(self, first_bytes: bytes) -> bool:
        return _TOLD(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options, session_is=_SESSION)
        n = 0
        boots: dict[str, tuple[int, bool]] = {}
        starts: dict[tuple[str, str], int] = {}

        def events(file: Path) -> Iterator[_Event]:
            log.stamps.begin_file()
            boots.clear()
            starts.clear()
            return _events(file, log.damage)

        for event in log.damage.of_files(input_files(paths, ".*"), events):
            if event.what == "REPORT":
                n += 1
                _add(log, event, n, starts.pop((event.stream, event.request_id), None), boots, options)
            elif event.time_ns is None:
                log.departures.drop(_OTHERS)
            elif event.what == "START" and len(starts) < _MOST_OPEN:
                starts[event.stream, event.request_id] = event.time_ns
            elif event.what == "INIT_START":
                boots[event.stream] = event.time_ns, event.is_ahead
            else:
                log.departures.drop(_OTHERS)
        return log.result(_EXPLAINED)


def _add(
    log: RequestLog,
    event: _Event,
    n: int,
    start_ns: int | None,
    boots: dict[str, tuple[int, bool]],
    options: ImportOptions,
) -> None:
    ran_us = duration_us(event.measures.get("Duration", ""), "ms")
    if ran_us is None or (event.time_ns is None and start_ns is None):
        text = _NO_DURATION if ran_us is None else _NO_TIME
        log.damage.lose(TraceError(f"{event.place}: {text}"))
        return
    boot_text = next((event.measures[name] for name in _BOOTS if name in event.measures), None)
    boot_us = None if boot_text is None else duration_us(boot_text, "ms")
    ready_ns = start_ns if start_ns is not None else (event.time_ns or 0) - ran_us * 1_000
    boot_ns, is_ahead = boots.pop(event.stream, (None, False))
    waited_us = boot_us or 0
    if boot_ns is not None and ready_ns - waited_us * 1_000 - boot_ns > _AHEAD_NS:
        is_ahead = True
    waited_us = 0 if is_ahead else waited_us
    log.stamps.grain.add(ready_ns)
    function = event.function or "function"
    path = f"/functions/{function}"
    attributes = {_ATTRIBUTES[name]: value for name, value in event.measures.items() if name in _ATTRIBUTES}
    attributes |= {"instance": event.stream, "request_id": event.request_id}
    told = {"instance": event.stream, "request_id": event.request_id, "function": function}
    chosen = session_value(options.session_by, path, told)
    log.add(
        LoggedRequest(
            start_us=ready_ns // 1_000 - waited_us,
            took_us=waited_us + ran_us,
            method="POST",
            path=path,
            client=f"{n}" if chosen is None else chosen,
            session=chosen,
            cold=boot_us is not None and not is_ahead,
            body_bytes=0,
            attributes=attributes,
        )
    )


def _events(file: Path, damage: Damage) -> Iterator[_Event]:
    if _is_json(file):
        for item in read_items(file, _ARRAYS, damage):
            yield _of_item(item)
        return
    for n, line in read_log_lines(file, damage):
        place = f"{shown_path(file)}, line {n}"
        found = _PREFIX(line)
        if found is None:
            yield _of_message(line, place, None, "", "")
        else:
            stream = found["before"] or found["after"] or ""
            yield _of_message(found["message"], place, instant_ns(found["time"]), stream, "")


def _is_json(file: Path) -> bool:
    with open_recording(file) as source:
        start = source.read(1 << 12).lstrip()
    return start[:1] == b"{" or start.startswith((b"[{", b"[\n", b"[\r", b"[ "))


def _of_item(item: Item) -> _Event:
    """A record of the platform, or an event of CloudWatch Logs that holds a message."""
    message = item.plain("message") or item.plain("@message")
    if item.plain("type") is not None or message is None:
        return _of_record(item, None, "", "")
    outer = item.outer or item
    time = item.plain("timestamp") or item.plain("@timestamp")
    stream = next((text for name in _STREAMS if (text := item.plain(name) or outer.plain(name))), "")
    group = next((text for name in _GROUPS if (text := item.plain(name) or outer.plain(name))), "")
    return _of_message(
        message, item.place, instant_ns(time) if time else None, stream, group.rpartition("/")[2]
    )


def _of_message(text: str, place: str, time_ns: int | None, stream: str, function: str) -> _Event:
    text = text.strip()
    if text.startswith("{"):
        try:
            return _of_record(Item.of(text.encode("utf-8", "replace"), place), time_ns, stream, function)
        except TraceError:
            return _Event()
    if text.startswith("INIT_START "):
        return _Event("INIT_START", time_ns=time_ns, stream=stream)
    found = _EVENT(text)
    if found is None:
        return _Event()
    measures = {each["name"].strip(): each["value"] for each in _MEASURE.finditer(found["rest"])}
    return _Event(found["what"], found["id"], time_ns, stream, function, False, measures, place)


def _of_record(item: Item, time_ns: int | None, stream: str, function: str) -> _Event:
    kind, record = item.plain("type") or "", item.inner("record")
    time = item.plain("time")
    time_ns = (instant_ns(time) if time else None) or time_ns
    if record is None or not kind.startswith("platform."):
        return _Event()
    if kind == "platform.initStart":
        is_ahead = (record.plain("initializationType") or "on-demand") == "provisioned-concurrency"
        return _Event("INIT_START", time_ns=time_ns, stream=stream, is_ahead=is_ahead)
    what = {"platform.report": "REPORT", "platform.start": "START"}.get(kind, "")
    metrics = record.inner("metrics")
    measures = {
        name: value
        for key, name in _NAMES.items()
        if metrics is not None and (value := metrics.plain(key)) is not None
    }
    return _Event(what, record.plain("requestId") or "", time_ns, stream, function, False, measures, item.place)
