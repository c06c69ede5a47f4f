"""The Model Context Protocol over HTTP: how a message becomes a POST request in each version, and what opens a session.

The versions of 2026-07-28 and later have no sessions: each request says of itself which version it speaks, in its
`_meta` and in headers. Before that a client opens a session (`initialize`, then `notifications/initialized`), and names
it in each later request where the server gave it an id.

Sources: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http,
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports, and the official Python SDK
(mcp.shared.inbound, mcp.client.session).
"""

import base64
import json
import re
from collections.abc import Mapping

import msgspec

from replay.dialects.documents import read_document

STATELESS = "2026-07-28"
SESSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Versions in which a session is opened first, the newest first."""

SESSION_HEADER = "mcp-session-id"
VERSION_HEADER = "mcp-protocol-version"
# Servers before this version know no such header.
_FIRST_WITH_HEADER = "2025-06-18"
ACCEPTED = "application/json, text/event-stream"

INITIALIZE, INITIALIZED = "initialize", "notifications/initialized"
CANCELLED = "notifications/cancelled"
LISTEN = "subscriptions/listen"
_PREPARES = frozenset((INITIALIZE, "ping", "server/discover", "tools/list"))
_SAFE = frozenset(
    (
        "completion/complete",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "server/discover",
        "tools/list",
        # Opening a session changes nothing that anybody else sees.
        INITIALIZE,
        INITIALIZED,
    )
)
# The member of the parameters that the Mcp-Name header repeats.
NAMED_BY: Mapping[str, str] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
# What a server asks a client in the middle of a call, and waits for.
ASKS_CLIENT = frozenset(("elicitation/create", "sampling/createMessage", "roots/list"))

_PLAIN = re.compile(r"[\x20-\x7e]*").fullmatch
_CODED = re.compile(r"=\?base64\?.*\?=").fullmatch
_IS_SESSION = re.compile(rb"[\x21-\x7e]{1,1024}").fullmatch
_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_safe(method: str) -> bool:
    """Whether a method only asks: what a tool does nobody knows, and what is not known here may do anything."""
    return method in _SAFE


def is_notification(method: str) -> bool:
    """Whether nothing answers it."""
    return method.startswith("notifications/")


def prepares(method: str) -> bool:
    """Whether a client says it beside its work: to open a session, to keep it, or to learn what a server has."""
    return is_notification(method) or method in _PREPARES


def version_spoken(asked: str, recorded: str | None) -> str:
    """The version in which a message is sent: the one that was asked for, or that of the recording where it is known
    here; of all others the newest with sessions, which servers of every age speak.
    """
    if asked != "as-recorded":
        return asked
    return recorded if recorded == STATELESS or recorded in SESSIONS else SESSIONS[0]


class Client:
    """Says who we are. version: of this program."""

    def __init__(self, version: str) -> None:
        info = {"name": "agent-replay", "version": version}
        self._meta = {
            "io.modelcontextprotocol/protocolVersion": msgspec.Raw(_encode(STATELESS)),
            "io.modelcontextprotocol/clientInfo": msgspec.Raw(_encode(info)),
            "io.modelcontextprotocol/clientCapabilities": msgspec.Raw(b"{}"),
        }
        self._meta_first = b'{"_meta":' + _encode(self._meta)
        self._info = info

    def initialize(self, message_id: str, version: str) -> bytes:
        """The message that opens a session."""
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": self._info}
        return message(INITIALIZE, message_id, _encode(params))

    def with_meta(self, params: bytes) -> bytes:
        """Parameters, an object or nothing, with what a request of the stateless version says of itself."""
        if b'"_meta"' in params:
            members = _members(params)
            given = members.pop("_meta", msgspec.Raw(b"{}"))
            # What the recording says of itself gives way; a progress token stays.
            meta = {**(_members(given) if bytes(given).lstrip()[:1] == b"{" else {}), **self._meta}
            return _encode({"_meta": meta, **members})
        rest = params.strip()[1:].lstrip() if params else b"}"
        return self._meta_first + (b"," if rest != b"}" else b"") + rest


def message(method: str, message_id: str, params: bytes) -> bytes:
    """A request, or a notification by its method. params: an object as JSON, or empty."""
    said = b'{"jsonrpc":"2.0"'
    if not is_notification(method):
        said += b',"id":%s' % _text(message_id)
    said += b',"method":%s' % _text(method)
    return said + (b',"params":%s}' % params if params else b"}")


def named_params(method: str, name: str, arguments: bytes) -> bytes:
    """The parameters of a method that is about one named thing."""
    said = b'{"%s":%s' % (NAMED_BY[method].encode(), _text(name))
    return said + (b',"arguments":%s}' % arguments if arguments else b"}")


def headers_of(method: str, params: bytes, version: str) -> dict[str, str]:
    """The headers of a message, but for those of its session."""
    headers = {"accept": ACCEPTED, "content-type": "application/json"}
    if version == STATELESS:
        headers[VERSION_HEADER] = version
        headers["mcp-method"] = method
        name = _name_in(method, params)
        if name is not None:
            headers["mcp-name"] = header_value(name)
    return headers


def session_headers(version: str, session_id: str | None) -> dict[str, str]:
    """The headers by which a request belongs to a session that was opened in this version."""
    headers = {} if version < _FIRST_WITH_HEADER else {VERSION_HEADER: version}
    return headers if session_id is None else {SESSION_HEADER: session_id, **headers}


def _name_in(method: str, params: bytes) -> str | None:
    member = NAMED_BY.get(method)
    if member is None or not params:
        return None
    found = _members(params).get(member)
    name = None if found is None else read_document(bytes(found))
    return name if isinstance(name, str) else None


def header_value(text: str) -> str:
    """A text as a header has it: as it is, or in base64 where a header would change it or refuse it."""
    if _PLAIN(text) and text == text.strip() and not _CODED(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode('utf-8', 'surrogatepass')).decode()}?="


def session_id_in(value: bytes) -> str | None:
    """The id of a session as a server gives it in a header; None for what the protocol does not allow for one."""
    return value.decode() if _IS_SESSION(value) else None


def negotiated(answer: bytes) -> str | None:
    """The version that an answer to `initialize` settles on; None where it is no such answer, or of none known here."""
    document = read_document(answer)
    result = document.get("result") if isinstance(document, dict) else None
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    return version if version in SESSIONS else None


def _text(text: str) -> bytes:
    try:
        return _encode(text)
    except UnicodeEncodeError:
        # Half a surrogate pair.
        return json.dumps(text).encode()
