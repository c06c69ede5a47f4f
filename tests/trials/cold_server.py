"""A target that goes cold: after KEEP_ALIVE_S without a request the next one, and those that come while it boots,
take BOOT_S longer. Says so in headers if told to. Prints its URL.
"""

import asyncio
import sys
import time

KEEP_ALIVE_S, BOOT_S, SAYS = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "says"


class Target(asyncio.Protocol):
    last_end = 0.0
    booted_at = 0.0
    in_flight = 0
    instance = 0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        now = time.monotonic()
        cls = Target
        if not cls.in_flight and now >= cls.booted_at and now - cls.last_end > KEEP_ALIVE_S:
            cls.booted_at = now + BOOT_S
            cls.instance += 1
        is_cold = now < cls.booted_at
        cls.in_flight += 1
        asyncio.get_running_loop().call_later(max(0.0, cls.booted_at - now) + 0.002, self.answer, is_cold)

    def answer(self, is_cold):
        Target.in_flight -= 1
        Target.last_end = time.monotonic()
        says = f"x-instance: i-{Target.instance}\r\nx-cold: {int(is_cold)}\r\n" if SAYS else ""
        self.transport.write(f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{says}\r\nok".encode())


async def main():
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.sleep(120)


asyncio.run(main())
