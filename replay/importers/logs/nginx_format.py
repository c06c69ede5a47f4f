"""The strings of nginx's `log_format`, as pieces of a declared format.

Pure. Variables are those of https://nginx.org/en/docs/varindex.html. A string may be given as it stands in a
configuration: with `log_format NAME`, `escape=json` and its quotes, over several lines.
"""

import difflib
import re
from collections.abc import Mapping

import msgspec

from replay.importers.logs.log_format import Kind, Piece, Variable

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w{1,100})\}|(?P<bare>\w{1,100}))")
_DIRECTIVE = re.compile(r"\s*log_format\s+\S{1,200}\s+(?:escape=(\w{1,10})\s+)?", re.ASCII).match
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*+)'?+|\"((?:[^\"\\]|\\.)*+)\"?+", re.DOTALL)
_IS_QUOTED = re.compile(r"\s*'.*'\s*;?\s*", re.DOTALL).fullmatch

_TIME_LOCAL = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
_ROLES: Mapping[str, tuple[str, Kind]] = {
    "msec": ("msec", "word"),
    "time_iso8601": ("time", "word"),
    "request_time": ("took_s", "word"),
    "upstream_response_time": ("upstream_s", "list"),
    "request": ("request", "request"),
    "request_method": ("method", "word"),
    "args": ("query", "word"),
    "query_string": ("query", "word"),
    "status": ("status", "word"),
    "body_bytes_sent": ("response_bytes", "word"),
    "bytes_sent": ("sent_bytes", "word"),
    "request_length": ("message_bytes", "word"),
    "content_length": ("body_bytes", "word"),
    "http_content_length": ("body_bytes", "word"),
    "host": ("host", "word"),
    "http_host": ("host", "word"),
    "server_name": ("host", "word"),
    "remote_addr": ("peer", "word"),
    "realip_remote_addr": ("", "word"),
    "http_x_forwarded_for": ("forwarded", "list"),
    "proxy_add_x_forwarded_for": ("forwarded", "list"),
    "remote_user": ("user", "text"),
    "http_user_agent": ("user_agent", "text"),
    "request_id": ("request_id", "word"),
    "http_x_request_id": ("request_id", "word"),
}
_OWN = {
    "time_local": Variable("$time_local", "time_local", "time", "own", _TIME_LOCAL),
    "uri": Variable("$uri", "uri", "path", "text", begins="/"),
    "document_uri": Variable("$document_uri", "document_uri", "path", "text", begins="/"),
    "request_uri": Variable("$request_uri", "request_uri", "path", "word", begins="/"),
    "is_args": Variable("$is_args", "is_args", "", "own", r"\??+", "?"),
}
_QUERIES = ("args", "query_string")
_PASSED_OVER = frozenset(
    {
        "connection", "connection_requests", "connection_time", "content_type", "document_root", "gzip_ratio",
        "hostname", "http2", "http3", "https", "limit_rate", "nginx_version", "pid", "pipe", "realpath_root",
        "remote_port", "request_body", "request_completion", "request_filename", "scheme", "server_addr",
        "server_port", "server_protocol",
    }
)  # fmt: skip
_PREFIXES = re.compile(
    r"(?:http|sent_http|sent_trailer|cookie|arg|upstream|ssl|geoip2?|proxy|fastcgi|jwt|tcpinfo|date|realip|spdy|otel"
    r"|limit|uid|memcached|slice|secure_link|ancient|modern|msie|invalid)_"
).match
_LISTS = re.compile(r"upstream_").match


def nginx_pieces(text: str) -> tuple[list[Piece], list[str]]:
    """The pieces of a format, and sentences on variables that nginx does not bring itself."""
    text, writes_dashes = _string(text)
    pieces: list[Piece] = []
    notes: dict[str, str] = {}
    end = 0
    for found in _VARIABLE.finditer(text):
        pieces += [text[end : found.start()]] if found.start() > end else []
        name = found["braced"] or found["bare"]
        pieces.append(_variable(name))
        if not _is_known(name):
            notes.setdefault(
                name, f"--log-format: ${name} is passed over, as it is not one of nginx's own.{_near(name)}"
            )
        if name in _QUERIES and writes_dashes:
            pieces[-3:-1] = map(_before_a_query, pieces[-3:-1])
        end = found.end()
    return pieces + ([text[end:]] if end < len(text) else []), list(notes.values())


def _string(text: str) -> tuple[str, bool]:
    """The string itself, of a directive or of its quoted parts, and whether what has no value is written as a dash."""
    directive = _DIRECTIVE(text)
    if directive is not None or _IS_QUOTED(text):
        begin = directive.end() if directive else 0
        parts = _QUOTED.findall(text, begin)
        # A format without blanks needs no quotation marks.
        bare = text[begin:].strip().removesuffix(";")
        text = "".join(re.sub(r"\\(.)", r"\1", single or double) for single, double in parts) if parts else bare
    text = text.strip()
    escape = directive[1] if directive else None
    return text, not text.startswith("{") if escape is None else escape == "default"


def _before_a_query(piece: Piece) -> Piece:
    """A path with nothing between it and its query: for a query that is not there, a dash stands behind it."""
    if isinstance(piece, Variable) and piece.role == "path":
        return msgspec.structs.replace(piece, spares="-")
    return piece


def _variable(name: str) -> Variable:
    if name in _OWN:
        return _OWN[name]
    role, kind = _ROLES.get(name, ("", "list" if _LISTS(name) else "text"))
    begins = "?" if role == "query" else ""
    return Variable(f"${name}", name, role, kind, "", begins)


def _is_known(name: str) -> bool:
    return name in _ROLES or name in _OWN or name in _PASSED_OVER or _PREFIXES(name) is not None


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, [*_ROLES, *_OWN, *_PASSED_OVER], n=1, cutoff=0.75)
    return f" Did you mean ${near[0]}?" if near else ""
