"""One request to the address at which a plane tells of itself and takes faults, and the answer to it.

What the address says is kept to: TLS for https://, with the certificates that this machine trusts, and a user and
password as such. They stand nowhere else.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

MOST_ANSWER_BYTES = 1 << 20
"""Taking one of that size in keeps the loop for some ms."""

_PORTS = {"http": 80, "https": 443}


_PRINTED = re.compile(r"/?|/token-[^/]+/?").fullmatch


def state_address(url: str) -> str:
    """Where a plane tells of itself: beside the address that one of ours printed as its control, or what was named."""
    parts = urlsplit(url)
    if parts.query or not _PRINTED(parts.path):
        return url
    return parts._replace(path=f"{parts.path.rstrip('/')}/state").geturl()


class Answer(NamedTuple):
    """status_line: of an answer, or whatever came instead of one."""

    status_line: str
    body: bytes

    @property
    def status(self) -> str:
        """Three digits; "" for what is no answer."""
        return "".join(self.status_line.split(" ")[1:2])


async def ask(
    url: str, method: str = "GET", path: str | None = None, fields: Mapping[str, str] | None = None
) -> Answer:
    """Send a request without a body, and read until the other side closes.

    path: what is asked for instead of the address's own path and query. Raises OSError, or ValueError for an answer
    that is too long.
    """
    parts = urlsplit(url)
    asked_for = path if path is not None else (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # HTTP/1.0, so that nothing comes in chunks and the end of the connection is the end of the answer.
    lines = [f"{method} {asked_for} HTTP/1.0", f"host: {parts.netloc.rpartition('@')[2]}"]
    if method != "GET":
        lines.append("content-length: 0")
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        lines.append(f"authorization: Basic {b64encode(pair).decode()}")
    lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or _PORTS[parts.scheme], ssl=parts.scheme == "https"
    )
    try:
        writer.write("\r\n".join((*lines, "", "")).encode())
        answer = bytearray()
        while chunk := await reader.read(65536):
            answer += chunk
            if len(answer) > MOST_ANSWER_BYTES:
                raise ValueError("the answer is too long")
    finally:
        writer.close()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    return Answer(head.partition(b"\r\n")[0].decode("latin-1"), body)
