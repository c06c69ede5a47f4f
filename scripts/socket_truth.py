"""What a run says of messages on WebSockets, beside what the server saw: its own stamps, on one clock.

A server of the `websockets` package, in a process of its own, answers each message with two, after delays that the
message asks for, and stamps when it had the message and when it sends each answer. A run of the same messages is set
beside that: the first message, the gap to the second, and the whole answer. What is between is the way through the
system, the package's own reading and writing, and ours. A bare socket that blocks, and does nothing else, is measured
in the same way: what it shows is none of ours.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.target import Target
from replay.websocket.frames import frame_bytes
from replay.websocket.handshake import new_key, opening_lines
from replay.websocket.messages import closing
from replay.websocket.types import CLOSE, NORMAL, TEXT

_MS = 1_000_000
# What the loop's timer may be late by; the rest is spun away.
_SPUN_S = 0.002


async def until(at_ns: int) -> None:
    left_s = (at_ns - time.monotonic_ns()) / 1e9 - _SPUN_S
    if left_s > 0:
        await asyncio.sleep(left_s)
    while time.monotonic_ns() < at_ns:
        pass


async def serving(log: Path) -> None:
    """Serve until the pipe to whoever started this is closed; then write what was seen."""
    seen: dict[str, list[int]] = {}

    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            came_ns = time.monotonic_ns()
            asked = json.loads(message)
            stamps, due_ns = [came_ns], came_ns
            for wait_ms in asked["waits_ms"]:
                due_ns += int(wait_ms * _MS)
                await until(due_ns)
                stamps.append(time.monotonic_ns())
                await connection.send(f'{{"id":"{asked["id"]}"}}')
            seen[asked["id"]] = stamps

    async with serve(answer, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    log.write_text(json.dumps(seen))


def trace_of(sessions: int, messages: int, every_ms: float, draw: random.Random) -> list[dict[str, Any]]:
    """Sessions one after another, so that no two messages are under way at once."""
    lines: list[dict[str, Any]] = [{"format": "replay-trace", "version": 1, "name": "socket-truth"}]
    for n in range(sessions):
        steps: list[dict[str, Any]] = []
        for m in range(messages):
            waits = [draw.uniform(2.0, 12.0), draw.uniform(1.0, 8.0)]
            ws = {"path": "/", "json": {"id": f"s-{n} m-{m}", "waits_ms": waits}, "until": {"messages": 2}}
            step = {"id": f"m-{m}", "kind": "ws", "name": "ask", "took_ms": sum(waits), "ws": ws}
            if m:
                step["after"] = [{"step": f"m-{m - 1}", "delay_ms": 5.0}]
            steps.append(step)
        lines.append({"id": f"s-{n}", "start_ms": n * every_ms * messages, "steps": steps})
    return lines


def asked_bare(port: int, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages by a socket that blocks, in records as a run has them."""
    records = []
    for session in lines[1:]:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asks = b"GET / HTTP/1.1\r\nhost: x\r\n" + opening_lines(new_key(), (), compresses=False) + b"\r\n"
            sock.sendall(asks)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(4096)
            for step in session["steps"]:
                document = {**step["ws"]["json"], "id": f"bare {step['ws']['json']['id']}"}
                sock.sendall(frame_bytes(TEXT, json.dumps(document).encode(), is_masked=True))
                sent_ns = time.monotonic_ns()
                came = []
                for _ in step["ws"]["json"]["waits_ms"]:
                    sock.recv(4096)
                    came.append(time.monotonic_ns())
                times = {"sent_ns": sent_ns, "first_byte_ns": came[0], "first_token_ns": came[0]}
                records.append(
                    {
                        "session": f"bare {session['id']}",
                        "step": step["id"],
                        **times,
                        "last_token_ns": came[-1],
                        "end_ns": came[-1],
                    }
                )
                time.sleep(0.005)
            sock.sendall(frame_bytes(CLOSE, closing(NORMAL), is_masked=True))
            sock.recv(4096)
    return records


def compared(seen: dict[str, list[int]], records: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """By how much the run's figures are above the server's, in ms."""
    found: dict[str, list[float]] = {"first message": [], "gap": [], "whole answer": []}
    for record in records:
        came, first, last = seen[f"{record['session']} {record['step']}"]
        found["first message"].append(record["first_byte_ns"] - record["sent_ns"] - (first - came))
        found["gap"].append(record["last_token_ns"] - record["first_token_ns"] - (last - first))
        found["whole answer"].append(record["end_ns"] - record["sent_ns"] - (last - came))
    return {what: np.array(values) / _MS for what, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--messages", type=int, default=50, help="of each session")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serving(given.serve))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = trace_of(given.sessions, given.messages, 30.0, random.Random(1))
        trace = folder / "trace.jsonl"
        trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
        command = [sys.executable, __file__, "--serve", str(folder / "seen.json")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            target = Target(url=f"http://127.0.0.1:{port}", name="truth")
            outcome = replay_trace(trace, target, RunOptions(), folder / "run")
            bare = asked_bare(port, lines)
        seen = json.loads((folder / "seen.json").read_text())
        records = [json.loads(line) for line in (folder / "run" / "steps.jsonl").read_text().splitlines()]
    assert outcome.summary.counts.ok == len(records) == given.sessions * given.messages
    load = os.getloadavg()[0]
    print(f"{len(records)} messages, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    for who, told in (("a run", records), ("a bare socket", bare)):
        print(f"\n{who + ' above server, ms':<32}{'p50':>8}{'p99':>8}{'least':>8}{'most':>8}")
        for what, values in compared(seen, told).items():
            p50, p99 = np.quantile(values, [0.5, 0.99])
            print(f"{what:<32}{p50:>8.3f}{p99:>8.3f}{values.min():>8.3f}{values.max():>8.3f}")


if __name__ == "__main__":
    main()
