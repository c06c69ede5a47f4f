"""Fifty copies of a session that logs in are fifty users, on a real socket."""

import json

import pytest

from replay.engine.arms import Arm
from replay.engine.run import Job, replay_together, replay_trace
from replay.engine.types import Knobs, RunOptions
from replay.target.routes import Route
from replay.target.sending import Retry, SessionRules
from replay.target.target import Target

TRANSPORTS = pytest.mark.parametrize("transport", ["fast", "httpx"])


@pytest.fixture
def users(tmp_path):
    def write(count):
        path = tmp_path / "users.csv"
        path.write_text("user,password\n" + "".join(f"user-{n},secret-of-{n}\n" for n in range(count)))
        return str(path)

    return write


def target(url, transport="fast", **fields):
    return Target(url=url, name="t", transport=transport, session=SessionRules(cookies=True), **fields)


def post(step_id, path, body, after=(), **headers):
    request = {"method": "POST", "path": path, "json": body, "headers": headers}
    return {
        "id": step_id,
        "kind": "http",
        "name": step_id,
        "after": [{"step": s} for s in after],
        "request": request,
    }


LOGIN = post("login", "/login", {"user": "{{row.user}}", "password": "{{row.password}}"})


@pytest.fixture
def shopping(write_trace):
    """A session that logs in, looks, and orders."""
    order = {"id": "{{uuid.order}}", "copy": "{{copy}}", "by": "{{now+1d|%Y-%m-%d}}"}
    look = write_trace.get("look", "/home?user={{row.user}}", ["login"])
    return write_trace((0.0, [LOGIN, look, post("order", "/orders/{{uuid.order}}", order, ["look"])]))


@TRANSPORTS
def test_fifty_copies_of_a_session_that_logs_in_are_fifty_users(
    who_is_who, shopping, users, tmp_path, transport
):
    aim = target(who_is_who.url, transport, retry=Retry(idempotency_header="idempotency-key"))
    options = RunOptions(knobs=Knobs(scale=50, arrivals=20), data=users(50))

    outcome = replay_trace(shopping, aim, options, tmp_path / "run")

    assert (outcome.summary.counts.ok, outcome.summary.counts.failed) == (150, 0)
    everyone = {f"user-{n}" for n in range(50)}
    logins = [asked for asked in who_is_who.asked if asked.path == "/login"]
    assert {json.loads(asked.body)["user"] for asked in logins} == everyone
    looks = [asked for asked in who_is_who.asked if asked.path.startswith("/home")]
    assert {asked.user for asked in looks} == everyone
    assert all(asked.path == f"/home?user={asked.user}" for asked in looks)
    orders = [asked for asked in who_is_who.asked if asked.path.startswith("/orders")]
    assert {asked.user for asked in orders} == everyone
    bodies = [json.loads(asked.body) for asked in orders]
    assert all(asked.path == f"/orders/{body['id']}" for asked, body in zip(orders, bodies, strict=True))
    assert {body["copy"] for body in bodies} == {str(n) for n in range(50)}
    for part in ("idempotency-key", "traceparent"):
        assert len({asked.headers[part] for asked in who_is_who.asked}) == 150
    plain = {(a.method, a.path, a.headers.get("cookie"), a.body) for a in who_is_who.asked}
    assert len(plain) == 150


def test_what_rows_and_cookies_hold_is_in_no_file_of_the_run(who_is_who, shopping, users, tmp_path):
    options = RunOptions(knobs=Knobs(scale=3), data=users(2), answers="values")

    outcome = replay_trace(shopping, target(who_is_who.url), options, tmp_path / "run")

    written = b"".join(path.read_bytes() for path in outcome.directory.iterdir())
    assert not any(part in written for part in (b"secret-of", b"user-0", b"sid=", str(tmp_path).encode()))
    manifest = json.loads((outcome.directory / "run.json").read_text())
    assert manifest["data"]["file"] == manifest["options"]["data"] == "users.csv"
    assert (manifest["data"]["rows"], manifest["data"]["columns"]) == (2, ["user", "password"])
    assert manifest["notes"] == ["users.csv has 2 rows for 3 sessions, so that some are the same user"]


