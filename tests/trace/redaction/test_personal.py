"""Personal data, told by their form and their check digits, and taken out wherever a step holds any."""

import json
import time

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from replay.cli.main import cli
from replay.recording.capture import step_of
from replay.trace.redaction.personal import personal_taken_out, without_personal
from replay.trace.redaction.requests import Redactor
from replay.trace.types import Recorded, Request, Step
from tests.support.exchanges import exchange

PERSONAL = {
    "mail": "a.b+c@ex-ample.co.uk",
    "mail of an international domain": "jürgen@bücher.de",
    "card": "4111111111111111",
    "card in groups": "5500-0000-0000-0004",
    "american express": "3782 822463 10005",
    "iban": "DE89370400440532013000",
    "iban in groups": "GB82 WEST 1234 5698 7654 32",
    "phone": "+14155552671",
    "phone in groups": "+49 (0)30 123456-78",
    "phone with 00": "0049 30 1234567",
    "phone of north america": "(415) 555-2671",
}
HARMLESS = [
    "4111111111111112",  # no check digit
    "1700000000000000000",  # nanoseconds
    "9876543210987654",  # no issuer
    "DE89370400440532013001",
    "XX89370400440532013000",
    "2026-11-28T10:00:00.000+01:00",
    "+01:00",
    "1e+10",
    "123-45-6789",
    "10.0.0.1:8080",
    "v1.22.333",
    "a@b",
    "@decorator",
    "x@y.",
    "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "12345678901234567890123456789",
]


@pytest.mark.parametrize("text", PERSONAL.values(), ids=PERSONAL)
@pytest.mark.parametrize("around", ["{}", "to {}, and", "({})", "<{}>", '"{}"', "a: {}\n", "mailto:{}"])
def test_it_is_found_in_whatever_stands_around_it(text, around):
    assert without_personal(around.format(text)) == around.format("redacted")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_stays(text):
    assert without_personal(f"a {text} b") == f"a {text} b"


@given(st.text(alphabet="ab1 4@.+-DE8(){}", max_size=300))
def test_what_is_left_holds_none(text):
    once = without_personal(text)
    assert without_personal(once) == once


@pytest.mark.parametrize(
    "unit", ["@", "a@", "a@b.", "a.a@a.a.", "+", "+1 ", "1", "1-", "DE89 ", "A", "00 4", "(415) ", "4111 "]
)
def test_a_search_takes_time_with_the_length_of_the_text(unit):
    def cpu_s(length):
        text = unit * (length // len(unit))
        begun = time.process_time()
        without_personal(text)
        return time.process_time() - begun

    cpu_s(1000)
    # Of a quadratic search the ratio would be 256, whatever the machine.
    assert cpu_s(160_000) < 100 * max(cpu_s(10_000), 0.002)


def full_step(text):
    quoted = json.dumps({"to": text, "count": 3, "inner": json.dumps({"also": text})})
    return Step(
        "a",
        "tool",
        f"send {text}",
        attributes={"user": text, "model": "m"},
        request=Request(
            "POST", f"/u/{text.replace(' ', '%20')}?q={text.replace('+', '%2B').replace(' ', '+').replace('@', '%40')}",
            {"x-user": text}, json=msgspec.Raw(quoted.encode()),
        ),
        recorded=Recorded(status=200, response_json={"items": [{text: text}]}, response_headers={"location": f"/u?m={text}"}),
        extra={"note": [text]},
    )  # fmt: skip


@pytest.mark.parametrize("text", PERSONAL.values(), ids=PERSONAL)
def test_nothing_of_a_step_holds_it_any_more(text):
    step = full_step(text)

    assert personal_taken_out(step)

    written = msgspec.json.encode(step).decode()
    assert text not in written
    assert text.replace("@", "%40") not in written
    assert json.loads(bytes(step.request.json))["count"] == 3
    assert step.attributes["model"] == "m"
    assert not personal_taken_out(step)


def test_a_step_without_any_is_as_it_was():
    step = full_step("nobody")
    before = msgspec.json.encode(step)

    assert not personal_taken_out(step)
    assert msgspec.json.encode(step) == before


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"body": "mail=a%40b.de&x=1"}, {"body": "mail=redacted&x=1"}),
        ({"body": "to a@b.de"}, {"body": "to redacted"}),
        ({"body_base64": "dG8gYUBiLmRl"}, {"body_base64": "dG8gcmVkYWN0ZWQ="}),
        ({"json": msgspec.Raw(b'{"card":4111111111111111,"n":5}')}, {"json": {"card": 0, "n": 5}}),
        ({"json": msgspec.Raw(b'["\\ud800","a@b.de"]')}, {"body": '["\\ud800","redacted"]'}),
    ],
    ids=["form", "text", "base64", "number", "half a character"],
)
def test_every_kind_of_body_is_looked_through(fields, kept):
    headers = {"content-type": "application/x-www-form-urlencoded"} if "%40" in str(fields) else {}
    step = Step("a", "http", "x", request=Request("POST", "/", headers, **fields))

    personal_taken_out(step)

    written = json.loads(msgspec.json.encode(step.request))
    assert {name: written[name] for name in kept} == kept


