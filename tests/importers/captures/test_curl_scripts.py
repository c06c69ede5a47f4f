"""Commands of curl are found in scripts as a shell runs them; what a shell alone could tell is said, and never made up.

What is sent is what curl 7.88 sent of these scripts to a server, but where a comment says that it is not.
"""

import json

import msgspec
import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.errors import TraceError


@pytest.fixture
def imported(tmp_path):
    """Imports this script: method, path and body of each request, and what is said of them."""

    def run(text):
        path = tmp_path / "requests.sh"
        path.write_text(text)
        result = IMPORTERS["curl"].read([path], ImportOptions(arrivals="at-once"))
        requests = [session.steps[0].request for session in result.sessions()]
        sent = []
        for request in requests:
            body = bytes(request.json).decode() if isinstance(request.json, msgspec.Raw) else request.body
            body = body or request.body
            sent.append(
                (request.method, request.path, json.loads(body) if (body or "").startswith("{") else body)
            )
        return sent, [note for note in result.notes if note.startswith(("Dropped", "Inferred"))]

    return run


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        ("echo x | curl -d @- http://h/a", [("POST", "/a", "x")]),
        ("echo -n 'a b' | curl --data-binary @- http://h/a", [("POST", "/a", "a b")]),
        ("""echo '{"a":1}' | curl --json @- http://h/a""", [("POST", "/a", {"a": 1})]),
        ("printf 'a=1&b=2' | curl -s -d @- http://h/a", [("POST", "/a", "a=1&b=2")]),
        ("printf '%s' 50%25 | curl -s -d @- http://h/a", [("POST", "/a", "50%25")]),
        ("docker run --rm curlimages/curl:8.1.0 -d x=1 http://h/a", [("POST", "/a", "x=1")]),
        ("docker run --name curl --rm alpine curl http://h/a", [("GET", "/a", None)]),
        ("docker run --rm --network host x.io/alpine/curl@sha256:ab -s http://h/a", [("GET", "/a", None)]),
        ("docker exec app curl -s http://h/a", [("GET", "/a", None)]),
        ("docker run alpine sh -c 'curl http://h/a; curl http://h/b'", [("GET", "/a", None), ("GET", "/b", None)]),
        ("kubectl exec pod -c curl -- curl http://h/a", [("GET", "/a", None)]),
        ("kubectl run t --rm -it --image=curlimages/curl -- curl -s http://h/a", [("GET", "/a", None)]),
        ("kubectl run t --image=curlimages/curl -i -- -s http://h/a", [("GET", "/a", None)]),
        ("bash -c 'curl http://h/a'", [("GET", "/a", None)]),
        ("(curl http://h/a)", [("GET", "/a", None)]),
        ("{ curl http://h/a; }", [("GET", "/a", None)]),
        ("eval curl http://h/a", [("GET", "/a", None)]),
        ("true && curl http://h/a", [("GET", "/a", None)]),
        ("f() {\n  curl http://h/a\n}\nf", [("GET", "/a", None)]),
        ("curl -: http://h/a", [("GET", "/a", None)]),
        ("cat <<E\ncurl http://h/no\nE\ncurl http://h/a", [("GET", "/a", None)]),
        ("#!/bin/bash\nset -e\nBASE=http://h/v1\ncurl -s \"$BASE/items\"", [("GET", "/v1/items", None)]),
        ("export H=h:1/; curl http://${H}a", [("GET", "/a", None)]),
        ("ID=7\ncurl \"http://h/u/$ID\" -d \"{\\\"id\\\":$ID}\"", [("POST", "/u/7", {"id": 7})]),
        ("ID=7\ncurl 'http://h/u/$ID'", [("GET", "/u/$ID", None)]),
        ("curl -s http://h/${X:-def}", [("GET", "/def", None)]),
        ("P='{\n\"a\": 1}'\ncurl -d \"$P\" http://h/p", [("POST", "/p", {"a": 1})]),
        ('curl http://h/a -d "$(cat <<EOF\n{"id": 1}\nEOF\n)"', [("POST", "/a", {"id": 1})]),
        ("X=5\ncurl http://h/a --json @- <<EOF\n{\"x\": $X}\nEOF", [("POST", "/a", {"x": 5})]),
        ("X=5\ncurl http://h/a --json @- <<'EOF'\n{\"x\": \"$X\"}\nEOF", [("POST", "/a", {"x": "$X"})]),
        ("X=$(date)\ncurl http://h/a", [("GET", "/a", None)]),
        ("for i in 1 2; do curl http://h/$i; done", [("GET", "/1", None), ("GET", "/2", None)]),
        ("N=2\nfor i in $(seq $N)\ndo\n curl h/a -d n=$i\ndone", [("POST", "/a", "n=1"), ("POST", "/a", "n=2")]),
    ],
)  # fmt: skip
def test_a_script_sends_what_its_commands_send(imported, script, sent):
    assert imported(f"{script}\n") == (sent, [])


