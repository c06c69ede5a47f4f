"""HTTP in captured packets, as `tshark -r FILE -T json` or `-T ek` writes them: each request is a step.

- Of a packet its time, its addresses and ports, and what TCP carries are read (`frame.time_epoch`, `ip`, `ipv6`,
  `tcp.stream`, `tcp.seq`, `tcp.payload`); what tshark made of that is not, so it does not matter which protocols it
  knew or reassembled. Only where packets are not in the file, as with -Y http, is what it put together used.
- HTTP/1.1 and HTTP/2 in clear text are told by what connections begin with, whatever the port: gRPC in HTTP/2 becomes
  `grpc` steps, WebSockets those of replay/trace/socket_steps.py.
- A request begins with its first packet, and ends with the last one of its answer; its first byte is that of the
  answer, or of an event stream's first event. Those are times where the capture was made.
- Sessions are what one client, an address and a user agent, sent until it was silent for longer than `idle_gap_s`, or
  by `session_by`: `connection`, `client`, the name of a header, `query:NAME` or `cookie:NAME`.
- Bodies, headers and answers are kept as a HAR's are (replay/importers/captures/har.py).
- Counted: connections that are encrypted or speak something else, packets that are missing.

What is held in memory are the messages that go on, and connections; the steps are on the disk until all are known.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from replay.assembly.requests.log_fields import first_address, request_session, session_key
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.captures.packets.connections import Connections
from replay.importers.captures.packets.found import Found
from replay.importers.captures.packets.steps import MadeStep, Steps
from replay.importers.captures.packets.types import Exchange, Packet, SocketEnd
from replay.importers.captures.packets.written import fields_of, looks_written, packet_of, read_packets
from replay.importers.logs.logged_requests import RequestLog
from replay.reading.inputs import input_files
from replay.trace.errors import TraceError
from replay.trace.socket_steps import SocketMessage

_NOT_TCP = "packet(s) of something other than TCP"
_QUIC = "packet(s) of QUIC, which carries HTTP/3 encrypted"
_NO_DATA = "packet(s) of which the file does not hold what TCP carried (tcp.payload)"
_EXPLAINED = (
    "Times are those at which packets passed where they were captured; a request is taken to begin with its first one.",
)


class Tshark:
    """The importer; see the head of this module."""

    name = "tshark"
    describe = "HTTP in captured packets, as tshark -T json or -T ek writes them of a pcap"

    def sniff(self, first_bytes: bytes) -> bool:
        return looks_written(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options)
        capture = _Capture(log, options)
        for packet in log.damage.of_files(input_files(paths, ".[jne]*"), capture.packets_of):
            capture.take(packet)
        capture.end()
        return log.result(_EXPLAINED)


class _Capture:
    """What is found in one file after the other, on its way into the log."""

    def __init__(self, log: RequestLog, options: ImportOptions) -> None:
        self._log = log
        self._options = options
        self._steps = Steps(log.departures, keeps_answers=options.responses == "keep")
        self._files = 0
        self._connections = self._new_connections()

    def packets_of(self, file: Path) -> Iterator[Packet]:
        """The packets of TCP in a file, which has its own connections."""
        log = self._log
        self.end()
        self._files += 1
        for place, text in read_packets(file):
            log.damage.lines += 1
            try:
                fields = fields_of(text, place)
                packet = packet_of(fields, place)
            except TraceError as error:
                log.damage.lose(error)
                continue
            if packet is None:
                log.departures.drop(_QUIC if fields.has_layer("quic") else _NOT_TCP)
                continue
            if packet.size and not packet.data:
                log.departures.drop(_NO_DATA)
            yield packet

    def take(self, packet: Packet) -> None:
        """The next packet of the file."""
        self._connections.take(packet)

    def end(self) -> None:
        """The file is over."""
        self._connections.end()
        self._connections = self._new_connections()

    def _new_connections(self) -> Connections:
        return Connections(Found(self.take_exchange, self.take_socket, self._log.departures.drop))

    def take_exchange(self, exchange: Exchange) -> None:
        """A request, and its answer where there is one."""
        made = self._steps.of(exchange)
        if made is not None:
            self._add(made, exchange)

    def take_socket(self, opening: Exchange, messages: list[SocketMessage], end: SocketEnd | None) -> None:
        """A WebSocket."""
        for made in self._steps.of_socket(opening, messages, end):
            self._add(made, opening)

    def _add(self, made: MadeStep, exchange: Exchange) -> None:
        client = first_address(exchange.header("x-forwarded-for") or None, exchange.client)
        self._log.add_step(
            made.step,
            made.start_us,
            made.took_us,
            client=client,
            user_agent=exchange.header("user-agent") or None,
            session=self._session(exchange, client),
            host=exchange.header("host") or exchange.server,
        )

    def _session(self, exchange: Exchange, client: str) -> str | None:
        by = self._options.session_by
        if by is None:
            return None
        if by == "connection":
            return f"{self._files}-{exchange.connection}"
        found = client if by == "client" else request_session(by, exchange.target, exchange.headers)
        return None if found is None else session_key(found)
