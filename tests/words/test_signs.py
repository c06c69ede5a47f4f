import codecs

import pytest

from replay.words.signs import PLAIN_SIGNS


def test_what_an_encoding_cannot_say_is_said_in_ascii():
    assert "a → b, 3 µs, ≥ 95%, ∞, é, 中".encode("ascii", PLAIN_SIGNS) == b"a -> b, 3 us, >= 95%, inf, e, ?"


def test_what_it_can_say_stays():
    assert "± 3 µs → é".encode("latin-1", PLAIN_SIGNS) == "± 3 µs -> é".encode("latin-1")


def test_the_signs_of_verdicts_stay_three():
    assert len({sign.encode("ascii", PLAIN_SIGNS) for sign in "✓✗?"}) == 3


def test_bytes_that_cannot_be_read_are_still_an_error():
    with pytest.raises(UnicodeDecodeError):
        codecs.decode(b"\xff", "ascii", PLAIN_SIGNS)
