"""Edges that can be walked, and those that cannot."""

import pytest

from replay.trace.graph import Problem, find_graph_problem
from replay.trace.types import Edge, Session, Step


def session(**after: str) -> Session:
    """Steps by name, each with the names that it waits for, separated by blanks."""
    steps = [Step(name, "tool", name, tuple(map(Edge, parents.split()))) for name, parents in after.items()]
    return Session("s", 0.0, steps)


@pytest.mark.parametrize(
    "steps",
    [
        session(a=""),
        session(a="", b="a", c="a", d="b c"),
        session(d="b c", c="a", b="a", a=""),
        session(a="", b="a a"),
    ],
    ids=["one", "fan-out and join", "listed backwards", "two edges to one step"],
)
def test_a_graph_without_circles_can_be_walked(steps):
    assert find_graph_problem(steps) is None


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (session(a="a"), Problem("a", "after[0].step", "waits for itself")),
        (
            session(search="", answer="serch"),
            Problem(
                "answer",
                "after[0].step",
                'waits for step "serch", which does not exist. Did you mean "search"?',
            ),
        ),
        (session(a="zzz"), Problem("a", "after[0].step", 'waits for step "zzz", which does not exist')),
        (
            session(root="", a="root c", b="a", c="b", leaf="a"),
            Problem("a", "after", 'waits for itself, by way of "c", "b": its edges form a circle'),
        ),
    ],
    ids=["itself", "unknown with a near name", "unknown", "circle"],
)
def test_a_graph_that_cannot_be_walked_says_where_and_why(steps, problem):
    assert find_graph_problem(steps) == problem


def test_an_id_that_occurs_twice_is_found():
    twice = Session("s", 0.0, [Step("a", "tool", "n"), Step("a", "tool", "n")])
    assert find_graph_problem(twice) == Problem("a", "id", "has the same id as an earlier step")


def test_a_circle_of_many_steps_is_found_at_once_and_shown_in_part():
    n = 100_000
    steps = [Step(str(i), "tool", "n", (Edge(str((i + 1) % n)),)) for i in range(n)]
    problem = find_graph_problem(Session("s", 0.0, steps))
    assert problem is not None
    assert problem.text == (
        'waits for itself, by way of "1", "2", "3", "4", "5", ..., "99999": its edges form a circle'
    )
