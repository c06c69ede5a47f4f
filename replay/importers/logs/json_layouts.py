"""JSON logs in the layouts of frameworks, by the keys of the `json-log` format.

Pure. A layout is told by what its lines have, and says where each of our keys stands in them, dotted; a key may hold
the dots itself. The layouts:

- ECS, the Elastic Common Schema, of Elastic's loggers and proxies: its fields `event`, `http`, `url`, `client`.
  `event.duration` is in ns. A request began at `event.start`, or else its duration before `@timestamp`.
- pino, by pino-http: `req`, `res`, `responseTime` in ms, and `time` in ms, when the response had been sent.
- winston, by express-winston: `meta.req`, `meta.res`, `meta.responseTime` in ms, at the instant that a format of
  winston's adds.
- Kong's logging plugins: `request`, `response`, `latencies.request` in ms from `started_at`.
- Cloudflare's Logpush: from `EdgeStartTimestamp` to `EdgeEndTimestamp`, whichever of its formats these are in.
- Azure's Front Door and Application Gateway: `properties`, with `timeTaken` in s, from the first byte to the last.
- CloudFront's standard logs as JSON, by the names of its columns: `date` and `time`, or `timestamp(ms)`, are when it
  had answered, and `time-taken` is in s.
- Vercel's log drains: `proxy`, with the instant at which a request came, and no duration.
- API Gateway, by the keys that AWS's examples name after its variables: `requestTime` and `requestTimeEpoch` are when
  the request came, `responseLatency` is in ms. A resource's template is taken where the path is not logged.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec


class _Layout(msgspec.Struct, frozen=True):
    """told_by: places that all must be there. keys: ours, each with the places where it may stand, the first first."""

    told_by: tuple[str, ...]
    keys: Mapping[str, tuple[str, ...]]


_ECS = _Layout(
    ("@timestamp", "http.request.method", "http.response.status_code"),
    {
        "start_time": ("event.start",),
        "request_method": ("http.request.method",),
        "request_uri": ("url.original", "url.full", "url.path"),
        "args": ("url.query",),
        "status": ("http.response.status_code",),
        "duration_ns": ("event.duration",),
        "bytes_received": ("http.request.body.bytes",),
        "bytes_sent": ("http.response.body.bytes", "http.response.bytes"),
        "remote_addr": ("client.ip", "client.address", "source.ip", "source.address"),
        "http_host": ("url.domain",),
        "http_user_agent": ("user_agent.original",),
        "request_id": ("http.request.id", "event.id"),
        "http_referer": ("http.request.referrer",),
    },
)
_PINO = _Layout(
    ("req.method", "req.url", "res.statusCode", "time"),
    {
        "request_method": ("req.method",),
        "request_uri": ("req.url",),
        "status": ("res.statusCode",),
        "duration_ms": ("responseTime",),
        "content_length": ("req.headers.content-length",),
        "bytes_sent": ("res.headers.content-length",),
        "x_forwarded_for": ("req.headers.x-forwarded-for",),
        "remote_addr": ("req.remoteAddress", "req.ip"),
        "http_host": ("req.headers.host", "req.host", "req.hostname"),
        "http_user_agent": ("req.headers.user-agent",),
        "request_id": ("req.id", "reqId"),
        "http_referer": ("req.headers.referer",),
    },
)
_WINSTON = _Layout(
    ("meta.req.method", "meta.req.url", "meta.responseTime"),
    {
        "request_method": ("meta.req.method",),
        "request_uri": ("meta.req.originalUrl", "meta.req.url"),
        "status": ("meta.res.statusCode",),
        "duration_ms": ("meta.responseTime",),
        "content_length": ("meta.req.headers.content-length",),
        "x_forwarded_for": ("meta.req.headers.x-forwarded-for",),
        "http_host": ("meta.req.headers.host",),
        "http_user_agent": ("meta.req.headers.user-agent",),
        "http_referer": ("meta.req.headers.referer",),
    },
)
_KONG = _Layout(
    ("started_at", "latencies.request", "request.uri", "response.status"),
    {
        "start_time": ("started_at",),
        "request_method": ("request.method",),
        "request_uri": ("request.uri",),
        "status": ("response.status",),
        "duration_ms": ("latencies.request",),
        "request_length": ("request.size",),
        "content_length": ("request.headers.content-length",),
        "bytes_sent": ("response.size",),
        "remote_addr": ("client_ip",),
        "http_host": ("request.headers.host",),
        "http_user_agent": ("request.headers.user-agent",),
        "request_id": ("request.id",),
    },
)
_CLOUDFLARE = _Layout(
    ("EdgeStartTimestamp", "ClientRequestMethod", "ClientRequestURI", "EdgeResponseStatus"),
    {
        "start_time": ("EdgeStartTimestamp",),
        "end_time": ("EdgeEndTimestamp",),
        "request_method": ("ClientRequestMethod",),
        "request_uri": ("ClientRequestURI",),
        "status": ("EdgeResponseStatus",),
        "request_length": ("ClientRequestBytes",),
        "bytes_sent": ("EdgeResponseBytes",),
        "remote_addr": ("ClientIP",),
        "http_host": ("ClientRequestHost",),
        "http_user_agent": ("ClientRequestUserAgent",),
        "request_id": ("RayID",),
    },
)
_AZURE = _Layout(
    ("time", "properties.httpMethod", "properties.requestUri"),
    {
        "time": ("time",),
        "request_method": ("properties.httpMethod",),
        "request_uri": ("properties.requestUri",),
        "args": ("properties.requestQuery",),
        "status": ("properties.httpStatusCode", "properties.httpStatus"),
        "duration_s": ("properties.timeTaken",),
        "request_length": ("properties.requestBytes", "properties.receivedBytes"),
        "bytes_sent": ("properties.responseBytes", "properties.sentBytes"),
        "remote_addr": ("properties.clientIp", "properties.clientIP"),
        "http_host": ("properties.hostName", "properties.host"),
        "http_user_agent": ("properties.userAgent",),
        "request_id": ("properties.trackingReference", "properties.transactionId"),
    },
)
_CLOUDFRONT = _Layout(
    ("cs-method", "cs-uri-stem", "sc-status"),
    {
        "msec": ("timestamp(ms)",),
        "request_method": ("cs-method",),
        "request_uri": ("cs-uri-stem",),
        "args": ("cs-uri-query",),
        "status": ("sc-status",),
        "duration_s": ("time-taken",),
        "request_length": ("cs-bytes",),
        "bytes_sent": ("sc-bytes",),
        "x_forwarded_for": ("x-forwarded-for",),
        "remote_addr": ("c-ip",),
        "http_host": ("x-host-header", "cs(Host)"),
        "http_user_agent": ("cs(User-Agent)",),
        "request_id": ("x-edge-request-id",),
        "http_referer": ("cs(Referer)",),
    },
)
_VERCEL = _Layout(
    ("proxy.timestamp", "proxy.method", "proxy.path", "proxy.statusCode"),
    {
        "start_time": ("proxy.timestamp",),
        "request_method": ("proxy.method",),
        "request_uri": ("proxy.path",),
        "status": ("proxy.statusCode",),
        "remote_addr": ("proxy.clientIp",),
        "http_host": ("proxy.host",),
        "http_user_agent": ("proxy.userAgent",),
        "request_id": ("requestId",),
    },
)
_API_GATEWAY = _Layout(
    ("requestId", "status"),
    {
        "start_time": ("requestTimeEpoch", "requestTime"),
        "request_method": ("httpMethod",),
        "request_uri": ("path", "resourcePath"),
        "request_line": ("routeKey",),
        "duration_ms": ("responseLatency", "latency"),
        "bytes_sent": ("responseLength",),
        "remote_addr": ("ip", "sourceIp", "caller_ip"),
        "http_host": ("domainName",),
        "http_user_agent": ("userAgent",),
        "request_id": ("requestId",),
    },
)
_API_GATEWAY_BY_CODE = _Layout(
    ("requestId", "httpStatusCode"), {**_API_GATEWAY.keys, "status": ("httpStatusCode",)}
)
_OF_API_GATEWAY = ("requestTimeEpoch", "requestTime")
_LAYOUTS = (
    _ECS,
    _PINO,
    _WINSTON,
    _KONG,
    _CLOUDFLARE,
    _CLOUDFRONT,
    _AZURE,
    _VERCEL,
    _API_GATEWAY,
    _API_GATEWAY_BY_CODE,
)
# The lines of a log have the same few sets of keys.
_MOST_KEY_SETS = 256


def told_by_layout(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a line tells, by our keys; nothing where it is in none of these layouts."""
    layout = next((each for each in likely_layouts(tuple(entry)) if _has_all(entry, each.told_by)), None)
    is_of_gateway = layout is _API_GATEWAY or layout is _API_GATEWAY_BY_CODE
    if layout is None or (is_of_gateway and not any(map(entry.get, _OF_API_GATEWAY))):
        return {}
    found: dict[str, Any] = {}
    for key, places in layout.keys.items():
        value = next((value for place in places if (value := at(entry, place)) not in (None, "", "-")), None)
        if value is not None:
            found[key] = value
    if layout is _CLOUDFRONT:
        found["time_iso8601"] = f"{entry.get('date')}T{entry.get('time')}"
        agent = found.get("http_user_agent")
        found["http_user_agent"] = unquote(unquote(agent)) if isinstance(agent, str) else None
    return found


@lru_cache(_MOST_KEY_SETS)
def likely_layouts(keys: tuple[str, ...]) -> "tuple[_Layout, ...]":
    """The layouts that a line with these keys may be in, by them alone."""
    there = {key[:at] for key in keys for at in (*_dots(key), len(key))}
    return tuple(each for each in _LAYOUTS if all(there & _beginnings(place) for place in each.told_by))


def _beginnings(place: str) -> set[str]:
    return {place[:at] for at in (*_dots(place), len(place))}


def _dots(text: str) -> list[int]:
    return [at for at, character in enumerate(text) if character == "."]


def _has_all(entry: Mapping[str, Any], places: tuple[str, ...]) -> bool:
    return all(at(entry, place) is not None for place in places)


def at(entry: Mapping[str, Any], place: str) -> Any:
    """What stands at a dotted place: under the whole of it as a key, or else from object to object."""
    if place in entry:
        return entry[place]
    key, dot, rest = place.partition(".")
    while dot:
        inner = entry.get(key)
        if isinstance(inner, Mapping) and (found := at(inner, rest)) is not None:
            return found
        more, dot, rest = rest.partition(".")
        key = f"{key}.{more}"
    return None
