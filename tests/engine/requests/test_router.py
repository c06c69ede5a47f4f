"""Where steps go."""

from replay.engine.requests.router import WAIT, Router
from replay.target.routes import Route
from replay.target.target import Target
from replay.trace.types import LlmCall, Request, Step

GET = Request(method="GET", path="/")


def step(kind="tool", name="search", **fields):
    return Step(id="a", kind=kind, name=name, **(fields or {"request": GET}))


def test_without_routes_everything_goes_to_the_target_but_waits():
    router = Router(Target(url="http://a"))

    assert router.decide(step()) == 0
    assert router.decide(step(llm=LlmCall())) == 0
    assert router.decide(Step(id="a", kind="tool", name="local")) == WAIT


def test_the_first_route_that_matches_decides():
    router = Router(
        Target(
            url="http://a",
            routes=(
                Route(kind="tool", name="local_*", wait=True),
                Route(kind="tool", send_to="http://b"),
                Route(name="local_x", send_to="http://c"),
            ),
        )
    )

    assert router.urls == ["http://a", "http://b", "http://c"]
    assert router.decide(step(name="local_x")) == WAIT
    assert router.decide(step(name="search")) == 1
    assert router.decide(step(kind="http", name="local_x")) == 2
    assert router.decide(step(kind="llm", name="plan", llm=LlmCall())) == 0


def test_a_name_is_matched_by_case_and_never_as_a_path():
    router = Router(Target(url="http://a", routes=(Route(name="Search", wait=True),)))

    assert router.decide(step(name="search")) == 0
    assert router.decide(step(name="Search")) == WAIT
