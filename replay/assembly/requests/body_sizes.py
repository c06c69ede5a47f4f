"""How large the body of a request is, where a log tells the size of the whole message. Pure.

The request line, Host and User-Agent are known, and taken off. What the other headers take is not: of POSTs of JSON,
64 bytes with curl 7.88, 96 to 162 with aiohttp, httpx, requests and Node's fetch, 584 with the SDKs of OpenAI and
Anthropic, whose keys are in it; with browsers some 450, and cookies. So up to `OTHER_HEADERS_BYTES` of what is left may
be theirs, and half of that is taken off: an estimate that is wrong by 500 bytes at most, where they have no more.
"""

OTHER_HEADERS_BYTES = 1_000
_LINE_ENDS = len(" HTTP/1.1\r\n\r\n")
_OF_HOST, _OF_AGENT = len("Host: \r\n"), len("User-Agent: \r\n")

ESTIMATED_BODIES = (
    "request(s) of which the log has the size with the head: the body is what its first line, Host and User-Agent "
    "leave, less half of up to 1,000 bytes for other headers"
)


def body_within(message_bytes: int | None, request: str, host: str | None, agent: str | None) -> int | None:
    """The size of a body, estimated; None where it cannot be, as the head alone takes more.

    message_bytes: of the request as a whole. request: its method and target, and a blank between them; the scheme and
    the host of a whole URL take as much as `Host` and the host.
    """
    if message_bytes is None:
        return None
    left = message_bytes - len(request) - _LINE_ENDS
    left -= _OF_HOST + len(host) if host and "://" not in request else 0
    left -= _OF_AGENT + len(agent) if agent else 0
    return left - min(left, OTHER_HEADERS_BYTES) // 2 if left > 0 else None
