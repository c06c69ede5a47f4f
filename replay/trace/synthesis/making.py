"""Making a trace: arrivals and sessions together, as a stream, until it is long enough."""

from collections.abc import Iterator
from random import Random

from replay.trace.synthesis.arrivals import starts_ms
from replay.trace.synthesis.likeness import Likeness, drawn
from replay.trace.synthesis.recipe import ArrivalRecipe, Recipe
from replay.trace.synthesis.sessions import make_session
from replay.trace.types import FORMAT, VERSION, Header, Session

MOST_SESSIONS = 10_000_000


def recipe_header(recipe: Recipe, seed: int) -> Header:
    """Says that nobody recorded it."""
    return Header(
        FORMAT, VERSION, recipe.name, "made from a recipe; no recording", 0.001, {"synthesis": {"seed": seed}}
    )


def likeness_header(likeness: Likeness, seed: int) -> Header:
    """Says of whom it is the likeness, and of what process its arrivals are."""
    name = likeness.header.name
    about = {"seed": seed, "like": name, "process": likeness.arrivals.process}
    return Header(
        FORMAT,
        VERSION,
        f"like {name}"[:200],
        f"sessions of {name}, arriving as there",
        likeness.header.resolution_ms,
        {"synthesis": about},
    )


def from_recipe(recipe: Recipe, seed: int, duration_s: float | None, sessions: int | None) -> Iterator[Session]:
    """Sessions that start within the duration, or so many of them; the same for the same seed."""
    arrivals, random = Random(f"{seed}:arrivals"), Random(f"{seed}:sessions")
    for n, start_ms in _numbered(recipe.arrivals, arrivals, duration_s, sessions):
        yield make_session(recipe.session, random, f"{recipe.name}-{n + 1:06d}", start_ms)


def from_likeness(
    likeness: Likeness, seed: int, duration_s: float | None, sessions: int | None
) -> Iterator[Session]:
    """As from_recipe; where neither is said, as many sessions as the recording has, over as long a time."""
    arrivals, random = Random(f"{seed}:arrivals"), Random(f"{seed}:sessions")
    stretch = 1.0
    if duration_s is None and sessions is None:
        sessions = likeness.session_count
        stretch = _stretch(likeness, Random(f"{seed}:arrivals"))
    for n, start_ms in _numbered(likeness.arrivals, arrivals, duration_s, sessions):
        yield drawn(likeness.sessions, random, f"like-{n + 1:06d}", start_ms * stretch)


def _stretch(likeness: Likeness, random: Random) -> float:
    """What makes as many starts last as long as the recording's: chance would have it shorter or longer."""
    starts = [start_ms for _, start_ms in _numbered(likeness.arrivals, random, None, likeness.session_count)]
    last_ms = starts[-1]
    return likeness.span_s * 1000 / last_ms if last_ms else 1.0


def _numbered(
    arrivals: ArrivalRecipe, random: Random, duration_s: float | None, sessions: int | None
) -> Iterator[tuple[int, float]]:
    """Starts from zero on: the first gap is left out, so that a trace begins with a session."""
    first_ms: float | None = None
    most = MOST_SESSIONS if sessions is None else min(sessions, MOST_SESSIONS)
    for n, at_ms in enumerate(starts_ms(arrivals, random)):
        first_ms = at_ms if first_ms is None else first_ms
        start_ms = at_ms - first_ms
        if n >= most or (duration_s is not None and start_ms > 1000 * duration_s):
            return
        yield n, start_ms
