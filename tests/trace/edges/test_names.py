"""Requests are named after where they go, not after which thing they ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.edges.names import LONGEST_NAME, grouped_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", "GET /v1/chat/completions"),
        ("/orders/17/items/2024-05-01", "GET /orders/*/items/*"),
        ("/users/6f1e3a50-9c1d-4e8b-8a2e-0c2f6f3b9a11", "GET /users/*"),
        ("/users/6F1E3A509C1D4E8B8A2E0C2F6F3B9A11/name", "GET /users/*/name"),
        ("/blobs/9c1d4e8b8a2e", "GET /blobs/*"),
        ("/blobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", "GET /blobs/*"),
        ("/v1/threads/thread_5n1Zk7gQ0aBcDeF/runs", "GET /v1/threads/*/runs"),
        ("/reports/17.json", "GET /reports/*.json"),
        ("/operations/17:cancel", "GET /operations/*:cancel"),
        ("/search?q=17#top", "GET /search"),
        ("https://api.example.com:8443/orders/17?full=1", "GET /orders/*"),
        ("", "GET /"),
        ("*", "GET /*"),
        ("//x//", "GET /x//"),
        ("/a/b/c/d/e/f/g/h/i/j", "GET /a/b/c/d/e/f/g/h/..."),
    ],
)
def test_ids_and_queries_are_no_part_of_a_name(path, name):
    assert grouped_name("get", path) == name


@pytest.mark.parametrize("word", ["v1", "facade", "defaced", "gpt-4o", "claude-3-5-sonnet-20241022", "app.js"])
def test_words_with_digits_are_no_ids(word):
    assert grouped_name("POST", f"/models/{word}") == f"POST /models/{word}"


@given(st.text(max_size=30), st.text(max_size=2_000))
def test_every_path_has_a_name_of_bounded_length(method, path):
    assert len(grouped_name(method, path)) <= LONGEST_NAME
