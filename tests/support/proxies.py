"""HTTP proxies on loopback, whose every answer a test decides."""

import asyncio
import contextlib

from tests.support.wires import read_request


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # uvloop says so of a connection that is gone.
    with contextlib.suppress(OSError, RuntimeError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, first: bytes = b""
) -> None:
    far_reader, far_writer = await asyncio.open_connection(host, port)
    far_writer.write(first)
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


class HttpProxy:
    """CONNECT and absolute-form, one target to a connection. asked: the request lines it was sent."""

    def __init__(self, refuses: bool = False) -> None:
        self._refuses = refuses
        self.asked: list[bytes] = []
        self.authorisations: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        head = await read_request(reader)
        line, _, rest = head.partition(b"\r\n")
        self.asked.append(line)
        self.authorisations += [x for x in rest.split(b"\r\n") if x.lower().startswith(b"proxy-auth")]
        method, where, _ = line.split(b" ")
        if self._refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        elif method == b"CONNECT":
            host, _, port = where.decode().rpartition(":")
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await join(reader, writer, host, int(port))
        else:
            authority, _, path = where.removeprefix(b"http://").partition(b"/")
            host, _, port = authority.decode().rpartition(":")
            await join(reader, writer, host, int(port), b"%b /%b HTTP/1.1\r\n%b" % (method, path, rest))