UNSET = "request(s) with variables that nothing in the file sets, which stand as they are written."
LOOPS = "request(s) of commands in loops or behind conditions, each sent once."


@pytest.mark.parametrize(
    ("script", "paths", "said"),
    [
        ('curl "$BASE/x"', ["/x"], [f"Inferred: 1 {UNSET}"]),
        ("A=1\nread A\ncurl http://h/$A", ["/$A"], [f"Inferred: 1 {UNSET}"]),
        ("A=1\nA=$(next)\ncurl http://h/$A", ["/$A"], [f"Inferred: 1 {UNSET}"]),
        ("for i in $A; do curl http://h/$i; done", ["/$i"], [f"Inferred: 1 {UNSET}", f"Inferred: 1 {LOOPS}"]),
        ("while true; do\n  curl http://h/a\ndone\ncurl http://h/b", ["/a", "/b"], [f"Inferred: 1 {LOOPS}"]),
        ("if x; then\n curl http://h/a\nfi\ncurl http://h/b", ["/a", "/b"], [f"Inferred: 1 {LOOPS}"]),
        ("curl http://h/a || curl http://h/b", ["/a", "/b"], [f"Inferred: 1 {LOOPS}"]),
        ("watch -n 1 curl http://h/a", ["/a"], [f"Inferred: 1 {LOOPS}"]),
        ('curl http://h/a -d "now=$(date)"', ["/a"], [f"Inferred: 1 {UNSET}"]),
        # What stands for a credential is left out, and says nothing of what is asked for.
        (
            'curl http://h/a -H "Authorization: Bearer $TOKEN"',
            ["/a"],
            ["Dropped: 1 header(s) that hold secrets."],
        ),
    ],
)
def test_what_a_shell_alone_could_tell_is_said(imported, script, paths, said):
    requests, notes = imported(f"{script}\n")

    assert [path for _, path, _ in requests] == paths
    assert notes == said


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("curl -K options\n", "command(s) whose options are in a file (-K), which is not read"),
        (
            "curl --config=options http://h/b\n",
            "command(s) whose options are in a file (-K), which is not read",
        ),
        (
            "while read u; do curl -s $u; done\n",
            "command(s) whose URL is a variable that nothing in the file sets",
        ),
        (
            'A=(http://h/x)\ncurl "${A[0]}"\n',
            "command(s) whose URL is a variable that nothing in the file sets",
        ),
        ("cat urls | xargs curl -s\n", "line(s) about curl, of which no command could be read"),
        (
            "echo http://h/b | xargs -n1 curl -s\n",
            "line(s) about curl, of which no command could be read",
        ),
        ("wget -q http://h/b\n", "command(s) of wget, HTTPie or xh: written for curl they are read"),
        ("http POST :8080/b a=1\n", "command(s) of wget, HTTPie or xh: written for curl they are read"),
        ("xh h.test/b\n", "command(s) of wget, HTTPie or xh: written for curl they are read"),
    ],
)
def test_what_is_left_out_is_said_with_its_place(imported, script, what, tmp_path):
    requests, notes = imported(f"curl http://h/a\n{script}")

    assert [path for _, path, _ in requests] == ["/a"]
    line = 1 + script.count("\n")
    assert notes == [f"Dropped: 1 {what}, as in {tmp_path / 'requests.sh'}, line {line}."]


def test_where_nothing_is_read_it_is_said_what_was_left_out(imported, tmp_path):
    what = "1 command(s) whose options are in a file (-K), which is not read"
    with pytest.raises(TraceError) as refused:
        imported("curl -K options\n")
    path = tmp_path / "requests.sh"
    assert str(refused.value) == f"{path}: no commands of curl. Left out: {what}, as in {path}, line 1."


