"""Requests that somebody wrote down, for curl, Postman or an editor's REST client, become sessions of one request."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.reading.unread import unread
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
        ("GET", "/d?q=two+words"),
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


@pytest.mark.parametrize(
    "command",
    [
        "curl -s http://a/x >/dev/null",
        "curl -s http://a/x>/dev/null 2>&1",
        "curl -s http://a/x 2>/dev/null",
        "curl -s http://a/x &> log",
        "curl -s >/dev/null http://a/x",
        "curl -s < in http://a/x >> out",
        "curl http://a/x; echo done",
        "curl http://a/x;",
        "curl http://a/x &",
        "curl http://a/x&",
        "curl http://a/x|jq .",
        "curl http://a/x&&echo http://b/y",
        "curl http://a/x <<<text",
        "curl http://a/x > >(tee log)",
        "curl --retry-max-time 40 --proto '=https' --speed-limit 1000 http://a/x",
        "curl --preproxy p:1 --tls-max 1.2 --unix-socket /run/s --pinnedpubkey k http://a/x",
        "curl -o out -w '%{http_code}' -z now http://a/x",
        "  $ curl http://a/x",
        "time curl http://a/x",
        "sudo -u root curl http://a/x",
        "watch -n 5 curl -s http://a/x",
        "timeout 5 /usr/bin/curl http://a/x",
        "/usr/bin/curl http://a/x",
        "TOKEN=abc curl http://a/x",
        "env A=1 curl http://a/x",
        "cd there && curl http://a/x",
        "RESULT=$(curl -s http://a/x)",
        "RESULT=`curl -s http://a/x`",
        'echo "got $(curl -s http://a/x)"',
        "if ! curl -sf http://a/x; then echo none; fi",
        "for n in 1; do curl http://a/x; done",
        "while true; do curl http://a/x; done",
        "kubectl exec pod -- curl -s http://a/x",
        "curl http://a/x | jq .y",
        "echo http://b/y | xargs curl -s; curl http://a/x",
        "sudo apt install curl http://b/y; curl http://a/x",
        "if command -v curl >/dev/null; then curl http://a/x; fi",
        "echo curl http://b/y; curl http://a/x",
    ],
)
def test_what_a_shell_takes_for_itself_and_values_of_options_are_no_requests(imported, command):
    requests, result = imported("curl", f"{command}\n")

    assert [(request.method, request.path) for request in requests] == [("GET", "/x")]
    assert [session.steps[0].attributes["host"] for session in result.sessions()] == ["a"]


SHORT_WITH_VALUES = "EKCbcdDFPHhmoxUQreXYytzTuAw"
OPTIONS_WITH_VALUES = """
abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers config connect-timeout connect-to
continue-at cookie cookie-jar create-file-mode crlfile curves data data-ascii data-binary data-raw data-urlencode
delegation dns-interface dns-ipv4-addr dns-ipv6-addr dns-servers doh-url dump-header egd-file engine etag-compare
etag-save expect100-timeout form form-string ftp-account ftp-alternative-to-user ftp-method ftp-port
ftp-ssl-ccc-mode happy-eyeballs-timeout-ms header help hostpubmd5 hostpubsha256 hsts interface json keepalive-time
key key-type krb libcurl limit-rate local-port login-options mail-auth mail-from mail-rcpt max-filesize max-redirs
max-time netrc-file noproxy oauth2-bearer output output-dir parallel-max pass pinnedpubkey preproxy proto
proto-default proto-redir proxy proxy-cacert proxy-capath proxy-cert proxy-cert-type proxy-ciphers proxy-crlfile
proxy-header proxy-key proxy-key-type proxy-pass proxy-pinnedpubkey proxy-service-name proxy-tls13-ciphers
proxy-tlsauthtype proxy-tlspassword proxy-tlsuser proxy-user proxy1.0 pubkey quote random-file range rate referer
request request-target resolve retry retry-delay retry-max-time sasl-authzid service-name socks4 socks4a socks5
socks5-gssapi-service socks5-hostname speed-limit speed-time stderr telnet-option tftp-blksize time-cond tls-max
tls13-ciphers tlsauthtype tlspassword tlsuser trace trace-ascii unix-socket upload-file url-query user
user-agent write-out
"""


def test_no_value_of_an_option_is_taken_for_a_url(imported):
    """The options are those of `curl --help all`, 7.88, but --url."""
    options = [f"--{each}" for each in OPTIONS_WITH_VALUES.split()] + [f"-{each}" for each in SHORT_WITH_VALUES]
    requests, result = imported("curl", "".join(f"curl {each} v http://a/x\n" for each in options))

    assert len(requests) == len(options) - 2
    text = "command(s) whose options are in a file (-K), which is not read, as in "
    assert any(note.startswith(f"Dropped: 2 {text}") for note in result.notes)
    assert {session.steps[0].attributes["host"] for session in result.sessions()} == {"a"}


def test_each_command_of_curl_on_a_line_is_read(imported):
    requests, _ = imported(
        "curl", "curl -d a=1 http://a/x >/dev/null; curl 'http://a/y;z?q=>' && echo curl http://b/\n"
    )

    assert [(request.method, request.path) for request in requests] == [("POST", "/x"), ("GET", "/y;z?q=>")]


@pytest.mark.parametrize(
    ("data", "body", "files"),
    [
        ("--data-urlencode '=a b'", "a+b", 0),
        ("--data-urlencode 'c d'", "c+d", 0),
        ("--data-urlencode 'n=é=@'", "n=%C3%A9%3D%40", 0),
        ("--data-urlencode 'n@m=1'", "n@m=1", 0),
        ("--data-urlencode '@x=1'", "@x=1", 0),
        ("--data-urlencode =@f", "%40f", 0),
        ("--data-urlencode 'n@f.txt'", None, 1),
        ("--data-urlencode @f.txt", None, 1),
        ("--data-urlencode n@f.txt -d a=1", "a=1", 1),
    ],
)
def test_data_are_encoded_as_curl_encodes_them_or_counted_as_a_file(imported, data, body, files):
    (request,), result = imported("curl", f"curl http://a/x {data}\n")

    assert (request.method, request.body) == ("POST", body)
    assert result.header.attributes["import"]["dropped_file_bodies"] == files


def test_letters_in_quotes_with_escapes_are_those_that_were_written(imported):
    (request,), _ = imported("curl", """curl http://a/x --json $'{"a":"café\\u00e9\\xc3\\xa9"}'\n""")

    assert content_of(request) == {"a": "cafééé"}


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ("--url-query 'q=a b' --url-query '+r=%20' --url-query '=c d'", "/x?q=a+b&r=%20&c+d"),
        ("-G -d q=1", "/x?q=1"),
        ("-G -d @f", "/x"),
        ("-G --url-query @f", "/x"),
    ],
)
def test_what_goes_into_the_query_stands_there_before_the_fragment(imported, options, path):
    (request,), _ = imported("curl", f"curl http://a/x#there {options}\n")

    assert (request.method, request.path, request.body) == ("GET", path, None)


