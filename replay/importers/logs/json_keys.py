"""The keys that servers' logs in JSON use, by what they tell; those that tell it best stand first. Pure."""

from collections.abc import Mapping, Sequence

from replay.trace.remembered import remembered

STARTS = ("start_time", "time_start", "request_start", "startutc")
# msec before the others: where nginx writes both, it is the finer one.
ENDS = ("end_time", "time_end", "request_end", "ended_at", "completed_at", "finished_at")
COLLECTED = "collected_at"
"""Where the time is put that a collector wrote beside a line."""
INSTANTS = (
    "msec",
    "time_iso8601",
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "time_local",
    "date",
    "asctime",
    "datetime",
    COLLECTED,
)
TOLD: dict[str, tuple[str, ...]] = {
    "method": (
        "request_method",
        "method",
        "verb",
        "http_method",
        "requestmethod",
        ":method",
        "cs_method",
        "http_request_method",
    ),
    "path": (
        "request_uri",
        "x_envoy_original_path",
        "x_envoy_origin_path",
        "path",
        ":path",
        "uri",
        "url",
        "request_path",
        "requestpath",
        "requesturi",
        "request_url",
        "requesturl",
        "uri_path",
        "url_path",
        "request_target",
        "http_target",
        "http_url",
        "http_path",
        "cs_uri_stem",
        "http_request_path",
        "url_original",
        "url_full",
        "route",
        "endpoint",
    ),
    "query": ("args", "query_string", "query"),
    "line": ("request", "request_line"),
    "status": (
        "status",
        "response_code",
        "status_code",
        "http_status",
        "downstreamstatus",
        "statuscode",
        "http_status_code",
        "response_status",
        "http_response_status_code",
        "response_status_code",
        "http_response_code",
        "code",
    ),
    "response_bytes": ("body_bytes_sent", "response_size", "size", "bytes", "downstreamcontentsize"),
    # Of a response as a whole, as nginx means it; Envoy means its body.
    "sent_bytes": ("bytes_sent",),
    "body_bytes": ("bytes_received", "content_length", "requestcontentsize"),
    # Of a request as a whole, as nginx means it.
    "message_bytes": ("request_length", "request_size"),
    "forwarded": ("x_forwarded_for", "http_x_forwarded_for"),
    "peer": (
        "remote_addr",
        "client_ip",
        "remote_ip",
        "client",
        "clientip",
        "remote_host",
        "clienthost",
        "downstream_remote_address",
        "client_address",
        "remote",
        "source_ip",
    ),
    "host": (
        "http_host",
        "host",
        "authority",
        ":authority",
        "vhost",
        "server_name",
        "request_host",
        "requesthost",
        "server_address",
    ),
    "user_agent": (
        "user_agent",
        "http_user_agent",
        "agent",
        "useragent",
        "request_user_agent",
        "user_agent_original",
    ),
    "request_id": ("request_id", "x_request_id", "req_id", "rid"),
    "referer": ("http_referer", "referer", "referrer"),
}
"""The keys that tell each thing, by our name for it."""
OF_ENVOY = "response_flags"
"""Which key shows that a line is Envoy's."""
_FINE = {
    "ns": ("_ns", "_nanos", "_nanoseconds"),
    "us": ("_us", "_usec", "_micros", "_microseconds"),
    "ms": ("_ms", "ms", "_msec", "_millis", "_milliseconds"),
}
_COARSE = {"s": ("_s", "_sec", "_secs", "_seconds")}
_OF_A_REQUEST = ("request_time",)
# What elapsed may have begun before the request, so that such names stand last.
_LASTING = ("duration", "latency", "response_time", "time_taken", "elapsed", "elapsed_time", "took")


def _with_units(names: Sequence[str], units: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {
        f"{name}{suffix}": unit for name in names for unit, suffixes in units.items() for suffix in suffixes
    }


DURATIONS = {
    **_with_units(_OF_A_REQUEST, _FINE),
    # Bare, they are nginx's, in s with three digits behind the point.
    "request_time": "s",
    "rt": "s",
    **_with_units(_LASTING, _FINE),
    "responsetimems": "ms",
    "http_duration_ms": "ms",
    "event_duration": "ns",
    # Often rounded, beside the same time in a finer unit.
    **_with_units(_OF_A_REQUEST, _COARSE),
    **_with_units(_LASTING, _COARSE),
}
"""The unit of each key of a duration. The first of these that a line has tells it."""
NESTING = ("request", "response", "http")
"""Objects whose members count as the line's own, where that has none of their name."""
# Traefik's, in ns.
TRAEFIK = ("downstreamstatus", "requestmethod")
DURATIONS_BY_TEXT = ("duration", "latency", "response_time", "elapsed")
ATTRIBUTES = {
    "upstream_response_time": "upstream_s",
    "x_envoy_upstream_service_time": "upstream_ms",
    "response_flags": "response_flags",
}
# Every line has the same few.
_MOST_KEYS = 4096
OF_VEGETA = {"latency", "bytes_in", "bytes_out", "seq"}


@remembered(_MOST_KEYS)
def flat_key(key: str) -> str:
    """A key as these tables have it: in small letters, with - and . as _."""
    return key.lower().replace("-", "_").replace(".", "_")
