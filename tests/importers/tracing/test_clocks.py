"""Clocks of several services differ: what a span holds is moved behind its start, with all below it."""

from hypothesis import given
from hypothesis import strategies as st

from replay.importers.tracing.clocks import set_clocks_right
from replay.trace.edges.spans import Span, SpanCounts

MS = 1_000_000


def test_what_the_same_clock_told_moves_along():
    spans = [
        Span("a", None, 100 * MS),
        Span("b", "a", 50 * MS),
        Span("c", "b", 70 * MS),
        Span("d", "a", 150 * MS),
    ]
    counts = SpanCounts()

    set_clocks_right(spans, 1.0, counts)

    assert [span.start_ns // MS for span in spans] == [100, 100, 120, 150]
    assert (counts.early, counts.most_early_ms) == (1, 50.0)


def test_what_rounding_may_have_done_stays():
    spans = [Span("a", None, 100 * MS), Span("b", "a", 91 * MS)]

    set_clocks_right(spans, 10.0, SpanCounts())

    assert spans[1].start_ns == 91 * MS


spans = st.lists(
    st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5), st.integers(0, 1_000)), max_size=8
).map(lambda made: [Span(str(a), None if b is None else str(b), at * MS) for a, b, at in made])


@given(spans)
def test_no_span_begins_before_its_parent_and_a_second_time_changes_nothing(found):
    set_clocks_right(found, 1.0, SpanCounts())
    once = [span.start_ns for span in found]
    counts = SpanCounts()
    set_clocks_right(found, 1.0, counts)

    assert (counts.early, [span.start_ns for span in found]) == (0, once)
