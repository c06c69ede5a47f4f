"""Where requests go."""

import pytest

from replay.recording.upstreams import UpstreamError, find_destination, parse_routes, parse_upstream


def goes(path, upstreams, routes=()):
    found = find_destination(parse_routes(upstreams, routes), path)
    return None if found is None else (found.upstream.authority, found.upstream.base_path + found.path)


ONE = ["http://a:1"]
TWO = ["llm=https://api.example.com/v1/", "tools=http://t:2"]


@pytest.mark.parametrize(
    ("path", "upstreams", "routes", "to"),
    [
        ("/x?y=/z", ONE, [], ("a:1", "/x?y=/z")),
        ("/llm/chat/completions", TWO, [], ("api.example.com", "/v1/chat/completions")),
        ("/llm", TWO, [], ("api.example.com", "/v1/")),
        ("/llm?x", TWO, [], ("api.example.com", "/v1/?x")),
        ("/llmx", TWO, [], None),
        ("/tools/a", [*TWO, *ONE], [], ("t:2", "/a")),
        ("/other", [*TWO, *ONE], [], ("a:1", "/other")),
        ("/search/q", TWO, ["/search=tools"], ("t:2", "/search/q")),
        (
            "/search/deep/q",
            TWO,
            ["/search=tools", "/search/deep=llm"],
            ("api.example.com", "/v1/search/deep/q"),
        ),
        ("/searching", TWO, ["/search=tools"], None),
        ("/any", TWO, ["/=tools"], ("t:2", "/any")),
    ],
)
def test_the_longest_prefix_decides(path, upstreams, routes, to):
    assert goes(path, upstreams, routes) == to


def test_an_upstream_has_the_port_of_its_scheme():
    assert [parse_upstream(url).port for url in ("http://a", "https://a", "http://[::1]:7")] == [80, 443, 7]


@pytest.mark.parametrize(
    ("upstreams", "routes", "message"),
    [
        ([], [], "say where requests go: --upstream URL."),
        (["ftp://a"], [], "the upstream 'ftp://a' is not an http:// or https:// URL with a host."),
        (
            ["http://user:pw@a"],
            [],
            "the upstream 'a' must have no user, query or fragment in its URL; clients send those.",
        ),
        (
            ["a b=http://a"],
            [],
            "the upstream 'a b=http://a' needs a name of letters, digits, - and _ before the =.",
        ),
        (
            ["http://a:x"],
            [],
            "the upstream 'http://a:x' is not a valid URL: a port is a number from 1 to 65535.",
        ),
        (
            ["http://user:p/w@a"],
            [],
            "the upstream 'http://(redacted)@a' is not a valid URL: what stands before the @ of a URL must be "
            "percent-encoded.",
        ),
        (
            ["a b=http://user:pw@a"],
            [],
            "the upstream '(redacted)@a' needs a name of letters, digits, - and _ before the =.",
        ),
        (
            ["http://a", "http://b"],
            [],
            "there are two upstreams without a name. Name them apart: --upstream NAME=URL.",
        ),
        (ONE, ["tools"], "the route 'tools' is not written /PREFIX=NAME."),
        (ONE, ["/x=tools"], "the route '/x=tools' goes to 'tools', but no --upstream has that name."),
        (TWO, ["/x=tools", "/x/=llm"], "there are two routes for '/x'."),
    ],
)
def test_what_cannot_be_used_is_told_plainly(upstreams, routes, message):
    with pytest.raises(UpstreamError) as refused:
        parse_routes(upstreams, routes)

    assert str(refused.value) == message
