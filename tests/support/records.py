"""Records of steps of every kind, and the manifest of a run that holds them."""

import msgspec
from hypothesis import strategies as st

from replay.results.manifest_types import Manifest
from replay.results.types import StepRecord

NS = st.integers(0, 10**12)
COUNTS = st.integers(0, 9)
MS = st.floats(0, 1e6)


def maybe(values):
    return st.none() | values


def _ordered(step: StepRecord) -> StepRecord:
    """One that does not end before it began, as no run records."""
    if step.end_ns is None:
        return step
    return msgspec.structs.replace(
        step, end_ns=max(step.end_ns, *(at_ns or 0 for at_ns in (step.intended_ns, step.sent_ns)))
    )


RECORDS = st.builds(
    StepRecord,
    session=st.sampled_from(["a", "b", "c", "ü"]),
    step=st.sampled_from(["0", "1", "2"]),
    kind=st.sampled_from(["tool", "llm"]),
    name=st.sampled_from(["search", "write"]),
    target=st.just("t"),
    outcome=st.sampled_from(["ok", "ok", "failed", "unsent"]),
    intended_ns=maybe(NS),
    sent_ns=maybe(NS),
    first_byte_ns=maybe(NS),
    first_token_ns=maybe(NS),
    last_token_ns=maybe(NS),
    end_ns=maybe(NS),
    attempt=st.integers(1, 3),
    final=st.booleans(),
    status=maybe(st.integers(100, 600)),
    request_bytes=maybe(COUNTS),
    response_bytes=maybe(COUNTS),
    stream=st.booleans(),
    streamed=st.booleans(),
    layout=maybe(st.just("openai-chat")),
    tokens=maybe(COUNTS),
    input_tokens=maybe(COUNTS),
    output_tokens=maybe(COUNTS),
    error=maybe(st.sampled_from(["timeout", "interrupted", "stale", "read_only", "skip-rest", "duration"])),
    phase=maybe(st.just("connect")),
    check=maybe(st.just("body")),
    censored=st.booleans(),
    connection=maybe(st.sampled_from(["new", "reused", "shared"])),
    connect_ns=maybe(NS),
    tls_ns=maybe(NS),
    dns_ns=maybe(NS),
    waited_ns=maybe(NS),
    instance=maybe(st.sampled_from(["i-1", "i-2"])),
    cold=maybe(st.booleans()),
    warmup=st.booleans(),
    recorded_ms=maybe(MS),
    recorded_at_ms=MS,
    recorded_status=maybe(st.sampled_from([200, 404, 429, 500])),
    recorded_ttft_ms=maybe(MS),
    recorded_input_tokens=maybe(COUNTS),
    recorded_output_tokens=maybe(COUNTS),
    recorded_bytes=maybe(COUNTS),
    recorded_stream=st.booleans(),
    made_up=st.booleans(),
    withheld=st.booleans(),
    attributes=maybe(st.just({"tenant": "a"})),
).map(_ordered)


BLOCKS = st.lists(st.lists(RECORDS, max_size=12), max_size=4)


MANIFEST = msgspec.convert(
    {
        "schema": "replay.run/1",
        "status": "finished",
        "version": "1",
        "started_at": "2026-11-29T00:00:00Z",
        "trace": {"name": "t", "sha256": "0", "sessions": 4, "steps": 50},
        "target": {},
        "options": {},
        "seed": 1,
        "host": {},
        "clock": {},
    },
    Manifest,
)
