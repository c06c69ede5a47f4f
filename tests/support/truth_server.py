"""A target that knows the truth: a process of its own that logs when each request arrived, and behaves as told.

It is written against raw sockets, knows nothing of the package, and takes CLOCK_MONOTONIC, which is one clock for
all processes of a machine. A request says by its query how it wants to be treated: `ms` until the response ends,
`fb` until its first byte, `do` for misbehaviour. Prints its URL; on SIGTERM writes its log as JSON and ends.
"""

import asyncio
import json
import signal
import sys
import time
from collections import deque
from typing import ClassVar

LONGEST_S = 120.0


class Target(asyncio.Protocol):
    arrivals: ClassVar[deque] = deque()
    in_flight = 0
    most_in_flight = 0

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        now = time.monotonic_ns()
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method, path, _ = lines[0].split(" ")
            body = rest[:length].decode("latin-1")
            self.arrivals.append({"ns": now, "method": method, "path": path, "headers": headers, "body": body})
            self.answer(dict(part.split("=", 1) for part in path.partition("?")[2].split("&") if "=" in part))

    def answer(self, wish):
        Target.in_flight += 1
        Target.most_in_flight = max(Target.most_in_flight, Target.in_flight)
        loop = asyncio.get_running_loop()
        ms = float(wish.get("ms", 0)) / 1000
        match wish.get("do"):
            case "503":
                loop.call_later(ms, self.end, b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
            case "cut":
                loop.call_later(ms, self.end, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc", True)
            case "reset":
                loop.call_later(ms, self.end, b"", True)
            case "exit":
                finish()
            case _ if "fb" in wish:
                loop.call_later(
                    float(wish["fb"]) / 1000, self.write, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"
                )
                loop.call_later(ms, self.end, b"cd")
            case _ if ms:
                loop.call_later(ms, self.end, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            case _:
                self.end(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def write(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def end(self, data, is_last=False):
        Target.in_flight -= 1
        self.write(data)
        if is_last:
            self.transport.close()


def finish():
    with open(sys.argv[1], "w") as log:
        json.dump({"arrivals": list(Target.arrivals), "most_in_flight": Target.most_in_flight}, log)
    sys.stdout.flush()
    sys.exit(0)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Target, "127.0.0.1", 0, backlog=1024)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, finish)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.sleep(LONGEST_S)


asyncio.run(main())
