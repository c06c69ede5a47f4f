"""When sessions start, drawn from a recipe with a seed: streams of times, without end.

Pure. Poisson and gamma renewal processes draw independent gaps. On-off is a Markov-modulated Poisson process of two
states (Fischer and Meier-Hellstern 1993). A day's curve thins a faster stream (Lewis and Shedler 1979).
"""

from collections.abc import Iterator
from math import log
from random import Random

from replay.trace.synthesis.recipe import ArrivalRecipe

_HOUR_MS = 3_600_000.0


def starts_ms(recipe: ArrivalRecipe, random: Random) -> Iterator[float]:
    """Start times in ms from the trace's start, ascending; the first is the first gap."""
    if not recipe.day:
        return _even_of_day(recipe, random, 1.0)
    return _by_the_hour(recipe, random)


def _by_the_hour(recipe: ArrivalRecipe, random: Random) -> Iterator[float]:
    mean, most = sum(recipe.day) / 24, max(recipe.day)
    for at_ms in _even_of_day(recipe, random, most / mean):
        if random.random() * most < recipe.day[int(at_ms / _HOUR_MS) % 24]:
            yield at_ms


def _even_of_day(recipe: ArrivalRecipe, random: Random, faster: float) -> Iterator[float]:
    gap_ms = 60_000.0 / (recipe.per_min * faster)
    if recipe.process == "on-off":
        return _on_off(recipe, random, gap_ms)
    if recipe.process == "bursts":
        return _bursts(recipe, random, gap_ms)
    return _renewal(recipe, random, gap_ms)


def _renewal(recipe: ArrivalRecipe, random: Random, gap_ms: float) -> Iterator[float]:
    shape = 1 / recipe.cv**2
    at_ms = 0.0
    while True:
        if recipe.process == "even":
            at_ms += gap_ms
        elif recipe.process == "gamma":
            at_ms += random.gammavariate(shape, gap_ms / shape)
        else:
            at_ms += exponential(random, gap_ms)
        yield at_ms


def _bursts(recipe: ArrivalRecipe, random: Random, gap_ms: float) -> Iterator[float]:
    """Bursts of so many sessions within a tenth of a second; the mean rate is kept."""
    low, high = recipe.burst_size
    mean = (low + high) / 2
    at_ms = 0.0
    while True:
        at_ms += exponential(random, gap_ms * mean)
        yield from sorted(at_ms + 100.0 * random.random() for _ in range(random.randint(low, high)))
        at_ms += 100.0


def _on_off(recipe: ArrivalRecipe, random: Random, gap_ms: float) -> Iterator[float]:
    share = recipe.on_s / (recipe.on_s + recipe.off_s)
    on_gap_ms = gap_ms * (share + (1 - share) * recipe.off_ratio)
    off_gap_ms = on_gap_ms / recipe.off_ratio if recipe.off_ratio else float("inf")
    at_ms, is_on = 0.0, random.random() < share
    while True:
        until_ms = at_ms + exponential(random, 1000 * (recipe.on_s if is_on else recipe.off_s))
        gap = on_gap_ms if is_on else off_gap_ms
        while gap != float("inf") and (at_ms := at_ms + exponential(random, gap)) < until_ms:
            yield at_ms
        # What is left of a gap is forgotten with the state: exponential gaps have no memory.
        at_ms, is_on = until_ms, not is_on


def exponential(random: Random, mean: float) -> float:
    return -mean * log(1.0 - random.random())
