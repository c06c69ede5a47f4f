"""A run's lines as columns, a block at a time: the same as record by record."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.results.columns import Gathering, columns_of
from replay.results.histogram import Histogram
from replay.results.summary import rebuild
from replay.results.table import ABSENT, NUMBERS, table_of
from replay.results.types import Manifest, StepRecord
from tests.results.plainly import PlainCounts, plain_columns

NS = st.integers(0, 10**12)
COUNTS = st.integers(0, 9)
MS = st.floats(0, 1e6)


def maybe(values):
    return st.none() | values


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
    connection=maybe(st.sampled_from(["new", "reused"])),
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
    recorded_stream=st.booleans(),
    made_up=st.booleans(),
    withheld=st.booleans(),
    attributes=maybe(st.just({"tenant": "a"})),
)
BLOCKS = st.lists(st.lists(RECORDS, max_size=12), max_size=4)


@settings(max_examples=60)
@given(BLOCKS)
def test_columns_are_those_of_a_reading_record_by_record(blocks):
    found, plain = columns_of(blocks), plain_columns(blocks)

    for name, value, expected in zip(found._fields, found, plain, strict=True):
        if isinstance(expected, np.ndarray):
            assert value.dtype == expected.dtype, name
            assert value.tolist() == expected.tolist(), name
        else:
            assert value == expected, name


@settings(max_examples=60)
@given(BLOCKS)
def test_where_lines_are_cut_into_blocks_changes_nothing(blocks):
    whole = columns_of([[record for records in blocks for record in records]])

    for value, expected in zip(columns_of(blocks), whole, strict=True):
        assert np.array_equal(value, expected) if isinstance(expected, np.ndarray) else value == expected


@settings(max_examples=50)
@given(BLOCKS)
def test_a_summary_counts_what_counting_record_by_record_does(tmp_path_factory, blocks):
    run = tmp_path_factory.mktemp("run")
    records = [record for records in blocks for record in records]
    (run / "steps.jsonl").write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    plain = PlainCounts(records)

    found = rebuild(run, MANIFEST)

    counts = msgspec.structs.asdict(found.counts)
    for name, n in plain.counts.items():
        assert counts[name] == n, name
    assert counts["errors"] == plain.errors
    assert {reason: counts["unsent_reasons"][reason] for reason in plain.unsent} == plain.unsent
    assert plain.series == {
        (one.kind, one.name, outcome): n for one in found.series for outcome, n in one.counts.items() if n
    }
    for name, times in plain.times.items():
        histogram = Histogram(1 if name == "lag" else 1000)
        histogram.record_many(times)
        quantiles = found.dispatch_lag_us if name == "lag" else found.latency_ms.get(name)
        assert (0 if quantiles is None else quantiles.n) == histogram.n
        if histogram.n and name != "lag":
            assert quantiles == histogram.quantiles()


@given(st.lists(RECORDS, min_size=1, max_size=12))
def test_a_table_holds_what_the_records_hold(records):
    table = table_of(records)

    for name in NUMBERS:
        values = [getattr(record, name) for record in records]
        assert table.numbers(name).tolist() == [ABSENT if value is None else value for value in values]
    for name in ("session", "error", "instance"):
        texts = table.texts(name)
        assert [None if code < 0 else texts[code] for code in table.codes(name).tolist()] == [
            getattr(record, name) for record in records
        ]


def test_what_no_step_has_takes_no_memory():
    gathered = Gathering()
    step = StepRecord("s", "1", "tool", "search", "t", "ok", intended_ns=0, sent_ns=1, end_ns=2)
    for _ in range(3):
        gathered.add(table_of([step] * 1000))

    columns = gathered.columns()

    assert columns.n == 3000
    assert columns.tls_ns.strides == columns.status.strides == columns.recorded_ns.strides == (0,)
    with pytest.raises(ValueError, match="read-only"):
        columns.tls_ns[0] = 1


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
