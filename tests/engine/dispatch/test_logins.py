"""Logins in virtual time: when sessions log in, what waits for that, and what becomes of it."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.engine.requests.login import logins_of
from replay.engine.requests.render import Renderer
from replay.engine.retries import Retries
from replay.results.columns import read_columns
from replay.results.instants import KeptInstants
from replay.results.summary import SummaryFold
from replay.results.tables.table import table_of
from replay.target.auth import Auth
from replay.target.login import Login
from replay.target.mcp import Mcp
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trace.types import Edge, McpCall, Recorded, Step
from replay.wire.signin.credentials import Credentials
from tests.support.fake_target import FakeTarget, VirtualRun, step
from tests.support.manifests import MANIFEST
from tests.support.world import MS, S, World

LOGIN = Login(path="/login", token="/token", json={"user": "ann"}, expires_in="/expires_in")


class Doorway(FakeTarget):
    """Lets in whoever comes with a token that is good; a login takes 20 ms, all else 10.

    answers: to logins, in order, the last one again and again: a body, a status or an error. good_for: how many
    requests each token is good for; forbidden: paths at which none is. said: of each request its path and its token.
    """

    def __init__(self, world, answers=({"token": "t"},), good_for=1 << 30, forbidden=(), mcp=None, **fields):
        super().__init__(world)
        self.mcp = mcp
        target = Target(url="http://t", name="t", login=LOGIN, traceparent=False, **fields)
        credentials = Credentials(Auth())
        self.renderers = [Renderer(target, target.url, credentials, "run")]
        self.logins = logins_of(target, [target], [credentials], "run", lambda _: "")
        self._login_answers, self._good_for, self._forbidden = list(answers), good_for, forbidden
        self._left: dict[str, int] = {}
        self.said: list[tuple[str, str | None]] = []

    def send(self, attempt):
        first, *lines = attempt.head.decode().split("\r\n")
        path = first.split(" ")[1]
        fields = [line.split(": ", 1) for line in lines if line]
        tokens = [value for name, value in fields if name == "authorization"]
        assert len(tokens) < 2
        attempt.sent_ns = now = self._world.now_ns
        self.sent.append((now - self.origin_ns, attempt.step.id))
        token = tokens[0] if tokens else None
        self.said.append((path, token))
        if path == "/login":
            answer = self._login_answers[0]
            if len(self._login_answers) > 1:
                self._login_answers.pop(0)
            self._world.at(now + 20 * MS, self._answer, attempt, answer)
            return
        left = self._left.get(token, 0)
        self._left[token] = left - 1
        is_in = left > 0 and path not in self._forbidden
        self._world.at(now + 10 * MS, self._answer, attempt, {} if is_in else 401)

    def _answer(self, attempt, answer):
        attempt.first_byte_ns = attempt.end_ns = self._world.now_ns
        if isinstance(answer, str):
            attempt.error, attempt.phase = answer, "first_byte"
        else:
            attempt.status = answer if isinstance(answer, int) else 200
            if isinstance(answer, dict):
                attempt.captured = bytearray(msgspec.json.encode(answer))
                if token := answer.get("token"):
                    self._left[f"Bearer {token}"] = answer.get("good_for", self._good_for)
        if attempt.status == 401 and attempt.on_first_byte is not None:
            attempt.on_first_byte(attempt)
        attempt.on_done(attempt)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def run(world, tmp_path):
    """Replay sessions against a doorway; returns it and the records, and holds that every step ended once."""

    def ran(sessions, *answers, retries=None, **fields):
        target = Doorway(world, answers or ({"token": "t"},), **fields)
        replay = VirtualRun(world, target, tmp_path, sessions, retries=retries)
        records = replay.run()
        ended = [(one.session, one.step) for one in records if one.final]
        assert sorted(ended) == sorted(
            (f"s-{n}", each.id) for n, (_, steps) in enumerate(sessions) for each in steps
        )
        return target, records

    return ran


def logins(target):
    return [path for path, _ in target.said].count("/login")


def test_a_session_logs_in_once_before_its_first_step_and_its_steps_carry_the_token(run):
    target, records = run([(0.0, [step("a"), step("b", "a")]), (500.0, [step("a")])])

    assert target.said == [
        ("/login", None),
        ("/", "Bearer t"),
        ("/", "Bearer t"),
        ("/login", None),
        ("/", "Bearer t"),
    ]
    assert [(one.name, one.outcome, one.final, one.handshake) for one in records[:3]] == [
        ("login", "ok", False, True),
        ("a", "ok", True, False),
        ("b", "ok", True, False),
    ]


def test_the_step_that_waits_is_charged_in_its_response_time_alone(world, run):
    _, records = run([(0.0, [step("a"), step("b", "a")])])
    first, second = (one for one in records if one.final)

    assert round((first.end_ns - first.intended_ns) / MS) == 30
    assert round((first.end_ns - first.sent_ns) / MS) == 10
    assert round(first.waited_ns / MS) == 20
    assert second.waited_ns is None


def test_a_login_is_in_no_figure_of_the_steps(run, tmp_path):
    _, records = run([(0.0, [step("a"), step("b", "a")])])

    fold = SummaryFold(None, kept := KeptInstants())
    fold.add(table_of(records))
    summary = fold.summary(MANIFEST, {}, kept.taken())
    assert (summary.counts.ok, summary.counts.sent, summary.counts.handshakes) == (2, 2, 1)
    assert summary.counts.retries == 0
    columns = read_columns(tmp_path)
    assert columns.makespan_ns.tolist() == [records[2].end_ns - records[1].intended_ns]


def test_steps_at_once_wait_for_one_login(run):
    target, _ = run([(0.0, [step("a"), step("b"), step("c", at_ms=15.0), step("d", at_ms=40.0)])])

    assert logins(target) == 1
    assert [token for path, token in target.said if path == "/"] == ["Bearer t"] * 4


def test_a_token_that_has_an_end_is_asked_for_anew_before_it(run):
    steps = [step("a"), step("b", at_ms=5_000.0), step("c", at_ms=9_100.0)]
    target, _ = run([(0.0, steps)], {"token": "one", "expires_in": 10}, {"token": "two", "expires_in": "10"})

    # A tenth of its life is left.
    assert target.said == [
        ("/login", None),
        ("/", "Bearer one"),
        ("/", "Bearer one"),
        ("/login", None),
        ("/", "Bearer two"),
    ]


@pytest.mark.parametrize("said", [None, 0, -1, "soon", True, [], "nan"])
def test_an_end_that_says_nothing_is_none(run, said):
    target, records = run([(0.0, [step("a"), step("b", at_ms=9_000.0)])], {"token": "t", "expires_in": said})

    assert logins(target) == 1
    assert {one.outcome for one in records} == {"ok"}


def test_a_refused_token_is_asked_for_anew_and_the_step_sent_again(run):
    steps = [step("a"), step("b", "a"), step("c", "b")]
    target, records = run([(0.0, steps)], {"token": "one"}, {"token": "two"}, good_for=2)

    assert target.said[3:] == [("/", "Bearer one"), ("/login", None), ("/", "Bearer two")]
    assert [(one.step, one.attempt, one.outcome, one.status, one.final) for one in records[3:]] == [
        ("c", 1, "failed", 401, False),
        ("session:login", 1, "ok", 200, False),
        ("c", 2, "ok", 200, True),
    ]
    first, last = (one for one in records if one.step == "c")
    # The agent waited for all of it.
    assert first.intended_ns == last.intended_ns
    assert round((last.end_ns - last.intended_ns) / MS) == 40


def test_steps_that_are_refused_at_once_share_one_new_login(run):
    steps = [step("a"), *(step(name, "a") for name in "bcd")]
    target, records = run([(0.0, steps)], {"token": "one", "good_for": 1}, {"token": "two"})

    assert logins(target) == 2
    assert [token for path, token in target.said if path == "/"] == ["Bearer one"] * 4 + ["Bearer two"] * 3
    assert {one.outcome for one in records if one.final} == {"ok"}


def test_a_target_that_refuses_every_token_is_not_logged_in_to_for_each_step(run):
    steps = [step(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(6)]
    target, records = run([(0.0, steps)], good_for=0)

    assert logins(target) == 2
    assert {(one.outcome, one.error) for one in records if one.final} == {("failed", "status_4xx")}
    assert sum(not one.final and not one.handshake for one in records) == 1


def test_a_401_that_was_recorded_is_no_refusal_of_the_token(run):
    steps = [step("a"), step("b", "a", recorded=Recorded(status=401)), step("c", "b")]
    steps[1].request.path = "/never"
    target, records = run([(0.0, steps)], forbidden=("/never",))

    assert logins(target) == 1
    assert [one.outcome for one in records if one.final] == ["ok"] * 3


def test_what_waits_for_a_first_byte_does_not_go_on_from_a_refusal(run):
    steps = [step("a"), step("b", "a"), step("c", Edge("b", "first_byte", 0.0))]
    _, records = run([(0.0, steps)], {"token": "one"}, {"token": "two"}, good_for=1)

    by_step = {one.step: one for one in records if one.final}
    assert by_step["c"].intended_ns >= by_step["b"].first_byte_ns


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (403, "status_4xx", "POST /login was answered with status 403"),
        ({}, "extract", "the answer to POST /login has no token at /token"),
        ({"token": ""}, "extract", "the answer to POST /login has no token at /token"),
        ({"token": ["x"]}, "extract", "the answer to POST /login has no token at /token"),
        ({"token": "two\r\nlines"}, "extract", "the answer to POST /login has no token at /token"),
        ({"token": "x" * 20_000}, "extract", "the answer to POST /login has no token at /token"),
    ],
)
def test_a_login_that_is_refused_fails_the_session_and_is_not_tried_again(run, answer, error, why):
    target, records = run([(0.0, [step("a"), step("b", "a"), step("c")]), (900.0, [step("a")])], answer)

    assert target.said == [("/login", None)] * 2
    failed = [one for one in records if one.final]
    assert {(one.outcome, one.error, one.status) for one in failed} == {("failed", error, None)}
    assert {one.why for one in failed if one.why} == {f"the session could not log in: {why}"}


@pytest.mark.parametrize("trouble", ["timeout", "connect", "reset", 503, 429])
def test_after_trouble_that_may_pass_the_next_step_tries_to_log_in_anew(run, trouble):
    target, records = run([(0.0, [step("a"), step("b", "a")])], trouble, {"token": "t"})

    assert target.said == [("/login", None), ("/login", None), ("/", "Bearer t")]
    assert [(one.step, one.outcome) for one in records if one.final] == [("a", "failed"), ("b", "ok")]


def test_a_step_that_is_retried_logs_in_anew(run):
    retries = Retries(Retry(attempts=2, backoff_s=0.01), 1)
    target, records = run([(0.0, [step("a")])], "timeout", {"token": "t"}, retries=retries)

    assert target.said == [("/login", None), ("/login", None), ("/", "Bearer t")]
    assert [one.outcome for one in records if one.final] == ["ok"]


def test_sessions_with_mcp_servers_are_opened_and_closed_with_the_token(world, tmp_path):
    class Server(Doorway):
        def _answer(self, attempt, answer):
            message = json.loads(attempt.body) if attempt.body else {}
            if answer == {} and message.get("method") == "initialize":
                opened = {"protocolVersion": "2025-11-25", "capabilities": {}}
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": opened}
                attempt.captured_headers.append((b"mcp-session-id", b"m"))
            elif answer == {}:
                answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": {}}
            super()._answer(attempt, answer)

    target = Server(world, mcp=Mcp("2025-11-25"))
    call = Step("a", "mcp", "a", mcp=McpCall("x/y"))
    records = VirtualRun(world, target, tmp_path, [(0.0, [call])]).run()

    assert target.said == [("/login", None)] + [("/mcp", "Bearer t")] * 4
    assert [one.outcome for one in records if one.final] == ["ok"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    starts=st.lists(st.lists(st.integers(0, 200), min_size=1, max_size=5), min_size=1, max_size=3),
    answers=st.lists(
        st.sampled_from([{"token": "x"}, {"token": "y", "expires_in": 0.05}, {}, 403, 503, "timeout"]),
        min_size=1,
        max_size=6,
    ),
    good_for=st.sampled_from([0, 1, 2, 1 << 30]),
)
def test_whatever_logins_come_to_every_step_ends_once_and_no_token_is_made_up(
    tmp_path_factory, starts, answers, good_for
):
    world = World()
    target = Doorway(world, answers, good_for)
    sessions = [(0.0, [step(f"{n}", at_ms=float(at)) for n, at in enumerate(each)]) for each in starts]
    records = VirtualRun(world, target, tmp_path_factory.mktemp("run"), sessions).run()

    assert sorted((one.session, one.step) for one in records if one.final) == sorted(
        (f"s-{n}", each.id) for n, (_, steps) in enumerate(sessions) for each in steps
    )
    given_out = {f"Bearer {one['token']}" for one in answers if isinstance(one, dict) and "token" in one}
    assert {token for path, token in target.said if path != "/login"} <= given_out
    # At most one login for each step, and one more for each that was refused.
    assert logins(target) <= 2 * len([each for _, steps in sessions for each in steps])
    assert world.now_ns < 60 * S