@pytest.mark.parametrize(
    ("url", "paths"),
    [
        (r"http://h/a\[0\]\{b\}", ["/a[0]{b}"]),
        ("http://h/[1-3]", ["/1", "/2", "/3"]),
        ("http://h/{one,two}/[a-c:2]", ["/one/a", "/one/c", "/two/a", "/two/c"]),
        ("http://h/[01-09:4]", ["/01", "/05", "/09"]),
        ("http://h/[]/{{id}}/[3-1]", ["/[]/{{id}}/[3-1]"]),
        ("-g http://h/[1-3]/{a}", ["/[1-3]/{a}"]),
        ("http://h/q/../r/./s/..?x=../y", ["/r/?x=../y"]),
        ("--path-as-is http://h/q/../r", ["/q/../r"]),
        ("http://h/../../z", ["/z"]),
        ("--request-target '/abs?q=1' http://h/a", ["/abs?q=1"]),
    ],
)
def test_urls_are_those_that_curl_asks_for(imported, url, paths):
    """As curl 7.88 asked a server for them."""
    requests, _ = imported(
        "curl", f"curl {url if url.startswith('-') else repr(url).replace(2 * chr(92), chr(92))}\n"
    )

    assert [request.path for request in requests] == paths


def test_headers_are_those_that_curl_sends(imported):
    """As curl 7.88 sent them to a server."""
    requests, _ = imported(
        "curl",
        "curl http://h/a -H 'X-Empty;' -H 'Accept:' -H 'X-A: 1' -r 0-99\n"
        "curl http://h/b --json '{}'\ncurl http://h/c --json '{}' -H 'Accept: text/plain'\n",
    )

    assert [request.headers for request in requests] == [
        {"X-Empty": "", "X-A": "1", "Range": "bytes=0-99"},
        {"Content-Type": "application/json", "Accept": "application/json"},
        {"Accept": "text/plain", "Content-Type": "application/json"},
    ]