def test_a_session_is_the_same_user_in_every_arm_of_a_comparison(who_is_who, shopping, users, tmp_path):
    options = RunOptions(knobs=Knobs(scale=9, arrivals=20, seed=4), data=users(20), data_order="random")
    aims = [target(who_is_who.url, headers={"x-arm": arm}) for arm in "ab"]
    jobs = [Job(aim, tmp_path / f"run-{n}", Arm("paired", n, 2, 4)) for n, aim in enumerate(aims)]

    replay_together(shopping, jobs, options)

    told = {arm: {} for arm in "ab"}
    for asked in who_is_who.asked:
        if asked.path.startswith("/orders"):
            told[asked.headers["x-arm"]][json.loads(asked.body)["copy"]] = asked.user
    assert told["a"] == told["b"]
    assert len(set(told["a"].values())) == 9


def test_the_same_seed_sends_the_same_again(who_is_who, shopping, users, tmp_path):
    options = RunOptions(knobs=Knobs(scale=2), data=users(2))
    for n in range(2):
        replay_trace(shopping, target(who_is_who.url), options, tmp_path / f"run-{n}")

    paths = [asked.path for asked in who_is_who.asked]
    assert paths[:6] == paths[6:]


@TRANSPORTS
def test_a_refusal_sets_cookies_too_and_what_is_tried_again_is_else_the_same_request(
    who_is_who, write_trace, users, tmp_path, transport
):
    who_is_who.busy = 1
    busy = post("busy", "/busy", {"id": "{{uuid}}", "at": "{{now|unix_ms}}"}, ["login"])
    trace = write_trace((0.0, [LOGIN, busy, write_trace.get("look", "/home", ["busy"])]))
    aim = target(who_is_who.url, transport, retry=Retry(attempts=2, unsafe=True, backoff_s=0.001))

    outcome = replay_trace(trace, aim, RunOptions(data=users(1)), tmp_path / "run")

    assert (outcome.summary.counts.ok, outcome.summary.counts.retries) == (3, 1)
    _, first, again, look = who_is_who.asked
    assert (again.path, again.body) == (first.path, first.body)
    assert (first.headers["cookie"], again.headers["cookie"]) == ("sid=t0", "sid=t0; seen-busy=1")
    assert look.headers["cookie"] == "sid=t0; seen-busy=1"


def test_cookies_go_to_the_host_that_set_them_on_whatever_route(who_is_who, write_trace, users, tmp_path):
    elsewhere = who_is_who.url.replace("127.0.0.1", "localhost")
    routes = (Route(name="away", send_to=elsewhere), Route(name="home", send_to=who_is_who.url + "/base"))
    steps = [LOGIN, write_trace.get("home", "/x", ["login"]), write_trace.get("away", "/y", ["home"])]

    outcome = replay_trace(
        write_trace((0.0, steps)),
        target(who_is_who.url, routes=routes),
        RunOptions(data=users(1)),
        tmp_path / "run",
    )

    assert [(asked.path, asked.user) for asked in who_is_who.asked[1:]] == [("/base/x", "user-0"), ("/y", None)]
    assert outcome.summary.counts.errors == {"status_4xx": 1}


def test_without_the_table_a_target_sets_no_cookies(who_is_who, shopping, users, tmp_path):
    replay_trace(shopping, Target(url=who_is_who.url, name="t"), RunOptions(data=users(1)), tmp_path / "run")

    assert [asked.user for asked in who_is_who.asked] == [None, None, None]


def test_model_calls_carry_the_cookies_of_their_session(who_is_who, write_trace, users, tmp_path):
    call = {"id": "m", "kind": "llm", "name": "m", "after": [{"step": "login"}], "llm": {"input_tokens": 3}}

    replay_trace(
        write_trace((0.0, [LOGIN, call])), target(who_is_who.url), RunOptions(data=users(1)), tmp_path / "run"
    )

    assert [asked.user for asked in who_is_who.asked] == [None, "user-0"]
