"""Measures the budgets of the engine as ratios, beside the peers that are installed, in one run.

The server is nginx on the last core, every client has the first core to itself, and the clients take turns, so
that a drift of the machine's speed meets all of them. Each figure is the median of the rounds. A ratio counts
only beside the noise floor that is printed with it: how late a bare spinning loop sees itself on this machine.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PEER_PYTHON = ROOT / ".venv-bench/bin/python"
PORT = 18_089
BODY = "hello world, this is a body\\n"
TARGET = f"http://127.0.0.1:{PORT}"
URL = f"{TARGET}/tools/search?q=x"
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]

NGINX = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "{body}"; }} }}
}}
"""

# The Python peers, each as its users would write it: 64 at once, closed loop, for some seconds.
AIOHTTP = """
import asyncio, sys, time, aiohttp, uvloop
async def main(url, seconds):
    n = 0; end = time.perf_counter() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def one():
            nonlocal n
            while time.perf_counter() < end:
                async with session.get(url) as response:
                    await response.read()
                n += 1
        await asyncio.gather(*(one() for _ in range(64)))
    print(n / seconds)
uvloop.run(main(sys.argv[1], float(sys.argv[2])))
"""
HTTPX = """
import asyncio, sys, time, httpx, uvloop
async def main(url, seconds):
    n = 0; end = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
        async def one():
            nonlocal n
            while time.perf_counter() < end:
                await client.get(url); n += 1
        await asyncio.gather(*(one() for _ in range(64)))
    print(n / seconds)
uvloop.run(main(sys.argv[1], float(sys.argv[2])))
"""
LOCUST = """
from urllib.parse import urlsplit
from locust import FastHttpUser, constant, task
class Agent(FastHttpUser):
    wait_time = constant(0)
    @task
    def call(self):
        self.client.get("/tools/search?q=x")
"""
# Paced by the event loop's own timers: what a replay client without a pacer of its own does.
LOOP_TIMER = """
import asyncio, sys, time, uvloop
async def main(rate, seconds):
    loop = asyncio.get_running_loop(); late = []; start = time.monotonic_ns() + 50_000_000; done = loop.create_future()
    n = int(rate * seconds)
    def fire(i, due):
        late.append(time.monotonic_ns() - due)
        if len(late) == n: done.set_result(None)
    async def feed():
        for i in range(n):
            due = start + int(i * 1e9 / rate)
            ahead = (due - time.monotonic_ns()) / 1e9
            if ahead > 0.05: await asyncio.sleep(0.02)
            loop.call_later(max(0, (due - time.monotonic_ns()) / 1e9), fire, i, due)
    await feed(); await done
    late.sort(); print(late[len(late) // 2] / 1e3, late[int(len(late) * 0.99)] / 1e3)
uvloop.run(main(float(sys.argv[1]), float(sys.argv[2])))
"""


def on_core(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else command


def run(command: list[str], core: int = CLIENT_CORE, timeout: float = 300, **options: Any) -> str:
    done = subprocess.run(
        on_core(core, command), capture_output=True, text=True, timeout=timeout, check=False, **options
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command[:3])} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


@contextmanager
def nginx() -> Iterator[None]:
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(binary).exists():
        sys.exit("scripts/bench needs nginx as the server: install your system's nginx package.")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(dir=folder, port=PORT, body=BODY))
        server = subprocess.Popen(
            on_core(SERVER_CORE, [binary, "-c", str(config), "-e", f"{folder}/error.log"])
        )
        try:
            time.sleep(0.7)
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def noise_floor(seconds: float = 2.0) -> dict[str, float]:
    """How long a bare loop that only looks at the clock is kept from running, in µs."""
    gaps = []
    end = time.monotonic_ns() + int(seconds * 1e9)
    before = time.monotonic_ns()
    while before < end:
        now = time.monotonic_ns()
        gaps.append(now - before)
        before = now
    gaps.sort()
    return {
        "p50_us": gaps[len(gaps) // 2] / 1e3,
        "p99_99_us": gaps[int(len(gaps) * 0.9999)] / 1e3,
        "max_us": gaps[-1] / 1e3,
        "over_100_us_per_s": sum(gap > 100_000 for gap in gaps) / seconds,
    }


def write_trace(path: Path, sessions: int, gap_ms: float, second_after_ms: float | None = None) -> None:
    """Single-step sessions at a constant rate; with second_after_ms a second step follows after that gap."""
    with path.open("w") as out:
        out.write('{"format":"replay-trace","version":1,"name":"bench","resolution_ms":0.001}\n')
        for n in range(sessions):
            steps = (
                '{"id":"a","kind":"tool","name":"search","took_ms":1.0,'
                f'"request":{{"method":"GET","path":"/tools/search?q={n}"}}}}'
            )
            if second_after_ms is not None:
                steps += (
                    f',{{"id":"b","kind":"tool","name":"fetch","at_ms":{second_after_ms + 1.0},"took_ms":1.0,'
                    f'"after":[{{"step":"a","delay_ms":{second_after_ms}}}],'
                    '"request":{"method":"GET","path":"/tools/fetch"}}'
                )
            out.write(f'{{"id":"s-{n}","start_ms":{n * gap_ms:.4f},"steps":[{steps}]}}\n')


def replay(trace: Path, folder: Path, *options: str) -> dict[str, Any]:
    out = folder / f"run-{time.monotonic_ns()}"
    text = run(
        [sys.executable, "-m", "replay", "run", str(trace), "-t", TARGET, "--out", str(out), "--json", *options]
    )
    shutil.rmtree(out, ignore_errors=True)
    summary: dict[str, Any] = json.loads(text)
    return summary


def wrk(seconds: float) -> float:
    text = run(["wrk", "-t1", "-c64", f"-d{seconds:.0f}s", URL])
    return float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])  # type: ignore[index]