def test_a_form_of_texts_is_laid_out_as_its_parts_and_one_with_a_file_is_counted(imported):
    """The parts are those that curl 7.88 sent for these options."""
    (request, other), result = imported(
        "curl",
        "curl -F 'a=x;type=text/plain;filename=q.txt' -F 'd=\"a;b\\\"c\";type=x/y' --form-string 'e=@f' http://h/a\n"
        "curl -F a=1 -F b=@f http://h/b\n",
    )

    kind, _, boundary = request.headers["Content-Type"].partition("; boundary=")
    parts = request.body.split(f"--{boundary}")
    assert (request.method, kind) == ("POST", "multipart/form-data")
    assert parts == [
        "",
        '\r\nContent-Disposition: form-data; name="a"; filename="q.txt"\r\nContent-Type: text/plain\r\n\r\nx\r\n',
        '\r\nContent-Disposition: form-data; name="d"\r\nContent-Type: x/y\r\n\r\na;b"c\r\n',
        '\r\nContent-Disposition: form-data; name="e"\r\n\r\n@f\r\n',
        "--\r\n",
    ]
    assert (other.method, other.body) == ("POST", None)
    assert result.header.attributes["import"]["dropped_file_bodies"] == 1


def test_what_stands_below_a_command_is_what_it_is_given(imported):
    requests, _ = imported(
        "curl",
        'curl -d @- http://h/a <<\'EOF\'\n{"a":\n 1, "curl ": 2}\nEOF\n'
        "curl --data-binary @- http://h/b <<-END | cat\na\nb\nEND\ncurl http://h/c -d '<<X'\n",
    )

    assert [request.path for request in requests] == ["/a", "/b", "/c"]
    assert content_of(requests[0]) == {"a": 1, "curl ": 2}
    assert [request.body for request in requests[1:]] == ["a\nb\n", "<<X"]


