"""Requests that somebody wrote down, for curl, Postman or an editor's REST client, become sessions of one request."""

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.importers import IMPORTERS
from replay.importers.captures.curl import _words
from replay.importers.types import ImportOptions
from replay.trace.errors import TraceError


@pytest.fixture
def imported(tmp_path):
    """Imports this text, which must be told to be of this format alone: the requests, and the import itself."""

    def run(name, text, **options):
        assert [each for each, importer in IMPORTERS.items() if importer.sniff(text.encode())] == [name]
        path = tmp_path / "requests.txt"
        path.write_text(text)
        result = IMPORTERS[name].read([path], ImportOptions(**options))
        return [session.steps[0].request for session in result.sessions()], result

    return run


def content_of(request):
    return json.loads(bytes(request.json)) if request.json is not None else request.body


CURL = r"""#!/bin/sh
# What the page asks for.
curl 'https://api.test/a?token=hunter2&q=1' -H 'Accept: text/plain' --compressed -sS -o /dev/null
curl -XPOST https://api.test/b \
  -H "Content-Type: application/json" \
  --data-raw $'{"q":"it\'s","password":"hunter2"}' | jq .
echo done
curl api.test/c -d a=1 -d 'b=two words' -u ada:hunter2 -b sid=hunter2
curl -G https://api.test/d --data-urlencode 'q=two words' --max-time 5
curl --json '{"a":1}' https://api.test/e --next -I https://api.test/f
curl -d @secret.json https://api.test/g
curl -d '{
  "lines": 2
}' -H 'content-type: application/json' https://api.test/h
"""


def test_commands_of_curl_are_read_as_curl_would_send_them(imported):
    requests, result = imported("curl", CURL, arrivals="every:2s")

    assert [(request.method, request.path) for request in requests] == [
        ("GET", "/a?token=redacted&q=1"),
        ("POST", "/b"),
        ("POST", "/c"),
        ("GET", "/d?q=two%20words"),
        ("POST", "/e"),
        ("HEAD", "/f"),
        ("POST", "/g"),
        ("POST", "/h"),
    ]
    assert requests[0].headers == {"Accept": "text/plain"}
    assert content_of(requests[1]) == {"q": "it's", "password": "redacted"}
    assert requests[2].body == "a=1&b=two words"
    assert content_of(requests[4]) == {"a": 1}
    assert json.loads(requests[7].body) == {"lines": 2}
    told = result.header.attributes["import"]
    assert (told["dropped_file_bodies"], told["dropped_secret_headers"]) == (1, 2)
    assert "hunter2" not in repr((requests, result))
    assert [session.start_ms for session in result.sessions()][:2] == [0.0, 2_000.0]


HTTP_FILE = """@host = https://api.test
@token = hunter2

### Plan
# @name plan
POST {{host}}/plan?q={{$guid}}&token={{token}} HTTP/1.1
Content-Type: application/json
Authorization: Bearer {{token}}

{"run": "{{run}}", "password": "{{token}}"}

> {% client.test("ok", function() {}); %}

### Upload
PUT {{host}}/files
  ?part=1
  &of=2

< ./big.bin

###
GET {{host}}/health
"""


def test_an_http_file_has_its_values_filled_in(imported):
    requests, result = imported("http-file", HTTP_FILE)

    assert [(request.method, request.path) for request in requests] == [
        ("POST", "/plan?q=guid&token=redacted"),
        ("PUT", "/files?part=1&of=2"),
        ("GET", "/health"),
    ]
    assert content_of(requests[0]) == {"run": "run", "password": "redacted"}
    assert result.header.origins == ("https://api.test",)
    assert result.header.attributes["import"]["dropped_file_bodies"] == 1
    assert "hunter2" not in repr((requests, result))


