"""How much of one work each client gets through on one core, and what the server counted of it."""

import statistics
import sys
from typing import NamedTuple

from benchmarks.machine import CommandFailed
from benchmarks.peers.ours import NAME as OURS
from benchmarks.peers.types import Load, Peer
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import Counted, nginx
from benchmarks.table import Row, spread, verdict
from benchmarks.work import USERS, Work

# The least that our rate is to be of a peer's.
LEAST_RATIO = {
    ("single steps", "wrk"): 0.6,
    ("single steps", "k9, a plan"): 1.1,
    ("single steps", "Locust FastHttpUser"): 10.0,
    ("single steps", "httpx.AsyncClient"): 50.0,
    ("chains of ten", "wrk"): 0.5,
    ("chains of ten", "k9, a plan"): 1.1,
}
# From the last answer to the prompt, of 240,000 steps.
MOST_AFTER_S = 1.0
# A client that is told to stop has this many requests under way that it may not count, for each virtual user.
_UNDER_WAY = 2


class Turn(NamedTuple):
    """One client's turn: what it says, and what the server counted."""

    load: Load
    counted: Counted


# By the number of the round; a turn that failed is missing.
Rounds = dict[int, Turn]


def measure(work: Work, setting: Setting) -> Measured:
    """Rows for one work: ours first, then each peer with our ratio to it, median of the rounds' ratios."""
    turns = _turns(work, setting)
    ours = turns.get(OURS, {})
    rows = []
    for peer in setting.peers:
        if peer.name in turns:
            rows.append(_row(work, peer, turns[peer.name], ours))
    after_s = [turn.load.after_s for turn in ours.values() if turn.load.after_s is not None]
    if work.per_session == 1 and work.method == "GET" and after_s:
        steps = next(iter(ours.values())).load.requests
        is_whole = steps == work.requests
        rows.append(
            Row(
                f"last answer to the prompt, {steps:,} steps",
                spread(after_s, lambda value: f"{value:.2f} s"),
                goal=f"at most {MOST_AFTER_S:g} s" if is_whole else "",
                verdict=verdict(statistics.median(after_s) <= MOST_AFTER_S) if is_whole else "",
            )
        )
    figures = {
        name: [
            {
                "rps": turn.load.rps,
                "requests": turn.load.requests,
                "counted": turn.counted._asdict(),
                "cpu_s": turn.load.ran.cpu_s,
                "wall_s": turn.load.ran.wall_s,
                "after_s": turn.load.after_s,
            }
            for turn in of.values()
        ]
        for name, of in turns.items()
    }
    return Measured(rows, figures)


def _turns(work: Work, setting: Setting) -> dict[str, Rounds]:
    """Each client's turns, which they take one after the other, so that a drift of the machine meets all alike."""
    turns: dict[str, Rounds] = {}
    with nginx() as server:
        for number in range(setting.rounds):
            for peer in setting.peers:
                before = server.counted()
                try:
                    load = peer.load(work, server.url, setting.seconds, setting.folder)
                except CommandFailed as failed:
                    print(f"{work.name}, {peer.name}: {failed}", file=sys.stderr)
                    continue
                turn = Turn(load, server.counted_since(before))
                _hold_to_its_word(work, peer, turn)
                turns.setdefault(peer.name, {})[number] = turn
    return turns


def _hold_to_its_word(work: Work, peer: Peer, turn: Turn) -> None:
    """Say it where the server has not seen what the client says that it sent."""
    said, seen = turn.load.requests, turn.counted.requests
    most_under_way = _UNDER_WAY * USERS * max(work.stages)
    if not said <= seen <= said + most_under_way:
        print(f"{work.name}, {peer.name}: says {said:,} requests, the server has {seen:,}", file=sys.stderr)


def _row(work: Work, peer: Peer, turns: Rounds, ours: Rounds) -> Row:
    cpu_us = statistics.median(
        1e6 * turn.load.ran.cpu_s / max(1, turn.counted.requests) for turn in turns.values()
    )
    cpu_s = statistics.median(turn.load.ran.cpu_s for turn in turns.values())
    what = f"{work.name}, {peer.name}" if peer.name == OURS else f"  beside {peer.name}"
    if not peer.does(work):
        what += " (the same requests in no order)"
    goal = judged = ""
    ratios = [ours[number].load.rps / turn.load.rps for number, turn in turns.items() if number in ours]
    if peer.name != OURS and ratios:
        ratio = statistics.median(ratios)
        least = LEAST_RATIO.get((work.name, peer.name))
        goal = f"{ratio:.2f}" + (f" (at least {least:g})" if least else "")
        judged = verdict(ratio >= least) if least else ""
    return Row(
        what,
        spread([turn.load.rps for turn in turns.values()], lambda rps: f"{rps:,.0f}/s"),
        f"{cpu_s:.1f} s, {cpu_us:,.1f} µs a request",
        goal,
        judged,
    )
