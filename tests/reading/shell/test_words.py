"""A line of a shell is divided into commands and words as a shell divides it."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.reading.shell.words import shell_commands


@given(
    words=st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20), max_size=6)
)
def test_words_are_those_that_a_shell_would_divide(words):
    assert shell_commands(shlex.join(["curl", *words])) == [["curl", *words]]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (r"""a 'b c''d' "e\"f" g\ h #i""", ["a", "b cd", 'e"f', "g h"]),
        ("a#b '' x # '", ["a#b", "", "x"]),
        (r"""a "b\\c $d" $e""", ["a", r"b\c $d", "$e"]),
        (r"""'a'"b"c$'d\'\n'""", ["abcd'\n"]),
        ("a 'b", None),
    ],
)
def test_quotes_escapes_and_comments_are_read_as_a_shell_reads_them(command, words):
    assert shell_commands(command) == (words and [words])


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a;b&c|d", [["a"], ["b"], ["c"], ["d"]]),
        ("a && b || c |& d &", [["a"], ["b"], ["c"], ["d"]]),
        (r"""a ';' "&" \| '>' \> $'<'""", [["a", ";", "&", "|", ">", ">", "<"]]),
        ("a>b c 2>d e", [["a", "c", "e"]]),
        ("a 2>&1 b >&- c &>> d e 10< f", [["a", "b", "c", "e"]]),
        ("a2>b '2'>c \\ 2>d", [["a2", "2", " 2"]]),
        ("a >'b c'\"d\" e", [["a", "e"]]),
        ("a > ; b", [["a"], ["b"]]),
        ("a $(b | c (d); e) `f > g` @<(h)", [["a", "$(b | c (d); e)", "`f > g`", "@<(h)"]]),
        ("a $( ` b", [["a", "$(", "`", "b"]]),
        ("a ;# b; c", [["a"]]),
        (" ; ", []),
    ],
)
def test_operators_end_a_command_and_redirections_take_a_word(text, commands):
    assert shell_commands(text) == commands


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("café 日本", "café 日本"),
        (r"\x41\101\xc3\xa9\u00e9\u65e5\U0001f600", "AAéé日😀"),
        (r"\ud83d\ude00 \ud83d\udc80", "😀 💀"),
        (r"\ud83d \xff \Uffffffff", "\ufffd \ufffd \ufffd"),
        (r"\a\b\e\E\f\n\r\t\v\\\'\"\?\cA", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?\x01"),
        (r"\\u0041 \q \u \x", r"\u0041 \q \u \x"),
    ],
)
def test_escapes_in_ansi_quotes_stand_for_characters_and_bytes_of_utf_8(written, meant):
    assert shell_commands(f"a $'{written}'") == [["a", meant]]


def test_substitutions_that_are_not_closed_take_no_longer_than_the_text_is_long():
    assert shell_commands("curl " + "$(a() " * 50_000) is not None
