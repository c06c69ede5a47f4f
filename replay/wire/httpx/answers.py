"""What an answer's head says, as httpx has it: for the exchange's record, and of the connection that it came by."""

import httpx

from replay.dialects.documents import is_web_page_type
from replay.dialects.streams import is_event_stream
from replay.wire.answers import LONGEST_INSTANCE, is_coded, keep_body, retry_after_s, says_cold
from replay.wire.types import STATUSES, Exchange


def read_answer_head(
    exchange: Exchange, response: httpx.Response, instance_header: bytes, cold_header: bytes
) -> bool:
    """Record what the head says; returns whether the body is an event stream. The two headers: in lower case, or empty.

    Raises httpx.RemoteProtocolError for a status that HTTP does not have; HTTP/2 says not how long one is.
    """
    if response.status_code not in STATUSES:
        raise httpx.RemoteProtocolError("the status is none of HTTP")
    is_stream = is_page = False
    if exchange.captured_headers is not None:
        exchange.captured_headers += response.headers.raw
    for name, value in response.headers.raw:
        key = name.lower()
        if key == b"content-type":
            is_stream, is_page = is_event_stream(value) is not None, is_web_page_type(value) is not None
        elif key == b"content-encoding":
            exchange.content_encoding = value if is_coded(value) else None
        elif key == instance_header:
            exchange.instance = value.decode("latin-1")[:LONGEST_INSTANCE]
        elif key == cold_header:
            exchange.cold = says_cold(value)
        elif key == b"retry-after":
            exchange.retry_after_s = retry_after_s(value)
    exchange.status = response.status_code
    keep_body(exchange, is_stream, is_page=is_page)
    return is_stream


def may_have_body(exchange: Exchange) -> bool:
    """Whether an answer with this status to this method has one."""
    return exchange.status not in (204, 304) and exchange.method != "HEAD"


def leaves_idle(exchange: Exchange, response: httpx.Response) -> bool:
    """Whether its connection is idle once the answer is read, by the rules of HTTP/1.1."""
    headers = response.headers
    is_framed = "content-length" in headers or "transfer-encoding" in headers or not may_have_body(exchange)
    return (
        is_framed
        and response.extensions.get("http_version") == b"HTTP/1.1"
        and "close" not in headers.get("connection", "").lower()
        and b"\r\nconnection: close\r\n" not in exchange.head.lower()
    )


def is_twofold(response: httpx.Response) -> bool:
    """Whether the answer's end may be read in two ways, so that nobody can tell where the next begins."""
    return "content-length" in response.headers and "transfer-encoding" in response.headers
