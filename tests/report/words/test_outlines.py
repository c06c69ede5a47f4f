"""How long a target stays warm, in words."""

import pytest

from replay.judge.tail.coldstart import Cold, ColdVerdict, Tail
from replay.report.words.outlines import stays_warm
from replay.results.types import Quantiles

COLD = Cold(
    method="header",
    confidence="certain",
    count=2,
    share=0.5,
    why="the target says so",
    latency_ms=Quantiles(n=2),
    warm_ms=Quantiles(n=2),
)


@pytest.mark.parametrize(
    ("keep_alive_s", "said"),
    [
        (None, ""),
        ((4.0, None), "it stays warm for longer than 4 s without a request"),
        ((1.875, 2.0), "it stays warm for between 1.88 s and 2 s without a request"),
        ((4.001, 4.003), "it stays warm for about 4 s without a request"),
    ],
)
def test_an_idle_lifetime_is_told_as_well_as_it_is_known(keep_alive_s, said):
    verdict = ColdVerdict(
        schema="replay.verdict/1",
        command="coldstart",
        cold=COLD,
        tail=Tail(),
        idle_curve=[],
        keep_alive_s=keep_alive_s,
    )

    assert stays_warm(verdict) == said
