"""An anonymised trace says nothing that its input said, and happens as its input did."""

import re
from copy import deepcopy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.file.rules import find_problem
from replay.trace.transforms.anonymise import Anonymise
from replay.trace.transforms.types import Tally
from replay.trace.types import (
    EXTRA,
    Edge,
    Extract,
    Header,
    LlmCall,
    LlmImage,
    LlmTools,
    Recorded,
    Request,
    Session,
    Step,
)
from tests.support.carried import TOOL, openai_image

# Letters that no pseudonym is made of, so that a text found in the output came from the input.
SAID = st.text("ghijklmnoqrstuvwxyzGHXYZ-_", min_size=6, max_size=20)
ALLOWED = {"completions", "application", "content-type", "first_byte"}
FIELDS = {
    name
    for kind in (Session, Step, Edge, Request, LlmCall, LlmImage, LlmTools, Recorded)
    for name in kind.__struct_encode_fields__
}


@st.composite
def sessions(draw):
    def attributes():
        return draw(st.dictionaries(SAID | st.just("agent"), SAID, max_size=2))

    def extra():
        return draw(st.none() | st.dictionaries(SAID, SAID, min_size=1, max_size=2))

    def request():
        body = draw(st.sampled_from(["body", "json", "none"]))
        segments = draw(st.lists(SAID, max_size=2))
        found = Request(
            draw(st.sampled_from(["GET", "POST"])),
            draw(st.sampled_from(["/v1/chat/completions", "/" + "/".join(segments)])) + "?" + draw(SAID),
            {"content-type": f"application/json; x={draw(SAID)}", draw(SAID): draw(SAID), "Accept": draw(SAID)},
            extra=extra(),
        )
        if body == "body":
            found.body = draw(SAID)
        elif body == "json":
            found.json = msgspec.Raw(msgspec.json.encode({draw(SAID): draw(SAID)}))
        return found

    def call():
        image = LlmImage(9, f"image/{draw(SAID).lower()}", id=draw(st.integers()), extra=extra())
        tools = LlmTools(2, 900, extra=extra())
        return LlmCall(5, model=draw(SAID), images=(image,), tools=tools, extra=extra())

    steps: list[Step] = []
    for n in range(draw(st.integers(1, 4))):
        parents = draw(st.lists(st.sampled_from(steps), max_size=1)) if steps else []
        steps.append(
            Step(
                f"{draw(SAID)}{n}",
                draw(st.sampled_from(["tool", "llm"])),
                draw(SAID),
                tuple(Edge(parent.id, "first_byte", 3.0, extra=extra()) for parent in parents),
                n * 10.0,
                7.0,
                request() if n % 2 else None,
                None if n % 2 else call(),
                Recorded(
                    200,
                    2.0,
                    content_type=f"application/vnd.{draw(SAID).lower()}+json",
                    response_json={draw(SAID): draw(SAID)},
                    response_headers={draw(SAID): draw(SAID)},
                    extra=extra(),
                ),
                attributes(),
                {draw(st.text("ghij", min_size=6, max_size=9)): Extract(json="/" + draw(SAID))},
                extra=extra(),
            )
        )
    return Session(draw(SAID), draw(st.integers(0, 9_000)) * 1.0, steps, attributes(), extra=extra())


def anonymised(session: Session, key: str = "k", *, names: bool = True) -> Session:
    return next(Anonymise(key, names).apply(iter([deepcopy(session)]), Tally()))


def shape(session: Session) -> object:
    at = {step.id: n for n, step in enumerate(session.steps)}
    return session.start_ms, [
        (s.kind, s.at_ms, s.took_ms, [(at[e.step], e.anchor, e.delay_ms) for e in s.after], s.recorded.ttft_ms)
        for s in session.steps
    ]


@given(sessions())
def test_no_text_of_the_input_is_in_the_output(session):
    said = set(re.findall(r"[A-Za-z0-9_-]{6,}", msgspec.json.encode(session).decode().replace(EXTRA, "")))
    written = msgspec.json.encode(anonymised(session)).decode()
    for text in said - ALLOWED - FIELDS:
        assert text not in written


@given(sessions())
def test_structure_and_times_stay_and_the_session_can_be_written(session):
    assert shape(anonymised(session)) == shape(session)
    assert find_problem(anonymised(session)) is None