def hey(seconds: float) -> float:
    text = run(["hey", "-z", f"{seconds:.0f}s", "-c", "64", "-cpus", "1", URL])
    return float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])  # type: ignore[index]


def peer(source: str, *arguments: object) -> list[float]:
    text = run([str(PEER_PYTHON), "-c", source, *map(str, arguments)])
    return [float(word) for word in text.split()]


def locust(seconds: float, folder: Path) -> float:
    script = folder / "locustfile.py"
    script.write_text(LOCUST)
    prefix = folder / "locust"
    run(
        [
            str(PEER_PYTHON), "-m", "locust", "-f", str(script), "--headless", "-u", "64", "-r", "64",
            "-t", f"{seconds + 2:.0f}s", "--host", f"http://127.0.0.1:{PORT}", "--csv", str(prefix),
            "--only-summary", "--reset-stats",
        ]
    )  # fmt: skip
    rows = (folder / "locust_stats.csv").read_text().splitlines()
    header, total = rows[0].split(","), rows[-1].split(",")
    return float(total[header.index("Requests/s")])


def max_rates(rounds: int, seconds: float, folder: Path, has_peers: bool) -> dict[str, float]:
    """The most that each client gets through on one core, the engine with everything recorded."""
    trace = folder / "saturate.jsonl"
    write_trace(trace, 240_000, 1000 / 80_000)
    seen: dict[str, list[float]] = {}
    for _ in range(rounds):
        if shutil.which("wrk"):
            seen.setdefault("wrk", []).append(wrk(seconds))
        summary = replay(trace, folder)
        counts = summary["counts"]
        assert counts["ok"] == 240_000, counts
        assert summary["generator"]["verdict"] == "saturated", summary["generator"]
        seen.setdefault("replay", []).append(summary["rate"]["achieved_rps"])
        if shutil.which("hey"):
            seen.setdefault("hey", []).append(hey(seconds))
        if has_peers:
            seen.setdefault("aiohttp", []).append(peer(AIOHTTP, URL, seconds)[0])
            seen.setdefault("httpx.AsyncClient", []).append(peer(HTTPX, URL, seconds)[0])
            seen.setdefault("Locust FastHttpUser", []).append(locust(seconds, folder))
    return {name: statistics.median(rates) for name, rates in seen.items()}


def lags(rounds: int, folder: Path, has_peers: bool) -> dict[str, list[float]]:
    """Dispatch lag in µs (p50, p99) at 2,000 steps a second."""
    trace = folder / "paced.jsonl"
    write_trace(trace, 10_000, 0.5)
    ours: list[list[float]] = []
    timers: list[list[float]] = []
    for _ in range(rounds):
        lag = replay(trace, folder, "--timing", "recorded")["dispatch_lag_us"]
        ours.append([lag["p50"], lag["p99"]])
        if has_peers:
            timers.append(peer(LOOP_TIMER, 2000, 5))
    found = {"replay": [statistics.median(column) for column in zip(*ours, strict=True)]}
    if timers:
        found["loop timer"] = [statistics.median(column) for column in zip(*timers, strict=True)]
    return found


def idle_memory(folder: Path, sessions: int = 100_000) -> dict[str, float]:
    """Memory for each session that sleeps through a gap: the peak less that of the same run with few."""
    peaks = []
    for count in (1_000, sessions):
        trace = folder / f"idle-{count}.jsonl"
        write_trace(trace, count, 10_000 / count, 15_000.0)
        out = folder / f"idle-run-{count}"
        usage = run(
            [sys.executable, "-c", IDLE, str(trace), TARGET, str(out)],
        )
        peaks.append(float(usage.split()[-1]))
    return {"bytes_per_session": (peaks[1] - peaks[0]) / (sessions - 1_000), "peak_mib": peaks[1] / 2**20}


