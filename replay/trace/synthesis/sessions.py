"""Sessions made of a recipe: turns of steps with their times, what follows what, and what is asked for. Pure."""

from functools import lru_cache
from math import exp, log
from random import Random
from statistics import NormalDist

import msgspec

from replay.trace.synthesis.recipe import Ends, SessionRecipe, Spread, StepRecipe
from replay.trace.types import Edge, LlmCall, Recorded, Request, Session, Step

_P99 = NormalDist().inv_cdf(0.99)
_quantile = NormalDist().inv_cdf
_FIRST_TOKEN = 0.35


def make_session(recipe: SessionRecipe, random: Random, session_id: str, start_ms: float) -> Session:
    """One session. Steps of a turn follow each other; those side by side join in the next."""
    steps: list[Step] = []
    before: list[Step] = []
    turns = random.randint(*recipe.turns)
    for turn in range(turns):
        delay_ms = drawn_ms(recipe.think, random) if turn and recipe.think is not None else 0.0
        for step_recipe in recipe.steps:
            if random.random() >= step_recipe.chance:
                continue
            edge_ms = delay_ms or (drawn_ms(recipe.overhead, random) if before else 0.0)
            made = [
                _step(step_recipe, random, f"{turn + 1}-{step_recipe.name}-{n + 1}", before, edge_ms)
                for n in range(random.randint(*step_recipe.fan_out))
            ]
            if made:
                steps += made
                before, delay_ms = made, 0.0
    if not steps:
        steps.append(_step(recipe.steps[0], random, f"1-{recipe.steps[0].name}-1", [], 0.0))
    return Session(session_id, round(start_ms, 3), steps, dict(recipe.attributes))


def _step(recipe: StepRecipe, random: Random, step_id: str, before: list[Step], edge_ms: float) -> Step:
    took_ms = round(drawn_ms(recipe.took, random), 3)
    edge_ms = round(edge_ms, 3)
    at_ms = max((parent.at_ms + (parent.took_ms or 0.0) for parent in before), default=0.0) + edge_ms
    step = Step(
        step_id,
        recipe.kind,
        recipe.name,
        tuple(Edge(parent.id, delay_ms=edge_ms) for parent in before),
        round(at_ms, 3),
        took_ms,
        recorded=None if recipe.wait else Recorded(status=200),
    )
    if recipe.wait:
        return step
    if recipe.kind == "llm" and recipe.path is None:
        first_ms = round(took_ms * _FIRST_TOKEN, 3) if recipe.stream else None
        step.recorded = Recorded(status=200, ttft_ms=first_ms)
        step.llm = LlmCall(
            _between(recipe.input_tokens, random), _between(recipe.output_tokens, random), stream=recipe.stream
        )
        return step
    path = recipe.path or f"/tools/{recipe.name.replace(' ', '-')}"
    if recipe.method == "GET":
        step.request = Request("GET", path)
    else:
        body = msgspec.Raw(msgspec.json.encode({"n": random.randrange(1_000_000)}))
        step.request = Request(recipe.method, path, {"content-type": "application/json"}, json=body)
    return step


def _between(ends: Ends, random: Random) -> int:
    return random.randint(*ends)


def drawn_ms(spread: Spread, random: Random) -> float:
    """One draw of a lognormal time."""
    center, sigma = _lognormal(spread)
    return exp(center + sigma * _quantile(min(max(random.random(), 1e-12), 1 - 1e-12)))


@lru_cache(maxsize=256)
def _lognormal(spread: Spread) -> tuple[float, float]:
    return log(spread.p50_ms), log(spread.p99_ms / spread.p50_ms) / _P99
