"""Secrets are taken out of requests before anything is written."""

import base64
import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.redaction.requests import NO_BODY, PatternError, Redactor
from replay.trace.redaction.shapes import without_secret_shapes

BEARER = "Bearer abcdefghijklmnopqrstuvwxyz"


def redactor(*patterns, headers=()):
    return Redactor(patterns).of_request(headers)


def of_json(value, *patterns, headers=()):
    body = redactor(*patterns, headers=headers).body(json.dumps(value).encode(), "application/json")
    assert body.json is not None
    return json.loads(body.json)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Cookie",
        "X-Api-Key",
        "Proxy-Authorization",
        "X-Auth-Token",
        "X-CSRF",
        "Passphrase",
        "jwt",
    ],
)
def test_headers_with_a_secrets_name_are_left_out(name):
    assert redactor(headers=[(name, "value"), ("accept", "*/*")]).headers() == {"accept": "*/*"}


def test_header_values_with_the_shape_of_a_secret_are_replaced():
    headers = [("x-note", BEARER), ("referer", "https://a/b?token=abc&x=1")]

    assert redactor(headers=headers).headers() == {
        "x-note": "Bearer redacted",
        "referer": "https://a/b?token=redacted&x=1",
    }


@pytest.mark.parametrize(
    "shape",
    [
        "sk-" + "proj-abcdefghijklmnop",
        "sk_" + "live_abcdefghijklmnop",
        "gh" + "p_" + "a" * 36,
        "github" + "_pat_" + "a" * 40,
        "glpat" + "-abcdefghijklmnopqrst",
        "xox" + "b-1234567890-abcdef",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "AIza" + "a" * 35,
        "ya29." + "a" * 30,
        "eyJhbGciOiJI." + "eyJzdWIiOiIx.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncut off",
        "gsk" + "_" + "aB3" * 17,
        "xai" + "-" + "aB3" * 26,
        "pplx" + "-" + "aB3" * 16,
        "r8" + "_" + "aB3" * 13,
        "tvly" + "-dev-" + "aB3" * 10,
        "lsv2" + "_pt_" + "a1" * 16 + "_" + "b2" * 5,
        "nvapi" + "-" + "aB3_" * 16,
        "e2b" + "_" + "a1" * 20,
        "fc" + "-" + "a1" * 16,
        "dapi" + "a1" * 16,
        "ABSK" + "aB3/" * 30 + "==",
        "npm" + "_" + "aB3" * 12,
        "pypi" + "-AgEIcHlwaS5vcmc" + "aB3" * 20,
        "dckr" + "_pat_" + "aB3" * 9,
        "glrt" + "-" + "aB3" * 7,
        "shpat" + "_" + "a1" * 16,
        "whsec" + "_" + "aB3" * 10,
        "hvs" + ".CAESI" + "aB3" * 20,
        "ATATT3" + "aB3" * 60,
        "GOCSPX" + "-" + "aB3" * 9,
        "PMAK" + "-" + "a1" * 12 + "-" + "b2" * 17,
        "AGE-SECRET-KEY-1" + "QP" * 29,
        "LTAI" + "aB3" * 6,
        "1//0" + "aB3_" * 15,
        "ntn" + "_" + "1" * 11 + "aB3" * 11,
        "sntrys" + "_eyJ" + "aB3" * 30,
        "glsa" + "_" + "aB3" * 10 + "_abcdef01",
    ],
)
def test_well_known_keys_are_found_wherever_they_stand(shape):
    assert redactor().text(f"before {shape}") == "before redacted"
    assert of_json({"messages": [{"content": f"use {shape}"}]}) == {"messages": [{"content": "use redacted"}]}


@pytest.mark.parametrize(
    "text",
    [
        "sk-" + "proj-abcdefghijklmnop",
        "gh" + "p_" + "a" * 36,
        "gsk" + "_" + "aB3" * 17,
        "glpat" + "-abcdefghijklmnopqrst",
        "github" + "_pat_" + "aB3" * 14,
    ],
)
def test_a_key_behind_an_escaped_line_break_is_found(text):
    assert without_secret_shapes(f"a\\n{text}") == "a\\nredacted"


