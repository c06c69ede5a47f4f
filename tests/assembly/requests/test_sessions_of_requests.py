"""Requests become the same lines of a trace whether they are held in memory, or wait on the disk in parts."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.requests import session_lines, waiting
from replay.assembly.requests.collected import CollectedRequests
from replay.assembly.requests.digests import Digests, Texts, digest
from replay.assembly.requests.kept import parts_for
from replay.assembly.requests.lines import RequestLines
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.step_texts import attributes_text, called_texts, recorded_text, took_text
from replay.assembly.requests.types import NOTHING, SessionRule
from replay.assembly.requests.workers import Workers
from replay.trace.edges.concurrent import EdgeCounts, Timed, concurrent_edges
from replay.trace.errors import TraceError
from replay.trace.file.rules import find_problem
from replay.trace.types import Recorded, Request, Session, Step

GAP_US = 1_000_000


def text_of(path, took_us, status=200):
    called = called_texts("GET", path)
    return f"{called.head}{took_text(took_us)},{called.request}}}{recorded_text(status, None, 7, None)}}}"


def lines_of(requests, *, parts=1, held_bytes=1 << 30, named=False, resolution_us=1_000):
    """Of requests (start in us, duration, client, session): the lines of their trace."""
    spilled = Spilled(held_bytes)
    collected = CollectedRequests(spilled, parts)
    for n, (start_us, took_us, client, session) in enumerate(requests):
        collected.add(start_us, took_us, client, f"agent of {client}", session, text_of(f"/{n}", took_us))
        if n % 3 == 2:
            collected.settle()
    workers = Workers(1, spilled, "x.log")
    found = collected.sessions(SessionRule(GAP_US, resolution_us, False), workers)
    made = RequestLines(found, collected, named, workers)
    return [line for lines in made.lines() for line in lines.text.splitlines()]


requests = st.lists(
    st.tuples(
        st.integers(0, 5_000_000),
        st.none() | st.integers(0, 2_000_000),
        st.sampled_from("abcde"),
        st.none() | st.sampled_from(["x", "y", "s1", "sk-" + "a" * 30]),
    ),
    min_size=1,
    max_size=40,
)


@given(requests, st.integers(1, 5), st.sampled_from([0, 500, 1 << 30]), st.sampled_from([1, 2, 1 << 10]))
def test_how_many_parts_there_are_and_what_waits_on_the_disk_changes_nothing(these, parts, held, read_at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "_READ_HEADS", read_at_once)
        patch.setattr(waiting, "_STRETCH_BYTES", 100 * read_at_once)
        patch.setattr(session_lines, "_STEPS_IN_PIECE", read_at_once)
        found = lines_of(these, parts=parts, held_bytes=held, named=True)

    assert found == lines_of(these, named=True)


def as_objects(these, resolution_us=1_000):
    """The same sessions, made of objects in the plainest way: by client, until it is silent."""
    numbers, ends, sessions = {}, {}, []
    for start_us, took_us, client, n in sorted((r[0], r[1], r[2], n) for n, r in enumerate(these)):
        number = numbers.setdefault(client, len(numbers) + 1)
        if client not in ends or start_us - ends[client][0] > GAP_US:
            sessions.append((number, client, []))
            ends[client] = [start_us, sessions[-1][2]]
        ends[client][0] = max(ends[client][0], start_us + (took_us or 0))
        ends[client][1].append((start_us, took_us, n))
    first_us = min(r[0] for r in these)
    for n, (number, client, found) in enumerate(sessions, 1):
        zero_us = found[0][0]
        timed = [Timed(str(k), start - zero_us, took) for k, (start, took, _) in enumerate(found, 1)]
        steps = [
            Step(
                call.id,
                "http",
                "GET /*",
                after,
                at_ms=call.start_us / 1_000,
                took_ms=None if call.took_us is None else call.took_us / 1_000,
                request=Request("GET", f"/{place}"),
                recorded=Recorded(status=200, response_bytes=7),
            )
            for call, after, (_, _, place) in zip(
                timed, concurrent_edges(timed, resolution_us, EdgeCounts()), found, strict=True
            )
        ]
        attributes = {"client": f"client {number}", "user_agent": f"agent of {client}"}
        yield Session(f"s{n}", (zero_us - first_us) / 1_000, steps, attributes)


without_names = st.lists(
    st.tuples(
        st.integers(0, 5_000_000),
        st.none() | st.integers(0, 2_000_000),
        st.sampled_from("abcde"),
        st.none(),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda request: request[0],
)


@given(without_names, st.sampled_from([1, 1_000, 1_000_000]))
def test_a_line_is_to_the_byte_what_an_encoder_makes_of_the_session(these, resolution_us):
    sessions = list(as_objects(these, resolution_us))

    assert lines_of(these, resolution_us=resolution_us) == [msgspec.json.encode(each) for each in sessions]
    assert [find_problem(each) for each in sessions] == [None] * len(sessions)


@pytest.mark.parametrize("us", [0, 1, 999, 1_000, 123_456, 10**12 + 1, 10**15])
def test_times_are_written_as_an_encoder_writes_them(us):
    assert took_text(us) == f',"took_ms":{msgspec.json.encode(us / 1_000).decode()}'


@given(requests, st.booleans(), st.integers(1, 5), st.sampled_from([1, 2, 1 << 10]))
def test_clients_are_numbered_in_the_order_of_their_first_requests(these, are_named, parts, read_at_once):
    these = [(*each[:3], each[3] if are_named else None) for each in these]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "_READ_HEADS", read_at_once)
        lines = lines_of(these, parts=parts)
    clients = list(dict.fromkeys(client for _, _, client, _ in sorted(these, key=lambda each: each[0])))

    told = [json.loads(line)["attributes"] for line in lines]

    assert {(each["client"], each["user_agent"]) for each in told} <= {
        (f"client {n}", f"agent of {client}") for n, client in enumerate(clients, 1)
    }


def test_clients_are_numbered_by_their_first_request_and_not_by_their_place():
    first, second = (
        json.loads(line) for line in lines_of([(9_000_000, 1, "late", None), (0, 1, "early", None)])
    )

    assert (first["attributes"]["client"], second["attributes"]["client"]) == ("client 1", "client 2")
    assert second["start_ms"] == 9_000


def test_names_of_sessions_that_come_twice_or_are_secrets_are_replaced():
    secret = "sk-" + "a" * 30
    these = [(0, 1, "a", "s2"), (1, 1, "a", None), (2, 1, "a", secret)]

    assert [json.loads(line)["id"] for line in lines_of(these, named=True)] == ["s2", "s2~2", "redacted-1"]


def test_a_session_is_cut_where_it_is_as_long_as_one_may_be(monkeypatch):
    monkeypatch.setattr(session_lines, "MOST_STEPS", 3)

    steps = [len(json.loads(line)["steps"]) for line in lines_of([(n * 10, 1, "a", "x") for n in range(8)])]

    assert steps == [3, 3, 2]


def test_secrets_in_attributes_and_paths_are_replaced_in_the_texts():
    secret = "sk-proj-" + "AbCdEf0123456789" * 3

    assert secret not in attributes_text({"request_id": secret, secret: "x"})
    called = called_texts("GET", f"/a/{secret}?token={secret}")
    assert secret not in called.head + called.request
    assert called.has_secrets


def test_the_parts_grow_with_the_recording_up_to_a_bound():
    assert [parts_for(size) for size in (0, 1 << 20, 1 << 30, 1 << 50)] == [1, 1, 128, 256]


def test_a_disk_that_takes_no_more_is_said(monkeypatch):
    def full(descriptor, data, at):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    found = Spilled(most_held_bytes=3)
    found.put(b"few")

    with pytest.raises(
        TraceError, match=r"cannot be kept there: no space left on device\. Make room, or set TMPDIR"
    ):
        found.put(b"x")


def test_a_disk_that_has_lost_what_it_took_is_said():
    found = Spilled(most_held_bytes=0)
    at = found.put(b"abc")

    with pytest.raises(TraceError, match="what was written there is gone"):
        found.get(at, 4)


@given(st.lists(st.binary(max_size=20), max_size=20), st.sampled_from([0, 30, 1 << 20]))
def test_what_waits_is_read_back_from_memory_and_from_the_disk(pieces, held):
    spilled = Spilled(held)
    places = [(spilled.put(piece), len(piece)) for piece in pieces]
    whole = b"".join(pieces)
    at = spilled.put_pieces(iter(pieces), len(whole))

    assert [spilled.get(*place) for place in places] == pieces
    assert spilled.get(at, len(whole)) == whole


def test_each_text_is_handed_over_with_its_digest_once():
    digests, texts = Digests(longest=5), Texts()

    assert digests.of(["a", "bb", None, "", "a"]) == [digest("a"), digest("bb"), NOTHING, NOTHING, digest("a")]
    texts.take(digests.fresh())
    assert texts == {digest("a"): "a", digest("bb"): "bb"}
    assert digests.of(["a", "long text"]) == [digest("a"), digest("long ")]
    assert digests.fresh() == {digest("long "): "long "}


def test_texts_take_as_much_as_they_hold():
    texts = Texts()
    texts.take({1: "a" * 1_000})
    texts.take({1: "a" * 1_000})

    assert 1_000 < texts.held_bytes < 2_000
