"""Runs against grpcio's own server: what it is asked, and how its answers end."""

import base64

import grpc
import msgspec
import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.record import read_steps
from replay.target.auth import Auth
from replay.target.errors import TargetError
from replay.target.grpc import Grpc
from replay.target.routes import ExpectRule, Route
from replay.target.sending import Retry, Tls
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import (
    FORMAT,
    VERSION,
    Edge,
    Expect,
    Extract,
    GrpcCall,
    Header,
    JsonCheck,
    Recorded,
    Request,
    Session,
    Step,
)
from tests.support.grpc_servers import SEARCH, WATCH, catalogue, descriptor_set, messages


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


@pytest.fixture
def descriptors(tmp_path):
    path = tmp_path / "shop.pb"
    path.write_bytes(descriptor_set())
    return Grpc(str(path))


@pytest.fixture
def ran(tmp_path, descriptors):
    """Runs these steps as one session, and gives the summary and the records by step."""

    def run(url, *steps, options=None, **target):
        path = tmp_path / "calls.jsonl"
        with TraceWriter(path, Header(FORMAT, VERSION, "calls")) as out:
            out.write(Session("s", 0.0, list(steps)))
        target = Target(**{"url": url, "http2": True, "grpc": descriptors, **target})
        outcome = replay_trace(path, target, options or RunOptions(), tmp_path / "run")
        return outcome.summary, {
            (one.step if one.final else f"{one.step}#{one.attempt}"): one
            for one in read_steps(tmp_path / "run" / "steps.jsonl")
        }

    return run


def call(step_id="a", message=None, **fields):
    given = {name: fields.pop(name) for name in GrpcCall.__struct_fields__ if name in fields}
    if message is not None:
        given["message"] = raw(message)
    return Step(
        step_id,
        "grpc",
        fields.pop("name", "Search"),
        grpc=GrpcCall(given.pop("method", SEARCH), **given),
        **fields,
    )


def ended(record):
    return record.outcome, record.error, record.grpc_status, record.why


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_message_in_json_is_encoded_and_answered(ran, tmp_path, is_tls):
    with catalogue(tls_folder=tmp_path if is_tls else None) as (url, asked):
        tls = Tls(ca_file=str(tmp_path / "ca.pem")) if is_tls else Tls()
        summary, records = ran(
            url, call(message={"text": "böots", "limit": 2}, metadata={"x-tenant": "t-1"}), tls=tls
        )

    assert ended(records["a"]) == ("ok", None, "OK", None)
    assert (records["a"].status, records["a"].kind) == (200, "grpc")
    assert [(query.text, query.limit) for query in asked.queries] == [("böots", 2)]
    assert asked.metadata[0]["x-tenant"] == "t-1"
    assert asked.metadata[0]["traceparent"].startswith("00-")
    assert summary.counts.ok == 1
    assert [(one.kind, one.name) for one in summary.series] == [("grpc", "Search")]


def test_a_message_may_be_bytes_or_no_more_than_a_size(ran):
    query_class, _ = messages()
    coded = base64.b64encode(query_class(text="boots", limit=1).SerializeToString()).decode()
    with catalogue() as (url, asked):
        _, records = ran(
            url, call("a", message_base64=coded), call("b", message_bytes=70_000), call("c"), grpc=Grpc()
        )

    assert {ended(one) for one in records.values()} == {("ok", None, "OK", None)}
    assert sorted((query.text, query.ByteSize()) for query in asked.queries) == [
        ("", 0),
        ("", 70_000),
        ("boots", 9),
    ]
    assert {name: one.made_up for name, one in records.items()} == {"a": False, "b": True, "c": False}


def test_a_status_other_than_ok_is_the_outcome_and_its_words_are_told_once(ran):
    with catalogue() as (url, _):
        summary, records = ran(
            url,
            call("a", {"fails_with": "UNAVAILABLE:the index is élsewhere\n(1)"}),
            call("b", {"fails_with": "UNAVAILABLE:the index is élsewhere\n(2)"}, after=(Edge("a"),)),
            call("c", {"fails_with": "NOT_FOUND:"}, after=(Edge("b"),)),
            call("d", method="shop.v1.Catalogue/Sell", after=(Edge("c"),)),
        )

    assert ended(records["a"]) == (
        "failed", "grpc_error", "UNAVAILABLE", "the call ended with UNAVAILABLE: the index is élsewhere (1)"
    )  # fmt: skip
    assert ended(records["b"]) == ("failed", "grpc_error", "UNAVAILABLE", "the call ended with UNAVAILABLE")
    assert ended(records["c"]) == ("failed", "grpc_error", "NOT_FOUND", "the call ended with NOT_FOUND")
    assert ended(records["d"])[:3] == ("failed", "grpc_error", "UNIMPLEMENTED")
    assert summary.counts.errors == {"grpc_error": 4}
    assert summary.counts.error_examples == {
        "grpc_error": "the call ended with UNAVAILABLE: the index is élsewhere (1)"
    }
    assert (summary.counts.ok, summary.series[0].failed.n) == (0, 4)


