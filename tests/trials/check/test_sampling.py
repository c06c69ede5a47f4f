"""One session of each sort stands for all of them."""

from replay.trace.types import Edge, LlmCall, Request, Session, Step
from replay.trials.check.sampling import MOST_SESSIONS, MOST_STEPS, ShapeCount, sample_of, shape_of


def step(step_id, name="x", method="GET", after=(), path="/"):
    return Step(step_id, "http", name, tuple(Edge(a) for a in after), request=Request(method, path))


def session(n, *steps):
    return Session(f"s-{n}", n * 10.0, list(steps))


def sampled(sessions):
    counted = ShapeCount()
    for each in sessions:
        counted.add(each)
    return sample_of(sessions, counted)


def test_a_shape_is_kinds_names_methods_and_edges_and_neither_ids_nor_paths():
    plain = session(0, step("a"), step("b", after=["a"]))

    assert shape_of(plain) == shape_of(session(1, step("1", path="/7"), step("2", after=["1"], path="/8")))
    for other in (
        session(2, step("a"), step("b")),
        session(3, step("a"), step("b", method="PUT", after=["a"])),
        session(4, step("a"), step("b", name="y", after=["a"])),
        session(5, step("a"), Step("b", "llm", "x", (Edge("a"),), llm=LlmCall())),
    ):
        assert shape_of(plain) != shape_of(other)


def test_the_commonest_shapes_come_first_and_start_together():
    rare = [session(0, step("a", name="rare"))]
    common = [session(n, step("a", name="common")) for n in range(1, 5)]

    sample = sampled(rare + common)

    assert [s.id for s in sample.sessions] == ["s-1", "s-0"]
    assert {s.start_ms for s in sample.sessions} == {0.0}
    assert (sample.sampled.sessions, sample.sampled.shapes, sample.sampled.of_sessions) == (2, 2, 5)


def test_it_is_bounded_in_sessions_and_steps_and_says_what_it_left_out():
    many = sampled([session(n, step("a", name=f"n-{n}")) for n in range(50)])
    long = sampled(
        [session(n, *(step(str(i), name=f"n-{n}") for i in range(MOST_STEPS // 2))) for n in range(5)]
    )

    assert (len(many.sessions), many.sampled.shapes) == (MOST_SESSIONS, 50)
    assert (len(long.sessions), long.sampled.steps) == (2, MOST_STEPS)


def test_of_a_session_that_is_too_long_its_beginning_is_tried():
    chain = [step("0"), *(step(str(n), after=[str(n - 1)]) for n in range(1, MOST_STEPS + 50))]

    sample = sampled([session(0, *chain)])

    assert (sample.sampled.steps, sample.sampled.cut_steps) == (MOST_STEPS, 50)
    assert sample.sessions[0].steps[-1].after == (Edge(str(MOST_STEPS - 2)),)


def test_sessions_that_send_nothing_are_no_shape():
    assert sampled([session(0, Step("a", "tool", "local", took_ms=5.0))]).sessions == []
