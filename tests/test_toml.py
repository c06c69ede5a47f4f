"""TOML of the user's that nobody would write is refused in words by each of its readers."""

import re

import pytest

from replay.choice.questionnaire import AnswersError, parse_answers
from replay.money.calendar import CalendarError
from replay.money.calendar_file import parse_calendar
from replay.money.price_table import PriceTableError, parse_price_table
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.toml import TomlError, read_toml
from replay.trace.synthesis.recipe import RecipeError, parse_recipe

BAD = {
    "is nested too deeply": "x = " + "[" * 5_000,
    "x.1.y: is a whole number beyond 64 bits": "x = [1, {y = 18446744073709551616}]",
    "is not TOML: it holds a whole number beyond 64 bits": "x = " + "9" * 5_000,
    "is not TOML: Invalid value (at line 1, column 5)": "x = ?",
}


def target(content, where, tmp_path):
    path = tmp_path / where
    path.write_bytes(content)
    return load_target(str(path))


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (target, TargetError),
        (lambda content, where, _: parse_price_table(content, where), PriceTableError),
        (lambda content, where, _: parse_calendar(content, where, "x"), CalendarError),
        (lambda content, where, _: parse_answers(content, where), AnswersError),
        (lambda content, where, _: parse_recipe(content.decode(), where), RecipeError),
    ],
)
@pytest.mark.parametrize("said", BAD)
def test_toml_that_is_none_is_refused(read, error, said, tmp_path):
    with pytest.raises(error, match=re.escape(f"x.toml: {said}.") + "$"):
        read(BAD[said].encode(), "x.toml", tmp_path)


@pytest.mark.parametrize(
    "written",
    ["a" + ".5" * 100 + " = 1", "[" + "a." * 100 + "b]", "x = { " + '\'a\'\t. "b\\"" . ' * 50 + "c = 1 }"],
    ids=["a key", "a table's name", "within a value"],
)
def test_a_key_of_a_hundred_parts_is_nested_too_deeply(written):
    """Ten thousand took Python's reader 1.4 GB, and seconds."""
    with pytest.raises(TomlError, match=r"^is nested too deeply$"):
        read_toml(written.encode())


def test_a_text_of_many_dots_is_no_key():
    assert read_toml(f'x = "{"no. " * 500}{"1.5 " * 200}"\n{"a." * 99}b = 1'.encode())["x"].endswith("1.5 ")


def test_a_byte_order_mark_before_it_is_no_part_of_it():
    assert read_toml("\ufeffname = 'é'\r\n".encode()) == {"name": "é"}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_text_in_another_encoding_is_told_as_that(encoding):
    with pytest.raises(TomlError, match=r"^is not TOML: it is not UTF-8 text$"):
        read_toml("name = 'é'".encode(encoding))


@pytest.mark.parametrize("written", ["9" * 18, "-" + "9" * 18, "1e300", "nan"])
def test_a_number_that_is_far_too_large_is_out_of_range(written):
    with pytest.raises(AnswersError, match=r"team_size: must be from 0 to [0-9,]+, and is "):
        parse_answers(f"team_size = {written}".encode(), "answers.toml")
