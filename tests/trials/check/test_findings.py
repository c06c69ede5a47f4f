"""What a check makes of what it saw: a topic a test."""

from collections import Counter
from email.utils import formatdate

import msgspec
import pytest

from replay.engine.requests.redirects import LEADS_AWAY, TOO_MANY
from replay.engine.types import RunOptions
from replay.results.manifest_types import Generator, TargetFacts, TraceFacts
from replay.results.summary_types import Counts, Fidelity, Quantiles, Rate, Summary
from replay.results.types import StepRecord
from replay.target.auth import Auth
from replay.target.sending import Follow, SessionRules
from replay.target.target import Target
from replay.trace.types import Edge, Header, McpCall, Recorded, Request, Session, Step, WsCall
from replay.trials.check.findings import findings
from replay.trials.check.reaching import Reached
from replay.trials.check.sampling import ShapeCount, sample_of
from replay.trials.check.seen import Answer, Changes, Seen, changes_of

TARGET = Target(url="https://staging.example", name="staging")
NOW_S = 1_795_000_000.0
ESCAPE = "\x1b[31m"


def step(step_id="a", path="/x", after=(), status=200, **request):
    return Step(
        step_id,
        "http",
        f"GET {path}",
        tuple(Edge(each) for each in after),
        request=Request("GET", path, **request),
        recorded=Recorded(status=status),
    )


def record(step_id="a", status=200, outcome="ok", name="GET /x", **fields):
    return StepRecord(
        "s-1", step_id, "http", name, "t", outcome, status=status, recorded_status=200, sent_ns=1, **fields
    )


def failed(step_id="a", status=404, error="status_4xx", **fields):
    return record(step_id, status, "failed", error=error, **fields)


def answer(step_id="a", status=200, **headers):
    return Answer("s-1", step_id, status, {k.replace("_", "-"): [v] for k, v in headers.items()}, NOW_S)


def summary(followed=0, **fidelity):
    counts = Counts(
        sessions=1,
        steps=1,
        sent=1,
        ok=1,
        failed=0,
        unsent=0,
        retries=0,
        waits=0,
        errors={},
        unsent_reasons={},
        followed=followed,
    )
    return Summary(
        schema="replay.summary/1",
        status="finished",
        elapsed_s=1.0,
        trace=TraceFacts("t", "", 1, 1),
        target=TargetFacts("t", "u"),
        counts=counts,
        rate=Rate(),
        latency_ms={},
        series=[],
        dispatch_lag_us=Quantiles(n=0),
        generator=Generator("ok", []),
        removed_s={},
        fidelity=Fidelity(**fidelity),
    )


def found(topic, steps=(), records=(), answers=(), target=TARGET, origins=(), reached=(), options=None, **more):
    session = Session("s-1", 0.0, list(steps) or [step()])
    counted = ShapeCount()
    counted.add(session)
    sample = sample_of([session], counted)
    seen = Seen(
        target,
        options or RunOptions(),
        Header("replay-trace", 1, "t", origins=origins),
        sample,
        more.pop("changes", Changes(1, Counter(), 0)),
        reached,
        records,
        answers,
        more.pop("summary", summary()),
        handshakes=more.pop("handshakes", ()),
    )
    return [(each.level, each.what, each.to_do) for each in findings(seen) if each.topic == topic]


def levels(topic, **seen):
    return [level for level, _, _ in found(topic, **seen)]


def test_a_target_that_cannot_be_reached_is_all_that_is_told_of_answers():
    reached = [Reached("https://staging.example", "the name staging.example has no address (unknown)")]

    assert found("connection", reached=reached, summary=None) == [
        (
            "problem",
            "https://staging.example: the name staging.example has no address (unknown)",
            "Start the target at https://staging.example, or correct its url, its [tls] or the network between.",
        )
    ]
    assert found("statuses", reached=reached, summary=None) == []


def test_a_connection_tells_its_time_its_tls_and_how_long_its_certificate_is_good():
    reached = Reached("https://a.example", None, 2.0, 10.5, 20.0, "TLSv1.3", 80.0)

    assert found("connection", reached=[reached]) == [
        ("ok", "https://a.example: connected in 12.5 ms, TLSv1.3 in 20 ms, certificate good for 80 days", "")
    ]
    assert levels("connection", reached=[reached._replace(expires_days=3.0)]) == ["warn"]


def test_credentials_that_are_missing_are_told_from_those_that_were_refused():
    (level, what, to_do), *_ = found("credentials", records=[failed(status=401), record("b")])
    (_, _, refused), *_ = found(
        "credentials", records=[failed(status=403)], target=Target(url="http://a", auth=Auth(bearer_env="X"))
    )

    assert (level, what) == ("problem", "1 answer is 401, unlike when recorded: http:GET /x")
    assert to_do.startswith("Give the target file credentials")
    assert refused.startswith("Check the credentials")
    assert levels("credentials", records=[record()]) == ["ok"]


