"""Draws a run under way on the terminal; reads snapshots, a line of JSON each, from stdin until it ends.

Started by replay.live.live as a process of its own. Ctrl-C belongs to the run, so it is ignored here.
"""

import contextlib
import os
import signal
import sys

import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar

from replay.report.plain import Table, Text, plain_console
from replay.results.summary_types import Snapshot
from replay.words.names import clean
from replay.words.numbers import clock, count, milliseconds, number
from replay.words.phrases import counted


def draw(snapshot: Snapshot) -> RenderableType:
    """The screen for one snapshot."""
    done = snapshot.done + snapshot.unsent
    left = "" if snapshot.left_s is None else f"  {clock(snapshot.left_s)} left"
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(width=22)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(
        Text(f"{count(done)} of {counted(snapshot.steps, 'step')}", style="bold"),
        ProgressBar(total=max(1, snapshot.steps), completed=done, complete_style="cyan", finished_style="cyan"),
        Text(f"{clock(snapshot.elapsed_s)}{left}", style="dim"),
    )
    body = Table.grid(expand=True, padding=(0, 2))
    for _ in range(4):
        body.add_column(ratio=1)
    body.add_row(
        _figure(
            "achieved", f"{number(snapshot.achieved_rps)}/s", f"of {number(snapshot.offered_rps)}/s offered"
        ),
        _figure("response", f"p50 {milliseconds(snapshot.p50_ms)}", f"p99 {milliseconds(snapshot.p99_ms)}"),
        _figure("in flight", count(snapshot.in_flight), f"{counted(snapshot.sessions_done, 'session')} done"),
        _figure(
            "failed",
            count(snapshot.failed),
            "lag p99 " + ("–" if snapshot.lag_p99_us is None else milliseconds(snapshot.lag_p99_us / 1000)),
            style="red" if snapshot.failed else "default",
        ),
    )
    title = Text.assemble(
        ("replay ", "bold cyan"), clean(snapshot.trace), (" → ", "dim"), clean(snapshot.target)
    )
    state = None if snapshot.state == "running" else Text(snapshot.state, style="yellow")
    return Panel(
        Group(head, Text(), body), title=title, title_align="left", subtitle=state, border_style="cyan"
    )


def _figure(label: str, value: str, note: str, style: str = "default") -> RenderableType:
    return Text.assemble((f"{label}\n", "dim"), (f"{value}\n", f"bold {style}"), (note, "dim"))


def main() -> None:
    """Draw until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.nice(10)
    console = plain_console(stderr=True)
    decoder = msgspec.json.Decoder(Snapshot)
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        for line in sys.stdin.buffer:
            with contextlib.suppress(msgspec.MsgspecError):
                live.update(draw(decoder.decode(line)))


if __name__ == "__main__":
    main()
