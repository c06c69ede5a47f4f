"""Paths of a trace stay below the prefix of the target's URL, however their dots are written."""

import itertools
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.engine.requests.dot_segments import below_root
from replay.engine.requests.sender import TargetSender
from replay.engine.users.values import SessionValues
from replay.target.target import Target
from replay.trace.types import Request, Step


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/../../x", "/x"),
        ("/%2e%2E/x", "/x"),
        ("/.%2e/x?a=/../b", "/x?a=/../b"),
        ("/a/../../x", "/x"),
        ("/..%2f..%2Fx", "/x"),
        ("/..\\..\\x", "/x"),
        ("/%252e%252e/x", "/x"),
        ("/..;/..;a=b/x", "/x"),
        ("/a/../..", "/"),
        ("/..", "/"),
        # Encoded again, the digits of an encoding too, and the semicolon.
        ("/%25%32%65%25%32%65/x", "/x"),
        ("/%%32%65%%32%65/x", "/x"),
        ("/%2%65%2%65/x", "/x"),
        ("/.%2525252e/x", "/x"),
        ("/..%255%63x", "/x"),
        ("/..%25%32%66x", "/x"),
        ("/..%3b/x", "/x"),
        ("/..%253ba/x", "/x"),
        ("/a/..;b%2fc/../x", "/x"),
        # To a server that takes an encoded slash or a backslash for none, or an empty segment for none.
        ("/a%2fb/../../x", "/x"),
        ("/a\\b/../../x", "/x"),
        ("/a//../../x", "/x"),
        # What is kept of such a path is encoded as it was.
        ("/../a%2520b%2fc", "/a%2520b%2fc"),
        # What stays below the root is sent as it was recorded.
        ("/a/../b", "/a/../b"),
        ("/a/./b", "/a/./b"),
        ("/a/b/../../c", "/a/b/../../c"),
        ("/a%2f..%2fb", "/a%2f..%2fb"),
        ("/...", "/..."),
        ("/v1..2/x", "/v1..2/x"),
        ("/x?path=../../y", "/x?path=../../y"),
        ("/", "/"),
    ],
)
def test_a_path_that_would_climb_above_its_root_is_resolved_there(path, kept):
    assert below_root(path) == kept


def readings(path):
    """The segments of a path as servers read them, which differ in each of these ways."""
    path = path.partition("?")[0]
    for _ in range(path.count("%") + 1):
        for ends, strips_first, merges in itertools.product("/\\", (True, False), (True, False)):
            text = re.sub(r";[^/]*", "", path) if strips_first else path
            segments = text.replace(ends, "/").split("/")[1:]
            names = [segment.partition(";")[0] for segment in segments]
            yield [name for name in names if name or not merges]
        path = re.sub("%([0-7][0-9a-fA-F])", lambda found: chr(int(found[1], 16)), path)


def climbs(path):
    for segments in readings(path):
        depth = 0
        for name in segments:
            depth += {"..": -1, ".": 0}.get(name, 1)
            if depth < 0:
                return True
    return False


parts = st.sampled_from(
    [
        "/",
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%252e",
        "%2f",
        "\\",
        "%5C",
        ";",
        "%3b",
        ";a",
        "a",
        "?",
        "%",
        "25",
        "2",
        "e",
    ]
)
digits = st.sampled_from(["%25", "%32", "%35", "%65", "%66"])
paths = st.lists(parts | digits, max_size=12).map(lambda parts: "/" + "".join(parts))


@settings(max_examples=500)
@given(paths)
def test_no_server_takes_a_path_above_the_root(path):
    found = below_root(path)

    assert not climbs(found)
    assert found.startswith("/")
    assert below_root(found) == found


@given(st.lists(st.sampled_from(["a", "b.c", "...", "..", ".", "%20", "a%2fb", "a;b"])).map("/".join))
def test_a_path_that_no_server_takes_above_the_root_is_sent_as_it_was_recorded(path):
    assert climbs(f"/{path}") or below_root(f"/{path}") == f"/{path}"


@pytest.mark.parametrize("unit", ["%25", "%2", "%%32%35", "..%2f", ".."])
@pytest.mark.parametrize("end", ["2e%2e/x", "5" * 3_000])
def test_however_often_a_path_is_encoded_it_takes_time_with_its_length(unit, end):
    def cpu_s(length):
        path = f"/%25{unit * (length // len(unit))}{end}"
        begun = time.process_time()
        below_root(path)
        return time.process_time() - begun

    cpu_s(1_000)
    # Of a quadratic search the ratio would be 256, whatever the machine.
    assert cpu_s(160_000) < 100 * max(cpu_s(10_000), 0.002)


def head(url, path, values=None):
    sender = TargetSender(Target(url=url), "run")
    step = Step("a", "http", "a", request=Request("GET", path))
    if values is None:
        return sender.renderers[0].render(step, "s").head
    given = SessionValues(frozenset(values))
    given.taken.update(values)
    return given.rendered(step, "s", sender.renderers[0], "http://h", None).head


def test_below_a_prefix_nothing_climbs():
    assert re.match(rb"GET /staging/secret HTTP", head("http://h/staging", "/../../secret"))
    assert re.match(rb"GET /../../secret HTTP", head("http://h", "/../../secret"))


def test_values_of_answers_climb_no_more_than_paths():
    found = head("http://h/a/staging", "/runs/{{v}}/{{w}}{{w}}/{{v}}/x", {"v": "..", "w": "."})

    assert re.match(rb"GET /a/staging/x HTTP", found)
