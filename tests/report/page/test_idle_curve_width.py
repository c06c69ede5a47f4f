"""The curve of cold starts by idle time, on a narrow terminal."""

import io

from rich.console import Console

from replay.judge.cold.types import Cold, ColdVerdict, IdleBucket, Tail
from replay.report.terminal.load import print_coldstart
from replay.results.summary_types import Quantiles

COLD = Cold(
    method="header",
    confidence="certain",
    count=12_000,
    share=0.5,
    why="the target says so",
    latency_ms=Quantiles(n=12_000, p50=200.0),
    warm_ms=Quantiles(n=12_000, p50=2.0),
)


def test_bars_are_whole_in_eighty_columns():
    buckets = [
        IdleBucket(idle_s=0.2512, to_s=0.3981, n=12_000, cold=0, share=0.0, ci=(0.0, 0.001)),
        IdleBucket(idle_s=630.9573, to_s=1000.0, n=12_000, cold=12_000, share=1.0, ci=(0.999, 1.0)),
    ]
    verdict = ColdVerdict(
        schema="replay.verdict/1", command="coldstart", cold=COLD, tail=Tail(), idle_curve=buckets
    )
    printed = io.StringIO()

    print_coldstart(verdict, console=Console(file=printed, width=80))

    assert "█" * 16 in printed.getvalue()
    assert "·" * 16 in printed.getvalue()
    assert "…" not in printed.getvalue()
