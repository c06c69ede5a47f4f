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

_WIDE, _HALF = 72, 44
"""From how many columns on all figures stand side by side, and two of them; below that each has a line."""


def draw(snapshot: Snapshot, width: int = 80) -> RenderableType:
    """The screen for one snapshot. width: of the terminal, in columns."""
    title = Text.assemble(
        ("replay ", "bold cyan"), clean(snapshot.trace), (" → ", "dim"), clean(snapshot.target)
    )
    state = None if snapshot.state == "running" else Text(snapshot.state, style="yellow")
    parts = (_head(snapshot, width), Text(), _body(snapshot, width))
    return Panel(Group(*parts), title=title, title_align="left", subtitle=state, border_style="cyan")


def _head(snapshot: Snapshot, width: int) -> RenderableType:
    done = snapshot.done + snapshot.unsent
    left = "" if snapshot.left_s is None else f"  {clock(snapshot.left_s)} left"
    steps = Text(f"{count(done)} of {counted(snapshot.steps, 'step')}", style="bold")
    time = Text(f"{clock(snapshot.elapsed_s)}{left}", style="dim")
    if width < _WIDE:
        return Group(steps, time)
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(width=22)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(
        total=max(1, snapshot.steps), completed=done, complete_style="cyan", finished_style="cyan"
    )
    head.add_row(steps, bar, time)
    return head


def _body(snapshot: Snapshot, width: int) -> RenderableType:
    across = 4 if width >= _WIDE else 2 if width >= _HALF else 1
    begin, go_on = ("\n", "\n") if across > 1 else (" ", ", ")
    lag = "–" if snapshot.lag_p99_us is None else milliseconds(snapshot.lag_p99_us / 1000)
    figures = [
        Text.assemble((label, "dim"), begin, (value, f"bold {style}"), go_on, (note, "dim"))
        for label, value, note, style in (
            (
                "achieved",
                f"{number(snapshot.achieved_rps)}/s",
                f"of {number(snapshot.offered_rps)}/s offered",
                "default",
            ),
            (
                "response",
                f"p50 {milliseconds(snapshot.p50_ms)}",
                f"p99 {milliseconds(snapshot.p99_ms)}",
                "default",
            ),
            (
                "in flight",
                count(snapshot.in_flight),
                f"{counted(snapshot.sessions_done, 'session')} done",
                "default",
            ),
            ("failed", count(snapshot.failed), f"lag p99 {lag}", "red" if snapshot.failed else "default"),
        )
    ]
    body = Table.grid(expand=True, padding=(0, 2))
    for _ in range(across):
        body.add_column(ratio=1)
    for at in range(0, len(figures), across):
        body.add_row(*figures[at : at + across])
    return body


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
                live.update(draw(decoder.decode(line), console.width))


if __name__ == "__main__":
    main()