@pytest.mark.parametrize("key", ["glpat" + "-abcdefghijklmnopqrst", "github" + "_pat_" + "aB3" * 14])
def test_a_start_that_tells_by_itself_is_found_within_a_word(key):
    assert without_secret_shapes(f"x{key}") == "xredacted"


@pytest.mark.parametrize(
    "text",
    [
        "task-management-of-many-things",
        "a risk-free-investment-plan",
        "eyJ",
        "Basic needs",
        "disk-usage-is-high-today",
        "the max-age of 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "toolu_01A09q90qw90lq917835lq9",
        "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "a digest sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "gsk_is_short and xai-is-a-company-name",
        "pul-request-template-for-many-things-here",
        "https://example.com/fc-barcelona/2026",
    ],
)
def test_words_that_only_resemble_keys_are_kept(text):
    assert redactor().text(text) == text


def test_secrets_in_paths_are_replaced_also_when_they_are_encoded():
    clean = redactor(r"[\w.]+@[\w.]+")

    assert clean.path("/a?key=1&api_key=2&x=3#f") == "/a?key=redacted&api_key=redacted&x=3#f"
    assert clean.path("/mail/me%40home.org/x?to=you%40home.org&n=1") == "/mail/redacted/x?to=redacted&n=1"
    assert clean.path("/bot/sk-" + "abcdefghijklmnopqrst/send") == "/bot/redacted/send"
    assert clean.path("/services/T024BE7LD/B024BE7LD/" + "abcDEF0123456789abcdef12?x=1") == "/redacted?x=1"
    assert (
        clean.path("/services/Templates/Basic/anything-at-all") == "/services/Templates/Basic/anything-at-all"
    )


def test_a_path_is_visible_ascii_and_begins_with_a_slash_whatever_is_replaced():
    assert redactor("/secret").path("/secret/\u00e9") == "/redacted/%C3%A9"


def test_json_members_with_a_secrets_name_are_replaced_at_any_depth():
    value = {
        "user": {"password": "x", "pin": 1, "keys": [{"api_key": "y", "n": 2}]},
        "secret": {"a": "b", "c": [3, True]},
    }

    assert of_json(value) == {
        "user": {"password": "redacted", "pin": 1, "keys": [{"api_key": "redacted", "n": 2}]},
        "secret": {"a": "redacted", "c": [0, True]},
    }


def test_token_counts_and_descriptions_of_fields_are_no_secrets():
    value = {
        "max_tokens": 100,
        "max_completion_tokens": 5,
        "tokenizer": "cl100k",
        "tools": [{"parameters": {"properties": {"api_key": {"type": "string", "description": "the key"}}}}],
    }

    assert of_json(value) == value


def test_json_inside_of_json_is_looked_into():
    arguments = json.dumps({"password": "x", "q": "y"})

    found = of_json({"arguments": arguments})

    assert json.loads(found["arguments"]) == {"password": "redacted", "q": "y"}


def test_a_body_without_secrets_stays_as_it_was_byte_for_byte():
    data = b'{"a" : 1.50, "b":[ ],"c":"\\u00e9"}'

    assert redactor().body(data, "application/json").json == data


def test_json_is_found_under_any_content_type():
    data = b'{"password":"abc"}'

    assert redactor().body(data, "application/x-www-form-urlencoded").json == b'{"password":"redacted"}'


def test_json_lines_and_broken_json_lose_their_secrets_too():
    data = b'{"password":"abc","n":1}\n{"token": "d\\"ef"}\n{"cut'

    assert (
        redactor().body(data, "application/json").text
        == '{"password":"redacted","n":1}\n{"token": "redacted"}\n{"cut'
    )


