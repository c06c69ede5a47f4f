"""What requests call, told of many at once, is what each of them calls by itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.requests.called import CalledRequests
from replay.assembly.requests.log_fields import LONGEST_PATH, is_method, replayable
from replay.assembly.requests.step_texts import WITH_BODY, texts_of

IDS = (
    "7", "-7", "1.5", "00", "3b241101-e2bb-4255-8caf-4136c566a962", "{3b241101-e2bb-4255-8caf-4136c566a962}",
    "3b241101e2bb42558caf4136c566a962", "ABCDEF0123456789", "abcdefabcdef", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "thread_5n1Zk7gQ0aBc",
    "7.json", "123456789.tar", "1234567890.webp", "12.e1", "12.3.js", "12.abcdefgh", "12.abcdefghi", "7:cancel", "7x", "0123456789abcdef.js", "v1", "a" * 19, "é", "a b", "a%20b", "a+b", "*", "", "x=1", "a;b=c", "#f",
    "sk-" + "a" * 30, "ghp_" + "A1" * 18, "bGFuZw", "password", "日本", "a\nb", "9" * 80, "0" * 65, "a1" * 40, "\x01", "7\x01",
)  # fmt: skip
NAMES = ("page", "token", "code", "state", "sig", "key", "q", "a[b]", "X-Api-Key", "sort_key", "session_id", "")
segments = st.lists(st.sampled_from(IDS) | st.text("ab1-_.~/?&=%+", max_size=24), max_size=10).map("/".join)
pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(IDS)).map("=".join)
queries = st.lists(pairs | st.sampled_from(NAMES), max_size=3).map("&".join)
targets = st.builds(
    lambda slash, path, mark, query: slash + path + mark + query,
    st.sampled_from(["/", "/", "/", "", "//", "http://a.example/", "*"]),
    segments,
    st.sampled_from(["", "?", "?"]),
    queries,
)
methods = st.sampled_from(["GET", "POST", "PUT", "get", "GE(T", "", "X" * 25])


def texts_told(requests, called=None):
    """The halves of each one's text, whether it had secrets and whether it has a body; None for an odd one."""
    called = called or CalledRequests()
    told = called.of([" ".join(each) for each in requests], [target for _, target in requests])
    return [
        None if is_odd else (head, f'{request}{path}"', had_secrets, has_body)
        for (head, request, has_body), path, had_secrets, is_odd in zip(*told, strict=True)
    ]


def by_itself(method, target):
    path = replayable(target) if target.startswith("/") and is_method(method) else None
    if path is None:
        return None
    texts = texts_of(method, path)
    return texts.head, texts.request, texts.has_secrets, method in WITH_BODY


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(methods, targets), min_size=1, max_size=8))
def test_many_requests_call_what_each_of_them_calls(requests):
    called = CalledRequests()
    told = [by_itself(*request) for request in requests]

    assert texts_told(requests, called) == told
    assert texts_told(requests, called) == told


def test_requests_that_differ_in_ids_and_values_have_a_name_in_common():
    ids = ("7", "8", "3b241101-e2bb-4255-8caf-4136c566a962")
    heads = {
        told[0] for told in texts_told([("GET", f"/a/{id}/b/{n}.webp?page={n}") for n, id in enumerate(ids)])
    }

    assert heads == {'"kind":"http","name":"GET /a/*/b/*.webp"\n'}


@pytest.mark.parametrize(
    "path",
    [
        "/api/webhooks/123456789012345678/Zk3v9QxLr8Tn2WbYp7Hd4Mcf",
        "/users/12/confirm/3b241101-e2bb-4255-8caf-4136c566a962",
        "/reset-password/3b241101-e2bb-4255-8caf-4136c566a962",
    ],
)
def test_a_token_of_a_link_goes_though_it_stands_where_an_id_is_or_behind_one(path):
    told = CalledRequests().of([f"GET {path}"], [path])

    assert told.paths == [f"{path.rpartition('/')[0]}/redacted"]


@pytest.mark.parametrize("name", ["token", "code", "state", "sig", "api_key", "sid"])
def test_a_value_under_a_secrets_name_goes_though_it_looks_like_any_other(name):
    (told,) = texts_told([("GET", f"/a/7?page=1&{name}=abc123XYZ0")])

    assert "abc123XYZ0" not in told[1]
    assert told[2]


@pytest.mark.parametrize("target", ["?page=7", "", "7", "*", "http://a.example/7"])
def test_a_target_that_is_no_path_is_odd_however_plain(target):
    assert texts_told([("GET", target), ("GET", "/7")])[0] is None


def test_a_target_that_is_too_long_is_odd_and_the_one_beside_it_is_not():
    first, second = texts_told([("GET", "/" + "a/" * LONGEST_PATH), ("GET", "/b")])

    assert first is None
    assert second[0] == '"kind":"http","name":"GET /b"\n'