def postman(*items, variables=()):
    info = {"name": "x", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"}
    return json.dumps({"info": info, "item": list(items), "variable": list(variables)})


def test_a_collection_of_postman_is_read_through_its_folders_with_its_variables(imported):
    url = {
        "raw": "{{baseUrl}}/runs/{{id}}?token={{token}}",
        "host": ["{{baseUrl}}"],
        "path": ["runs", "{{id}}"],
    }
    raw = {"mode": "raw", "raw": '{"password":"{{token}}"}', "options": {"raw": {"language": "json"}}}
    headers = [{"key": "X-A", "value": "1"}, {"key": "X-B", "value": "2", "disabled": True}]
    form = {
        "mode": "urlencoded",
        "urlencoded": [{"key": "q", "value": "1"}, {"key": "z", "value": "2", "disabled": True}],
    }
    text = postman(
        {
            "name": "runs",
            "item": [
                {"name": "make", "request": {"method": "POST", "header": headers, "url": url, "body": raw}}
            ],
        },
        {"name": "form", "request": {"method": "POST", "url": "api.test/f", "body": form}},
        {"name": "files", "request": {"method": "POST", "url": "api.test/g", "body": {"mode": "formdata"}}},
        {"name": "short", "request": "https://api.test/s"},
        variables=[{"key": "baseUrl", "value": "https://api.test/v1"}, {"key": "token", "value": "hunter2"}],
    )
    requests, result = imported("postman", text)

    assert [(request.method, request.path) for request in requests] == [
        ("POST", "/v1/runs/id?token=redacted"),
        ("POST", "/f"),
        ("POST", "/g"),
        ("GET", "/s"),
    ]
    assert requests[0].headers == {"X-A": "1", "Content-Type": "application/json"}
    assert content_of(requests[0]) == {"password": "redacted"}
    assert requests[1].body == "q=1"
    assert result.header.attributes["import"]["dropped_file_bodies"] == 1
    assert "hunter2" not in repr((requests, result))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("curl", "curl -d 'a\n", "line 1: not a command that a shell could read: a quote is not closed."),
        ("curl", "curl -s -X GET\n", "line 1: a curl command without a URL."),
        (
            "curl",
            "curl " + "http://h/a -H 'X: 1' " * 101 + "\n",
            "line 1: more than 100 URLs or headers in a command. Write it as several.",
        ),
        (
            "http-file",
            "GET http://h/a HTTP/1.1\nGET http://h/b HTTP/1.1\n",
            "line 1: another request stands in its headers. Separate them with a line ###.",
        ),
        ("postman", postman({"name": "x", "request": {"method": "GET"}}), ', "x": a request without a URL.'),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(imported, name, text, said):
    with pytest.raises(TraceError) as caught:
        imported(name, text)

    assert str(caught.value).endswith(said)


def test_a_quote_that_is_not_closed_takes_no_longer_than_the_file_is_long(imported):
    """It was looked for anew from the beginning with every line."""
    with pytest.raises(TraceError, match="a quote is not closed"):
        imported("curl", "curl http://h/a -H 'X\n" + 'curl http://h/b -d "x"\n' * 5_000)


@given(
    words=st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20), max_size=6)
)
def test_words_are_those_that_a_shell_would_divide(words):
    assert _words(shlex.join(["curl", *words])) == ["curl", *words]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (r"""a 'b c''d' "e\"f" g\ h #i""", ["a", "b cd", 'e"f', "g h"]),
        ("a#b '' x # '", ["a#b", "", "x"]),
        (r"""a "b\\c $d" $e""", ["a", r"b\c $d", "$e"]),
        (r"""'a'"b"c$'d\'\n'""", ["abcd'\n"]),
        ("a 'b", None),
    ],
)
def test_quotes_escapes_and_comments_are_read_as_a_shell_reads_them(command, words):
    assert _words(command) == words


@given(text=st.text(max_size=80))
@pytest.mark.parametrize(
    ("name", "begin"), [("curl", "curl http://h/a "), ("http-file", "###\nGET http://h/a HTTP/1.1\n")]
)
def test_whatever_follows_there_is_a_request_or_a_plain_error(name, begin, text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.http"
    path.write_bytes((begin + text).encode("utf-8", "replace"))
    try:
        result = IMPORTERS[name].read([path], ImportOptions())
        assert all(session.steps[0].request.path.startswith("/") for session in result.sessions())
    except TraceError as error:
        assert str(error).endswith(".")  # noqa: PT017
