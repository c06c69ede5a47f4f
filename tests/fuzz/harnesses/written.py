"""What users write: SLOs and rules, target files, prices, calendars, answers, recipes, values of options."""

from collections.abc import Callable
from pathlib import Path

import click

from replay.choice.questionnaire import AnswersError, parse_answers, written_answers
from replay.cli.units import DURATION, FACTOR, FAULT_AT, MONEY, PERCENT, RATIO
from replay.engine.users.rows import read_rows
from replay.judge.comparison.metric import MetricError, parse_metric
from replay.judge.gate.abort import parse_abort
from replay.judge.measures.slo import parse_slo_file
from replay.judge.measures.slo_tokens import SloError
from replay.money.calendar import CalendarError
from replay.money.price_table import PriceTableError, parse_price_table
from replay.planes.modelled.distributions import parse_distribution
from replay.recording.upstreams import UpstreamError, parse_routes
from replay.simulation.simulation import simulated_plane
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.secrets import redacted
from replay.trace.arrivals import ArrivalsError, parse_arrivals
from replay.trace.errors import TraceError
from replay.trace.synthesis.recipe import RecipeError, parse_recipe
from replay.trace.transforms.requests import parse_header, parse_rewrite
from replay.trace.transforms.selecting import parse_selector
from replay.trace.transforms.types import TransformError
from replay.trials.calendars import calendar_from
from tests.fuzz import seeds
from tests.fuzz.contract import Harness

_OPTIONS: tuple[tuple[Callable[[str], object], type[Exception]], ...] = (
    *(
        (lambda text, kind=kind: kind.convert(text, None, None), click.BadParameter)
        for kind in (DURATION, FACTOR, FAULT_AT, MONEY, PERCENT, RATIO)
    ),
    (parse_arrivals, ArrivalsError),
    (parse_metric, MetricError),
    (parse_rewrite, TransformError),
    (parse_header, TransformError),
    (parse_selector, TransformError),
    (parse_distribution, ValueError),
    (lambda text: parse_routes(text.split(" ", 1)[:1], text.split(" ")[1:]), UpstreamError),
)


def _slo(data: bytes, folder: Path) -> bool:
    text = data.decode("utf-8", "surrogateescape")
    try:
        parse_abort(text)
    except SloError:
        pass
    return bool(parse_slo_file(text, "slos.txt"))


def _target(data: bytes, folder: Path) -> bool:
    """A target that is taken can be shown without its secrets; what is wrong with its plane is told."""
    path = folder / "target.toml"
    path.write_bytes(data)
    target = load_target(str(path))
    redacted(target)
    if target.simulate is not None:
        simulated_plane(target)
    return True


def _calendar(data: bytes, folder: Path) -> bool:
    path = folder / ("calendar.csv" if data[:4] in (b"time", b'{"ti') else "calendar.toml")
    path.write_bytes(data)
    calendar_from(str(path))
    return True


def _prices(data: bytes, folder: Path) -> bool:
    return bool(parse_price_table(data, "prices.toml"))


def _answers(data: bytes, folder: Path) -> bool:
    """Answers that are written down read the same."""
    answers = parse_answers(data, "answers.toml")
    assert parse_answers(written_answers(answers).encode(), "again") == answers
    return True


def _recipe(data: bytes, folder: Path) -> bool:
    return bool(parse_recipe(data.decode("utf-8", "replace"), "recipe.toml"))


def _rows(data: bytes, folder: Path) -> bool:
    path = folder / "users.csv"
    path.write_bytes(data)
    read_rows(path, {"user": (2, "s", "a")}, Path("trace.jsonl"))
    return True


def _option(data: bytes, folder: Path) -> bool:
    text = data.decode("utf-8", "surrogateescape")
    is_accepted = False
    for read, documented in _OPTIONS:
        try:
            read(text)
            is_accepted = True
        except documented:
            continue
    return is_accepted


HARNESSES = (
    Harness("slo", _slo, (SloError,), seeds.slos, ("replay.judge.measures.slo", "replay.judge.measures.slo_tokens", "replay.judge.gate.abort"), seeds.SLO_WORDS),
    Harness(
        "target", _target, (TargetError,), seeds.targets,
        ("replay.target.target", "replay.target.sending", "replay.target.urls", "replay.target.file", "replay.toml", "replay.simulation.simulation", "replay.money.currency"), seeds.TARGET_WORDS,
    ),
    Harness(
        "calendar", _calendar, (CalendarError,), seeds.calendars,
        ("replay.money.calendar_file", "replay.money.calendar_fit"),
    ),
    Harness("prices", _prices, (PriceTableError,), seeds.price_tables, ("replay.money.price_table",)),
    Harness("answers", _answers, (AnswersError,), seeds.answers, ("replay.choice.questionnaire",)),
    Harness("recipe", _recipe, (RecipeError,), seeds.recipes, ("replay.trace.synthesis.recipe",)),
    Harness("users", _rows, (TraceError,), seeds.users, ("replay.engine.users.rows",)),
    Harness(
        "option", _option, (), seeds.options,
        ("replay.cli.units", "replay.trace.arrivals", "replay.planes.modelled.distributions", "replay.trace.transforms.requests"),
    ),
)  # fmt: skip
