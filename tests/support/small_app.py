"""A small real application to be booted as an instance: answers with its process id, and has a child of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

time.sleep(float(os.environ.get("BOOT_S", "0.05")))
child = subprocess.Popen(["sleep", "600"])
healthy_at = time.monotonic() + float(os.environ.get("UNHEALTHY_S", "0"))


async def serve(reader, writer):
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            return writer.close()
        path = head.split(b" ")[1]
        if path == b"/exit":
            os._exit(7)
        if path == b"/wait":
            await asyncio.sleep(60)
        if path == b"/slow":
            await asyncio.sleep(0.3)
        body = b"%d %d" % (os.getpid(), child.pid)
        status = b"503 no" if path == b"/health" and time.monotonic() < healthy_at else b"200 OK"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()


def tell(*_):
    with contextlib.suppress(OSError):  # the gateway may be gone
        os.write(1, b"told to stop\n")


async def main():
    if os.environ.get("IGNORE_TERM"):
        signal.signal(signal.SIGTERM, tell)
    print("starting", flush=True)
    await (await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))).serve_forever()


if len(sys.argv) > 1 and sys.argv[1] != os.environ["PORT"]:
    sys.exit(f"the port was given as {sys.argv[1]} and {os.environ['PORT']}")
asyncio.run(main())