def test_a_recording_writes_none_of_it():
    fields = {
        "path": "/u/a@b.de",
        "body": b'{"to":"a@b.de"}',
        "headers": [("content-type", "application/json")],
    }
    redactor = Redactor(takes_personal=True)

    step = step_of(exchange(**fields), 0, redactor, "keep")

    assert "a@b.de" not in msgspec.json.encode(step).decode()
    assert not redactor.is_harmless("a@b.de")
    assert Redactor().is_harmless("a@b.de")


def test_the_commands_take_it_out_of_steps_attributes_and_ids(write_trace, tmp_path):
    trace = write_trace((0, [write_trace.get("a", "/u/a@b.de")]), (5, [write_trace.get("a", "/x")]))
    trace.write_text(
        trace.read_text().replace(
            '"id": "s-0"', '"id": "a@b.de", "attributes": {"user": "a@b.de"}, "x-owner": "a@b.de"'
        )
    )
    log = tmp_path / "access.log"
    log.write_text('127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /u/a@b.de HTTP/1.1" 200 5\n')
    outs = [tmp_path / "t.jsonl", tmp_path / "i.jsonl"]

    done = [
        CliRunner().invoke(cli, ["trace", *map(str, words), "--redact-personal"])
        for words in (("transform", trace, "-o", outs[0]), ("import", "access-log", log, "-o", outs[1]))
    ]

    assert [one.exit_code for one in done] == [0, 0], done
    assert "--redact-personal: 1 session ids replaced, 1 steps with personal data taken out." in done[0].output
    for out in outs:
        assert "a@b.de" not in out.read_text()
        assert "redacted" in out.read_text()


def nested(depth, inside):
    return "[" * depth + inside + "]" * depth


@pytest.mark.parametrize("depth", [199, 200, 201, 300, 1_000, 100_000])
@pytest.mark.parametrize("inside", ['"a@b.example"', r'"a\u0040b.example"', ""])
@pytest.mark.parametrize(
    "request_of",
    [
        lambda text: Request("POST", "/", body=text),
        lambda text: Request("POST", "/", body=json.dumps({"arguments": text})),
        lambda text: Request("POST", "/", json=msgspec.Raw(text.encode())),
        lambda text: Request("POST", "/", json=msgspec.Raw(json.dumps({"arguments": text}).encode())),
    ],
    ids=["text", "text in text", "JSON", "text in JSON"],
)
def test_what_is_nested_too_deeply_to_be_looked_into_goes(depth, inside, request_of):
    request = request_of(nested(depth, inside))
    step = Step("a", "http", "a", request=request)

    personal_taken_out(step)

    left = f"{request.body} {bytes(request.json).decode()}"
    assert "b.example" not in left
    assert "[[" not in left or depth < 202
