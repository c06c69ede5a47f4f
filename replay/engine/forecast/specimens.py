"""Requests of a dry run as commands for curl, with everything secret masked, so that they can be looked at and shown.

What is masked is named: a token by the environment variable that it would come from.
"""

import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from replay.engine.requests.render import Rendered
from replay.target.target import Target
from replay.trace.origins import origin_of
from replay.trace.redaction.requests import Redactor
from replay.trace.redaction.secrets import may_be_secret
from replay.trace.redaction.shown_urls import REDACTED
from replay.trace.types import GrpcCall
from replay.words.names import clean
from replay.words.numbers import exact

# Curl sends these by itself, or they are of this one run.
_LEFT_OUT = ("host", "content-length", "connection", "accept-encoding", "traceparent")
_LONGEST_BODY = 200
_LONGEST_VALUE = 200
_REQUEST = Redactor().of_request(())


def as_curl(rendered: Rendered, place: Target, *, names_secrets: bool = False) -> str:
    """One request to a place, on one line. A long body is cut. names_secrets: its body says where each secret comes
    from, as a login's does, and holds none.
    """
    first, *lines = rendered.head.decode("utf-8", "replace").split("\r\n")
    method, path, _ = first.split(" ", 2)
    words = ["curl", *(() if method == "GET" and not rendered.body else ("-X", method))]
    if place.unix_socket:
        words += ["--unix-socket", place.unix_socket]
    words.append((origin_of(place.url) or place.url) + _REQUEST.path(path))
    for name, value in _headers(lines, place):
        words += ["-H", f"{name}: {clean(value, _LONGEST_VALUE)}"]
    if rendered.body:
        body = rendered.body
        shown = _shown(body) if names_secrets else _masked(body, _content_type(lines))
        words += ["--data-raw", shown]
    return shlex.join(words)


def as_grpcurl(call: GrpcCall, place: Target) -> str:
    """One gRPC call to a place, on one line, for https://github.com/fullstorydev/grpcurl; it takes messages in JSON."""
    parts = urlsplit(place.url)
    words = ["grpcurl", *(("-plaintext",) if parts.scheme == "http" else ())]
    if place.grpc.descriptors is not None:
        words += ["-protoset", place.grpc.descriptors]
    for name, value in _headers([f"{name}: {value}" for name, value in call.metadata.items()], place):
        words += ["-H", f"{name}: {clean(value, _LONGEST_VALUE)}"]
    if call.timeout_ms is not None:
        words += ["-max-time", exact(call.timeout_ms / 1_000).replace(",", "")]
    if call.message:
        words += ["-d", _masked(bytes(call.message), "application/json")]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return shlex.join([*words, f"{parts.hostname}:{port}", call.method])


def _masked(body: bytes, content_type: str) -> str:
    return _shown(_REQUEST.body(body, content_type).content)


def _shown(body: bytes) -> str:
    return clean(body.decode("utf-8", "replace"), _LONGEST_BODY)


def _content_type(lines: list[str]) -> str:
    found = (
        value for name, _, value in (line.partition(": ") for line in lines) if name.lower() == "content-type"
    )
    return next(found, "")


def _headers(lines: list[str], place: Target) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, value = line.partition(": ")
        if name and name.lower() not in _LEFT_OUT:
            yield name, REDACTED if may_be_secret(name.lower(), value) else value
    login = place.login
    if login is not None and login.carrier is not None:
        yield login.carrier, f"{login.before_token}(from the answer to {login.shown})"
    auth = place.auth
    if auth.bearer_env is not None:
        yield "authorization", f"Bearer (from {auth.bearer_env})"
    if auth.basic_env is not None:
        yield "authorization", f"Basic (from {auth.basic_env})"
    for name, variable in auth.header_env.items():
        yield name, f"(from {variable})"
    if auth.command is not None:
        yield auth.command_header or "authorization", "(from auth.command)"
    for key in ("oauth", "google_audience"):
        if getattr(auth, key) is not None:
            yield "authorization", f"Bearer (from auth.{key})"
    if auth.aws is not None:
        yield "authorization", "AWS4-HMAC-SHA256 (signed by auth.aws)"