CMD = r"""curl --request POST ^"https://api.test/v1?x=1^&token=hunter2^" ^
  -H ^"content-type: application/json^" ^
  -H ^"x-brand: ^\^"A^\^", 100^%^x^" ^
  -b ^"sid=hunter2^" ^
  --data-raw ^"^{^\^"q^\^":^\^"it's^ ^^ a^&b \\^\^" c^\^",^

^\^"password^\^":^\^"hunter2^\^"^}^"
curl "https://api.test/old?x=1&y=2" ^
  -H "x-brand: \"A\"" ^
  --data-raw "{\"q\":1,\"r\":""2""}" --compressed & echo done
"""
POWERSHELL = r"""curl.exe "https://api.test/p?x=$y" `
  -H 'x-a: it''s' `
  -H "x-b: `"b`"" `
  --json '{\"q\":1}' | Out-File out
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_commands_for_windows_are_read_as_its_shells_divide_them(imported, end):
    """Laid out as browsers copy them there, which until 2024 left quotes to cmd. Each line was taken for a request."""
    requests, result = imported("curl", (CMD + POWERSHELL).replace("\n", end))

    assert [(request.method, request.path) for request in requests] == [
        ("POST", "/v1?x=1&token=redacted"),
        ("POST", "/old?x=1&y=2"),
        ("POST", "/p?x=$y"),
    ]
    assert requests[0].headers == {"content-type": "application/json", "x-brand": '"A", 100%x'}
    assert content_of(requests[0]) == {"q": "it's ^ a&b \\\" c".replace("\\", ""), "password": "redacted"}
    assert requests[1].headers["x-brand"] == '"A"'
    assert content_of(requests[1]) == {"q": 1, "r": "2"}
    assert (requests[2].headers["x-a"], requests[2].headers["x-b"]) == ("it's", '"b"')
    assert content_of(requests[2]) == {"q": 1}
    assert "hunter2" not in repr((requests, result))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '$session = New-Object X\nInvoke-WebRequest -UseBasicParsing -Uri "https://h/a" `\n-Method "POST"\n',
            "looks like what a browser copies for PowerShell; copied as cURL, it is read.",
        ),
        (
            "meta {\n  name: a\n  type: http\n}\n\nget {\n  url: {{host}}/a\n}\n",
            "looks like a request of Bruno's; a collection that it exports for Postman is read.",
        ),
        (
            'fetch("https://h/a", {\n  "method": "GET"\n});\n',
            "browser copies as fetch; copied as cURL, it is read.",
        ),
        (
            "10:57:02.5 *   Trying\n10:57:02.590090 > POST /j HTTP/1.1\n> Host: h\n10:57:02.590538 < HTTP/1.1 200 OK\n",
            "looks like what `curl -v` prints, whose times have no day; the commands themselves are read.",
        ),
        (
            '{"http_code":200,"num_connects":1,"time_starttransfer":0.1,"time_total":0.2,"url":"http://h/"}\n',
            "prints, which does not say when a request began; the commands themselves are read.",
        ),
    ],
)
def test_what_curl_and_browsers_write_beside_commands_is_told(text, said):
    assert said in unread(text.encode())


def test_bodies_that_are_left_out_are_told_of_without_advice_for_another_tool(imported):
    _, result = imported("curl", "curl -F a=@f http://a/x\n")

    assert "Dropped: 1 body(ies) out of files or forms. A trace takes no path from its input." in result.notes


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


@pytest.mark.parametrize(
    "script",
    [
        '< {% request.variables.set("a", 1); %}',
        "< {%\n  const at = new Date();\n  @a = 1\n  client.log(at);\n%}",
        "@a = 1\n# first\n< ./before.js",
    ],
)
def test_a_script_above_a_request_is_dropped(imported, script):
    requests, result = imported(
        "http-file", f"{script}\nGET http://a/x HTTP/1.1\n\n###\n{script}\nPOST http://a/y\n\nb\n"
    )

    assert [(request.method, request.path, request.body) for request in requests] == [
        ("GET", "/x", None),
        ("POST", "/y", "b"),
    ]
    assert result.header.attributes["import"]["dropped_file_bodies"] == 0


def test_an_http_file_is_sent_as_httpyac_sends_it(imported):
    """As httpYac 6 sent it to a server."""
    requests, _ = imported(
        "http-file",
        "@host = http://h\n@url = {{host}}/v1\n\n### get\n# @name first\nGET {{url}}/a?q=a b&x=1\n\n###\n// comment\n{{host}}/plain\n\n"
        "###\nPOST {{host}}/form\nContent-Type: application/x-www-form-urlencoded\n\na=1\n&b=two words\n\n"
        '###\nPOST {{host}}/multi HTTP/1.1\nContent-Type: multipart/form-data; boundary=B\n\n--B\nContent-Disposition: form-data; name="a"\n\n1\n--B--\n',
    )

    assert [(each.method, each.path, each.body) for each in requests] == [
        ("GET", "/v1/a?q=a%20b&x=1", None),
        ("GET", "/plain", None),
        ("POST", "/form", "a=1&b=two%20words"),
        ("POST", "/multi", '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n'),
    ]


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


SENT = "http://127.0.0.1/"


def item(name, **request):
    return {"name": name, "request": {"method": "POST", "header": [], "url": SENT + name, **request}}


def test_collections_are_sent_as_newman_sends_them(imported):
    """As newman 6 sent them to a server."""
    parts = {
        "protocol": "http", "host": ["127", "0", "0", "1"], "port": "80", "path": ["runs", ":run", "x"],
        "query": [{"key": "q", "value": "a b"}, {"key": "off", "value": "1", "disabled": True}],
        "variable": [{"key": "run", "value": "r{{id}}"}],
    }  # fmt: skip
    fields = [{"key": "a", "value": "x", "type": "text"}, {"key": "b", "value": "{{id}}", "type": "text"}]
    form = [{"key": "a b", "value": "x&y é"}, {"key": "c", "value": 0}]
    requests, result = imported(
        "postman",
        postman(
            item("parts", method="GET", url=parts),
            item("kept", url={"raw": SENT + "a/:b/c#there", "variable": [{"key": "b", "value": "7"}]}),
            item("text", body={"mode": "raw", "raw": "plain"}),
            item("form", body={"mode": "urlencoded", "urlencoded": form}),
            item("multi", body={"mode": "formdata", "formdata": fields}),
            item("file", body={"mode": "formdata", "formdata": [*fields, {"key": "f", "type": "file", "src": "/x"}]}),
            item("pruned", method="GET", body={"mode": "raw", "raw": "{}"}),
            {**item("whole", method="GET", body={"mode": "raw", "raw": "a"}), "protocolProfileBehavior": {"disableBodyPruning": True}},
            variables=[{"key": "id", "value": "7"}],
        ),
    )  # fmt: skip

    assert [(request.method, request.path) for request in requests] == [
        ("GET", "/runs/r7/x?q=a%20b"),
        ("POST", "/a/7/c"),
        ("POST", "/text"),
        ("POST", "/form"),
        ("POST", "/multi"),
        ("POST", "/file"),
        ("GET", "/pruned"),
        ("GET", "/whole"),
    ]
    assert (requests[2].body, requests[2].headers) == ("plain", {"Content-Type": "text/plain"})
    assert requests[3].body == "a%20b=x%26y%20%C3%A9&c=0"
    assert requests[4].headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert 'name="b"\r\n\r\n7\r\n' in requests[4].body
    assert [request.body for request in requests[5:]] == [None, None, "a"]
    assert result.header.attributes["import"]["dropped_file_bodies"] == 1


def test_a_report_of_newmans_is_what_it_sent(imported):
    url = {
        "protocol": "http",
        "port": "8080",
        "path": ["a", "7"],
        "host": ["api", "test"],
        "query": [{"key": "token", "value": "hunter2"}],
    }
    headers = [
        {"key": "Authorization", "value": "Bearer hunter2", "system": True},
        {"key": "Accept", "value": "*/*", "system": True},
        {"key": "Postman-Token", "value": "25a1bc15", "system": True},
        {"key": "Host", "value": "api.test:8080", "system": True},
        {"key": "Content-Length", "value": "8", "system": True},
    ]  # fmt: skip
    auth = {
        "type": "apikey",
        "apikey": [{"key": "key", "value": "q_name"}, {"key": "value", "value": "hunter2"}],
    }
    request = {
        "url": url,
        "auth": auth,
        "header": headers,
        "method": "POST",
        "body": {"mode": "raw", "raw": '{"a": 7}'},
    }
    sent = {
        "cursor": {"position": 0},
        "item": {"name": "x"},
        "request": request,
        "response": {"responseTime": 310},
    }
    collection = {"item": [{"name": "x", "request": {"method": "POST", "url": "{{base}}/a/{{id}}"}}]}
    run = {"stats": {}, "timings": {"started": 1}, "executions": [sent, sent, {"item": {"name": "never sent"}}]}
    requests, result = imported(
        "postman", json.dumps({"collection": collection, "environment": {}, "run": run})
    )

    assert [(each.method, each.path) for each in requests] == [("POST", "/a/7?token=redacted")] * 2
    assert requests[0].headers == {"Accept": "*/*"} or set(requests[0].headers) == {"Accept", "Content-Type"}
    assert content_of(requests[0]) == {"a": 7}
    assert result.header.origins == ("http://api.test:8080",)
    assert "hunter2" not in repr((requests, result))


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ('{"n": 1, "id": {{id}}}', {"variables": {"n": 1, "id": 7}}),
        ("[]", {"variables": []}),
        ({"n": "{{id}}"}, {"variables": {"n": "7"}}),
        ("", {}),
        (" \n", {}),
    ],
)
def test_graphql_variables_go_out_as_json_whether_they_were_written_as_such_or_as_its_text(
    imported, variables, sent
):
    body = {"mode": "graphql", "graphql": {"query": "{ a }", "variables": variables}}
    item = {"name": "q", "request": {"method": "POST", "url": "http://a/g", "body": body}}
    (request,), _ = imported("postman", postman(item, variables=[{"key": "id", "value": "7"}]))

    assert content_of(request) == {"query": "{ a }", **sent}


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
        ("http-file", "###\n< {%\nGET http://h/a HTTP/1.1\n", "line 2: a script that no %} closes."),
        (
            "http-file",
            "POST http://h/a HTTP/1.1\nX-REQUEST-TYPE: GraphQL\n\nquery { a }\n\n{1: 2}\n",
            "line 1: the variables below a query of GraphQL are not an object.",
        ),
        ("http-file", "GET http://h/a HTTP/1.1\n\n> {%\n", "line 3: a script that no %} closes."),
        ("postman", postman({"name": "x", "request": {"method": "GET"}}), ', "x": a request without a URL.'),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(imported, name, text, said):
    with pytest.raises(TraceError) as caught:
        imported(name, text)

    assert str(caught.value).endswith(said)


@pytest.mark.parametrize("url", ["h.test/a", "localhost:80/a", "h:8080/a", "192.0.2.1:80/a?x=1"])
def test_a_url_of_an_http_file_may_lack_its_scheme_behind_a_method(imported, url):
    (request,), result = imported("http-file", f"###\nGET {url} HTTP/1.1\n")

    assert (request.method, f"{result.header.origins[0]}{request.path}") == (
        "GET",
        f"http://{url}".replace(":80/", "/"),
    )


def test_a_quote_that_is_not_closed_takes_no_longer_than_the_file_is_long(imported):
    """It was looked for anew from the beginning with every line."""
    with pytest.raises(TraceError, match="a quote is not closed"):
        imported("curl", "curl http://h/a -H 'X\n" + 'curl http://h/b -d "x"\n' * 5_000)


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


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ('<<-EOF\n\t{"a":1}\n\tEOF\n', '{"a":1}\n'),
        ("<<-'EOF'\n\t\ttwo\n  blanks\n\tEOF\n", "two\n  blanks\n"),
        ("<<EOF\n\tkept\nEOF\n", "\tkept\n"),
        ("<<< '{\"a\":1}'\n", '{"a":1}\n'),
        ('<<<"{\\"a\\":1}"\n', '{"a":1}\n'),
        ("<<<text >log\n", "text\n"),
    ],
)
def test_what_a_shell_gives_a_command_is_what_it_sends(imported, given, body):
    requests, _ = imported(
        "curl", f"curl -H 'Content-Type: text/plain' --data-binary @- http://a/x {given}curl http://a/y\n"
    )

    assert [(request.path, request.body) for request in requests] == [("/x", body), ("/y", None)]


def test_what_is_called_a_secret_is_one_wherever_it_is_filled_in(imported):
    item = {"name": "a", "request": {"method": "GET", "url": "https://h/x?k={{secretVar}}&p={{pass}}&n={{n}}"}}
    variables = [
        {"key": "secretVar", "value": "hunter2", "type": "secret"},
        {"key": "pass", "value": "{{password}}"},
        {"key": "password", "value": "hunter3"},
        {"key": "n", "value": "7"},
    ]
    [of_postman], _ = imported("postman", postman(item, variables=variables))
    [of_file], _ = imported(
        "http-file", "@password = hunter3\n@n=7\n\nGET https://h/x?k={{password}}&n={{n}}\n"
    )

    assert of_postman.path == "/x?k=redacted&p=redacted&n=7"
    assert of_file.path == "/x?k=redacted&n=7"


@pytest.mark.parametrize("begin", ["GRAPHQL https://h/q", "POST https://h/q\nX-Request-Type: GraphQL"])
@pytest.mark.parametrize(
    ("written", "variables"), [("", {}), ('\n\n{"id": {{id}}, "s": "}"}', {"variables": {"id": 7, "s": "}"}})]
)
def test_a_query_of_graphql_in_an_http_file_goes_out_as_json(imported, begin, written, variables):
    query = "query A($id: Int) {\n  a(id: $id) {\n\n    b\n  }\n}"
    [request], _ = imported(
        "http-file", f"@id = 7\n###\n{begin}\nAccept: application/json\n\n{query}{written}\n"
    )

    assert (request.method, request.path) == ("POST", "/q")
    assert request.headers == {"Accept": "application/json", "Content-Type": "application/json"}
    assert content_of(request) == {"query": query, **variables}


@pytest.mark.parametrize(
    ("text", "query", "variables"),
    [
        ("fragment F on U { id }\n\n{ me { ...F } }", "fragment F on U { id }\n\n{ me { ...F } }", None),
        ("{ a }\n\n{ b }\n\n\n{}", "{ a }\n\n{ b }", {}),
        ('{ a }\n \n\n{\n  "n": 1,\n\n  "o": {"p": 2}\n}\n\n', "{ a }", {"n": 1, "o": {"p": 2}}),
    ],
)
def test_what_stands_below_a_query_of_graphql_is_its_variables_or_more_of_it(imported, text, query, variables):
    [request], _ = imported("http-file", f"###\nGRAPHQL https://h/q\n\n{text}\n")

    asked = {"query": query} if variables is None else {"query": query, "variables": variables}
    assert content_of(request) == asked


@pytest.mark.parametrize("between", ["\n" * 40_000, " \n" * 20_000, "}\n\n" * 10_000])
def test_a_query_of_graphql_is_read_in_time_that_grows_with_its_length(imported, between):
    """What tells variables was cubic: 2,500 empty lines took minutes."""
    [request], _ = imported("http-file", f"###\nGRAPHQL https://h/q\n\n{{ a }}{between}x\n")

    assert content_of(request)["query"].startswith("{ a }")


@pytest.mark.parametrize(
    ("host", "origin"),
    [("api.test", "http://api.test"), ("api.test:8443", "https://api.test:8443"), (None, "http://localhost")],
)
def test_a_path_alone_is_asked_of_the_host_among_its_headers(imported, host, origin):
    header = f"Host: {host}\n" if host else ""
    [request], result = imported("http-file", f"###\nGET /a?b=1 HTTP/1.1\n{header}Accept: */*\n")

    assert (request.path, result.header.origins) == ("/a?b=1", (origin,))