def test_a_redirect_to_another_host_is_a_problem_one_to_the_same_host_a_warning_and_a_recorded_one_neither():
    elsewhere = answer(status=302, location="https://login.example/x")
    here = answer(status=301, location="/x/")
    itself = answer(status=301, location="http://STAGING.example./x")

    assert levels("redirects", answers=[elsewhere]) == ["problem"]
    assert levels("redirects", answers=[here, answer(), itself, answer()]) == ["warn"]
    assert levels("redirects", answers=[elsewhere], steps=[step(status=302)], records=[record(status=302)]) == [
        "ok"
    ]


def test_where_most_answers_are_redirects_a_replay_would_measure_redirects():
    """Every answer was one, and the replay was told to be meaningful; the recording was said to have no statuses."""
    here = answer(status=302, location="/login")
    redirected = [record(status=302), failed("b", 302, "redirect")]

    assert levels("redirects", answers=[here, here], records=redirected) == ["problem"]
    assert found("statuses", answers=[here, here], records=redirected) == []
    assert found("answers", answers=[here, here], records=redirected) == []


def test_redirects_that_were_followed_and_were_too_many_say_which_knob_to_turn():
    follows = Target(url=TARGET.url, redirects=Follow(follow=2))
    here = answer(status=302, location="/on")
    too_many = failed(status=302, error="redirect", why=TOO_MANY)
    away = failed(status=302, error="redirect", why=LEADS_AWAY)
    seen = {"target": follows, "summary": summary(followed=2)}

    assert found("redirects", answers=[here] * 3, records=[too_many], **seen) == [
        ("ok", "2 redirects were followed", "")
    ]
    ((level, _, to_do),) = found("answers", answers=[here] * 3, records=[too_many], **seen)
    assert level == "problem"
    assert to_do.startswith("Raise follow under [redirects] in the target file, which is 2;")

    elsewhere = answer(status=302, location="https://login.example/x")
    ((level, what, to_do),) = found("redirects", answers=[elsewhere], records=[away], **seen)
    assert (level, what) == (
        "problem",
        "1 answer leads to https://login.example, which neither the target's url nor a route names",
    )
    assert "or as that of a route" in to_do
    assert found("answers", answers=[elsewhere], records=[away], **seen) == []


CALL = Step("a", "mcp", "search", mcp=McpCall("tools/call", tool="search"))


@pytest.mark.parametrize(("status", "error"), [(200, "protocol"), (302, "redirect"), (404, "status_4xx")])
def test_where_no_mcp_server_is_the_path_is_what_to_look_at_and_no_row_tells_of_answers(status, error):
    handshake = msgspec.structs.replace(failed("mcp:initialize", status, error), handshake=True)
    waited = failed(status=None, error=error, why="the answer to initialize at /mcp is a web page (HTML)")
    seen = {"steps": [CALL], "records": [waited], "handshakes": [handshake]}

    for topic in ("credentials", "redirects", "statuses", "correlation"):
        assert found(topic, **seen) == []
    ((level, _, to_do),) = found("answers", **seen)
    assert level == "problem"
    assert to_do.startswith("Check the path: /mcp below the target's url")


def test_an_mcp_server_that_asks_for_credentials_is_told_as_that():
    handshake = msgspec.structs.replace(failed("mcp:initialize", 401), handshake=True)
    waited = failed(status=None, error="status_4xx")

    ((level, _, to_do), *_) = found("credentials", steps=[CALL], records=[waited], handshakes=[handshake])
    assert level == "problem"
    assert to_do.startswith("Give the target file credentials")


def test_a_web_page_where_a_model_was_asked_has_the_url_looked_at():
    ((level, _, to_do),) = found("answers", records=[failed(status=200, error="protocol")])

    assert level == "problem"
    assert to_do.startswith("Check the target's url")


def test_calls_of_mcp_tools_may_change_something_and_are_no_model_calls():
    asks = Step("b", "mcp", "list", mcp=McpCall("tools/list"))

    assert changes_of([CALL, asks], Changes(0, Counter(), 0)) == Changes(2, Counter({"MCP tools/call": 1}), 0)


def test_messages_on_websockets_may_change_something_and_opening_them_does_not():
    steps = [
        Step("o", "ws", "open", ws=WsCall("/", action="open")),
        Step("a", "ws", "say", ws=WsCall("/", text="x")),
    ]
    assert changes_of(steps, Changes(0, Counter(), 0)) == Changes(2, Counter({"messages on WebSockets": 1}), 0)


