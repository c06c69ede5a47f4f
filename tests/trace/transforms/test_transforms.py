"""Transforms change what they say and leave the rest: times, order, ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.transforms.requests import SetHeader, parse_header, parse_rewrite
from replay.trace.transforms.selecting import LOST_VALUES, Between, Filter, Sample, Waits, parse_selector
from replay.trace.transforms.timing import Shift, Speed
from replay.trace.transforms.types import Tally, TransformError
from replay.trace.types import Edge, Extract, Recorded, Request, Session, Step

MS = st.integers(0, 5_000).map(float)


@st.composite
def sessions(draw):
    """A session whose steps were recorded as its edges say."""
    steps: list[Step] = []
    for n in range(draw(st.integers(1, 9))):
        took_ms, ttft_ms = draw(MS), draw(MS)
        parents = draw(st.lists(st.sampled_from(steps), max_size=3, unique_by=lambda s: s.id)) if steps else []
        edges = tuple(
            Edge(p.id, draw(st.sampled_from(["end", "first_byte", "start"])), draw(MS)) for p in parents
        )
        offset = {
            "start": lambda p: 0.0,
            "end": lambda p: p.took_ms,
            "first_byte": lambda p: p.recorded.ttft_ms,
        }
        due = [p.at_ms + offset[e.anchor](p) + e.delay_ms for p, e in zip(parents, edges, strict=True)]
        at_ms = max(due) if due else draw(MS)
        kind, name = draw(st.sampled_from(["tool", "llm"])), draw(st.sampled_from("ab"))
        request = Request("GET", "/x/1", {"Accept": "a"})
        steps.append(
            Step(f"s{n}", kind, name, edges, at_ms, took_ms, request, recorded=Recorded(ttft_ms=ttft_ms))
        )
    return Session(
        draw(st.text(min_size=1, max_size=5)), draw(MS), steps, {"model": draw(st.sampled_from("mn"))}
    )


def changed(transform, *given: Session) -> list[Session]:
    return list(transform.apply(iter(given), Tally()))


@given(sessions(), st.sampled_from(["kind=tool", "name=a", "name=*"]), st.sampled_from(["keep", "drop"]))
def test_steps_that_a_filter_leaves_start_when_they_were_recorded(walked_starts_ms, session, selector, action):
    recorded = walked_starts_ms(session)
    for left in changed(Filter(parse_selector(selector), action), session):
        assert walked_starts_ms(left) == pytest.approx({step.id: recorded[step.id] for step in left.steps})


@given(sessions())
def test_steps_turned_into_waits_start_and_end_as_before(walked_starts_ms, session):
    recorded = walked_starts_ms(session)
    (left,) = changed(Waits(parse_selector("kind=tool")), session)
    assert walked_starts_ms(left) == recorded
    assert all(step.is_wait == (step.kind == "tool") for step in left.steps)


@given(sessions())
def test_speed_2_then_speed_a_half_is_the_trace_again(session):
    before = repr(session)
    (after,) = changed(Speed(0.5), *changed(Speed(2.0), session))
    assert repr(after) == before  # halving and doubling are exact


@given(sessions())
def test_changes_that_change_nothing_leave_a_session_as_it_is(session):
    before = repr(session)
    for transform in (
        Speed(1.0),
        Shift(0.0),
        Between(),
        Sample(1.0, 1),
        Filter(parse_selector("name=*"), "keep"),
    ):
        assert [repr(left) for left in changed(transform, session)] == [before]


def numbered(count: int) -> list[Session]:
    return [Session(f"s-{n}", float(n), [Step("a", "tool", "x")], {"model": "m-1"}) for n in range(count)]


def test_a_small_sample_is_a_part_of_a_larger_one_and_of_itself():
    large = changed(Sample(0.5, 1), *numbered(2_000))
    small = changed(Sample(0.1, 1), *numbered(2_000))
    assert 900 < len(large) < 1_100
    assert changed(Sample(0.1, 1), *large) == small == changed(Sample(0.1, 1), *small)
    assert small != changed(Sample(0.1, 2), *numbered(2_000))


def test_a_slice_holds_its_first_instant_and_not_its_last():
    assert [s.start_ms for s in changed(Between(2.0, 4.0), *numbered(9))] == [2.0, 3.0]


def test_sessions_are_selected_by_attribute():
    assert len(changed(Filter(parse_selector("attr.model=m-*"), "keep"), *numbered(3))) == 3
    assert changed(Filter(parse_selector("attr.model=m-*"), "drop"), *numbered(3)) == []
    assert changed(Filter(parse_selector("attr.agent=*"), "keep"), *numbered(3)) == []


@pytest.mark.parametrize("text", ["", "kind", "kind=", "=x", "attr.=x", "model=m", "\x1b=x"])
def test_a_selector_that_means_nothing_is_refused(text):
    with pytest.raises(TransformError, match="selects nothing"):
        parse_selector(text)


@pytest.mark.parametrize("text", ["/a", "=>x", "(=>x", r"a=>\1"])
def test_a_rewrite_that_cannot_be_done_is_refused_before_it_starts(text):
    with pytest.raises(TransformError):
        parse_rewrite(text)


@pytest.mark.parametrize("text", ["x", ": y", "a b: c", "x: y\r\nz: 1"])
def test_a_header_that_would_break_a_request_is_refused(text):
    with pytest.raises(TransformError, match="is not a valid header"):
        parse_header(text)


def test_headers_and_paths_change_on_every_request():
    session = Session("s", 0.0, [Step("a", "http", "x", request=Request("GET", "/v1/x", {"Accept": "a"}))])
    changed(parse_header("accept: b"), session)
    changed(parse_rewrite(r"^/v(\d)/=>/api/\1/"), session)
    request = session.steps[0].request
    assert (request.path, request.headers) == ("/api/1/x", {"accept": "b"})
    changed(SetHeader("ACCEPT", None), session)
    assert request.headers == {}


@pytest.mark.parametrize(
    "transform", [Filter(parse_selector("name=x"), "drop"), Waits(parse_selector("name=x"))]
)
def test_values_that_no_step_takes_any_more_are_counted(transform):
    tally = Tally()
    taking = Step("a", "http", "x", request=Request("GET", "/"), extract={"run": Extract(json="/id")})
    list(transform.apply(iter([Session("s", 0.0, [taking, Step("b", "http", "y")])]), tally))
    assert tally[LOST_VALUES] == 1


def test_a_step_that_becomes_a_wait_forgets_its_response_but_not_its_first_byte():
    recorded = Recorded(200, 5.0, response_json={"a": 1}, response_headers={"b": "c"})
    step = Step("a", "tool", "x", request=Request("GET", "/"), recorded=recorded)
    [found] = Waits(parse_selector("kind=tool")).apply(iter([Session("s", 0.0, [step])]), Tally())
    assert found.steps[0].recorded == Recorded(200, 5.0)


@pytest.mark.parametrize(
    "rewrite",
    ["(=>x", r"(a)\1=>x", "(?<=a)b=>x", "a{1001}=>x", r"a=>\1", r"(a)=>\2", r"a=>\g<n>", r"a=>\d", "a=>\\"],
)
def test_a_rewrite_that_cannot_be_used_is_refused(rewrite):
    with pytest.raises(TransformError, match=r"has a regex|has in its replacement"):
        parse_rewrite(rewrite)


@pytest.mark.parametrize(
    ("rewrite", "path", "becomes"),
    [
        ("^/v1/=>/v2/", "/v1/v1/x", "/v2/v1/x"),
        (r"/users/(\d+)/(?P<what>\w+)=>/\g<what>/\1", "/users/7/notes", "/notes/7"),
        (r"a*=>-", "/baac", "-/-b--c-"),
        (r"(x)|y=>[\1]", "/xy", "/[x][]"),
        (r"/=>\\", "/a", "\\a"),
        ("(a*)*b=>c", "/" + "a" * 2_000, "/" + "a" * 2_000),
    ],
)
def test_a_rewrite_takes_groups_into_its_text(rewrite, path, becomes):
    step = Step("a", "tool", "x", request=Request("GET", path))
    [found] = parse_rewrite(rewrite).apply(iter([Session("s", 0.0, [step])]), Tally())
    assert found.steps[0].request.path == becomes


def test_a_path_too_long_to_search_stays_and_is_counted():
    path, tally = "/" + "a" * 2_048, Tally()
    step = Step("a", "tool", "x", request=Request("GET", path))
    [found] = parse_rewrite("a=>b").apply(iter([Session("s", 0.0, [step])]), tally)
    assert found.steps[0].request.path == path
    assert sum(tally.values()) == 1


@pytest.mark.parametrize("name", ["host", "Content-Length", "transfer-encoding", "connection"])
def test_a_header_that_a_run_would_leave_out_is_refused(name):
    with pytest.raises(TransformError) as caught:
        parse_header(f"{name}: 5")

    assert str(caught.value) == (
        f'"{name}" would have no effect, since a run writes it for its own target and connection. '
        "Headers of a target are set in [headers] of its file."
    )
