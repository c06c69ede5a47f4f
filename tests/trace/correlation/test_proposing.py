"""What `replay trace correlate` proposes, and what it does to a session."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.correlation.proposing import Evidence, Redacted
from replay.trace.correlation.references import apply
from replay.trace.file.rules import find_problem
from replay.trace.types import Edge, Extract, Recorded, Request, Session, Step
from replay.trace.values.extracting import filled, taken


def call(
    step_id, method, path, at_ms, *, json=None, headers=None, body=None, gives=None, gives_headers=None, **more
):
    """A step that takes 10 ms; gives: the JSON document that it is answered with."""
    request = Request(method, path, headers=headers or {}, body=body)
    if json is not None:
        request.json = msgspec.Raw(msgspec.json.encode(json))
    recorded = Recorded(status=200, response_json=gives, response_headers=gives_headers or {})
    name = more.pop("name", f"{method} {path.partition('?')[0]}")
    return Step(step_id, "http", name, at_ms=at_ms, took_ms=10.0, request=request, recorded=recorded, **more)


def run_of(n, value):
    """A session that creates a run and then reads it."""
    return Session(
        f"s{n}",
        0.0,
        [
            call("a", "POST", "/runs", 0.0, gives={"run": {"id": value}, "state": "created"}),
            call("b", "GET", f"/runs/{value}", 20.0, after=(Edge("a", delay_ms=10.0),)),
        ],
    )


def proposals_of(*sessions):
    evidence = Evidence(0.001)
    for session in sessions:
        evidence.add(session)
    for session in sessions:
        evidence.weigh(session)
    return evidence.proposals()


def uses_of(proposals):
    return [(proposal.name, use.step, use.place) for proposal in proposals for use in proposal.uses]


def test_an_id_that_reappears_in_a_path_is_proposed_with_its_place_and_its_sessions():
    (proposal,) = proposals_of(run_of(1, "run-4f8a1c"), run_of(2, "run-91b77e"))

    assert (proposal.name, proposal.step, proposal.extract) == ("run_id", "POST /runs", Extract(json="/run/id"))
    assert (proposal.sessions, proposal.example) == (2, "run-4f8a1c")
    (use,) = proposal.uses
    assert (use.step, use.place, use.sessions, use.possible, use.share) == ("GET /runs/*", "path 2", 2, 2, 1.0)


@pytest.mark.parametrize(
    ("later", "place"),
    [
        ({"path": "/next?cursor=c%2B81aa9x&n=2"}, "query cursor"),
        ({"headers": {"If-Match": "c+81aa9x"}}, "header if-match"),
        ({"headers": {"x-chain": "from c+81aa9x, by a"}}, "header x-chain"),
        ({"json": {"items": [{"ref": "c+81aa9x"}]}}, "json /items/*/ref"),
        (
            {"body": "a=1&ref=c%2B81aa9x", "headers": {"content-type": "application/x-www-form-urlencoded"}},
            "form ref",
        ),
        ({"body": '{\n "ref": "c+81aa9x"}'}, "json /ref"),
    ],
)
def test_values_are_found_wherever_a_request_can_hold_them(later, place):
    session = Session(
        "s",
        0.0,
        [
            call("a", "POST", "/a", 0.0, gives={"next": "c+81aa9x"}),
            call("b", "POST", later.pop("path", "/b"), 20.0, name="b", **later),
        ],
    )

    assert [use[2] for use in uses_of(proposals_of(session))] == [place]


def test_an_id_within_a_longer_text_is_found():
    session = Session(
        "s",
        0.0,
        [
            call("a", "POST", "/a", 0.0, gives={"id": "file_8Zk20qx"}),
            call("b", "POST", "/b", 20.0, json={"text": "Read file_8Zk20qx, then answer."}),
        ],
    )

    made, applied = apply(session, proposals_of(session), 0.001, 1.0)

    assert applied.places == 1
    assert msgspec.json.decode(made.steps[1].request.json) == {"text": "Read {{a_id}}, then answer."}


def test_a_number_in_json_stays_a_number():
    session = Session(
        "s",
        0.0,
        [
            call("a", "POST", "/orders", 0.0, gives={"id": 48213}),
            call("b", "POST", "/pay", 20.0, json={"order": 48213, "note": "48213", "n": 3}),
        ],
    )

    made, _ = apply(session, proposals_of(session), 0.001, 1.0)

    request = made.steps[1].request
    assert request.body == '{"order":{{orders_id}},"note":"{{orders_id}}","n":3}'
    assert request.headers == {"content-type": "application/json"}
    assert filled(request, {"orders_id": "7"}).body == '{"order":7,"note":"7","n":3}'


def test_a_response_header_may_be_where_a_value_comes_from():
    session = Session(
        "s",
        0.0,
        [
            call("a", "POST", "/mcp", 0.0, gives_headers={"mcp-session-id": "9f0c22d7"}),
            call("b", "POST", "/mcp", 20.0, headers={"mcp-session-id": "9f0c22d7"}),
        ],
    )

    (proposal,) = proposals_of(session)

    assert proposal.extract == Extract(header="mcp-session-id")
    assert uses_of([proposal]) == [("mcp_session_id", "POST /mcp", "header mcp-session-id")]


@pytest.mark.parametrize(
    "value", ["ok-7", "123", "two words 77", 'a"quoted77', "x" * 600 + "1", True, None, 1.25, ""]
)
def test_what_is_short_or_text_is_no_value(value):
    session = Session(
        "s",
        0.0,
        [
            call("a", "POST", "/a", 0.0, gives={"v": value}),
            call("b", "POST", "/b", 20.0, json={"v": value}),
        ],
    )

    assert proposals_of(session) == []


def test_what_an_earlier_request_held_does_not_come_from_the_response():
    session = Session(
        "s",
        0.0,
        [
            call("a", "POST", "/a", 0.0, json={"customer": "cust-99812"}, gives={"customer": "cust-99812"}),
            call("b", "GET", "/customers/cust-99812", 20.0),
        ],
    )

    assert proposals_of(session) == []


def test_a_response_that_was_not_complete_when_the_request_was_sent_gives_nothing():
    session = run_of(1, "run-4f8a1c")
    session.steps[1].at_ms = 9.0

    assert proposals_of(session) == []


def test_an_answer_that_is_late_by_less_than_the_clock_could_tell_was_in_time():
    session = run_of(1, "run-4f8a1c")
    session.steps[1].at_ms = 9.5
    evidence = Evidence(1.0)

    evidence.add(session)

    assert len(evidence.proposals()) == 1


def test_what_is_the_same_in_all_sessions_is_a_constant():
    assert proposals_of(run_of(1, "region-eu4"), run_of(2, "region-eu4")) == []


def test_words_count_only_where_no_two_of_three_sessions_have_the_same():
    assert proposals_of(run_of(1, "pending"), run_of(2, "billing"), run_of(3, "pending")) == []
    assert len(proposals_of(run_of(1, "pending"), run_of(2, "billing"), run_of(3, "refunds"))) == 1


def test_a_session_in_which_another_value_was_sent_lowers_the_share():
    other = run_of(3, "run-aaa111")
    other.steps[1].request.path = "/runs/4711-0815"

    (proposal,) = proposals_of(run_of(1, "run-4f8a1c"), run_of(2, "run-91b77e"), other)

    (use,) = proposal.uses
    assert (use.sessions, use.possible, use.share) == (2, 3, 0.6667)
    _, none = apply(run_of(1, "run-4f8a1c"), [proposal], 0.001, 1.0)
    _, one = apply(run_of(1, "run-4f8a1c"), [proposal], 0.001, 0.6)
    assert (none.places, one.places) == (0, 1)


def test_an_applied_session_takes_the_value_and_keeps_nothing_of_the_responses():
    session = run_of(1, "run-4f8a1c")

    made, applied = apply(session, proposals_of(session), 0.001, 1.0)

    assert (applied.places, applied.extracts, applied.edges) == (1, 1, 0)
    assert made.steps[0].extract == {"run_id": Extract(json="/run/id")}
    assert made.steps[1].request.path == "/runs/{{run_id}}"
    assert made.steps[0].recorded == Recorded(status=200)
    assert session.steps[1].request.path == "/runs/run-4f8a1c"
    assert find_problem(made) is None


def test_every_repetition_of_a_step_has_a_name_of_its_own():
    session = Session("s", 0.0, [*run_of(1, "run-4f8a1c").steps])
    for n, value in enumerate(("run-7c1d02", "run-2b9e41"), 1):
        first, second = run_of(1, value).steps
        first.id, second.id = f"a{n}", f"b{n}"
        first.at_ms, second.at_ms = 100.0 * n, 100.0 * n + 20
        second.after = (Edge(first.id),)
        session.steps += [first, second]

    made, _ = apply(session, proposals_of(session), 0.001, 1.0)

    assert [step.request.path for step in made.steps[1::2]] == [
        "/runs/{{run_id}}",
        "/runs/{{run_id-2}}",
        "/runs/{{run_id-3}}",
    ]


@pytest.mark.parametrize("after", [(), (Edge("a", "first_byte"),)])
def test_a_step_that_did_not_wait_for_the_value_waits_for_it_now(after):
    session = run_of(1, "run-4f8a1c")
    session.steps[1].after = after

    made, applied = apply(session, proposals_of(session), 0.001, 1.0)

    assert applied.edges == 1
    assert made.steps[1].after == (*after, Edge("a"))


def test_waiting_by_way_of_another_step_is_waiting():
    session = run_of(1, "run-4f8a1c")
    session.steps.insert(1, call("m", "GET", "/m", 12.0, after=(Edge("a"),)))
    session.steps[2].after = (Edge("m", "start"),)

    assert apply(session, proposals_of(session), 0.001, 1.0)[1].edges == 0


def test_a_session_whose_requests_hold_braces_of_their_own_is_left_as_it_is():
    session = run_of(1, "run-4f8a1c")
    session.steps.append(call("c", "POST", "/template", 40.0, json={"text": "Dear {{customer}}"}))

    made, applied = apply(session, proposals_of(session), 0.001, 1.0)

    assert applied.has_braces
    assert applied.places == 0
    assert [step.request.path for step in made.steps] == ["/runs", "/runs/run-4f8a1c", "/template"]


def test_where_the_recording_took_a_value_away_is_told():
    evidence = Evidence(0.001)
    session = run_of(1, "run-4f8a1c")
    session.steps.append(call("c", "GET", "/list?page_token=redacted", 40.0))

    evidence.add(session)

    assert evidence.redacted() == [Redacted("GET /list", "query page_token", 1)]


values = st.from_regex(r"[A-Za-z0-9_\-]{6,20}[0-9]", fullmatch=True)


@given(st.lists(values, min_size=1, max_size=5, unique=True))
def test_filled_with_the_recorded_responses_every_request_is_what_was_recorded(recorded):
    steps, at_ms = [], 0.0
    for n, value in enumerate(recorded):
        sent = {"used": recorded[:n], "last": f"see {recorded[n - 1]}" if n else ""}
        steps.append(
            call(
                f"p{n}", "POST", f"/items/{recorded[n - 1] if n else ''}", at_ms, json=sent, gives={"id": value}
            )
        )
        at_ms += 20.0
    session = Session("s", 0.0, steps)

    made, _ = apply(session, proposals_of(session), 0.001, 1.0)

    known = {}
    for step, original in zip(made.steps, steps, strict=True):
        request = filled(step.request, known)
        assert request.path == original.request.path
        assert msgspec.json.decode(request.json) == msgspec.json.decode(original.request.json)
        body = msgspec.json.encode(original.recorded.response_json)
        assert taken(step, (), body, known) is None
