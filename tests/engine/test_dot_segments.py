"""Paths of a trace stay below the prefix of the target's URL, however their dots are written."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.dot_segments import below_root
from replay.engine.sender import TargetSender
from replay.engine.users.values import SessionValues
from replay.target import Target
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


def climbs(path):
    """As the most willing of servers reads it."""
    path = path.partition("?")[0]
    for _ in range(4):
        path = unquote(path)
    depth = 0
    for segment in path.replace("\\", "/").split("/")[1:]:
        name = segment.partition(";")[0]
        depth += {"..": -1, ".": 0}.get(name, 1)
        if depth < 0:
            return True
    return False


parts = st.sampled_from(
    ["/", "..", ".", "%2e", "%2E%2e", "%252e", "%2f", "\\", "%5C", ";", ";a", "a", "?", "%", "25"]
)


@given(st.lists(parts, max_size=12).map(lambda parts: "/" + "".join(parts)))
def test_no_server_takes_a_path_above_the_root(path):
    found = below_root(path)

    assert not climbs(found)
    assert found == path or climbs(path)
    assert found.startswith("/")
    assert below_root(found) == found


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
