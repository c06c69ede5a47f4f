"""A server that stamps each GET when it has read it, on CLOCK_MONOTONIC, the one clock of all processes of a machine.

Usage: arrivals_server.py LOG spin|sleep. Prints its URL; on SIGTERM writes its stamps to LOG, 8 bytes each, and ends.
Spinning, no sleeping process must be woken before a request is seen. It knows nothing of the package.
"""

import select
import signal
import socket
import sys
from array import array
from pathlib import Path
from time import monotonic_ns

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def main() -> None:
    patience_s = 0.0 if sys.argv[2] == "spin" else 0.05
    stamps = array("q")
    is_over = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while not is_over:
        for number, _ in poll.poll(patience_s):
            if number == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
                continue
            connection = connections[number]
            try:
                data = connection.recv(65536)
                now_ns = monotonic_ns()
                for _ in range(data.count(b"\r\n\r\n")):
                    stamps.append(now_ns)
                    connection.sendall(ANSWER)
            except OSError:
                data = b""
            if not data:
                poll.unregister(connection)
                connections.pop(number).close()
    Path(sys.argv[1]).write_bytes(stamps.tobytes())


main()
