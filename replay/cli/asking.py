"""Asking, in a terminal, what no trace can tell: one question after another, and the answers kept in a file."""

import sys
from pathlib import Path

import click

from replay.choice.questionnaire import (
    QUESTIONS,
    UNKNOWN,
    Answers,
    AnswersError,
    Question,
    answer_of,
    open_questions,
    said,
    written_answers,
)
from replay.system.files import write_whole
from replay.trials.pilot.answers import read_answers

ANSWERS_FILE = Path("answers.toml")


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(path: Path) -> Answers:
    """Ask, with what the file has as defaults, and write the answers there. Raises AnswersError, and what click raises.

    Questions that earlier answers settle are not asked.
    """
    if not is_terminal():
        raise click.UsageError(
            "--ask needs a terminal, and there is none here. Write the answers to a file: --answers."
        )
    if not path.parent.is_dir():
        raise AnswersError(f"{path}: cannot be written, since there is no folder {path.parent}.")
    answers = read_answers(path) if path.exists() else Answers()
    click.echo(
        f"What no trace can tell. Enter keeps what stands in brackets; {UNKNOWN!r} leaves it open.", err=True
    )
    given = {question.id: getattr(answers, question.id) for question in QUESTIONS}
    number = 0
    for question in QUESTIONS:
        if question not in open_questions(Answers(**{**given, question.id: None})):
            given[question.id] = None
            continue
        number += 1
        given[question.id] = _asked(question, given[question.id], number)
    answers = Answers(**given)
    write_whole(path, written_answers(answers))
    click.echo(f"answers: {path}", err=True)
    return answers


def _asked(question: Question, before: object, number: int) -> object:
    """One answer; asked again as long as it cannot be one."""
    click.echo(f"\n{number}  {question.text}", err=True)
    for n, option in enumerate(question.options, 1):
        click.echo(f"  {n}  {option.value}: {option.follows}", err=True)
    several = " (several with commas)" if question.kind == "several" else ""
    default = (
        UNKNOWN
        if before is None
        else said(before).replace(",", "")
        if question.kind == "number"
        else said(before)
    )
    while True:
        typed = click.prompt(f"answer{several}", default=default, err=True)
        try:
            return answer_of(question, str(typed))
        except ValueError as problem:
            click.echo(f"{problem}.", err=True)
