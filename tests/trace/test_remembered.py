"""What is remembered of a file: what comes again, and nothing long."""

from replay.trace.remembered import LONGEST, remembered


def test_short_texts_are_asked_for_once_and_long_ones_each_time():
    asked = []

    @remembered(2)
    def size_of(text, other=None):
        asked.append(text[:1])
        return len(text)

    assert [size_of("a"), size_of("a"), size_of("b" * LONGEST), size_of("b" * LONGEST)] == [
        1,
        1,
        LONGEST,
        LONGEST,
    ]
    assert [size_of("c" * (LONGEST + 1)) for _ in range(2)] == [LONGEST + 1] * 2
    assert size_of("d" * LONGEST, "e") == LONGEST
    assert asked == ["a", "b", "c", "c", "d"]
    assert size_of.__name__ == "size_of"
