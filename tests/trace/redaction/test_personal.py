"""Personal data, told by their form and their check digits, and taken out wherever a step holds any."""

import base64
import gc
import json
import re
import time

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from replay.cli.main import cli
from replay.recording.capture import step_of
from replay.trace.errors import TraceError
from replay.trace.redaction.addresses import with_addresses
from replay.trace.redaction.people import People, read_people
from replay.trace.redaction.personal import PersonalData, is_card
from replay.trace.redaction.personal_steps import personal_taken_out
from replay.trace.redaction.requests import Redactor
from replay.trace.types import Recorded, Request, Step
from tests.support.exchanges import exchange

FOUND = PersonalData(b"key", People(["Ada Lovelace", "Zuse", "Ødegård"]))
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
    "address": "203.0.113.7",
    "address of a network": "10.0.0.1",
    "address of version 6": "2001:db8::7",
    "address of version 6, in full": "2001:0db8:0000:0000:0000:0000:0000:0007",
    "address of version 4 in one of 6": "::ffff:203.0.113.7",
    "name": "Ada Lovelace",
    "name in other letters": "ADA-lovelace",
    "name of one word": "zuse",
    "name of other alphabets": "ødegÅrd",
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
    "v1.22.333",
    "a@b",
    "@decorator",
    "x@y.",
    "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "12345678901234567890123456789",
    # Order numbers, times, ids, versions, masks and words that look alike.
    "2700000000002",  # 13 digits with a check digit, of no issuer that gives so many
    "6500000000000001",
    "ORD-2024-000123456",
    "12345678-1234-1234-1234-123456789012",
    "20261128100000123",
    "1764324000000",
    "10:00:00.000",
    "00:1A:2B:3C:4D:5E",
    "[28/Nov/2026:10:00:00 +0100] 200 61234567",
    "127.0.0.1:8080",
    "::1",
    "0.0.0.0",
    "255.255.255.0",
    "Chrome/120.0.0.0 Safari/537.36",
    "okhttp/4.9.1.2",
    'Chromium";v="120.0.0.1"',
    "version 1.2.3.4",
    "Version: 1.2.3.4",
    "v1.2.3.4",
    "foo-1.2.3.4.tar.gz",
    "1.2.3.4.5",
    "1.3.6.1.4.1.311",
    "256.1.2.3",
    "std::vector a::b",
    "Lovelace Ada",
    "Zuses",
    "Ada, then another, Lovelace",
]


@pytest.mark.parametrize("text", PERSONAL.values(), ids=PERSONAL)
@pytest.mark.parametrize(
    "around", ["{}", "to {}, and", "({})", "<{}>", '"{}"', "a: {}\n", "mailto:{}", "node:{}", "{}."]
)
def test_it_is_found_in_whatever_stands_around_it(text, around):
    told = FOUND.without(text)
    assert re.fullmatch("(email|card|iban|phone|ip|name)-[a-z]{12}", told)
    assert FOUND.without(around.format(text)) == around.format(told)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_stays(text):
    assert FOUND.without(f"a {text} b") == f"a {text} b"


@given(st.text(alphabet="ab1 4@.+-DE8(){}", max_size=300))
def test_what_is_left_holds_none(text):
    once = FOUND.without(text)
    assert FOUND.without(once) == once


@pytest.mark.parametrize(
    "unit",
    [
        "@", "a@", "a@b.", "a.a@a.a.", "+", "+1 ", "1", "1-", "DE89 ", "A", "00 4", "(415) ", "4111 ", "1.", "1.1.1.1 ",
        "1.1.1.1-", ":", "a:", "1::", "x:", "a/1.1.1.1", "v 1.1.1.1", "Ada ", "Ada-",
    ],
)  # fmt: skip
def test_a_search_takes_time_with_the_length_of_the_text(unit):
    def cpu_s(length):
        text = unit * (length // len(unit))
        gc.collect()
        gc.disable()  # which looks through all that other tests have left
        try:
            begun = time.process_time()
            FOUND.without(text)
            return time.process_time() - begun
        finally:
            gc.enable()

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

    assert personal_taken_out(step, FOUND)

    written = msgspec.json.encode(step).decode()
    assert text not in written
    assert text.replace("@", "%40") not in written
    assert json.loads(bytes(step.request.json))["count"] == 3
    assert step.attributes["model"] == "m"
    assert not personal_taken_out(step, FOUND)


def test_a_step_without_any_is_as_it_was():
    step = full_step("nobody")
    before = msgspec.json.encode(step)

    assert not personal_taken_out(step, FOUND)
    assert msgspec.json.encode(step) == before


MAIL = FOUND.without("a@b.de")


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"body": "mail=a%40b.de&x=1"}, {"body": f"mail={MAIL}&x=1"}),
        ({"body": "to a@b.de"}, {"body": f"to {MAIL}"}),
        ({"body_base64": "dG8gYUBiLmRl"}, {"body_base64": base64.b64encode(f"to {MAIL}".encode()).decode()}),
        ({"json": msgspec.Raw(b'{"card":4111111111111111,"n":5}')}, {"json": {"card": FOUND.number_without(4111111111111111), "n": 5}}),
        ({"json": msgspec.Raw(b'{"version":"1.2.3.4","at":"1.2.3.4"}')},
         {"json": {"version": "1.2.3.4", "at": FOUND.without("1.2.3.4")}}),
        ({"json": msgspec.Raw(b'["aGVyZSBpcyBhQGIuZGUgZm9yIHlvdQ=="]')}, {"json": ["redacted"]}),
        ({"json": msgspec.Raw(b'["\\ud800","a@b.de"]')}, {"body": f'["\\ud800","{MAIL}"]'}),
    ],
    ids=["form", "text", "base64", "number", "version", "base64 in a text", "half a character"],
)  # fmt: skip
def test_every_kind_of_body_is_looked_through(fields, kept):
    headers = {"content-type": "application/x-www-form-urlencoded"} if "%40" in str(fields) else {}
    step = Step("a", "http", "x", request=Request("POST", "/", headers, **fields))

    personal_taken_out(step, FOUND)

    written = json.loads(msgspec.json.encode(step.request))
    assert {name: written[name] for name in kept} == kept


