"""The parts of response time add up to it, whatever happened to a step."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from replay.report.page.tail import parts_ms, tail
from replay.results.columns import columns_of
from tests.support.runs import MS, Evidence, step, summary

TIMES = st.integers(0, 10_000 * MS)


@st.composite
def steps(draw):
    found = []
    for n in range(draw(st.integers(1, 8))):
        intended = draw(TIMES)
        sent = intended + draw(TIMES)
        first = draw(st.none() | TIMES.map(lambda ns, sent=sent: sent + ns))
        end = max(sent, first or 0) + draw(TIMES)
        found.append(
            msgspec.structs.replace(
                step("s", 0.0, n),
                intended_ns=intended,
                sent_ns=sent,
                first_byte_ns=first,
                end_ns=end,
                cold=draw(st.booleans()),
                connect_ns=draw(st.none() | TIMES),
                attempt=draw(st.integers(1, 3)),
            )
        )
    return columns_of([found])


@given(steps())
def test_parts_add_up_to_response_time_and_none_is_negative(columns):
    parts, sent = parts_ms(columns)

    whole = (columns.end_ns - columns.intended_ns) / MS
    assert sent.all()
    assert (parts >= 0).all()
    assert np.allclose(parts.sum(axis=0), whole)


def test_slow_cold_starts_fill_the_tail_but_hardly_the_whole():
    records = [
        step(f"s-{n}", 100.0, n, first_byte_ns=(n * 10 + 60) * MS)
        if n % 20
        else step(f"s-{n}", 2_000.0, n, first_byte_ns=(n * 10 + 1_960) * MS, cold=True)
        for n in range(200)
    ]
    chart = tail([Evidence(summary(), columns_of([records]), "run")])

    assert chart is not None
    by_group = {row[0]: dict(zip(chart.heads[2:], row[2:], strict=True)) for row in chart.rows}
    assert by_group["run, all"]["first byte, cold start"] == "98 ms"
    assert by_group["run, slowest 5%"]["first byte, cold start"] == "1.96 s"
    assert by_group["run, slowest 5%"]["first byte"] == "0 ms"


def test_a_tail_of_fewer_than_five_requests_is_not_shown():
    records = [step(f"s-{n}", 100.0 + n, n) for n in range(60)]

    chart = tail([Evidence(summary(), columns_of([records]), "run")])

    assert chart is not None
    assert [row[0] for row in chart.rows] == ["run, all"]