def test_statuses_unlike_recorded_are_problems_where_they_are_worse():
    assert found("statuses", records=[failed(), record("b", 204)])[0][:2] == (
        "problem",
        "1 is 404 instead of 200: http:GET /x",
    )
    assert levels("statuses", records=[failed(), record("b", 204)]) == ["problem", "warn"]
    assert levels("statuses", records=[record()]) == ["ok"]
    assert levels("statuses", records=[failed(status=401)]) == []


def test_what_failed_in_another_way_is_told_with_what_that_means():
    timed_out = failed(status=None, error="timeout")

    (level, what, _), *_ = found("answers", records=[timed_out])
    assert (level, what) == (
        "problem",
        "1 failed with timeout, a time limit passed before the response was complete: http:GET /x",
    )


def test_streams_that_were_asked_for_and_did_not_come():
    assert levels("streams", records=[record(stream=True)]) == ["problem"]
    assert levels("streams", records=[record(stream=True, streamed=True)]) == ["ok"]
    assert levels("streams", records=[record()]) == []


def test_tokens_are_held_to_the_recording():
    assert levels("tokens", summary=summary(output_tokens=0.4, input_tokens=0.99)) == ["problem", "ok"]


def test_the_clock_of_the_target_is_told_from_its_dates():
    ahead = formatdate(NOW_S + 60, usegmt=True)

    assert found("clock", answers=[answer(date=ahead)])[0][:2] == (
        "warn",
        "the target's clock is 60 s ahead of this machine's",
    )
    assert levels("clock", answers=[answer(date=formatdate(NOW_S + 3, usegmt=True))]) == ["ok"]
    assert levels("clock", answers=[answer(date="yesterday"), answer()]) == []
    assert levels("clock", answers=[answer(date="Mon, 01 Jan 99999999999999999999 00:00:00 GMT")]) == []


@pytest.mark.parametrize(
    ("path", "body", "suspect"),
    [
        ("/orders/12345678", None, True),
        ("/o/550e8400-e29b-41d4-a716-446655440000", None, True),
        ("/orders", '{"order":"ord_9f8a7b6c5d4e3f2a1b"}', True),
        ("/orders/latest", None, False),
        ("/v1/chat/completions", None, False),
    ],
)
def test_a_refused_request_with_what_looks_like_a_recorded_id_needs_correlation(path, body, suspect):
    steps = [step(), step("b", path, ["a"], body=body)]

    found_levels = levels("correlation", steps=steps, records=[record(), failed("b")])

    assert found_levels == (["problem"] if suspect else ["ok"])


def test_the_first_step_of_a_session_has_taken_nothing_from_another():
    assert levels("correlation", steps=[step(path="/orders/12345678")], records=[failed()]) == ["ok"]


def test_cookies_that_are_set_and_not_sent_back_are_told_of_escaped():
    ((level, what, _),) = found("correlation", answers=[answer(set_cookie=f"sid{ESCAPE}=1; Path=/")])

    assert level == "warn"
    assert what == r'answers set cookies ("sid\x1b[31m"), and the trace sends none back'


def test_where_sessions_keep_their_cookies_nothing_is_left_to_do():
    keeps = Target(url=TARGET.url, session=SessionRules(cookies=True))

    ((level, what, _),) = found(
        "correlation", answers=[answer(set_cookie="sid=1")], records=[record()], target=keeps
    )

    assert level == "ok"
    assert what.startswith("each session keeps the cookies that it is given")


def test_requests_that_change_something_are_counted_over_the_whole_trace():
    steps = [
        step(),
        Step("b", "http", "x", request=Request("DELETE", "/")),
        Step("c", "llm", "x", request=Request("POST", "/")),
    ]
    changes = changes_of(steps, Changes(0, Counter(), 0))

    ((level, what, to_do),) = found("changes", changes=changes)
    assert (level, what) == (
        "warn",
        "2 of 3 requests in the trace may change something: DELETE 1, model calls 1",
    )
    assert "--read-only" in to_do
    assert levels("changes", changes=changes, options=RunOptions(read_only=True)) == ["ok"]


def test_bodies_that_are_made_up_are_told_of():
    assert levels("bodies", steps=[step(body_bytes=50)]) == ["warn"]


def test_where_the_trace_was_recorded_is_told_and_minded_where_it_is_the_target():
    assert found("origin", origins=("https://prod.example",))[0][:2] == (
        "ok",
        "recorded at https://prod.example; this target is another",
    )
    assert levels("origin", origins=("http://staging.example",)) == ["warn"]
