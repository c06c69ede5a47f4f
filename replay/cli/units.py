"""Option values with units, the same for every command: `30s`, `800ms`, `2m`, `1h`."""

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from replay.engine.amounts import parse_budget
from replay.engine.types import MOST_WORKERS, Budget
from replay.system.cores import spare_cores, usable_cores
from replay.trace.errors import shortened

if TYPE_CHECKING:
    from replay.judge.gate.abort import AbortRule

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|min|h)?")
_FAULTS = ("kill", "drain", "deploy")
# What no clock of ours overflows at.
_LONGEST_S = 1e9
_LEAST_FACTOR, _MOST_FACTOR = 1e-6, 1e6
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """A length of time in seconds, written with its unit. may_be_zero: so that it lasts no time at all."""

    name = "duration"

    def __init__(self, *, may_be_zero: bool = True) -> None:
        self._may_be_zero = may_be_zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(str(value).strip())
        if found is None or found[2] is None:
            self.fail(
                f"{value!r} is not a valid duration. Write it with a unit, for example 800ms, 30s, 2m or 1h."
            )
        seconds = float(found[1]) * _SECONDS[found[2]]
        if seconds > _LONGEST_S:
            self.fail(f"{shortened(str(value))} is too long; at most 31 years are allowed.")
        if not seconds and not self._may_be_zero:
            self.fail(f"{shortened(str(value))} is not a valid duration; it has to be more than 0.")
        return seconds


class WholeNumber(click.IntRange):
    """A whole number, within bounds if there are any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            int(value)
        except (ValueError, TypeError):
            self.fail(f"{value!r} is not a whole number in digits, such as 10.", param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A number, within bounds if there are any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            is_number = not math.isnan(float(value))
        except (ValueError, TypeError):
            is_number = False
        if not is_number:
            self.fail(f"{value!r} is not a number.", param, ctx)
        return super().convert(value, param, ctx)


class Factor(click.ParamType[float]):
    """A positive number, with or without a trailing x."""

    name = "factor"

    def __init__(self, *, may_be_zero: bool = False) -> None:
        self._may_be_zero = may_be_zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(str(value).strip().removesuffix("x"))
        except ValueError:
            self.fail(f"{value!r} is not a number. Write a factor, for example 4 or 0.5.")
        is_usable = _LEAST_FACTOR <= number <= _MOST_FACTOR or (number == 0 and self._may_be_zero)
        if not is_usable:
            zero = "0, or " if self._may_be_zero else ""
            self.fail(
                f"{value!r} cannot be used as a factor. Write {zero}a number from {_LEAST_FACTOR:f} to "
                f"{_MOST_FACTOR:,.0f}, for example 4."
            )
        return number


class Percent(click.ParamType[float]):
    """A percentage above 0, with or without its sign."""

    name = "percent"

    def __init__(self, *, most: float = math.inf) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(str(value).strip().removesuffix("%"))
        except ValueError:
            self.fail(f"{value!r} is not a valid percentage. Write for example 5%.")
        if not math.isfinite(number) or number <= 0:
            self.fail(f"{value!r} cannot be used here. Write a percentage above 0, for example 5%.")
        if number > self._most:
            self.fail(f"{value!r} is more than there is; at most {self._most:g}% can be taken.")
        return number


class Ratio(click.ParamType[float]):
    """A share of a whole: 0 to 1, or a percentage with its sign."""

    name = "ratio"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value!r} is not a valid share. Write for example 0.9 or 90%.")
        if not 0 <= number <= 1:
            self.fail(
                f"{value!r} is not a valid share. Write a number from 0 to 1, or a percentage up to 100%."
            )
        return number


class FaultAt(click.ParamType[tuple[str, float]]):
    """A fault and when it is to happen, written as kill@30s."""

    name = "fault"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        fault, at, when = str(value).partition("@")
        if fault not in _FAULTS or not at:
            self.fail(
                f"{value!r} is not a known fault. Write one of {', '.join(_FAULTS)} and when, for example kill@30s."
            )
        return fault, DURATION.convert(when, param, ctx)


class Money(click.ParamType[Budget]):
    """An amount above 0, with or without its currency: 5USD, 5 EUR, $5, 5."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Budget:
        try:
            return parse_budget(str(value))
        except ValueError as error:
            self.fail(str(error))


class Workers(click.ParamType[int]):
    """A number of processes, or auto: as many as `auto` says."""

    name = "number"

    def __init__(self, auto: Callable[[], int]) -> None:
        self._auto = auto

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        if text == "auto":
            return self._auto()
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
            self.fail(f"{value!r} is not a number of workers. Write 1 to {MOST_WORKERS}, or auto.")
        return int(text)


def typed_duration(value_s: float) -> str:
    """A length of time as one would type it: `30s`."""
    return f"{value_s:g}s"


class Abort(click.ParamType["AbortRule"]):
    """A condition that ends a run, over the last so many seconds: 'errors > 20% over 10s'."""

    name = "rule"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "AbortRule":
        # Imported with the first: most runs have none, and begin sooner without what judges by it.
        from replay.judge.gate.abort import parse_abort
        from replay.judge.measures.slo_tokens import SloError

        try:
            return parse_abort(str(value))
        except SloError as error:
            self.fail(str(error))


ABORT = Abort()
DURATION = Duration()
DURATION_ABOVE_ZERO = Duration(may_be_zero=False)
MONEY = Money()
FAULT_AT = FaultAt()
PERCENT = Percent()
RATIO = Ratio()
FACTOR = Factor()
WORKERS = Workers(spare_cores)
WORKERS_ON_ALL_CORES = Workers(lambda: len(usable_cores()))
FACTOR_OR_ZERO = Factor(may_be_zero=True)