def test_form_fields_with_a_secrets_name_are_replaced():
    found = redactor("me@home").body(b"user=a&password=b&to=me%40home", "application/x-www-form-urlencoded")

    assert found.text == "user=a&password=redacted&to=redacted"


def test_parts_of_a_form_with_a_secrets_name_are_replaced():
    data = (
        b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nhush\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: x/y\r\n\r\n\xff\xfe\r\n--b--\r\n'
    )

    found = base64.b64decode(redactor().body(data, "multipart/form-data; boundary=b").base64)

    assert found == data.replace(b"hush", b"redacted")


DISPOSITION = b"Content-Disposition: form-data; name="
FORM = "multipart/form-data; boundary=B"


@pytest.mark.parametrize(
    "data",
    [
        b'--B\r\n%b"password"\r\n\r\nhush\r\n--and hush\r\n--B--\r\n' % DISPOSITION,
        b'--B\n%b"password"\n\nhush\n--B--\n' % DISPOSITION,
        b'--B\r\nX: 1\r\n%b\r\n "password"\r\n\r\nhush\r\n\r\nhush\r\n--B--\r\n' % DISPOSITION,
        b"--B\r\n%bpassword; filename=x\r\n\r\n\xff hush" % DISPOSITION,
        b'--B\r\n%b"p\\assword"\r\n\r\nhush\r\n--B--' % DISPOSITION,
        b'--B\r\n%b"pass%%77ord"\r\n\r\nhush\r\n--B--' % DISPOSITION,
        b"--B\r\n%b\r\n\r\nhush\r\n--B--" % DISPOSITION.replace(b"=", b"*=utf-8''password"),
        b'--B\r\n%b"password"\r\n\r\nhush\r\n--Bee\r\nhush\r\n--B--' % DISPOSITION,
        b'--B \r\n%b"password"\r\n\r\nhush\r\n--B--\r\nhush' % DISPOSITION,
        b'--other\r\n%b"password"\r\n\r\nhush\r\n--other--' % DISPOSITION,
        b"hush\r\n--B\r\nhush\r\n--B--\r\nhush",
        b"password: hush",
        b"--B\r\nContent-Type: text/plain\r\n\r\nhush\r\n--B--",
        b'--B\r\n%b"a"\r\nContent-Transfer-Encoding: base64\r\n\r\nhush\r\n--B--' % DISPOSITION,
        b'--B\r\n%b"a"\r\nContent-Type: application/http\r\n\r\nCookie: hush\r\n--B--' % DISPOSITION,
        b'--B\r\n%b"a"\r\n\r\n{"password":"hush"}\r\n--B\r\n%b"f"\r\n\r\n\xff\r\n--B--'
        % (DISPOSITION, DISPOSITION),
        b'--B\r\n%b"a"\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nx=1&token=hush\r\n--B--'
        % DISPOSITION,
        b'--B\r\n%b"a"\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n'
        b'--C\r\n%b"token"\r\n\r\nhush\r\n--C--\r\n--B--' % (DISPOSITION, DISPOSITION),
    ],
)
def test_no_secret_of_a_form_survives_whatever_its_shape(data):
    found = redactor().body(data, FORM)

    assert b"hush" not in base64.b64decode(found.base64 or "") + (found.text or "").encode()


def test_parts_of_a_form_without_secrets_stay_as_they_are():
    data = (
        b'--B\r\n%b"a"\r\n\r\n\xc3\xa4\r\n--b\r\n\r\n\r\n--B\r\n%b"j"\r\nContent-Type: application/json\r\n\r\n'
        b'{ "n" : 1 }\r\n--B\r\n%b"e"; filename="x"\r\n\r\n\r\n--B--\r\n' % ((DISPOSITION,) * 3)
    )

    assert redactor().body(data, FORM).text == data.decode()


