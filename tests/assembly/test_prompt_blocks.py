"""Prompts share as many blocks as their cached tokens say."""

from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.prompt_blocks import SessionPrompts


def shared(first, second):
    return next(
        (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def test_a_prompt_begins_with_the_cached_blocks_of_the_one_before():
    prompts = SessionPrompts(0, 10)
    first = prompts.blocks("main", "m", 55, 0)
    second = prompts.blocks("main", "m", 82, 49)
    assert (len(first), len(second), shared(first, second)) == (5, 8, 4)
    assert not set(second[4:]) & set(first)


def test_what_the_first_prompt_had_in_a_cache_is_the_same_in_all_sessions_for_each_model():
    first, second = (
        SessionPrompts(0, 10).blocks("main", "m", 55, 30),
        SessionPrompts(1, 10).blocks("main", "m", 90, 40),
    )
    other = SessionPrompts(2, 10).blocks("main", "n", 90, 40)
    assert (shared(first, second), shared(second, other)) == (3, 0)
    assert len({*first, *second}) == 5 + 9 - 3


def test_agents_and_models_have_prompts_of_their_own():
    prompts = SessionPrompts(0, 10)
    mine = prompts.blocks("main", "m", 50, 0)
    assert shared(mine, prompts.blocks("sub", "m", 50, 50)) == 0
    assert shared(mine, prompts.blocks("main", "n", 50, 50)) == 0
    assert shared(mine, prompts.blocks("main", "m", 50, 50)) == 5


def test_a_cache_that_had_expired_shares_nothing():
    prompts = SessionPrompts(0, 10)
    assert shared(prompts.blocks("main", "m", 50, 0), prompts.blocks("main", "m", 60, 0)) == 0


def test_without_cached_tokens_and_beyond_all_sense_there_are_no_blocks():
    prompts = SessionPrompts(0, 1)
    assert prompts.blocks("main", "m", 50, None) == ()
    assert prompts.blocks("main", "m", 10**8, 0) == ()
    assert prompts.blocks("main", "m", -5, -7) == ()


@given(
    st.lists(st.tuples(st.integers(-10, 3_000), st.integers(-10, 5_000)), max_size=8),
    st.integers(0, 10**7),
    st.integers(1, 600),
)
def test_every_prompt_has_its_full_blocks_each_once_and_small(calls, number, size):
    prompts = SessionPrompts(number, size)
    for read, cached in calls:
        blocks = prompts.blocks("main", "m", read, cached)
        assert len(blocks) == len(set(blocks)) == max(read, 0) // size
        assert all(0 <= block < 1 << 53 for block in blocks)
