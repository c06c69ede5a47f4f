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
    """As from_recipe; as long as the recording where neither is said."""
    arrivals, random = Random(f"{seed}:arrivals"), Random(f"{seed}:sessions")
    if duration_s is None and sessions is None:
        duration_s = max(likeness.span_s, 1.0)
    for n, start_ms in _numbered(likeness.arrivals, arrivals, duration_s, sessions):
        yield drawn(likeness.sessions, random, f"like-{n + 1:06d}", start_ms)


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
