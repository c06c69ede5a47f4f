"""A recording is not fired at where it was recorded by mistake."""

from pathlib import Path

import pytest

from replay.engine.requests.own_origin import OriginRefused, origins_of, refuse_own_origin
from replay.target.routes import Route
from replay.target.target import Target
from replay.trace.types import Header

TRACE = Path("prod.jsonl")


def recorded_at(*origins):
    return Header("replay-trace", 1, "prod", origins=origins)


def refuse(header, target, to_origin=False):
    refuse_own_origin(TRACE, header, [target], to_origin=to_origin)


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://api.example.com", "https://api.example.com/v1"),
        ("https://api.example.com", "https://API.example.com.:443"),
        ("https://api.example.com", "http://api.example.com"),
        ("http://api.example.com:80", "https://api.example.com"),
        ("https://Bücher.example", "https://xn--bcher-kva.example"),
        ("http://[2001:db8::1]:8080", "http://[2001:0DB8:0:0::1]:8080"),
        ("http://10.0.0.1", "http://167772161"),
    ],
)
def test_a_target_where_the_trace_was_recorded_is_refused(origin, url):
    with pytest.raises(OriginRefused):
        refuse(recorded_at("https://other.example", origin), Target(url=url, name="staging"))


def test_the_refusal_says_what_where_and_what_to_do():
    with pytest.raises(OriginRefused) as error:
        refuse(recorded_at("https://api.example.com"), Target(url="https://api.example.com/v1", name="staging"))

    assert str(error.value) == (
        "prod.jsonl: was recorded at https://api.example.com, and the target staging sends requests there, which would "
        "do everything that was recorded once more. Name another target, or say that it is meant with --to-origin."
    )


def test_it_is_done_where_it_is_meant():
    refuse(recorded_at("https://a.example"), Target(url="https://a.example"), to_origin=True)


@pytest.mark.parametrize(
    "target",
    [
        Target(url="https://staging.example"),
        Target(url="https://a.example:8443"),
        Target(url="https://a.example.staging.example"),
        Target(url="http://a.example", unix_socket="/run/app.sock"),
        Target(url="asgi:app:app", transport="httpx"),
    ],
)
def test_other_targets_and_those_without_a_network_are_not(target):
    refuse(recorded_at("https://a.example"), target)


def test_on_this_machine_nothing_is_refused():
    for url in ("http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"):
        refuse(recorded_at(url), Target(url=url))


def test_a_route_or_a_host_header_leads_there_as_well():
    routed = Target(url="https://staging.example", routes=(Route(kind="llm", send_to="https://a.example/v1"),))
    named = Target(url="https://10.0.0.5", headers={"Host": "A.example"})

    assert origins_of(named) == ["https://10.0.0.5", "https://a.example"]
    for target in (routed, named):
        with pytest.raises(OriginRefused):
            refuse(recorded_at("https://a.example"), target)