@pytest.mark.parametrize("words", ["no: password=hunter2hunter2", "bad token sesame-0pen-77 given"])
def test_a_secret_in_the_words_of_a_server_is_not_told(ran, monkeypatch, words):
    monkeypatch.setenv("SHOP_TOKEN", "sesame-0pen-77")
    with catalogue() as (url, asked):
        _, records = ran(
            url, call(message={"fails_with": f"UNAUTHENTICATED:{words}"}), auth=Auth(bearer_env="SHOP_TOKEN")
        )

    assert asked.metadata[0]["authorization"] == "Bearer sesame-0pen-77"
    assert records["a"].grpc_status == "UNAUTHENTICATED"
    assert "hunter2" not in records["a"].why
    assert "sesame" not in records["a"].why


def test_what_was_expected_or_recorded_is_no_failure(ran):
    not_found, gone = {"fails_with": "NOT_FOUND:"}, {"fails_with": "UNAVAILABLE:"}
    with catalogue() as (url, _):
        _, records = ran(
            url,
            call("expected", not_found, expect=Expect(grpc_status=("NOT_FOUND", "OK"))),
            call("recorded", not_found, recorded=Recorded(grpc_status="NOT_FOUND")),
            call("transient", gone, recorded=Recorded(grpc_status="UNAVAILABLE")),
            call("other", expect=Expect(grpc_status="NOT_FOUND")),
            call("ruled", not_found, name="by rule"),
            expect=(ExpectRule(kind="grpc", name="by*", grpc_status="NOT_FOUND", status="2xx"),),
        )

    assert {name: (one.error, one.check) for name, one in records.items()} == {
        "expected": (None, None),
        "recorded": (None, None),
        "transient": ("grpc_error", None),
        "other": ("grpc_error", "grpc_status"),
        "ruled": (None, None),
    }


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_checks_and_values_look_at_the_answer_as_json_also_where_it_is_compressed(ran, compression):
    with catalogue(compression=compression) as (url, asked):
        _, records = ran(
            url,
            call(
                "a",
                {"text": "boots", "limit": 2, "pad_bytes": 300},
                expect=Expect(
                    json={"/count": JsonCheck(equals=2), "/names": JsonCheck(type="array")}, contains="boots 1"
                ),
                extract={"first": Extract(json="/names/0")},
            ),
            call(
                "b", {"text": "{{first}}"}, after=(Edge("a"),), expect=Expect(json={"/count": JsonCheck(min=1)})
            ),
            call("c", {"text": "x"}, after=(Edge("b"),), extract={"none": Extract(json="/names/0")}),
            call("d", metadata={"x-name": "{{first}}"}, after=(Edge("c"),)),
        )

    assert [query.text for query in asked.queries] == ["boots", "boots 0", "x", ""]
    assert (records["a"].error, records["b"].error, records["b"].check) == (None, "check", "json /count min")
    assert (records["c"].error, records["d"].error) == ("extract", None)
    assert asked.metadata[3]["x-name"] == "boots 0"
    if compression is not None:
        assert records["a"].response_bytes < 200


def test_a_deadline_is_told_to_the_server_and_what_comes_after_it_fails(ran):
    with catalogue() as (url, asked):
        _, records = ran(
            url,
            call("a", {"text": "x"}, timeout_ms=30_000),
            call("b", {"sleep_ms": 60}, timeout_ms=20, after=(Edge("a"),)),
        )

    assert 20 < asked.deadlines_s[0] <= 30
    assert ended(records["a"]) == ("ok", None, "OK", None)
    assert (records["b"].error, records["b"].grpc_status) == ("timeout", "DEADLINE_EXCEEDED")


