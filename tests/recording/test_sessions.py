"""Which session a request belongs to."""

import pytest

from replay.recording.sessions import Sessions
from replay.recording.types import SessionRef, SessionRules

S = 1_000_000_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")


def sessions(**rules):
    return Sessions(SessionRules(**rules), b"key")


def test_the_named_header_decides_before_all_else():
    told = sessions(header="X-Session", cookie="sid").began(
        [("cookie", "sid=1"), TRACEPARENT, ("x-session", "run-7")], "10.0.0.1", 0
    )

    assert told == SessionRef("run-7", "header")


def test_without_the_header_the_trace_id_decides():
    told = sessions(header="x-session", cookie="sid").began([("cookie", "sid=1"), TRACEPARENT], "10.0.0.1", 0)

    assert told == SessionRef(TRACE, "traceparent")


@pytest.mark.parametrize("name", ["X-Claude-Code-Session-Id", "session-id", "session_id", "x-session-id"])
def test_agents_name_their_sessions_themselves(name):
    of = sessions(cookie="sid")

    one, other = (of.began([(name, value)], "10.0.0.1", 0) for value in ("ses-1", "ses-2"))
    by_cookie = of.began([(name, "ses-1"), ("cookie", "sid=1")], "10.0.0.1", 0)
    by_trace = of.began([(name, "ses-1"), TRACEPARENT], "10.0.0.1", 0)

    assert (one.told_by, other.told_by, by_cookie.told_by) == ("header", "header", "cookie")
    assert one.id != other.id
    assert by_trace == SessionRef(TRACE, "traceparent")


@pytest.mark.parametrize("value", ["", "00-xyz-1-1", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_a_traceparent_that_names_no_trace_is_passed_over(value):
    assert sessions().began([("traceparent", value)], "10.0.0.1", 0).told_by == "client"


def test_a_cookie_tells_sessions_but_never_stands_in_the_id():
    of = sessions(cookie="sid")

    one = of.began([("Cookie", "theme=dark; sid=very-secret-1")], "10.0.0.1", 0)
    same = of.began([("Cookie", "sid=very-secret-1")], "10.0.0.2", 0)
    other = of.began([("Cookie", "sid=very-secret-2")], "10.0.0.1", 0)

    assert one.told_by == "cookie"
    assert one == same != other
    assert "secret" not in one.id


def test_clients_are_told_apart_by_address_which_does_not_stand_in_the_id():
    of = sessions()

    one, other, again = (of.began([], client, 0) for client in ("10.0.0.1", "10.0.0.2", "10.0.0.1"))

    assert one == again != other
    assert "10.0" not in one.id + other.id


def test_a_silence_of_the_idle_gap_ends_a_clients_session():
    of = sessions(idle_gap_s=10)
    first = of.began([], "c", 0)
    of.ended(first, 1 * S)

    within = of.began([], "c", 11 * S)
    of.ended(within, 12 * S)
    after = of.began([], "c", 23 * S)

    assert within == first
    assert after != first


def test_a_request_that_lasts_longer_than_the_idle_gap_is_no_silence():
    of = sessions(idle_gap_s=10)
    first = of.began([], "c", 0)

    assert of.began([], "c", 60 * S) == first


def test_only_so_many_sessions_are_open_and_the_longest_silent_makes_room():
    of = sessions(most_open=2)
    first = [of.began([], client, 0) for client in ("a", "b")]
    of.ended(first[0], 1 * S)

    of.began([], "c", 2 * S)  # b was heard of last at its beginning
    assert of.began([], "a", 3 * S) == first[0]
    assert of.began([], "b", 4 * S) != first[1]
    of.ended(first[1], 5 * S)  # of a session that is closed: nothing happens


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-session-token"])
def test_a_header_that_is_named_like_a_secret_names_sessions_by_a_hash(header):
    told = sessions(header=header).began([(header, "abc-123")], "c", 0)

    assert told.told_by == "header"
    assert "abc-123" not in told.id


@pytest.mark.parametrize("value", ["x" * 300, "\u00e4\u00f6", "tab\there"])
def test_ids_that_a_file_should_not_have_are_hashed(value):
    assert value not in sessions(header="x-s").began([("x-s", value)], "c", 0).id


def test_an_id_that_a_pattern_matches_is_hashed_and_still_tells_sessions_apart():
    of = Sessions(SessionRules(header="x-s"), b"key", is_harmless=lambda text: "user" not in text)

    one, other = of.began([("x-s", "user-1")], "c", 0), of.began([("x-s", "user-2")], "c", 0)

    assert one != other
    assert "user" not in one.id + other.id


GIVEN = [("Content-Type", "x"), ("Set-Cookie", "theme=dark"), ("Set-Cookie", "sid=secret-1; Path=/; HttpOnly")]


def test_whoever_is_given_the_cookie_belongs_to_its_session():
    of = sessions(cookie="sid")
    logins = [of.began([], "10.0.0.1", 0), of.began([], "10.0.0.1", 1)]

    first = of.answered(logins[0], GIVEN, 2)
    second = of.answered(logins[1], [("set-cookie", "sid=secret-2")], 3)

    assert first == of.began([("cookie", "sid=secret-1")], "10.0.0.1", 4)
    assert second == of.began([("cookie", "sid=secret-2")], "10.0.0.1", 5)
    assert (first.told_by, first != second, "secret" in first.id) == ("cookie", True, False)
    for ref in (first, first, second, second):
        of.ended(ref, 6)
    assert [one.in_flight for one in of._open.values()] == [0, 0, 0]


def test_a_session_that_is_told_otherwise_is_not_told_by_an_answer():
    of = sessions(header="x-session", cookie="sid")
    for headers in ([("x-session", "run-7")], [TRACEPARENT], [("cookie", "sid=old")]):
        told = of.began(headers, "10.0.0.1", 0)
        assert of.answered(told, GIVEN, 1) == told
    by_address = of.began([], "10.0.0.1", 0)
    assert of.answered(by_address, [("set-cookie", "sid="), ("set-cookie", "other=sid=1")], 1) == by_address
    assert sessions().answered(by_address, GIVEN, 1) == by_address
