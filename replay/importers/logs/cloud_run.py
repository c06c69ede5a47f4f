"""Requests of the `cloud-run` format: Cloud Run's request logs as Cloud Logging exports them.

An entry is a LogEntry with `httpRequest`; a file holds them as JSON Lines (a sink to a bucket), as an array
(`gcloud logging read --format=json`), or as an object with `entries` (the API). What becomes of a request is said in
replay/importers/logs/logged_requests.py. What the fields tell:

- `timestamp` is taken as the start of the request, as Cloud Run writes it, and `latency` is its duration. Where most
  entries were received by Cloud Logging (`receiveTimestamp`) less than their latency after their timestamp, it
  cannot be the start, and is taken as the end; a note says so.
- The client is `remoteIp` with `userAgent`. `labels.instanceId` becomes the attribute `instance`, the names of the
  service and the revision in `resource.labels` `service` and `revision`, and `trace` its last part.
- `requestSize` counts the head of the request too.
- Whether an instance had to boot first is not recorded, so `cold` stays unknown.
- Names of fields may be those of protobuf, too (`http_request`).
- Entries without `httpRequest`, such as an application's own logs, are left out; so are referers.

--session-by takes a field, dotted (`trace`, `labels.NAME`, `httpRequest.remoteIp`), `client`, or `query:NAME`.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.requests.log_fields import first_address, number, session_value, status_of
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.log_times import duration_us
from replay.importers.logs.logged_requests import LoggedRequest, RequestLog
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_all_items
from replay.reading.timestamps import unix_ns
from replay.trace.errors import TraceError

_REQUEST_FIELD = re.compile(rb'"http(?:Request|_request)"\s*:\s*\{').search
_KEY = re.compile(rb'"request(?:Url|Method|_url|_method)"\s*:').search
_NO_TIME = "httpRequest without a timestamp like 2024-05-01T10:00:00.123456Z."
_STAMPED_START = "The timestamp of an entry is taken as the start of its request, as Cloud Run writes it."
_STAMPED_END = (
    "Most entries were received less than their latency after their timestamp, so it is taken as the end of the "
    "request, and not as the start."
)


class CloudRun:
    """The importer; see the head of this module."""

    name = "cloud-run"
    describe = "Cloud Run's request logs, exported from Cloud Logging as JSON"

    def sniff(self, first_bytes: bytes) -> bool:
        return bool(_REQUEST_FIELD(first_bytes) and _KEY(first_bytes))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options)
        files = input_files(paths, ".json*")
        is_end = _is_stamped_at_end(files)
        for item in _entries(files, log.damage):
            request = item.inner("httpRequest")
            if request is None:
                log.departures.drop("entries without httpRequest")
                continue
            stamp_ns = unix_ns(item.plain("timestamp") or "")
            if stamp_ns is None:
                log.damage.lose(TraceError(f"{item.place}: {_NO_TIME}"))
            else:
                _add(log, item, request, stamp_ns, is_end, options)
        return log.result([_STAMPED_END if is_end else _STAMPED_START])


def _entries(files: Sequence[Path], damage: Damage) -> Iterator[Item]:
    return (_in_camel_case(item) for _, item in read_all_items(files, ("entries",), damage))


def _in_camel_case(item: Item) -> Item:
    """An entry whose fields have the names of protobuf, as Google's client libraries and exports write them."""
    request = item.inner("http_request")
    if request is None:
        return item
    fields = {**_renamed(item), "httpRequest": msgspec.Raw(msgspec.json.encode(_renamed(request)))}
    return Item(fields, item.place, item.outer)


def _renamed(item: Item) -> dict[str, msgspec.Raw]:
    return {
        "".join((first, *map(str.capitalize, others))): msgspec.Raw(item.raw(name) or b"null")
        for name in item.names()
        for first, *others in (name.split("_"),)
    }


def _is_stamped_at_end(files: Sequence[Path]) -> bool:
    """Whether most entries were received before a request that began at their timestamp could have ended."""
    too_early = possible = 0
    for item in _entries(files, Damage()):
        request = item.inner("httpRequest")
        took_us = None if request is None else _latency_us(request)
        stamp_ns = unix_ns(item.plain("timestamp") or "")
        received_ns = unix_ns(item.plain("receiveTimestamp") or "")
        if took_us and stamp_ns is not None and received_ns is not None:
            is_too_early = received_ns - stamp_ns < took_us * 1_000
            too_early += is_too_early
            possible += not is_too_early
    return too_early > possible


def _latency_us(request: Item) -> int | None:
    """The latency, as a text like 0.123s or as an object with seconds and nanos."""
    parts = request.inner("latency")
    if parts is None:
        return duration_us(request.plain("latency") or "", "s")
    seconds, nanos = number(parts.plain("seconds") or "0", 10**9), number(parts.plain("nanos") or "0", 10**9)
    return None if seconds is None or nanos is None else seconds * 1_000_000 + nanos // 1_000


def _add(
    log: RequestLog, item: Item, request: Item, stamp_ns: int, is_end: bool, options: ImportOptions
) -> None:
    took_us = _latency_us(request)
    path = request.plain("requestUrl") or ""
    user_agent = request.plain("userAgent")
    address = first_address(None, request.plain("remoteIp"))
    log.departures.drop("referer(s)", request.plain("referer") is not None)
    told: dict[str, str | None] = {"client": address}
    if options.session_by is not None and options.session_by != "client":
        told[options.session_by] = _dotted(item, options.session_by)
    log.add(
        LoggedRequest(
            start_us=log.stamps.start_us(stamp_ns, took_us, is_end),
            took_us=took_us,
            method=request.plain("requestMethod") or "",
            path=path,
            client=address,
            user_agent=user_agent,
            session=session_value(options.session_by, path, told),
            status=status_of(request.plain("status")),
            response_bytes=number(request.plain("responseSize")),
            counts_head=True,
            message_bytes=number(request.plain("requestSize")),
            attributes={
                "instance": _dotted(item, "labels.instanceId") or "",
                "service": _dotted(item, "resource.labels.service_name") or "",
                "revision": _dotted(item, "resource.labels.revision_name") or "",
                "trace": (item.plain("trace") or "").rpartition("/")[2],
            },
        )
    )


def _dotted(item: Item, path: str) -> str | None:
    """The text or number at a dotted path; a key may hold dots itself, as labels do."""
    keys = path.split(".")
    for n, key in enumerate(keys):
        whole = item.plain(".".join(keys[n:]))
        inner = item.inner(key)
        if whole is not None or inner is None:
            return whole
        item = inner
    return None