def test_parts_that_are_nested_too_deeply_to_be_looked_into_are_not_kept():
    data = b"hush"
    for n in range(2000):
        data = b"--B%d\r\nContent-Type: multipart/mixed; boundary=B%d\r\n\r\n%b\r\n--B%d--" % (
            n,
            n - 1,
            data,
            n,
        )

    found = redactor().body(data, "multipart/mixed; boundary=B1999")

    assert "hush" not in found.text
    assert found.text.count("Content-Type") == 5


def test_json_that_calls_itself_a_form_is_json():
    assert redactor().body(b'{"token":"hush"}', FORM).json == b'{"token":"redacted"}'


def test_a_pattern_may_take_in_more_than_a_part():
    data = b"--B\r\n%bssn\r\n\r\n123\r\n--B--" % DISPOSITION

    found = redactor(r"name=ssn\s+(?P<secret>\d+)").body(data, FORM).text

    assert found == data.decode().replace("123", "redacted")


def test_values_of_secret_headers_are_replaced_wherever_else_they_stand():
    headers = [("authorization", "Token 1234567890abcdef"), ("cookie", "session_identity=fedcba0987654321")]
    clean = redactor(headers=headers)

    assert clean.path("/u/1234567890abcdef") == "/u/redacted"
    assert clean.text("session_identity is fedcba0987654321") == "session_identity is redacted"


def test_patterns_of_the_user_apply_to_values_and_to_the_text_of_json():
    assert of_json({"note": "call 555-1234"}, r"\d{3}-\d{4}") == {"note": "call redacted"}
    assert redactor(r"\"ssn\":(?P<secret>\d+)").body(b'{"ssn":123456789}', "").text == '{"ssn":redacted}'


def test_what_is_nested_too_deeply_to_be_looked_into_is_not_kept():
    data = b"[" * 100_000 + b'"password"' + b"]" * 100_000

    found = redactor().body(data, "application/json")

    assert (found.text, found.json, found.base64) == (None, None, None)


def test_a_pattern_that_is_none_is_told_plainly():
    with pytest.raises(
        PatternError, match=r"^--redact '\(' has a regex that cannot be used: missing \): \(\.$"
    ):
        Redactor(["("])