def test_a_variable_that_is_named_like_a_secret_brings_none_along(imported):
    requests, notes = imported(
        'API_TOKEN=canary0123456789; curl "http://h/a?k=$API_TOKEN" -d "{\\"x\\":\\"$API_TOKEN\\"}"\n'
    )

    assert requests == [("POST", "/a?k=redacted", {"x": "redacted"})]
    assert "canary" not in repr((requests, notes))


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/env bash\n# fetch all\nset -euo pipefail\n\nBASE=http://h\ncurl $BASE/a\n",
        "export BASE=http://h\ncurl $BASE/a\n",
        "for i in 1 2; do\n  curl http://h/$i\ndone\n",
    ],
)
def test_a_script_whose_first_line_is_no_command_of_curl_is_known(text):
    assert [name for name, importer in IMPORTERS.items() if importer.sniff(text.encode())] == ["curl"]


@pytest.mark.parametrize(
    "prose",
    [
        "for what it's worth:",
        "if you don't know,",
        "use a << b",
        "then read what's below",
        "X='never closed",
        "std::cout << 'a' << end",
    ],
)
def test_prose_takes_no_command_along(imported, prose):
    requests, _ = imported(f"{prose}\n\ncurl http://h/a\n{prose}\ncurl http://h/b\n")

    assert [path for _, path, _ in requests] == ["/a", "/b"]


@pytest.mark.parametrize(
    "line",
    [
        "if ! curl --version >/dev/null; then exit 1; fi",
        "V=$(curl --version | head -n 1)",
        "docker pull curlimages/curl",
        "docker pull curlimages/curl:8.1.0",
        "docker build -t curl .",
        "time curl --help",
    ],
)
def test_what_asks_for_nothing_is_no_request(imported, line):
    requests, _ = imported(f"{line}\ncurl http://h/a\n")

    assert requests == [("GET", "/a", None)]


def test_variables_that_stand_for_far_more_than_was_written_are_refused(imported, tmp_path):
    text = f'A={"x" * 9_999}\ncurl http://h/a -d "{"$A" * 10_000}"\n'

    with pytest.raises(TraceError) as refused:
        imported(text)
    path = tmp_path / "requests.sh"
    assert str(refused.value) == f"{path}: its variables stand for more than 64 MiB of text."


NEVER = "command(s) that the script never runs (behind `exit`, `false &&`, or `true ||`), as in "
REPEATED = "request(s) with --retry, sent once: [retry] in a target file sends again what fails."


@pytest.mark.parametrize(
    ("script", "paths", "said"),
    [
        ("false && curl http://h/a\ncurl http://h/b", ["/b"], [NEVER]),
        ("true || curl http://h/a; curl http://h/b", ["/b"], [NEVER]),
        ("false && cd x && curl http://h/a\ncurl http://h/b", ["/b"], [NEVER]),
        ("curl http://h/a\nexit 0\ncurl http://h/b", ["/a"], [NEVER]),
        ("if [ -z $X ]; then\nexit 1\nfi\ncurl http://h/a", ["/a"], []),
        ("curl http://h/a || exit 1\ncurl http://h/b", ["/a", "/b"], []),
        ("die() {\n  echo no\n  exit 1\n}\ncurl http://h/a", ["/a"], []),
        ("false || curl http://h/a", ["/a"], []),
        ("cd /tmp && curl http://h/a && curl http://h/b", ["/a", "/b"], []),
        ('[ -n "$X" ] && curl http://h/a', ["/a"], [LOOPS]),
        ("command -v jq && curl http://h/a || curl http://h/b", ["/a", "/b"], [LOOPS]),
        ("curl --retry 3 http://h/a\ncurl --retry 0 http://h/b", ["/a", "/b"], [REPEATED]),
    ],
)
def test_what_a_script_may_not_run_or_may_repeat_is_told(imported, script, paths, said):
    requests, notes = imported(f"#!/bin/sh\n{script}\n")

    assert [path for _, path, _ in requests] == paths
    assert [each in note for each, note in zip(said, notes, strict=True)] == [True] * len(said)
