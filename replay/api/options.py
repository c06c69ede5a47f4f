"""How a run is carried out, as keywords of the public calls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from replay.engine.amounts import parse_budget
from replay.engine.types import Answers, At, Budget, Knobs, Late, OnError, Phase, RowOrder, RunOptions, Timing
from replay.errors import InputError

_KNOBS = frozenset(Knobs.__struct_fields__)
_KNOWN = _KNOBS | set(RunOptions.__struct_fields__) - {"knobs"}


class RunKeywords(TypedDict, total=False):
    """What replay.engine.types.RunOptions and its Knobs hold, all of it optional; said there what each means.

    budget: also as it is written for --budget, such as "5USD". data: the path of a CSV file.
    """

    timing: Timing
    speed: float
    arrivals: float
    think: float
    idle_cap_s: float | None
    scale: int
    seed: int
    duration_s: float | None
    sessions: int | None
    max_in_flight: int | None
    on_error: OnError
    late: Late
    late_limit_s: float
    warmup_s: float
    grace_s: float
    repeat: bool
    begins_with: int | None
    phases: tuple[Phase, ...]
    at: tuple[At, ...]
    answers: Answers
    references: bool
    data: str | Path | None
    data_order: RowOrder
    to_origin: bool
    read_only: bool
    budget: str | Budget | None
    workers: int
    listen: str | None
    cluster: str | None


def options_of(given: Mapping[str, Any], caller: str, others: str = "") -> RunOptions:
    """The options of a run, from keywords of the caller.

    others: what else the caller takes, in words. Raises TypeError for a keyword that there is not, and InputError for a
    value that cannot be used.
    """
    if unknown := sorted(set(given) - _KNOWN):
        raise TypeError(f"{caller} has no option {unknown[0]!r}. It takes {others}{', '.join(sorted(_KNOWN))}.")
    chosen: dict[str, Any] = {name: value for name, value in given.items() if name not in _KNOBS}
    chosen["knobs"] = {name: value for name, value in given.items() if name in _KNOBS}
    if isinstance(chosen.get("data"), Path):
        chosen["data"] = str(chosen["data"])
    try:
        if isinstance(chosen.get("budget"), str):
            chosen["budget"] = parse_budget(chosen["budget"])
        options = msgspec.convert(chosen, RunOptions, from_attributes=True)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`").removeprefix("knobs.")
        value = given.get(name, chosen.get(name))
        what = what.replace("`", "")
        raise InputError(f"{caller} cannot take {name}={value!r}: {what[:1].lower()}{what[1:]}.") from error
    except ValueError as error:
        raise InputError(f"{caller} cannot take budget={given['budget']!r}: {error}") from error
    if options.repeat and options.duration_s is None:
        raise InputError("repeat goes on for ever; say until when with duration_s, in seconds.")
    if options.begins_with is not None and not options.repeat:
        raise InputError(
            "begins_with is where the first lap begins, and without repeat=True there are no laps."
        )
    if options.data is not None and not options.references:
        raise InputError("data gives values to references, and references=False leaves them alone.")
    return options
