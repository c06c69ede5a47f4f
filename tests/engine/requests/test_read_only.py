"""A read-only run asks, and changes nothing: what may change something is a wait of its recorded length."""

import pytest

from replay.engine.forecast.dryrun import foresee
from replay.engine.requests.read_only import KeptBack, may_change_something
from replay.engine.requests.router import WAIT, Router
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.evidence import read_evidence
from replay.results.record import read_blocks
from replay.target.routes import Route
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trace.types import Extract, LlmCall, Request, Step

READ_ONLY = RunOptions(read_only=True)
METHODS = ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PURGE", "MKCOL", "get", "Get"]


def step(method="GET", path="/", kind="http", **headers):
    return Step("a", kind, "x", request=Request(method, path, headers))


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_safe_as_it_is_spelled(method):
    assert may_change_something(step(method)) == (method not in ("GET", "HEAD", "OPTIONS", "TRACE"))


def test_model_calls_and_methods_in_disguise_are_unsafe_and_waits_are_not():
    assert may_change_something(Step("a", "llm", "plan", llm=LlmCall()))
    assert may_change_something(step(**{"X-HTTP-Method-Override": "DELETE"}))
    assert may_change_something(step(path="/orders/1?_method=delete"))
    assert not may_change_something(Step("a", "tool", "local"))


def test_no_route_leads_past_it_and_what_a_route_makes_a_wait_is_not_withheld():
    routes = (Route(name="local", wait=True), Route(kind="http", send_to="http://b"))
    router = Router(Target(url="http://a", routes=routes), read_only=True)
    local = Step("a", "http", "local", request=Request("POST", "/"))

    assert router.decide(step("GET")) == 1
    assert router.decide(step("POST")) == WAIT
    assert router.decide(step("GET")) == 1
    assert (router.withholds(step("POST")), router.withholds(step("GET"))) == (True, False)
    assert (router.decide(local), router.withholds(local)) == (WAIT, False)


def test_it_is_known_of_each_session_which_values_will_be_missing():
    kept = KeptBack()
    kept.add("walk", Step("a", "http", "x", extract={"order": Extract(json="/id")}))

    assert kept.explains("walk", "order")
    assert not kept.explains("walk", "other")
    assert not kept.explains("another", "order")
    kept.forget("walk")
    assert not kept.explains("walk", "order")


@pytest.fixture
def every_method(write_trace):
    get = write_trace.get
    known = [m for m in METHODS if m.isupper()]
    alone = [(float(n), [get("a", f"/{m}", method=m, name=m, took_ms=3.0)]) for n, m in enumerate(known)]
    chain = [
        get("create", "/create", method="POST", took_ms=40.0, extract={"order": {"json": "/id"}}),
        get("read", "/orders/{{order}}", ["create"], extract={"line": {"json": "/line"}}),
        get("line", "/lines/{{line}}", ["read"]),
        get("list", "/list", ["create"]),
    ]
    return write_trace(*alone, (20.0, chain))


def test_no_unsafe_request_arrives_and_everything_is_counted(every_method, truth, tmp_path):
    target = Target(url=truth.url, name="truth", retry=Retry(attempts=3, unsafe=True))

    summary = replay_trace(every_method, target, READ_ONLY, tmp_path / "run").summary

    assert {seen["method"] for seen in truth.arrivals} <= {"GET", "HEAD", "OPTIONS", "TRACE"}
    assert sorted(seen["path"] for seen in truth.arrivals) == ["/GET", "/HEAD", "/OPTIONS", "/TRACE", "/list"]
    counts = summary.counts
    assert (counts.steps, counts.ok, counts.failed, counts.unsent) == (14, 12, 0, 2)
    assert (counts.sent, counts.waits, counts.withheld) == (5, 7, 7)
    assert counts.unsent_reasons == {"read_only": 2}
    assert (
        "read-only: in place of 7 requests that may change something there were recorded waits, and 2 steps were left "
        "unsent for want of a value from such an answer; the target bore only the rest of the load"
    ) in summary.notes


def test_a_withheld_request_takes_as_long_as_it_did(every_method, truth, tmp_path):
    replay_trace(every_method, Target(url=truth.url), READ_ONLY, tmp_path / "run")

    found = {(r.session, r.step): r for block in read_blocks(tmp_path / "run" / "steps.jsonl") for r in block}
    create, after = found["s-10", "create"], found["s-10", "list"]
    assert create.withheld
    assert create.end_ns - create.intended_ns == 40_000_000
    assert after.intended_ns == create.end_ns
    assert not after.withheld


def test_it_was_chosen_so_it_is_told_and_no_shortfall(every_method, truth, tmp_path):
    replay_trace(every_method, Target(url=truth.url), READ_ONLY, tmp_path / "run")
    run = read_evidence(tmp_path / "run")

    fidelity = run.summary.fidelity
    assert (fidelity.sessions, fidelity.steps) == (1.0, 1.0)
    assert fidelity.requests == pytest.approx(5 / 14, abs=1e-6)
    verdict = judge_gate([parse_slo("errors == 0%")], run)
    assert (
        "the run was read-only: 7 requests were not sent, so the target was measured without their load"
    ) in verdict.notes


def test_a_dry_run_says_how_many_would_be_withheld(every_method):
    forecast = foresee(every_method, Target(url="http://staging.invalid"), READ_ONLY)

    assert (forecast.steps, forecast.requests, forecast.waits, forecast.withheld) == (14, 7, 7, 7)
