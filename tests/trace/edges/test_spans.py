"""Spans tell who waited for whom by their tree and their times."""

from hypothesis import given, settings
from hypothesis import strategies as st

from replay.trace.edges.inference import Tally
from replay.trace.edges.spans import MOST_JOINED, Span, SpanCounts, linked_steps
from replay.trace.types import LlmCall, Recorded, Session, Step


def model(name, start_ms, end_ms, parent=None, ttft_ms=None):
    recorded = None if ttft_ms is None else Recorded(ttft_ms=ttft_ms)
    step = Step(
        "", "llm", name, took_ms=None if end_ms is None else end_ms - start_ms, llm=LlmCall(), recorded=recorded
    )
    return Span(name, parent, round(start_ms * 1e6), step)


def tool(name, start_ms, end_ms, parent=None):
    step = Step("", "tool", name, took_ms=None if end_ms is None else end_ms - start_ms)
    return Span(name, parent, round(start_ms * 1e6), step)


def holder(name, start_ms, parent=None):
    return Span(name, parent, round(start_ms * 1e6))


def edges_of(*spans, resolution_ms=1.0, tally=None, counts=None):
    """By the call's name: what it follows, as (name, anchor, delay)."""
    _, steps = linked_steps(spans, resolution_ms, tally or Tally(), counts or SpanCounts())
    names = {step.id: step.name for step in steps}
    return {
        step.name: [(names[edge.step], edge.anchor, edge.delay_ms) for edge in step.after] for step in steps
    }


def test_a_call_follows_the_one_that_had_ended():
    assert edges_of(tool("b", 150, 160), model("a", 0, 100)) == {"a": [], "b": [("a", "end", 50)]}


def test_calls_side_by_side_do_not_follow_one_another_and_are_joined_with_one_think_time():
    edges = edges_of(model("a", 0, 100), tool("x", 110, 200), tool("y", 120, 500), model("b", 506, 600))
    assert edges["x"] == [("a", "end", 10)]
    assert edges["y"] == [("a", "end", 20)]
    assert edges["b"] == [("x", "end", 6), ("y", "end", 6)]


def test_what_another_call_followed_already_is_not_followed_again():
    edges = edges_of(tool("a", 0, 10), tool("b", 20, 30), tool("c", 40, 50))
    assert edges["c"] == [("b", "end", 10)]


def test_a_call_that_is_not_joined_yet_is_joined_once_it_has_ended():
    edges = edges_of(
        model("a", 0, 10), tool("slow", 11, 500), tool("b", 12, 20), model("c", 21, 30), model("d", 501, 600)
    )
    assert edges["c"] == [("b", "end", 1)]
    assert edges["d"] == [("c", "end", 1), ("slow", "end", 1)]


def test_a_tool_that_starts_while_the_model_streams_follows_its_first_byte_or_start():
    edges = edges_of(
        model("a", 0, 100, ttft_ms=30),
        tool("x", 50, 55),
        tool("y", 60, 300),
        model("b", 300, 310),
        model("c", 400, 500),
        tool("z", 410, 420),
    )
    assert edges["x"] == [("a", "first_byte", 20)]
    assert edges["y"] == [("a", "first_byte", 30)]
    assert edges["b"] == [("x", "end", 0), ("a", "end", 0), ("y", "end", 0)]
    assert edges["z"] == [("c", "start", 10)]


def test_a_tool_follows_the_model_call_that_had_ended_rather_than_one_that_runs_beside_it():
    edges = edges_of(model("long", 0, 1000), model("short", 0, 500), tool("x", 510, 520))
    assert edges["x"] == [("short", "end", 10)]


def test_holders_follow_one_another_through_the_calls_in_them():
    edges = edges_of(
        holder("run", 0),
        holder("node 1", 1, "run"),
        model("a", 2, 100, "node 1"),
        holder("node 2", 101, "run"),
        tool("x", 102, 150, "node 2"),
        tool("y", 103, 200, "node 2"),
        holder("node 3", 201, "run"),
        model("b", 205, 300, "node 3"),
    )
    assert edges == {
        "a": [],
        "x": [("a", "end", 2)],
        "y": [("a", "end", 3)],
        "b": [("x", "end", 5), ("y", "end", 5)],
    }


def test_subagents_side_by_side_fan_out_and_join():
    edges = edges_of(
        model("plan", 0, 10),
        holder("left", 11),
        model("l1", 12, 50, "left"),
        model("l2", 60, 90, "left"),
        holder("right", 11),
        model("r1", 13, 70, "right"),
        model("sum", 95, 99),
    )
    assert edges["l1"] == [("plan", "end", 2)]
    assert edges["r1"] == [("plan", "end", 3)]
    assert edges["l2"] == [("l1", "end", 10)]
    assert sorted(edges["sum"]) == [("l2", "end", 5), ("r1", "end", 5)]


