"""Every parser of bytes that nobody vouches for, with how it is fed: the table that `scripts/fuzz` and the tests go by."""

from tests.fuzz.contract import Harness
from tests.fuzz.harnesses import (
    answers,
    calls,
    carried,
    http2,
    imports,
    passing,
    runs,
    signin,
    talking,
    traces,
    websocket,
    workers,
    written,
)

HARNESSES: dict[str, Harness] = {
    harness.name: harness
    for room in (
        traces,
        imports,
        written,
        answers,
        http2,
        calls,
        carried,
        websocket,
        passing,
        runs,
        workers,
        signin,
        talking,
    )
    for harness in room.HARNESSES
}
