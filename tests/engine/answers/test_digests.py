"""Values can be compared, and not read; what is shown has no secrets in it."""

import pytest

from replay.engine.answers.digests import LONGEST_EXAMPLE, Digests, example_of
from replay.engine.answers.shape import Values
from replay.trace.redaction.names import REDACTED


def values(*scalars, pointer="/a", names=("a",)):
    return Values(1, pointer, names, scalars)


def test_equal_values_have_equal_digests_and_others_do_not():
    digests = Digests()

    assert digests.of(values(1, 2)) == digests.of(values(1, 2))
    assert digests.of(values(1)) != digests.of(values("1"))
    assert digests.of(values("ab", "c")) != digests.of(values("a", "bc"))


def test_an_order_that_differs_shows_as_that():
    digests = Digests()
    ordered, bag = digests.of(values(1, 2))
    turned, same_bag = digests.of(values(2, 1))

    assert ordered != turned
    assert bag == same_bag


def test_neither_another_key_nor_another_path_has_the_same_digest():
    assert Digests().of(values("yes")) != Digests().of(values("yes"))
    digests = Digests()
    assert digests.of(values("yes")) != digests.of(values("yes", pointer="/b"))


@pytest.mark.parametrize(
    ("value", "names", "shown"),
    [
        ("gold", ("tier",), '"gold"'),
        ("hunter2", ("user", "password"), REDACTED),
        (1234, ("api_key",), REDACTED),
        (1234, ("max_tokens",), "1234"),
        ("Bearer abcdefghijklmnop123", ("note",), f'"Bearer {REDACTED}"'),
        ('{"password":"hunter2"}', ("arguments",), '"{\\"password\\":\\"redacted\\"}"'),
        ("\ud800", ("a",), "'\\ud800'"),
    ],
)
def test_an_example_is_shown_as_a_recording_would_keep_it(value, names, shown):
    assert example_of(values(value, names=names)) == shown


def test_an_example_is_short_and_one_too_long_to_look_through_is_told_by_its_length():
    assert len(example_of(values(*["x" * 50] * 9))) <= LONGEST_EXAMPLE
    assert example_of(values("x" * 100_000)) == "a text of 100,000 characters"


def test_the_first_examples_of_a_path_are_kept_and_no_more_than_a_bound():
    digests = Digests()
    found = [digests.of(values(n))[0] for n in range(1_000)]

    assert digests.example("/a", found[0]) == "0"
    assert digests.example("/a", found[-1]) is None
