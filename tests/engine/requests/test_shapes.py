"""Prompts made of token counts: equal where caches should see them equal, different where not, and always JSON."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.requests import shapes
from replay.engine.requests.shapes import MOST_PROMPT_BYTES, MOST_PROMPT_TOKENS, ModelCalls, text_of
from replay.target.sending import Shape
from replay.trace.types import LlmCall

SEEDS = st.binary(max_size=20)
TOKENS = st.integers(0, 400)
PLAIN = Shape()


def asked(
    llm: LlmCall, session: str = "s", step: str = "a", shape: Shape = PLAIN, chat: ModelCalls | None = None
) -> dict[str, Any]:
    """The body as a server reads it."""
    read: dict[str, Any] = json.loads((chat or ModelCalls(shape)).body(llm, session, step))
    return read


def prompt(llm: LlmCall, session: str = "s", step: str = "a", salt: str = "") -> str:
    [message] = asked(llm, session, step, Shape(salt=salt))["messages"]
    assert message["role"] == "user"
    return str(message["content"])


@given(SEEDS, TOKENS)
def test_a_text_has_a_word_for_each_token(seed, tokens):
    text = text_of(seed, tokens)
    assert len(text.split()) == text.count(b" ") == tokens
    assert text.replace(b" ", b"").isalpha() or not tokens


@given(SEEDS, TOKENS, TOKENS)
def test_a_shorter_text_is_the_beginning_of_the_longer_one(seed, tokens, more):
    assert text_of(seed, tokens + more).startswith(text_of(seed, tokens))


@given(SEEDS, SEEDS)
def test_texts_of_different_seeds_differ_within_their_first_16_words(seed, other):
    assert (text_of(seed, 16) == text_of(other, 16)) == (seed == other)


def test_texts_are_the_same_in_every_version():
    assert text_of(b"seed", 20) == (
        b" said over set go find small has name not up mile there mother way just great want year white their"
    )
    assert prompt(LlmCall(input_tokens=8)) == " picture plant father does big that who got"


def test_a_hundred_thousand_texts_all_begin_in_different_ways():
    openings = {text_of(b"%d" % n, 8) for n in range(100_000)}
    assert len(openings) == 100_000


@given(
    tokens=st.integers(0, 2000),
    prefix=st.lists(st.integers(-5, 2**70), max_size=6),
    size=st.none() | st.integers(1, 600),
    session=st.text(),
    step=st.text(),
)
def test_a_prompt_has_as_many_words_as_tokens_whatever_its_prefix(tokens, prefix, size, session, step):
    llm = LlmCall(input_tokens=tokens, prefix=tuple(prefix), prefix_block_tokens=size)
    text = prompt(llm, session, step)
    assert len(text.split()) == tokens
    assert prompt(llm, session, step) == text


def test_steps_differ_from_their_first_words():
    llm = LlmCall(input_tokens=100)
    openings = {
        tuple(prompt(llm, session, step).split()[:16])
        for session, step in [
            ("s", "a"),
            ("s", "b"),
            ("t", "a"),
            ("sa", ""),
            ("", "sa"),
            ("s\0a", ""),
            ("\ud800", "a"),
        ]
    }
    assert len(openings) == 7


def test_a_salt_changes_every_prompt_from_its_first_words():
    for llm in (LlmCall(input_tokens=50), LlmCall(input_tokens=50, prefix=(1,))):
        assert prompt(llm, salt="x").split()[:16] != prompt(llm).split()[:16]


def test_equal_blocks_are_equal_text_in_every_session_and_different_ones_differ_early():
    def with_blocks(*blocks: int, session: str) -> list[str]:
        llm = LlmCall(input_tokens=1000, prefix=blocks, prefix_block_tokens=300)
        return prompt(llm, session).split()

    one = with_blocks(1, 2, session="one")
    two = with_blocks(1, 3, session="two")

    assert one[:300] == two[:300]
    assert one[300:316] != two[300:316]
    assert one[600:616] != two[600:616]
    assert with_blocks(2, 1, session="one")[:300] == one[300:600]


@given(st.lists(st.integers(1, 900), min_size=2, max_size=5).map(sorted))
def test_with_the_same_blocks_a_prompt_of_fewer_tokens_begins_the_longer_one(sizes):
    texts = [prompt(LlmCall(input_tokens=n, prefix=(1, 2), prefix_block_tokens=100)) for n in sizes]
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(texts))


def test_without_a_block_size_the_blocks_share_the_prompt():
    words = prompt(LlmCall(input_tokens=100, prefix=(1, 2, 3))).split()
    other = prompt(LlmCall(input_tokens=100, prefix=(1, 2, 4)), session="other").split()

    assert len(words) == 100
    assert words[:68] == other[:68]
    assert words[68:84] != other[68:84]


def test_a_prompt_shorter_than_its_blocks_is_cut():
    long = prompt(LlmCall(input_tokens=90, prefix=(1, 2), prefix_block_tokens=64))
    assert len(long.split()) == 90
    assert prompt(LlmCall(input_tokens=40, prefix=(1, 2), prefix_block_tokens=64)) in long


NAMES = st.text(st.characters()) | st.sampled_from(
    ['"', "\\", '"},"x":{"', "\0", "\ud800", "m\u2028", "a" * 5000]
)


@given(NAMES, NAMES)
def test_a_body_is_json_for_every_model_name(recorded, written):
    llm = LlmCall(input_tokens=3, output_tokens=5, model=recorded)

    read = asked(llm)
    assert read["model"] == (recorded or "default")
    assert set(read) == {"model", "messages", "max_tokens", "stream"}
    assert asked(llm, shape=Shape(model=written))["model"] == (written or recorded or "default")


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_body_is_json_for_every_session_step_and_salt(session, step, salt):
    assert len(prompt(LlmCall(input_tokens=3), session, step, salt).split()) == 3


def test_a_stream_is_asked_for_with_its_usage():
    assert asked(LlmCall(input_tokens=1, output_tokens=7, model="m", stream=True)) | {"messages": []} == {
        "model": "m",
        "messages": [],
        "max_tokens": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_an_answer_in_one_piece_is_asked_for_without_stream_options():
    assert asked(LlmCall(input_tokens=1, output_tokens=7, model="m")) | {"messages": []} == {
        "model": "m",
        "messages": [],
        "max_tokens": 7,
        "stream": False,
    }


def test_at_least_one_token_is_asked_for_because_servers_refuse_none():
    assert asked(LlmCall())["max_tokens"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_whole_length_is_asked_for_where_the_target_says_so(stream):
    assert asked(LlmCall(stream=stream), shape=Shape(ignore_eos=True))["ignore_eos"] is True
    assert "ignore_eos" not in asked(LlmCall(stream=stream))


@pytest.mark.parametrize("prefix", [(), (1, 2)])
def test_a_prompt_beyond_the_bound_is_cut_and_counted(prefix):
    chat = ModelCalls(Shape())
    llm = LlmCall(input_tokens=10**15, prefix=prefix)

    [message] = asked(llm, chat=chat)["messages"]

    assert len(message["content"].split()) == MOST_PROMPT_TOKENS
    assert len(message["content"]) <= MOST_PROMPT_BYTES
    assert chat.clamped == 1


def test_a_prompt_at_the_bound_is_whole_and_not_counted():
    chat = ModelCalls(Shape())
    asked(LlmCall(input_tokens=MOST_PROMPT_TOKENS), chat=chat)
    assert chat.clamped == 0


@pytest.mark.parametrize("block_tokens", [1, 500])
def test_the_memory_that_blocks_take_is_bounded_also_where_they_are_tiny(monkeypatch, block_tokens):
    monkeypatch.setattr(shapes, "_BLOCKS_KEPT_BYTES", 100_000)
    chat = ModelCalls(Shape())
    for start in range(0, 10_000, 100):
        prefix = tuple(range(start, start + 100))
        chat.body(
            LlmCall(input_tokens=100 * block_tokens, prefix=prefix, prefix_block_tokens=block_tokens), "s", "a"
        )

    assert 0 < len(chat._blocks) < 1000
    assert sum(map(len, chat._blocks.values())) <= chat._blocks_bytes <= 100_000


def test_the_block_used_last_is_forgotten_last(monkeypatch):
    monkeypatch.setattr(shapes, "_BLOCKS_KEPT_BYTES", 10_000)
    chat = ModelCalls(Shape())
    for block in range(1, 50):
        chat.body(LlmCall(input_tokens=200, prefix=(0, block), prefix_block_tokens=100), "s", "a")

    assert (0, 100) in chat._blocks
    assert (1, 100) not in chat._blocks


def test_many_model_names_take_bounded_memory():
    chat = ModelCalls(Shape())
    for n in range(3000):
        chat.body(LlmCall(model=f"m-{n}"), "s", "a")

    assert len(chat._openings) <= 1024
