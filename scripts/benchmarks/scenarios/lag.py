"""How late requests arrive at an even rate, beside what the client itself reports.

A request arrives when the kernel has it at the server's socket; the server logs that stamp, and when it had read the
request itself. What lies between the two, being woken and its turn on a core, is the server's part.
"""

import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.machine import CommandFailed, run
from benchmarks.peers import k9
from benchmarks.peers.ours import NAME as OURS
from benchmarks.peers.ours import replay, times_ns
from benchmarks.peers.types import PYTHON
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import arrivals
from benchmarks.table import Row, spread, verdict
from benchmarks.work import SEARCH, USERS, WORKS, even_starts_ms, steps_of, write_trace

RATE_RPS = 2_000
PERIOD_NS = 1_000_000_000 // RATE_RPS
MOST_P50_US, MOST_P99_US = 20.0, 200.0
# How far what we report may be from the arrivals at p99.
MOST_APART_RATIO = 0.1

# What sends without a pacer of its own: a timer of the event loop for each request.
LOOP_TIMER = """
import asyncio, sys, time, aiohttp, uvloop
async def main(url, rate, count):
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def one():
            async with session.get(url) as response:
                await response.read()
        tasks = []
        start = loop.time() + 0.1
        for n in range(count):
            due = start + n / rate
            if due - loop.time() > 0.05:
                await asyncio.sleep(0.02)
            loop.call_at(due, lambda: tasks.append(asyncio.create_task(one())))
        await asyncio.sleep(max(0, start + count / rate - loop.time()) + 0.05)
        await asyncio.gather(*tasks)
uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
"""
# The least that any client could be late on this core: it waits for each due time by looking at the clock.
SPIN = """
import sys, time
late, now = [], time.monotonic_ns
period, due = int(sys.argv[1]), now() + 50_000_000
for _ in range(int(sys.argv[2])):
    while (at := now()) < due: pass
    late.append(at - due); due += period
print(*late)
"""


class Lateness(NamedTuple):
    """In µs."""

    p50: float
    p99: float


