"""A server that logs when each GET came: when the kernel had it, and when this process had read it.

Usage: arrivals_server.py LOG. Prints its URL; on SIGTERM writes its log, two numbers of 8 bytes for each request, in ns
of CLOCK_MONOTONIC, the one clock of all processes of a machine, and ends. It knows nothing of the package.

The kernel's stamp (SO_TIMESTAMPNS, socket(7)) is taken as bytes enter the receiving side, which on the loopback is
within the sender's own write: what comes after it, this process being woken and reading, is not the sender's doing.
"""

import select
import signal
import socket
import struct
import sys
import time
from array import array
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# The socket module does not name it; asm-generic/socket.h.
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC.size)
PATIENCE_S = 0.05


def to_monotonic_ns() -> int:
    """What is added to a time of CLOCK_REALTIME, in which the kernel stamps; from the closest of a few readings."""
    readings = []
    for _ in range(50):
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        readings.append((after_ns - before_ns, (before_ns + after_ns) // 2 - wall_ns))
    return min(readings)[1]


def main() -> None:
    stamps = array("q")
    shift_ns = to_monotonic_ns()
    is_over = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    # Connections have it from here.
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while not is_over:
        for number, _ in poll.poll(PATIENCE_S):
            if number == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
                continue
            connection = connections[number]
            try:
                data, ancillary, _, _ = connection.recvmsg(65536, ANCILLARY_BYTES)
                read_ns = time.monotonic_ns()
                for _ in range(data.count(b"\r\n\r\n")):
                    seconds, ns = TIMESPEC.unpack(ancillary[0][2])
                    stamps.extend((seconds * 1_000_000_000 + ns + shift_ns, read_ns))
                    connection.sendall(ANSWER)
            except OSError:
                data = b""
            if not data:
                poll.unregister(connection)
                connections.pop(number).close()
    Path(sys.argv[1]).write_bytes(stamps.tobytes())


main()
