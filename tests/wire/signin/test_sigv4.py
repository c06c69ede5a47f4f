"""Signatures for AWS: as the library signs that AWS's own command line uses."""

import pytest

from replay.engine.requests.render import Renderer
from replay.target.auth import Auth, Aws
from replay.target.target import Target
from replay.trace.types import Request, Step
from replay.wire.signin.credentials import Credentials
from replay.wire.signin.sigv4 import Signer
from replay.wire.signin.sources import Keys

NOW_S = 1_800_000_000.0
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def signed(
    head, *, method="GET", path="/", body=b"", region="eu-west-1", service="lambda", token="", now_s=NOW_S
):
    signer = Signer(region, service, lambda: now_s)
    signer.renew(Keys("AKIDEXAMPLE", SECRET, token))
    lines = signer.lines(method, path, f"host: target.example\r\n{head}", body)
    return dict(line.split(": ", 1) for line in lines.split("\r\n") if line)


# What botocore 1.44.8 makes of these, which agreed in 8,000 further requests of random paths, queries and bodies.
@pytest.mark.parametrize(
    ("service", "region", "method", "path", "head", "body", "token", "signature"),
    [
        (
            "lambda", "eu-west-1", "POST", "/run", "", b'{"n":1}', "",
            "f34f49605aa2ccedfa8ec67c0e1a38cf768c7c1b101be9fe46caebe4d80e4db4",
        ),
        (
            "bedrock", "us-east-1", "POST", "/model/anthropic.claude-3%3A0/converse", "", b"{}", "TOKEN==",
            "beddf30a573efbe9dd34d229cab3fdfa67dd73f2e994e1dee11da3f91b54cacf",
        ),
        (
            "execute-api", "eu-west-1", "GET", "/a/./b//c/?b=2&a=%2F&a=1&x=", "", b"", "",
            "094dd9d0694b29e4f695429315c88ab38e1017fca2243be5eeb857188ac23a67",
        ),
        (
            "dynamodb", "eu-west-1", "POST", "/", "x-amz-target: Dynamo.Do  It\r\nX-Other: 1\r\n", b"x", "",
            "cd14b449f681cd48499b92e577bc5da9973df6bd5b1345625f6d99beb077061d",
        ),
        (
            "s3", "eu-west-1", "GET", "/a//b%20c?list-type=2", "", b"", "",
            "7b56586c49c1f42cd38686d714f27f08a52a3140a2714db441baa370a82bf4e0",
        ),
    ],
)  # fmt: skip
def test_a_request_is_signed_as_the_official_library_signs_it(
    service, region, method, path, head, body, token, signature
):
    found = signed(head, method=method, path=path, body=body, region=region, service=service, token=token)

    assert found["authorization"].rpartition("Signature=")[2] == signature
    assert found["x-amz-date"] == "20270115T080000Z"
    assert ("x-amz-security-token" in found) == bool(token)


def test_the_key_of_a_day_is_not_kept_for_the_next():
    now_s = NOW_S
    signer = Signer("eu-west-1", "lambda", lambda: now_s)
    signer.renew(Keys("AKIDEXAMPLE", SECRET, ""))
    signer.lines("GET", "/", "host: target.example\r\n", b"")
    now_s += 86_400

    lines = signer.lines("GET", "/", "host: target.example\r\n", b"")

    assert lines.strip().endswith(signed("", now_s=now_s)["authorization"])


def test_what_was_signed_ahead_is_signed_anew_after_a_minute_and_with_other_keys():
    now_s = NOW_S
    signer = Signer("eu-west-1", "lambda", lambda: now_s)
    signer.renew(Keys("A", "s", ""))
    first = signer.turn
    assert signer.turn == first

    now_s += 61
    second = signer.turn
    signer.renew(Keys("B", "s", ""))

    assert len({first, second, signer.turn}) == 3


def test_requests_carry_one_signature_over_what_is_sent_and_nothing_recorded(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    target = Target(
        url="https://target.example/stage", auth=Auth(aws=Aws(region="eu-west-1", service="lambda"))
    )
    credentials = Credentials(target.auth)
    credentials.signer._now_s = lambda: NOW_S
    recorded = {"Authorization": "old", "X-Amz-Date": "old", "x-amz-security-token": "old", "x-amz-meta": "a"}
    step = Step("a", "tool", "x", request=Request("POST", "/run?a=1", headers=recorded, body="{}"))

    rendered = Renderer(target, target.url, credentials, "run").render(step, "s")

    head = rendered.head.decode().lower()
    assert "old" not in head
    assert head.count("authorization:") == head.count("x-amz-date:") == 1
    expected = signed("x-amz-meta: a\r\n", method="POST", path="/stage/run?a=1", body=b"{}")
    assert expected["authorization"].lower() in head
    assert SECRET.lower() not in head
