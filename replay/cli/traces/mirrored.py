"""What is told of requests that were also sent to a second target."""

from collections.abc import Iterator

import numpy as np

from replay.recording.mirror import Mirrored
from replay.words.numbers import count, milliseconds
from replay.words.phrases import counted

_MOST_TOLD = 5


def told_of_mirror(mirrored: Mirrored) -> Iterator[str]:
    """Lines: how many were answered alike, how fast both were, and what was not sent."""
    answered = mirrored.answered
    alike = f"{count(mirrored.same_status)} with the first's status"
    failed = f"{counted(mirrored.failed, 'request')} failed there"
    yield f"mirrored: {counted(answered, 'answer')} of the second target, {alike}; {failed}"
    if answered:
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            first, second = (
                float(np.quantile(times, share)) for times in (mirrored.first_ms, mirrored.second_ms)
            )
            yield f"  {name}: first {milliseconds(first)}, second {milliseconds(second)}"
    for (first_status, second_status), n in mirrored.unlike.most_common(_MOST_TOLD):
        yield f"  {counted(n, 'time')} {first_status} of the first was {second_status} of the second"
    for why, n in mirrored.left_out.most_common():
        yield f"  not sent there: {counted(n, 'request')} that {why}"
