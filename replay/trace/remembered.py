"""What comes again and again in a file, found once: in bounded memory, whatever the file holds.

A table that is bounded by the number of its entries alone would take gigabytes of a small file whose texts are long,
and all different. So what is long is found anew each time.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

LONGEST = 256
"""Characters of the texts of one call that is remembered, together."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def remembered(most: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorates a pure function of texts: its last so many calls with short ones are answered from memory."""

    def of(function: Callable[_P, _R]) -> Callable[_P, _R]:
        known = lru_cache(most)(function)

        # Of one text, as most are, half the time: these are asked several times for every line of a log.
        @wraps(function)
        def ask_of_one(text: Any) -> _R:
            is_short = text is None or len(text) <= LONGEST
            return known(text) if is_short else function(text)  # type: ignore[call-arg]

        if function.__code__.co_argcount == 1:
            return ask_of_one  # type: ignore[return-value]

        @wraps(function)
        def ask(*texts: _P.args, **named: _P.kwargs) -> _R:
            size = 0
            for text in texts:
                size += len(text) if isinstance(text, str) else 0
            return known(*texts) if size <= LONGEST else function(*texts)  # type: ignore[call-arg]

        return ask

    return of
