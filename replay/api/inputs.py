"""What the public calls are given, as the rest of the package takes it."""

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from replay.errors import InputError
from replay.judge.gate.abort import AbortRule, parse_abort
from replay.judge.measures.slo import Slo, parse_slo
from replay.target.file import load_target
from replay.target.target import Target

AnyPath: TypeAlias = str | PathLike[str]
AnyTarget: TypeAlias = Target | AnyPath


def path_of(path: AnyPath) -> Path:
    return Path(path)


def out_of(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)


def target_of(target: AnyTarget) -> Target:
    """Raises TargetError, which is an InputError."""
    return target if isinstance(target, Target) else load_target(fspath(target))


def targets_of(targets: AnyTarget | Sequence[AnyTarget]) -> list[Target]:
    """One target, or several. Raises TargetError."""
    if isinstance(targets, Target | str | PathLike):
        return [target_of(targets)]
    return [target_of(target) for target in targets]


def slos_of(slos: Sequence[str], of_targets: Sequence[str] = ()) -> list[Slo]:
    """The bounds that these texts state, or those of the target files where there are none. Raises SloError."""
    return list(dict.fromkeys(parse_slo(text) for text in _texts(slos, "slos", "p99 < 800ms") or of_targets))


def some_slos(slos: list[Slo]) -> list[Slo]:
    """Raises InputError where there are none to judge by."""
    if not slos:
        raise InputError(
            'there is no SLO to judge by. State one, for example slos=["p99 < 800ms"], or in the target file.'
        )
    return slos


def aborts_of(rules: Sequence[str]) -> list[AbortRule]:
    """Raises SloError."""
    return [parse_abort(text) for text in _texts(rules, "aborts", "errors > 20% over 10s")]


def _texts(given: Sequence[str], name: str, example: str) -> Sequence[str]:
    if isinstance(given, str):
        raise InputError(f'{name} is a list of texts. Write {name}=["{example}"].')
    return given