IDLE = """
import re, sys
from pathlib import Path
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.target import load_target
done = replay_trace(Path(sys.argv[1]), load_target(sys.argv[2]), RunOptions(), Path(sys.argv[3]))
assert done.summary.counts.ok == done.summary.counts.steps, done.summary.counts
# Not ru_maxrss, which a process inherits from the one that started it.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
"""

READING = """
import resource, sys, time
from replay.trace.file.stream import read_sessions
before = time.perf_counter(); n = 0
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for session in read_sessions(sys.argv[1]): n += len(session.steps)
took = time.perf_counter() - before
print(n / took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024)
"""


def reading(rounds: int, folder: Path) -> dict[str, float]:
    """Steps read a second, and memory gained, for a small and a ten times larger trace."""
    figures = {}
    for count in (100_000, 1_000_000):
        trace = folder / f"read-{count}.jsonl"
        write_trace(trace, count // 2, 1.0, 5.0)
        seen = [
            [float(word) for word in run([sys.executable, "-c", READING, str(trace)]).split()]
            for _ in range(rounds if count == 100_000 else 1)
        ]
        figures[f"steps_per_s_{count}"] = statistics.median(row[0] for row in seen)
        figures[f"memory_gained_mib_{count}"] = statistics.median(row[1] for row in seen) / 2**20
        trace.unlink()
    return figures


def table(rows: list[tuple[str, str, str, str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def verdict(is_met: bool) -> str:
    return "met" if is_met else "NOT MET"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each closed-loop peer runs")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--only", choices=["rate", "lag", "memory", "reading"], action="append")
    chosen = parser.parse_args()
    only = chosen.only or ["rate", "lag", "memory", "reading"]
    has_peers = PEER_PYTHON.exists()
    figures: dict[str, Any] = {"noise": noise_floor()}
    rows = [("what", "measured", "ratio or budget", "verdict")]
    noise = figures["noise"]
    rows.append(
        (
            "noise floor of this machine",
            f"gaps p99.99 {noise['p99_99_us']:.0f} µs, max {noise['max_us']:.0f} µs",
            f"{noise['over_100_us_per_s']:.1f} gaps over 100 µs a second",
            "",
        )
    )
    with tempfile.TemporaryDirectory() as name, nginx():
        folder = Path(name)
        if "rate" in only:
            rates = figures["rates"] = max_rates(chosen.rounds, chosen.seconds, folder, has_peers)
            ours = rates["replay"]
            budgets = {"wrk": 0.5, "Locust FastHttpUser": 10.0, "httpx.AsyncClient": 50.0}
            rows.append(("full engine, one core", f"{ours:,.0f}/s", "", ""))
            for peer_name, rate in rates.items():
                if peer_name != "replay":
                    ratio = ours / rate
                    least = budgets.get(peer_name)
                    rows.append(
                        (
                            f"  beside {peer_name}",
                            f"{rate:,.0f}/s",
                            f"{ratio:.2f}" + (f" (at least {least:g})" if least else ""),
                            verdict(ratio >= least) if least else "",
                        )
                    )
        if "lag" in only:
            figures["lag_us"] = lags(chosen.rounds, folder, has_peers)
            for who, (p50, p99) in figures["lag_us"].items():
                is_ours = who == "replay"
                rows.append(
                    (
                        f"dispatch lag at 2,000/s, {who}",
                        f"p50 {p50:.0f} µs, p99 {p99:.0f} µs",
                        "p50 at most 50, p99 at most 1,000 µs" if is_ours else "",
                        verdict(p50 <= 50 and p99 <= 1000) if is_ours else "",
                    )
                )
        if "memory" in only:
            memory = figures["idle"] = idle_memory(folder)
            rows.append(
                (
                    "idle session in memory",
                    f"{memory['bytes_per_session']:,.0f} bytes",
                    "at most 2,048",
                    verdict(memory["bytes_per_session"] <= 2048),
                )
            )
        if "reading" in only:
            read = figures["reading"] = reading(chosen.rounds, folder)
            rate = read["steps_per_s_100000"]
            rows.append(("trace reading", f"{rate:,.0f} steps/s", "at least 150,000", verdict(rate >= 150_000)))
            rows.append(
                (
                    "memory gained reading 10 times as much",
                    f"{read['memory_gained_mib_1000000'] - read['memory_gained_mib_100000']:+.1f} MiB",
                    "flat",
                    verdict(read["memory_gained_mib_1000000"] - read["memory_gained_mib_100000"] < 8),
                )
            )
    print(table(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
