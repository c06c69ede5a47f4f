"""The target's side of a run: what reaches which of its wires, and what they say of themselves together."""

import asyncio

import pytest

from replay.engine.requests import sender as module
from replay.engine.requests.router import WAIT
from replay.engine.requests.sender import TargetSender
from replay.target.auth import Auth
from replay.target.routes import Route
from replay.target.sending import Connections
from replay.target.target import Target
from replay.trace.types import Request, Step
from replay.wire.errors import TargetUnreachable

TARGET = Target(
    url="http://own.example",
    name="t",
    routes=(Route(name="other", send_to="http://other.example"), Route(name="nowhere", wait=True)),
)


class FakeWire:
    """calls: what it was told, in order. is_down: it cannot be opened."""

    def __init__(self, url):
        self.url, self.calls, self.is_down = url, [], False
        self.opened, self.closed_while_idle, self.stale_resent = 3, 2, 1
        self.waited_for_limit, self.waited_for_machine, self.shortage = 5, 7, None
        self.plan = None

    async def open(self):
        if self.is_down:
            raise TargetUnreachable(f"cannot connect to {self.url}")
        self.calls.append("open")

    async def close(self):
        self.calls.append("close")

    def sweep(self, now):
        self.calls.append(("sweep", now))

    def prepare(self, connections):
        self.calls.append(("prepare", connections))

    def end_session(self, session_key):
        self.calls.append(("over", session_key))


@pytest.fixture
def sender(monkeypatch):
    monkeypatch.setattr(module, "_wire", lambda place, url: FakeWire(url))
    return TargetSender(TARGET, "run")


def step(name, **fields):
    return Step("a", "http", name, request=Request("GET", "/x"), **fields)


def test_a_step_goes_to_the_place_that_its_route_names(sender):
    assert [wire.url for wire in sender.wires] == ["http://own.example", "http://other.example"]
    assert sender.decide(step("any")) == 0
    assert sender.decide(step("other")) == 1
    assert sender.decide(Step("a", "tool", "nowhere", request=Request("GET", "/x"))) == WAIT
    assert sender.decide(Step("a", "http", "any")) == WAIT


def test_a_read_only_run_withholds_what_it_would_else_send():
    sender = TargetSender(TARGET, "run", read_only=True)
    posted = Step("a", "http", "any", request=Request("POST", "/x"))

    assert sender.decide(posted) == WAIT
    assert sender.withholds(posted)
    assert not sender.withholds(step("any"))
    assert not sender.withholds(Step("a", "tool", "nowhere", request=Request("POST", "/x")))


def test_all_wires_are_opened_in_order_and_closed_from_the_last_to_the_first(sender):
    order = []
    for wire in sender.wires:
        wire.calls = Told(order, wire.url)

    async def open_and_close():
        await sender.open()
        await sender.close()

    asyncio.run(open_and_close())

    own, other = (wire.url for wire in sender.wires)
    assert order == [(own, "open"), (other, "open"), (other, "close"), (own, "close")]


def test_what_is_waited_for_while_it_opens_is_known(sender):
    seen = []
    for wire in sender.wires:
        wire.calls = Asking(seen, sender)

    asyncio.run(sender.open())

    assert seen == ["connecting to http://own.example", "connecting to http://other.example"]


class Asking:
    """Of one wire, what its sender is waiting for meanwhile."""

    def __init__(self, seen, sender):
        self.append = lambda _: seen.append(sender.waits_for)


class Told:
    """Of one wire, into one list with the others'."""

    def __init__(self, order, url):
        self.append = lambda what: order.append((url, what))


def test_a_place_that_cannot_be_reached_leaves_nothing_open(sender):
    sender.wires[1].is_down = True

    with pytest.raises(TargetUnreachable, match=r"cannot connect to http://other\.example"):
        asyncio.run(sender.open())

    assert sender.wires[0].calls == ["open", "close"]
    assert sender.wires[1].calls == []


def test_limits_are_swept_everywhere_and_connections_opened_ahead_at_the_own_place_alone(sender):
    own, other = sender.wires
    sender.sweep(9)
    sender.prepare(4)
    sender.end_session("s-1")

    assert own.calls == [("sweep", 9), ("prepare", 4), ("over", "s-1")]
    assert other.calls == [("sweep", 9), ("over", "s-1")]


def test_what_the_wires_count_is_added_up_and_the_first_shortage_told(sender):
    assert sender.connection_counts() == {"opened": 6, "closed_while_idle": 4, "stale_resent": 2}
    assert (sender.waited_for_limit, sender.waited_for_machine, sender.shortage) == (10, 14, None)
    sender.wires[1].shortage = "ports"

    assert sender.shortage == "ports"


def test_the_notes_tell_what_shapes_the_figures(monkeypatch):
    monkeypatch.setattr(module, "_wire", lambda place, url: FakeWire(url))
    monkeypatch.setenv("A_TOKEN", "secret-of-the-test")
    sender = TargetSender(
        Target(
            url="http://own.example",
            transport="httpx",
            auth=Auth(bearer_env="A_TOKEN"),
            routes=(Route(name="x", send_to="http://other.example"),),
        ),
        "run",
    )

    assert sender.notes() == [
        "sent through httpx, which manages far fewer requests a second than the fast path",
        "requests to http://other.example went without the target's credentials, which belong to its own origin",
    ]
    assert TargetSender(Target(url="http://own.example"), "run").notes() == []


def test_how_requests_share_connections_is_told_once():
    plan = Connections(streams_per_connection=8, max=2)
    routes = (Route(name="x", send_to="http://other.example"),)
    sender = TargetSender(Target(url="http://own.example", http2=True, connections=plan, routes=routes), "run")

    assert sender.notes() == [
        "sent by HTTP/2, on each connection at most 8 at once; connections are for all, opened ahead of need, at most 2"
    ]