def lateness(late_ns: Sequence[int]) -> Lateness:
    ordered = sorted(late_ns)
    return Lateness(ordered[len(ordered) // 2] / 1e3, ordered[int(len(ordered) * 0.99)] / 1e3)


def behind_own_grid(came_ns: Sequence[int], count: int) -> list[int]:
    """How late each of these came, of a client whose schedule has no known start: its earliest counts as on time.

    Raises CommandFailed where some of count never came: nobody knows then which was due when. The last may be missing,
    of a client that ends before it is due.
    """
    if len(came_ns) < count - 1:
        raise CommandFailed(f"{len(came_ns):,} of {count:,} requests were sent")
    behind = [at - n * PERIOD_NS for n, at in enumerate(sorted(came_ns))]
    return [late - min(behind) for late in behind]


class Seen(NamedTuple):
    """A turn of one client: each a name of the table and what was late by how much; and what it took of processor."""

    late: dict[str, Lateness]
    cpu_s: float


Client = Callable[[Setting, int], Seen]

BARE = "a bare spinning loop"
ARRIVED = f"{OURS}: arrived"
REPORTED = f"{OURS}: as it reports it"
READ = f"{OURS}: read by the server"
SERVERS_PART = f"{OURS}: of that, the server's part"


def _spin(setting: Setting, count: int) -> Seen:
    ran = run([sys.executable, "-c", SPIN, str(PERIOD_NS), str(count)])
    return Seen({BARE: lateness([int(word) for word in ran.text.split()])}, ran.cpu_s)


def _ours(setting: Setting, count: int) -> Seen:
    trace, out = setting.folder / f"paced-{count}.jsonl", setting.folder / "paced"
    if not trace.exists():
        write_trace(trace, steps_of(WORKS[0]), even_starts_ms(count, RATE_RPS))
    with arrivals() as server:
        ran, summary = replay(trace, server.url, out, "--timing", "recorded")
    due_ns = sorted(times_ns(out, "intended_ns"))
    shutil.rmtree(out)
    lag = summary["dispatch_lag_us"]
    late = {
        ARRIVED: lateness([at - due for at, due in zip(sorted(server.came_ns), due_ns, strict=True)]),
        REPORTED: Lateness(lag["p50"], lag["p99"]),
        READ: lateness([at - due for at, due in zip(sorted(server.read_ns), due_ns, strict=True)]),
        SERVERS_PART: lateness(
            [read - came for came, read in zip(server.came_ns, server.read_ns, strict=True)]
        ),
    }
    return Seen(late, ran.cpu_s)


def _k9(setting: Setting, count: int) -> Seen:
    executor = {
        "executor": "constant-arrival-rate",
        "rate": RATE_RPS,
        "timeUnit": "1s",
        "duration": f"{1000 * count // RATE_RPS}ms",
        "preAllocatedVUs": USERS,
    }
    with arrivals() as server:
        steps = [{"request": {"method": "GET", "url": server.url + SEARCH}}]
        ran = k9.run_plan({"scenarios": {"even": executor}}, steps, setting.folder)
    return Seen({"k9, a plan: arrived": lateness(behind_own_grid(server.came_ns, count))}, ran.cpu_s)


def _loop_timer(setting: Setting, count: int) -> Seen:
    with arrivals() as server:
        command = [str(PYTHON), "-c", LOOP_TIMER, server.url + SEARCH, str(RATE_RPS), str(count)]
        ran = run(command)
    return Seen(
        {"aiohttp, the loop's timer: arrived": lateness(behind_own_grid(server.came_ns, count))}, ran.cpu_s
    )


# By the peer that must be there; None for what always is.
CLIENTS: tuple[tuple[str | None, Client], ...] = (
    (None, _spin),
    (OURS, _ours),
    ("k9, a plan", _k9),
    ("aiohttp", _loop_timer),
)


def measure(setting: Setting) -> Measured:
    count = max(200, round(RATE_RPS * setting.seconds))
    here = {peer.name for peer in setting.peers}
    late: dict[str, list[Lateness]] = {}
    cpu_s: dict[str, list[float]] = {}
    for _ in range(setting.rounds):
        for needs, client in CLIENTS:
            if needs is None or needs in here:
                try:
                    seen = client(setting, count)
                except CommandFailed as failed:
                    if needs in (None, OURS):
                        raise
                    print(f"lag, {needs}: {failed}", file=sys.stderr)
                    continue
                for name, found in seen.late.items():
                    late.setdefault(name, []).append(found)
                    cpu_s.setdefault(name, []).append(seen.cpu_s)
    figures = {
        name: {"late_us": [one._asdict() for one in found], "cpu_s": cpu_s[name]}
        for name, found in late.items()
    }
    return Measured(_rows(late, cpu_s, count), figures)


def _rows(late: dict[str, list[Lateness]], cpu_s: dict[str, list[float]], count: int) -> list[Row]:
    rows = []
    for name, found in late.items():
        goal = judged = ""
        if name == ARRIVED:
            goal, judged = _beside_noise(found, late[BARE])
        elif name == REPORTED:
            goal, judged = _beside_arrivals(found, late[ARRIVED])
        rows.append(
            Row(
                f"late at {RATE_RPS:,}/s, {name}",
                f"p50 {spread([one.p50 for one in found], _us)}, p99 {spread([one.p99 for one in found], _us)}",
                f"{statistics.median(cpu_s[name]):.1f} s for {count:,} requests",
                goal,
                judged,
            )
        )
    return rows


def _us(value: float) -> str:
    return f"{value:,.0f} µs"


def _beside_noise(ours: list[Lateness], bare: list[Lateness]) -> tuple[str, str]:
    """The median of what the rounds have above a bare loop on the same core."""
    p50 = statistics.median(one.p50 - least.p50 for one, least in zip(ours, bare, strict=True))
    p99 = statistics.median(one.p99 - least.p99 for one, least in zip(ours, bare, strict=True))
    return (
        f"p50 {p50:,.0f}, p99 {p99:,.0f} µs above the bare loop "
        f"(at most {MOST_P50_US:.0f} and {MOST_P99_US:.0f})",
        verdict(p50 <= MOST_P50_US and p99 <= MOST_P99_US),
    )


def _beside_arrivals(reported: list[Lateness], arrived: list[Lateness]) -> tuple[str, str]:
    ratio = statistics.median(said.p99 / seen.p99 for said, seen in zip(reported, arrived, strict=True))
    return (
        f"{ratio:.2f} of what arrived at p99 (within {MOST_APART_RATIO:.0%})",
        verdict(abs(ratio - 1) <= MOST_APART_RATIO),
    )