@given(sessions(), SAID)
def test_a_text_has_one_pseudonym_per_key_in_every_session(session, agent):
    other = Session("other", 0.0, [], {"agent": agent})
    session.attributes["agent"] = agent
    for key in ("k", "l"):
        assert anonymised(session, key).attributes["agent"] == anonymised(other, key).attributes["agent"]
    assert anonymised(session, "k").id != anonymised(session, "l").id


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("search_documents", "search_documents"),
        ("mcp docs.read", "mcp docs.read"),
        ("GET /v1/models", "GET /v1/models"),
        ("GET /v1/acme-corp/*", None),
        ("call crm.acme.example", None),
        ("mail jo@acme.example", None),
        ("ticket 20931", None),
        ("https://acme.example/x", None),
        ("GET " + "/a" * 400, None),
    ],
)
def test_names_stay_but_for_words_like_addresses_hosts_and_ids(name, kept):
    found = anonymised(Session("s", 0.0, [Step("a", "tool", name)]), names=False)
    if kept:
        assert found.steps[0].name == kept
    else:
        assert name.split(" ")[-1] not in found.steps[0].name
    assert find_problem(found) is None


def test_bodies_become_sizes_and_what_went_is_counted():
    steps = [
        Step("a", "tool", "x", request=Request("POST", "/mcp?u=1", body="é", extra={"mine": 1})),
        Step("b", "tool", "x", request=Request("POST", "/mcp", {"X-User": "jo"}, body_base64="AAAA")),
        Step("c", "tool", "x", request=Request("PURGE", "/mcp", json=msgspec.Raw(b"[1]"))),
        Step("d", "tool", "x", request=Request("GET", "/mcp", body_bytes=9)),
    ]
    tally = Tally()
    [found] = Anonymise("k").apply(iter([Session("s", 0.0, steps)]), tally)
    assert [step.request.body_bytes for step in found.steps] == [2, 3, 3, 9]
    assert +tally == {
        "sessions anonymised": 1,
        "methods turned into POST": 1,
        "queries dropped": 1,
        "headers dropped": 1,
        "bodies turned into sizes": 3,
        "unknown fields dropped, which may hold anything": 1,
    }


def test_a_header_keeps_its_resolution_alone():
    header = Header("replay-trace", 1, "acme", "prod", 1.5, {"import": {"file": "acme.har"}}, {"mine": 1})
    assert Anonymise("k").header(header) == Header("replay-trace", 1, "anonymised", resolution_ms=1.5)


def test_equal_images_stay_equal_by_ids_that_say_nothing():
    calls = [LlmCall(5, images=(LlmImage(9, id=77), LlmImage(8))), LlmCall(5, images=(LlmImage(9, id=77),))]
    steps = [Step(f"s{n}", "llm", "ask", llm=call) for n, call in enumerate(calls)]
    found = anonymised(Session("s", 0.0, steps))
    first, second = (step.llm.images for step in found.steps)

    assert first[0].id == second[0].id != 77
    assert first[1].id is None
    assert first[0].id != anonymised(Session("s", 0.0, steps), "other").steps[0].llm.images[0].id


def recorded_call(**told):
    asked = {
        "model": "m-1",
        "messages": [{"content": [openai_image(), {"text": "what nobody should read"}]}],
        "tools": [TOOL],
    }
    request = Request(
        "POST", "/v1/chat/completions", {"x-tenant": "t"}, json=msgspec.Raw(msgspec.json.encode(asked))
    )
    return Step("a", "llm", "POST /v1/chat/completions", request=request, attributes={"model": "m-1", **told})


def test_a_recorded_model_call_stays_one_that_a_model_can_be_asked_with():
    step = recorded_call(input_tokens="900", output_tokens="7", stream="true")
    [made] = anonymised(Session("s", 0.0, [step])).steps

    assert made.request is None
    assert (made.llm.input_tokens, made.llm.output_tokens, made.llm.stream, made.llm.tools.count) == (
        900,
        7,
        True,
        1,
    )
    assert [(image.bytes, image.width, image.height) for image in made.llm.images] == [(9_000, 320, 200)]
    assert made.llm.model != "m-1"
    assert b"nobody" not in msgspec.json.encode(made)
    assert find_problem(Session("s", 0.0, [made])) is None


@pytest.mark.parametrize("told", [{}, {"input_tokens": "many"}, {"input_tokens": "9" * 12}])
def test_one_whose_tokens_are_not_known_becomes_a_size(told):
    [made] = anonymised(Session("s", 0.0, [recorded_call(**told)])).steps

    assert made.llm is None
    assert made.request.body_bytes > 9_000
