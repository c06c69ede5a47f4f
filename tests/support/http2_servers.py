"""Servers of HTTP/2 on the `h2` package: one for those who answer in the bytes of HTTP/1.1, one whose frames a test picks."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import h11

from tests.support.wires import Serve, Server


def server_connection() -> h2.connection.H2Connection:
    """The server's side, before its first bytes."""
    return h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))


class _Writer:
    """Takes an answer as HTTP/1.1 has it, and sends it as frames on the oldest stream that has none yet."""

    def __init__(self, conn: h2.connection.H2Connection, out: asyncio.StreamWriter) -> None:
        self._conn, self._out = conn, out
        self._asked: deque[tuple[int, h11.Connection]] = deque()
        self._spare = b""

    def asked(self, stream_id: int, method: str) -> None:
        reading = h11.Connection(h11.CLIENT)
        reading.send(h11.Request(method=method.upper(), target="/", headers=[("host", "t")]))
        reading.send(h11.EndOfMessage())
        self._asked.append((stream_id, reading))
        spare, self._spare = self._spare, b""
        if spare:
            self.write(spare)

    def write(self, data: bytes) -> None:
        if not data:
            return
        if not self._asked:
            self._spare += data
            return
        stream_id, reading = self._asked[0]
        try:
            reading.receive_data(data)
            self._pass_on(stream_id, reading)
        except h11.RemoteProtocolError:
            self.flush()
            self._out.write(data)

    def _pass_on(self, stream_id: int, reading: h11.Connection) -> None:
        while (event := reading.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            with contextlib.suppress(h2.exceptions.ProtocolError):
                if isinstance(event, h11.InformationalResponse | h11.Response):
                    status = [(":status", str(event.status_code))]
                    kept = [(n.decode(), v.decode("latin-1")) for n, v in event.headers]
                    kept = [(n, v) for n, v in kept if n not in ("connection", "transfer-encoding")]
                    self._conn.send_headers(stream_id, status + kept)
                elif isinstance(event, h11.Data):
                    self._conn.send_data(stream_id, bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._conn.end_stream(stream_id)
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                self._asked.popleft()
                spare, _ = reading.trailing_data
                self._spare = bytes(spare)
                break
        self.flush()

    def flush(self) -> None:
        self._out.write(self._conn.data_to_send())

    async def drain(self) -> None:
        await self._out.drain()

    def close(self) -> None:
        if self._asked:
            stream_id, reading = self._asked[0]
            with contextlib.suppress(h11.RemoteProtocolError):
                reading.receive_data(b"")
                self._pass_on(stream_id, reading)
        self._out.close()

    async def wait_closed(self) -> None:
        await self._out.wait_closed()


class Http2Server(Server):
    """The same servers, by HTTP/2: each request comes to them, and each answer is theirs, as HTTP/1.1 has them."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        conn = server_connection()
        conn.initiate_connection()
        requests, answer = asyncio.StreamReader(), _Writer(conn, writer)
        answer.flush()

        async def serve() -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(requests, answer, number)  # type: ignore[arg-type]
            answer.close()

        serving = asyncio.create_task(serve())
        try:
            await _translate(reader, conn, requests, answer)
        finally:
            requests.feed_eof()
            await serving


async def _translate(
    reader: asyncio.StreamReader,
    conn: h2.connection.H2Connection,
    requests: asyncio.StreamReader,
    answer: _Writer,
) -> None:
    with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
        while data := await reader.read(65536):
            for event in conn.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    fields = dict(event.headers)
                    answer.asked(event.stream_id, fields[":method"])
                    head = f"{fields[':method']} {fields[':path']} HTTP/1.1\r\nhost: {fields[':authority']}\r\n"
                    head += "".join(f"{n}: {v}\r\n" for n, v in event.headers if not n.startswith(":"))
                    requests.feed_data(f"{head}\r\n".encode("latin-1"))
                elif isinstance(event, h2.events.DataReceived):
                    requests.feed_data(event.data)
                    conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamReset):
                    # Where HTTP/1.1 has one request at a time, its end is that of the connection.
                    return
            answer.flush()


Reaction = Callable[[h2.connection.H2Connection, Any], None]


def reacts(to_request: Reaction, settings: dict[Any, int] | None = None, **others: Reaction) -> Serve:
    """A server that does this with every request, and the rest with events of those names (`WindowUpdated=...`).

    settings: its own, which it begins with.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        conn = server_connection()
        if settings:
            conn.local_settings = h2.settings.Settings(client=False, initial_values=settings)
        conn.initiate_connection()
        writer.write(conn.data_to_send())
        while data := await reader.read(65536):
            try:
                events = conn.receive_data(data)
            except h2.exceptions.ProtocolError:
                break
            for event in events:
                name = type(event).__name__
                reaction = to_request if name == "RequestReceived" else others.get(name)
                if reaction is not None:
                    reaction(conn, event)
            writer.write(conn.data_to_send())
            await writer.drain()

    return serve
