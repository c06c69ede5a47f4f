"""HTTP/2 against one nginx, in clear and by TLS: the engine by its own wire, by httpx, and h2load."""

import json
import shutil
import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from benchmarks.machine import CommandFailed, Ran, run
from benchmarks.peers.ours import replay
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import CLEAR_PORT, TLS_PORT, nginx
from benchmarks.table import Row, spread, verdict
from benchmarks.work import WORKS, even_starts_ms, steps_of, write_trace

# The same for each client: so many connections, and so many requests at once on each.
CONNECTIONS, STREAMS = 4, 100
# The least that our rate is to be of a peer's.
LEAST_RATIO = {"h2load": 0.5, "through httpx": 15.0}
_OURS = "replay"
_URLS = {"in clear": f"http://127.0.0.1:{CLEAR_PORT}", "by TLS": f"https://127.0.0.1:{TLS_PORT}"}
_WORK_S = 4.0
# Of what the fast path is offered.
_HTTPX_SHARE = 0.02


class Turn(NamedTuple):
    """One client's turn: requests a second, of how many, and what it took of a processor."""

    rps: float
    requests: int
    ran: Ran


def measure(setting: Setting) -> Measured:
    """Rows for each way: ours, and our ratio to each other, median of the rounds' ratios."""
    rows: list[Row] = []
    figures: dict[str, dict[str, list[float]]] = {}
    clients: dict[str, Callable[[str, Setting], Turn]] = {
        _OURS: partial(_ours, transport="fast", share=1.0),
        "h2load": _h2load,
        "through httpx": partial(_ours, transport="httpx", share=_HTTPX_SHARE),
    }
    if shutil.which("h2load") is None:
        del clients["h2load"]
    with nginx(has_http2=True):
        for way, url in _URLS.items():
            turns: dict[str, dict[int, Turn]] = {name: {} for name in clients}
            for number in range(setting.rounds):
                for name, client in clients.items():
                    try:
                        turns[name][number] = client(url, setting)
                    except CommandFailed as failed:
                        print(f"HTTP/2 {way}, {name}: {failed}", file=sys.stderr)
            rows += [_row(way, name, of, turns[_OURS]) for name, of in turns.items() if of]
            figures[way] = {name: [turn.rps for turn in of.values()] for name, of in turns.items()}
    return Measured(rows, figures)


def _row(way: str, name: str, turns: dict[int, Turn], ours: dict[int, Turn]) -> Row:
    cpu_us = statistics.median(1e6 * turn.ran.cpu_s / turn.requests for turn in turns.values())
    ratios = [ours[number].rps / turn.rps for number, turn in turns.items() if number in ours]
    goal = judged = ""
    if name != _OURS and ratios:
        ratio, least = statistics.median(ratios), LEAST_RATIO[name]
        goal, judged = f"{ratio:.2f} (at least {least:g})", verdict(ratio >= least)
    return Row(
        f"HTTP/2 {way}, {name}" if name == _OURS else f"  beside {name}",
        spread([turn.rps for turn in turns.values()], lambda rps: f"{rps:,.0f}/s"),
        f"{cpu_us:,.1f} µs a request",
        goal,
        judged,
    )


def _ours(url: str, setting: Setting, *, transport: str, share: float) -> Turn:
    work, folder = WORKS[0], setting.folder
    sessions = max(1, round(work.requests * share * setting.seconds / _WORK_S))
    trace, out, target = folder / f"http2 {sessions}.jsonl", folder / "run", folder / "http2.toml"
    if not trace.exists():
        write_trace(trace, steps_of(work), even_starts_ms(sessions, work.offered_rps))
    target.write_text(
        f'url = "{url}"\nhttp2 = true\ntransport = "{transport}"\n[tls]\nverify = false\n'
        f"[connections]\nmax = {CONNECTIONS}\nstreams_per_connection = {STREAMS}\n"
    )
    ran, summary = replay(trace, str(target), out)
    assert summary["counts"]["ok"] == sessions, summary["counts"]
    shared = json.loads((out / "run.json").read_text())["connections"]["opened"]
    assert shared <= CONNECTIONS, shared
    shutil.rmtree(out)
    return Turn(summary["rate"]["achieved_rps"], sessions, ran)


def _h2load(url: str, setting: Setting) -> Turn:
    options = ["-t1", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{max(1, round(setting.seconds))}"]
    ran = run(["h2load", *options, "--warm-up-time=0", url + WORKS[0].path])
    return Turn(
        ran.number(r"finished in [^,]+, ([\d.]+) req/s"),
        int(ran.number(r"requests: .* (\d+) succeeded")),
        ran,
    )
