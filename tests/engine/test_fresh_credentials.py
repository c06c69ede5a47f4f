"""What goes out carries the credentials of when it goes out, though it was rendered long before. In virtual time."""

import asyncio
from functools import partial

import pytest

from replay.engine.loop import RunLoop
from replay.engine.outcome import Outcomes
from replay.engine.pacing.pacer import Pacer
from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import FileWriter
from replay.engine.requests.render import Renderer
from replay.engine.retries import Retries
from replay.engine.types import Knobs, RunOptions
from replay.engine.walker import Pace
from replay.simulation.virtual import VirtualTime
from replay.target.auth import Auth
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trace.types import Edge, Request, Session, Step
from replay.wire.signin.credentials import Credentials

MS = 1_000_000
TARGET = Target(
    url="http://t", name="t", retry=Retry(attempts=2, statuses=(401,), backoff_s=1.0), auth=Auth(command="c")
)


def token_of(exchange):
    (line,) = [line for line in exchange.head.split(b"\r\n") if line.startswith(b"authorization")]
    return line.split()[-1].decode()


class World:
    """A target that takes one token at a time, and a command that prints whichever that is.

    sent: (path, token) of each request, in order. A request with another token is answered with 401.
    """

    keeps_by_session = False
    gathering = ()
    mcp = None
    logins = ()
    websockets = ()
    conversation = None
    redirects = None

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.token = "one"
        self.credentials = Credentials(TARGET.auth, self._print, now=self.time.now)
        self.renderers = [Renderer(TARGET, TARGET.url, self.credentials, "run")]
        self.wires = [self]
        self.sent: list[tuple[str, str]] = []
        self.refusals: list[int] = []

    async def _print(self, command: str) -> str:
        return self.token

    def renew(self) -> None:
        asyncio.run(self.credentials._renew())

    def change_token(self, to: str) -> None:
        self.token = to
        self.renew()

    def decide(self, step):
        return 0

    def send(self, exchange) -> None:
        self.sent.append((exchange.step.request.path, token_of(exchange)))
        exchange.sent_ns = self.time.now()
        exchange.status = 200 if token_of(exchange) == self.token else 401
        self.time.at(self.time.now() + MS, self._answer, exchange)

    def _answer(self, exchange) -> None:
        exchange.first_byte_ns = exchange.end_ns = self.time.now()
        exchange.on_done(exchange)

    def refused(self, place, sent_ns: int) -> None:
        self.refusals.append(sent_ns)

    def sweep(self, now) -> None: ...

    def prepare(self, connections) -> None: ...


@pytest.fixture
def replay(tmp_path):
    """Replay sessions in a world; changes: (ms, what is done then)."""

    def replayed(world, sessions, changes):
        pace = Pace(Knobs())
        recorder = Recorder(tmp_path, "t", FileWriter(), 0.0)
        world.renew()
        loop = RunLoop(
            iter(sessions),
            world,
            recorder,
            RunOptions(),
            pace,
            Outcomes(TARGET),
            world.time.now,
            partial(Pacer, idle_ns=10_000 * MS, hard_spin_ns=0),
            retries=Retries(TARGET.retry, 1),
        )
        loop.begin(world.time, world.time.make_alarm)
        for at_ms, change in changes:
            world.time.at(loop.start_ns + at_ms * MS, lambda change: change(), change)
        world.time.run_until(lambda: loop.is_over)
        loop.finish()
        recorder.finish(world.time.now_ns)

    return replayed


def step(name, after=()):
    return Step(
        name, "tool", name, after=[Edge(parent) for parent in after], request=Request("GET", f"/{name}")
    )


def test_a_step_that_was_rendered_ahead_goes_out_with_the_credentials_of_now(replay):
    world = World()
    sessions = [(n * 1000 * MS, Session(f"s-{n}", n * 1000.0, [step(f"a{n}")])) for n in range(3)]

    replay(world, sessions, [(1500, lambda: world.change_token("two"))])

    assert world.sent == [("/a0", "one"), ("/a1", "one"), ("/a2", "two")]


def test_a_further_attempt_goes_out_with_the_credentials_of_now(replay):
    world = World()

    def revoke():
        world.token = "two"

    replay(world, [(5 * MS, Session("s", 5.0, [step("a")]))], [(1, revoke), (7, world.renew)])

    assert world.sent == [("/a", "one"), ("/a", "two")]
    assert len(world.refusals) == 1
