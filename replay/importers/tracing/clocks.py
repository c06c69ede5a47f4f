"""Spans of services whose clocks differ: nothing that a span holds begins before it. Pure."""

from collections.abc import Sequence

from replay.trace.edges.spans import Span, SpanCounts


def set_clocks_right(spans: Sequence[Span], resolution_ms: float, counts: SpanCounts) -> None:
    """Move spans that begin before their parent to its start, with all below them, which the same clock told.

    What is less than the resolution early is left to rounding. Durations stay.
    """
    by_id = {span.id: span for span in reversed(spans)}
    below: dict[int, list[Span]] = {}
    roots: list[Span] = []
    for span in spans:
        parent = by_id.get(span.parent_id) if span.parent_id else None
        if parent is None or parent is span:
            roots.append(span)
        else:
            below.setdefault(id(parent), []).append(span)
    # Spans that name one another as parents, round in a circle, are reached from no root, and stay.
    left = [(span, 0) for span in roots]
    while left:
        parent, moved_ns = left.pop()
        for child in below.get(id(parent), ()):
            early_ns = parent.start_ns - (child.start_ns + moved_ns)
            is_early = early_ns > resolution_ms * 1e6
            counts.early += is_early
            counts.most_early_ms = max(counts.most_early_ms, early_ns / 1e6 if is_early else 0.0)
            child_ns = moved_ns + (early_ns if is_early else 0)
            child.start_ns += child_ns
            left.append((child, child_ns))
