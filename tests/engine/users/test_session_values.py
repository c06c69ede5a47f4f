"""What the requests of one session are filled with."""

import re
from uuid import UUID

import pytest

from replay.engine.requests.destinations import destinations
from replay.engine.users.casting import Casting, casting_for
from replay.target.routes import Route
from replay.target.sending import SessionRules
from replay.target.target import Target
from replay.trace.copies import Copy
from replay.trace.types import Extract, LlmCall, Request, Session, Step
from replay.trace.values.extracting import MissingValue

NOON_NS = 1_772_366_400_250_000_000


def step(step_id="a", path="/", extract=None, **fields):
    return Step(step_id, "http", step_id, request=Request("GET", path, **fields), extract=extract or {})


def filled(path, session_id="s", copy=0, seed=1, step_id="a", **fields):
    one = step(step_id, path, **fields)
    session = Copy(session_id, 0.0, [one], copy=copy)
    return Casting(fills=True, seed=seed, wall_ns=lambda: NOON_NS).values_of(session).filled(one).request


def test_a_session_knows_its_copy_its_id_and_the_time():
    done = filled("/{{copy}}/{{session}}?t={{now|unix}}", "s 1", 7, headers={"x-at": "{{now}}", "x": "{{id}}"})

    assert done.path == "/7/s%201?t=1772366400"
    assert done.headers == {"x-at": "2026-03-01T12:00:00.250Z", "x": "{{id}}"}


def test_a_uuid_is_one_of_its_place_and_repeats_with_the_seed_alone():
    path = "/{{uuid}}/{{uuid}}"
    first, second = filled(path).path[1:].split("/")

    assert all(UUID(text).version == 4 and UUID(text).variant for text in (first, second))
    assert filled(path).path == f"/{first}/{second}"
    others = [filled(path, "s~2"), filled(path, step_id="b"), filled(path, seed=2)]
    drawn = {first, second, *(text for other in others for text in other.path[1:].split("/"))}
    assert len(drawn) == 8


def test_a_named_uuid_is_the_same_wherever_its_session_names_it():
    one = filled("/{{uuid.order}}?also={{uuid.order}}&not={{uuid.item}}")
    order, also, item = re.findall(r"[0-9a-f-]{36}", one.path)

    assert order == also != item
    assert order in filled("/{{uuid.order}}", step_id="b").path
    assert order not in filled("/{{uuid.order}}", "s~2").path


def test_a_name_that_a_step_takes_has_the_value_it_took():
    steps = [step("a", extract={"session": Extract(json="/id")}), step("b", "/{{session}}/{{copy}}")]
    values = Casting(fills=True).values_of(Session("s", 0.0, steps))

    with pytest.raises(MissingValue, match="session"):
        values.filled(steps[1])
    values.taken["session"] = "theirs"
    assert values.filled(steps[1]).request.path == "/theirs/0"


def test_in_a_session_that_takes_values_a_name_that_nobody_gives_is_missing():
    steps = [step("a", extract={"id": Extract(json="/id")}), step("b", "/{{copy}}/{{other}}")]

    with pytest.raises(MissingValue, match="other"):
        Casting(fills=True).values_of(Session("s", 0.0, steps)).filled(steps[1])


@pytest.mark.parametrize("path", ["/{{id}}", "/{{copy}}"])
def test_where_nothing_is_filled_in_braces_are_text(path):
    one = step(path=path)
    session = Session("s", 0.0, [one])

    assert Casting().values_of(session) is None
    assert Casting(cookies=True).values_of(session).filled(one) is one


def test_a_session_that_asks_for_nothing_costs_nothing():
    plain = Session("s", 0.0, [step(), Step("w", "tool", "w"), Step("m", "llm", "m", llm=LlmCall())])

    assert Casting(fills=True).values_of(plain) is None


def test_cookies_see_the_host_that_the_target_file_names():
    own = Target(url="http://10.0.0.1:8080/base")
    named = Target(url="http://10.0.0.1:8080/base", headers={"Host": "shop.example.org"})
    app = Target(url="asgi:app:app", transport="httpx", headers={"Host": "shop.example.org"})

    assert casting_for(own, [own, Target(url="https://b.example.org")], 1).origins == [
        "http://10.0.0.1:8080",
        "https://b.example.org",
    ]
    assert casting_for(named, [named], 1).origins == ["http://shop.example.org"]
    assert casting_for(app, [app], 1).origins == ["http://shop.example.org"]


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("http://10.0.0.1", "http://shop.example.org"),
        ("http://10.0.0.1", "HTTP://shop.example.org:80/base"),
        ("http://10.0.0.1", "asgi:app:app"),
        ("asgi:app:app", "http://shop.example.org"),
        ("asgi:app:app", "asgi:app:other"),
    ],
)
@pytest.mark.parametrize("host", [None, "shop.example.org", "asgi"])
def test_a_place_without_the_targets_credentials_has_a_jar_of_its_own_whatever_the_headers_name(
    own, other, host
):
    target = Target(
        url=own,
        transport="httpx",
        headers={"hOST": host} if host else {},
        session=SessionRules(cookies=True),
        routes=(Route(send_to=other), Route(send_to="http://its.own/", auth="target")),
    )

    jars = casting_for(target, destinations(target), 1).jars

    assert jars[0] == jars[2] == ""
    assert jars[1]