names = st.sampled_from(["password", "api_key", "token", "client_secret", "authorization"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(names, values, st.integers(0, 4))
def test_no_text_under_a_secrets_name_survives_wherever_it_is_put(name, value, depth):
    for _ in range(depth):
        value = {"a": [value]}
    body = {"x": value, name: "hush-hush"}

    found = redactor().body(json.dumps({"outer": [body]}).encode(), "application/json")

    assert "hush-hush" not in (found.text or "") + (found.json or b"").decode()


@given(
    names,
    st.binary(max_size=20),
    st.lists(st.tuples(st.text("abc", min_size=1), st.binary(max_size=20)), max_size=3),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_no_part_under_a_secrets_name_survives_wherever_it_stands(name, noise, others, end):
    parts = [(name, noise + b"hush-hush" + noise), *others]
    data = b"".join(
        b"--B" + end + DISPOSITION + b'"%b"' % key.encode() + end + end + value + end for key, value in parts
    )

    found = redactor().body(data + b"--B--" + end, FORM)

    assert b"hush-hush" not in base64.b64decode(found.base64 or "") + (found.text or "").encode()


def test_what_cannot_be_unpacked_is_not_kept():
    """A document of an office program is an archive, too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as inside:
        inside.writestr("settings.env", "API_KEY=hush7canary")

    assert redactor().body(packed.getvalue(), "application/octet-stream") == NO_BODY
    part = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + packed.getvalue() + b"\r\n--b--\r\n"
    kept = redactor().body(part, "multipart/form-data; boundary=b")
    assert kept.text is not None
    assert "\r\n\r\nredacted\r\n--b--" in kept.text


def test_members_that_secrets_share_with_others_are_told_by_their_value():
    body = (
        b'{"pin": "4711", "spot": {"pin": [48.2, 16.3]}, "invite": "Zk3v9QxLr8Tn2WbYp7Hd4Mcf", "magic": true}'
    )
    kept = Redactor().of_request(()).body(body, "application/json")
    assert json.loads(kept.json) == {
        "pin": "redacted",
        "spot": {"pin": [48.2, 16.3]},
        "invite": "redacted",
        "magic": True,
    }


@pytest.mark.parametrize(
    "query",
    [
        "mutation L($e: String!, $p: String!) { login(email: $e, password: $p) { ok } }",
        "mutation L($e: String!, $p: String!) { login(input: {email: $e, secret : $p}) { ok } }",
    ],
)
def test_a_variable_of_graphql_that_is_passed_on_as_a_secret_is_one(query):
    body = json.dumps({"query": query, "variables": {"e": "hello", "p": "hunter2"}}).encode()
    kept = Redactor().of_request(()).body(body, "application/json")
    assert json.loads(kept.json)["variables"] == {"e": "hello", "p": "redacted"}


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ("query($n: Int) { llm(maxTokens: $n, tokens: $n) { id } }", {"n": 256}),
        ("query($n: Int) { f(tokenCount: $n, promptTokens: $n) { id } }", {"n": 256}),
        ("query($n: [Int]) { f(tokens: $n) { id } }", {"n": [9906, 1917]}),
    ],
)
def test_counts_that_are_passed_on_are_kept_as_they_are_elsewhere(query, counts):
    body = json.dumps({"query": query, "variables": counts, "tokens": counts["n"]}).encode()
    kept = json.loads(Redactor().of_request(()).body(body, "application/json").json)
    assert kept["variables"] == counts
    assert kept["tokens"] == counts["n"]


def test_a_variable_of_graphql_is_a_secret_by_any_of_its_names():
    query = (
        "mutation($a: String, $b: Int, $c: String) { f(label: $a, password: $a, tokens: $b, pin: $c) { ok } }"
    )
    body = json.dumps({"query": query, "variables": {"a": "hunter2", "b": 7, "c": "4711"}}).encode()
    kept = json.loads(Redactor().of_request(()).body(body, "application/json").json)
    assert kept["variables"] == {"a": "redacted", "b": 7, "c": "redacted"}


def test_a_list_of_texts_under_a_name_of_tokens_is_none_of_counts():
    body = b'{"tokens": ["a1", 7], "backup_tokens": [[1, 2], [3]]}'
    kept = Redactor().of_request(()).body(body, "application/json")
    assert json.loads(kept.json) == {"tokens": ["redacted", 0], "backup_tokens": [[1, 2], [3]]}


def test_words_that_open_a_wallet_go_and_instructions_stay():
    words = "abandon ability able about above absent absorb abstract absurd abuse access accident"
    body = {
        "wallet": {"mnemonic": words.split()},
        "env": [{"name": "MNEMONIC", "value": words}, {"name": "DSN", "value": "Warehouse"}],
        "command": f"cast wallet import --mnemonic '{words}'",
        "settings": f'MNEMONIC="{words}"',
        "opcode": {"mnemonic": "MOV"},
        "mnemonics": ["MOV", "ADD", "SUB", "MUL", "DIV", "AND", "OR", "XOR", "NOT", "SHL", "SHR", "JMP"],
        "source": "the mnemonic: MOV",
    }
    kept = json.loads(Redactor().of_request(()).body(json.dumps(body).encode(), "application/json").json)
    assert kept == body | {
        "wallet": {"mnemonic": ["redacted"] * 12},
        "env": [{"name": "MNEMONIC", "value": "redacted"}, {"name": "DSN", "value": "Warehouse"}],
        "command": "cast wallet import --mnemonic redacted",
        "settings": 'MNEMONIC="redacted"',
    }


def test_a_session_that_logs_in_is_left_out_and_an_agents_is_kept():
    headers = [("X-Airtable-Session", "abc"), ("X-Opencode-Session", "run-7"), ("X-Session", "s")]
    assert Redactor().of_request(headers).headers() == {"X-Opencode-Session": "run-7", "X-Session": "s"}