def test_a_tool_that_holds_calls_is_what_they_are():
    counts = SpanCounts()
    edges = edges_of(
        model("a", 0, 10),
        tool("agent", 11, 100),
        model("inner", 12, 90, "agent"),
        model("b", 101, 110),
        counts=counts,
    )
    assert edges == {"a": [], "inner": [("a", "end", 2)], "b": [("inner", "end", 11)]}
    assert counts.tools_that_hold_calls == 1


def test_a_model_call_that_holds_model_calls_is_what_they_are_but_tools_in_it_ran_beside_it():
    counts = SpanCounts()
    edges = edges_of(
        model("outer", 0, 100),
        model("a", 1, 50, "outer"),
        tool("x", 20, 30, "a"),
        model("b", 60, 90, "outer"),
        counts=counts,
    )
    assert edges == {"a": [], "x": [("a", "start", 19)], "b": [("x", "end", 10), ("a", "end", 10)]}
    assert counts.models_that_hold_models == 1


def test_a_call_of_unknown_duration_is_followed_from_its_start_and_its_end():
    assert edges_of(tool("a", 0, None), model("b", 70, 80))["b"] == [("a", "start", 70), ("a", "end", 0)]


def test_an_end_within_the_resolution_after_a_start_counts_as_before_it():
    tally = Tally()
    assert edges_of(tool("a", 0, 10.4), tool("b", 10, 20), tally=tally)["b"] == [("a", "end", 0)]
    assert tally.clamped == 1


def test_spans_without_calls_and_with_faults_are_counted():
    counts = SpanCounts()
    edges = edges_of(
        holder("empty", 0),
        holder("h", 0),
        model("a", 1, 2, "h"),
        model("a", 3, 4),
        tool("t", 5, 6, "gone"),
        tool("u", 7, 8, "u"),
        counts=counts,
    )
    assert list(edges) == ["a", "t", "u"]
    assert (counts.empty, counts.holders, counts.repeated_ids, counts.unknown_parents) == (1, 1, 1, 1)


def test_spans_that_are_one_anothers_parents_are_kept():
    assert set(edges_of(model("a", 0, 1, "b"), holder("b", 2, "c"), tool("c", 3, 4, "b"))) == {"a", "c"}


def test_a_thousand_levels_are_read():
    spans = [holder(str(n), n, str(n - 1) if n else None) for n in range(1000)]
    assert edges_of(*spans, model("a", 2000, 2001, "999"), model("b", 2002, 2003, "998"))["b"] == [
        ("a", "end", 1)
    ]


def test_a_join_of_more_calls_than_is_sensible_waits_for_the_last_of_them():
    counts = SpanCounts()
    calls = [tool(f"t{n}", 0, 100 + n) for n in range(MOST_JOINED + 10)]
    edges = edges_of(*calls, model("b", 1000, 1001), counts=counts)
    assert len(edges["b"]) == MOST_JOINED
    assert edges["b"][-1] == (f"t{MOST_JOINED + 9}", "end", 1000 - (100 + MOST_JOINED + 9))
    assert counts.shortened_joins == 10


@st.composite
def trees(draw):
    """Spans in any order, with any parents."""
    n = draw(st.integers(1, 14))
    spans = []
    for index in range(n):
        start_ms = draw(st.integers(0, 400)) / 4
        end_ms = start_ms + draw(st.integers(0, 200)) / 4
        parent = draw(st.none() | st.integers(0, n).map(lambda k: f"s{k}"))
        kind = draw(st.sampled_from([model, model, tool, tool, holder]))
        if kind is holder:
            spans.append(holder(f"s{index}", start_ms, parent))
        else:
            ended = draw(st.integers(0, 5)) > 0
            span = kind(f"s{index}", start_ms, end_ms if ended else None, parent)
            if kind is model and ended and draw(st.booleans()):
                span.step.recorded = Recorded(ttft_ms=(end_ms - start_ms) / 2)
            spans.append(span)
    return spans


@settings(deadline=None, max_examples=150)
@given(spans=trees(), resolution_ms=st.sampled_from([0.001, 1.0, 10.0]))
def test_whatever_was_recorded_a_walk_starts_every_call_when_it_started(spans, resolution_ms, walked_starts_ms):
    _, steps = linked_steps(spans, resolution_ms, Tally(), SpanCounts())
    session = Session("s", 0.0, steps)
    walked = walked_starts_ms(session)
    assert len({step.id for step in steps}) == len(steps)
    for step in steps:
        assert -0.001 <= walked[step.id] - step.at_ms < resolution_ms + 0.001
        assert all(edge.delay_ms >= 0 for edge in step.after)