def test_a_recording_writes_none_of_it():
    fields = {
        "path": "/u/a@b.de",
        "body": b'{"to":"a@b.de"}',
        "headers": [("content-type", "application/json")],
    }
    redactor = Redactor(personal=FOUND)

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
    assert "--redact-personal: 1 session id replaced, 1 step with personal data taken out." in done[0].output
    for out in outs:
        assert "a@b.de" not in out.read_text()
        assert re.search("email-[a-z]{12}", out.read_text())


@pytest.mark.parametrize(
    "alike",
    [
        ["a@b.example", "A@B.example"],
        ["4111111111111111", "4111 1111 1111 1111"],
        ["+49 (0)30 123456-78", "0049 030 12345678"],
        ["(415) 555-2671", "+14155552671", "1-415-555-2671"],
        ["2001:db8::7", "2001:0DB8:0::0007"],
        ["203.0.113.7", "::ffff:203.0.113.7"],
        ["Ada Lovelace", "ada lovelace", "Ada-Lovelace", "ada_LOVELACE"],
    ],
)
def test_the_same_is_the_same_however_it_is_written(alike):
    assert len({FOUND.without(text) for text in alike}) == 1


def test_pseudonyms_are_others_with_another_key_and_of_others():
    other = PersonalData(b"other", People(["Ada Lovelace", "Zuse", "Ødegård"]))
    for text in PERSONAL.values():
        assert other.without(text) != FOUND.without(text)
    assert FOUND.without("a@b.de") != FOUND.without("b@b.de")
    assert FOUND.number_without(4111111111111111) not in (
        4111111111111111,
        other.number_without(4111111111111111),
    )
    assert not is_card(str(FOUND.number_without(4111111111111111)))


def test_pseudonyms_of_two_files_agree_only_by_a_key_of_the_environment(tmp_path, monkeypatch):
    log = tmp_path / "access.log"
    log.write_text('127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /u/a@b.de HTTP/1.1" 200 5\n')

    def imported(name, *words):
        out = tmp_path / name
        done = CliRunner().invoke(cli, ["trace", "import", "access-log", str(log), *words, "-o", str(out)])
        return done, re.findall("(?:email|name)-[a-z]{12}", out.read_text() if out.exists() else "")

    first, second = imported("1", "--redact-personal"), imported("2", "--redact", "personal")
    assert first[1] != second[1]
    monkeypatch.setenv("REPLAY_REDACT_KEY", "0123456789abcdef")
    assert imported("3", "--redact-personal")[1] == imported("4", "--redact-personal")[1]
    names = tmp_path / "names"
    names.write_text("# people\nu\nUu\n")
    assert "line 2" in str(imported("5", "--redact-names", str(names))[0].exception)
    log.write_text(log.read_text().replace("/u/", "/UU/"))
    names.write_text("# people\n\nuu\n")
    assert {found[:4] for found in imported("6", "--redact-names", str(names))[1]} == {"name", "emai"}
    monkeypatch.setenv("REPLAY_REDACT_KEY", "guess")
    assert "REPLAY_REDACT_KEY has 5 bytes, and could be guessed" in imported("7", "--redact-personal")[0].output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "names.txt: no names. Write one a line."),
        (b"# only\n\n", "names.txt: no names. Write one a line."),
        (b"Ada\n-\n", 'names.txt, line 2: "-" is not a name that can be searched for'),
        (b"\xff\n", "names.txt: not valid UTF-8."),
    ],
)
def test_a_list_that_holds_no_names_is_refused(tmp_path, text, said):
    (tmp_path / "names.txt").write_bytes(text)
    with pytest.raises(TraceError) as refused:
        read_people(tmp_path / "names.txt")
    assert said in str(refused.value)


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

    personal_taken_out(step, FOUND)

    left = f"{request.body} {bytes(request.json).decode()}"
    assert "b.example" not in left
    assert "[[" not in left or depth < 202


@pytest.mark.parametrize("segment", ["abc", "a" * 52, "Z" * 39, "9" * 20 + "f" * 44])
def test_an_address_behind_a_long_word_is_no_version(segment):
    found = with_addresses(f"see https://host/{segment}/10.1.2.3 there", lambda _: "ADDRESS")

    assert found == f"see https://host/{segment}/ADDRESS there"


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        ("\u0130pek Y\u0131lmaz", "\u0130pek Y\u0131lmaz"),
        ("Jos\u00e9 Ruiz", "Jose\u0301 Ruiz"),
        ("Jose\u0301 Ruiz", "JOS\u00c9 RUIZ"),
        ("Stra\u00dfer", "STRASSER"),
    ],
)
def test_a_name_is_found_however_its_letters_are_written(listed, written):
    assert People([listed]).replaced(f"by {written}.", lambda _: "NAME") == "by NAME."
