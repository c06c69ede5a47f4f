"""TOML of the user's, nested deeper than anybody writes, is refused in words by each of its readers."""

import pytest

from replay.judge.choice.questionnaire import AnswersError, parse_answers
from replay.judge.money.calendar import CalendarError
from replay.judge.money.calendar_file import parse_calendar
from replay.judge.money.price_table import PriceTableError, parse_price_table
from replay.target import TargetError, load_target
from replay.trace.synthesis.recipe import RecipeError, parse_recipe

DEEP = "x = " + "[" * 5_000


def target(content, where, tmp_path):
    path = tmp_path / where
    path.write_bytes(content)
    return load_target(str(path))


@pytest.mark.parametrize(
    ("read", "error", "what"),
    [
        (target, TargetError, "a target"),
        (lambda content, where, _: parse_price_table(content, where), PriceTableError, "a price table"),
        (lambda content, where, _: parse_calendar(content, where, "x"), CalendarError, "a calendar"),
        (lambda content, where, _: parse_answers(content, where), AnswersError, "answers"),
        (lambda content, where, _: parse_recipe(content.decode(), where), RecipeError, "a recipe"),
    ],
)
def test_toml_that_is_nested_too_deeply_is_refused(read, error, what, tmp_path):
    with pytest.raises(error, match=rf"x\.toml: is nested too deeply for {what}\.$"):
        read(DEEP.encode(), "x.toml", tmp_path)


@pytest.mark.parametrize("written", ["9" * 400, "-" + "9" * 400, "1e300", "nan"])
def test_a_number_that_no_float_holds_is_out_of_range(written):
    with pytest.raises(AnswersError, match=r"team_size: must be from 0 to [0-9,]+, and is "):
        parse_answers(f"team_size = {written}".encode(), "answers.toml")