def test_a_call_is_given_up_at_its_deadline_as_a_client_of_grpc_gives_it_up(ran):
    with catalogue() as (url, asked):
        summary, records = ran(
            url,
            call("a", {"sleep_ms": 2_000}, timeout_ms=50),
            call("b", {"text": "x"}, after=(Edge("a"),)),
        )
        query, found = messages()
        with grpc.insecure_channel(url.removeprefix("http://")) as channel:
            search = channel.unary_unary(f"/{SEARCH}", query.SerializeToString, found.FromString)
            with pytest.raises(grpc.RpcError) as theirs:
                search(query(sleep_ms=2_000), timeout=0.05)

    a, b = records["a"], records["b"]
    assert a.grpc_status == theirs.value.code().name == "DEADLINE_EXCEEDED"
    # A server on grpcio knows the deadline too, and may say so before this side looks.
    assert (a.outcome, a.error) == ("failed", "timeout")
    # The connection is as good as before.
    assert (b.outcome, b.connection) == ("ok", "reused")
    assert summary.counts.connections_opened == 1
    assert [query.sleep_ms for query in asked.queries] == [2_000, 0, 2_000]


def test_an_answer_that_is_not_kept_whole_counts_as_it_ended(ran):
    with catalogue() as (url, _):
        _, records = ran(url, call(message={"text": "x", "pad_bytes": 3_000_000}))

    assert ended(records["a"]) == ("ok", None, "OK", None)
    assert records["a"].response_bytes > 3_000_000


def test_a_status_is_retried_where_the_target_says_so(ran):
    with catalogue() as (url, asked):
        summary, records = ran(
            url,
            call(message={"fails_with": "UNAVAILABLE:"}),
            call("b", {"fails_with": "NOT_FOUND:"}),
            retry=Retry(attempts=2, unsafe=True, backoff_s=0.001),
        )

    assert summary.counts.retries == 1
    assert len(asked.queries) == 3
    assert records["a#1"].grpc_status == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("message", "method", "why"),
    [
        (
            {"txt": "x"},
            SEARCH,
            'the message in the trace does not fit the descriptors: shop.v1.Query has no field "txt"',
        ),
        (
            {"limit": "many"},
            SEARCH,
            "the message in the trace does not fit the descriptors: it is no shop.v1.Query",
        ),
        ([], SEARCH, "the message in the trace does not fit the descriptors: it is no shop.v1.Query"),
        ("text", SEARCH, "the message in the trace does not fit the descriptors: it is no shop.v1.Query"),
        ({}, "shop.v1.Catalogue/Sell", "the descriptors have no method shop.v1.Catalogue/Sell"),
        ({}, "shop.v2.Catalogue/Search", "the descriptors have no method shop.v2.Catalogue/Search"),
        ({}, WATCH, "shop.v1.Catalogue/Watch is a streaming method; unary calls alone can be made"),
    ],
)
def test_a_call_that_does_not_fit_fails_and_says_why(ran, message, method, why):
    with catalogue() as (url, asked):
        summary, records = ran(url, call("a", message, method=method), call("b", {}, after=(Edge("a"),)))

    assert ended(records["a"]) == ("failed", "protocol", None, why)
    assert ended(records["b"])[0] == "ok"
    assert len(asked.queries) == 1
    assert (summary.counts.failed, summary.counts.sent) == (1, 1)


def test_a_route_speaks_http2_where_the_rest_of_the_target_does_not(ran, truth):
    with catalogue() as (url, asked):
        summary, _ = ran(
            truth.url,
            Step("w", "http", "page", request=Request("GET", "/?ms=1")),
            call("a", {"text": "x"}),
            http2=False,
            routes=(Route(kind="grpc", send_to=url, http2=True),),
        )

    assert (summary.counts.ok, len(asked.queries)) == (2, 1)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            {"http2": False},
            't: step "Search" of the trace is a gRPC call, which needs HTTP/2 at http://127.0.0.1:9. Write http2 = true '
            'in the target file, or under the step\'s route; proxies and transport = "httpx" carry no gRPC.',
        ),
        (
            {"grpc": Grpc()},
            't: step "Search" of the trace has a gRPC message in JSON, and the target does not say how that is encoded. '
            "Name a file of descriptors under [grpc]; docs/grpc.md says how it is made.",
        ),
    ],
)
def test_a_target_that_cannot_take_calls_is_refused_before_anything_is_sent(ran, target, message):
    with pytest.raises(TargetError) as refused:
        ran("http://127.0.0.1:9", call(message={"text": "x"}), name="t", **target)

    assert str(refused.value) == message


def test_a_read_only_run_makes_no_calls(ran):
    with catalogue() as (url, asked):
        summary, _ = ran(url, call(message={"text": "x"}), options=RunOptions(read_only=True))

    assert (summary.counts.withheld, summary.counts.sent, asked.queries) == (1, 0, [])
