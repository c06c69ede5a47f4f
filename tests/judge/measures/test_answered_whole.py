"""A stream that was asked for and came in one piece is not quick for having no first token."""

import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import MS, step, summary


def run_of(whole, n=2000, **known):
    """Every tenth of the last `whole` tenths of the calls is answered whole, after 400 ms; the others stream at once."""
    records = []
    for k in range(n):
        call = step(f"s-{k}", 400.0, k, kind="llm", name="answer", stream=True, **known)
        if k % 10 >= whole:
            call.first_token_ns = call.intended_ns + 5 * MS
            call.last_token_ns, call.tokens, call.streamed = call.end_ns, 20, True
        records.append(call)
    return Evidence(summary(), columns_of([records]), "run")


def verdict_of(text, run):
    found = judge_gate([parse_slo(text)], run)
    return found.verdict, found.checks[0], found.notes


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        ("p95(ttft, llm) < 200ms", 0, "pass"),
        ("p95(ttft, llm) < 200ms", 1, "fail"),
        ("p95(ttft, llm) < 500ms", 1, "pass"),
        ("share(ttft < 200ms) >= 95%", 1, "fail"),
        ("p50(ttft) < 200ms", 5, "inconclusive"),
        ("p50(ttft) < 200ms", 10, "fail"),
        ("max(ttft, llm) < 200ms", 1, "fail"),
        ("p95(ttft, llm) < recorded * 10", 1, "fail"),
        ("p95(ttft, llm) < recorded * 10", 0, "pass"),
    ],
)
def test_its_time_to_the_first_token_is_its_end(text, whole, expected):
    recorded = {"recorded_ms": 400.0, "recorded_ttft_ms": 6.0, "recorded_output_tokens": 20}

    found, check, _ = verdict_of(text, run_of(whole, **recorded))

    assert found == expected
    assert check.n == 2000


def test_it_has_no_time_a_token_and_a_note_says_so():
    found, check, notes = verdict_of("p95(tpot, llm) < 50ms", run_of(1))

    assert (found, check.n) == ("pass", 1800)
    assert notes == [
        "200 of 2,000 model calls that asked for a stream got an answer in one piece, or without a token: its end "
        "counts as its ttft, and it has no tpot"
    ]


def test_where_no_stream_was_asked_for_there_is_still_nothing_to_time():
    run = run_of(10)
    run = Evidence(run.summary, run.columns._replace(stream=np.zeros(2000, np.bool_)), "run")

    found, check, _ = verdict_of("p95(ttft, llm) < 200ms", run)

    assert (found, check.reason) == ("inconclusive", "no step has a ttft time")
