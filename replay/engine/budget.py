"""What model calls cost while a run goes on, and when no further one may be sent. Pure.

Before a call is sent its expected cost is set aside: the tokens of its prompt, and as many tokens of an answer as it
asks for at most. What its answer says it used takes that place afterwards. A call that would bring the sum past the
budget is not sent, and ends the run. So the budget is passed by no more than prompts were estimated too short.

What is known of a call's tokens, first that applies: the counts of a step that is known by them; for the prompt what
was recorded, else a token for every four bytes of the body; for the answer the limit in the body, else what was
recorded, else MOST_ANSWERED. An attempt that was never sent, or was refused with a status of 4xx and tells of no usage,
costs nothing; any other of which no usage is known keeps what was set aside for it.
"""

import re
from typing import NamedTuple

from replay.dialects.asked import LIMITS
from replay.dialects.families import family_of_request
from replay.engine.attempt import Attempt
from replay.engine.types import Budget
from replay.results.manifest_types import Spent
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.told_tokens import told_tokens
from replay.trace.types import Step

MOST_ANSWERED = 1_024
"""Tokens that an answer is taken to have where nothing bounds it."""

_BYTES_A_TOKEN = 4
_MILLION = 1_000_000
_LIMIT = re.compile(rf'"(?:{"|".join(LIMITS)})"\s*:\s*(\d{{1,9}})'.encode()).search


class Tokens(NamedTuple):
    """Of a prompt, and of its answer."""

    prompt: int
    answer: int


def is_model_call(step: Step, body: bytes) -> bool:
    """Whether a step is a call that a model's tokens are paid for. body: of its request."""
    request = step.request
    if request is None:
        return step.llm is not None
    return family_of_request(step.kind, request.method, request.path, body) == "model"


def expected_tokens(step: Step, body: bytes) -> Tokens:
    """What a model call is expected to use at most; see the head of this module."""
    if step.llm is not None:
        return Tokens(step.llm.input_tokens, step.llm.output_tokens or 1)
    prompt = told_tokens(step.attributes, "input_tokens")
    limit = _LIMIT(body)
    answer = int(limit[1]) if limit is not None else told_tokens(step.attributes, "output_tokens")
    return Tokens(
        -(-len(body) // _BYTES_A_TOKEN) if prompt is None else prompt,
        MOST_ANSWERED if answer is None else answer,
    )


def price_of(cost: Cost, tokens: Tokens) -> float:
    """What one model call costs, by the target's [cost]."""
    return cost.call_price + cost.token_price_million * (tokens.prompt + tokens.answer) / _MILLION


class Purse:
    """What may be spent, by all runs that go on together. why: why no further call may be sent, once that is so."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.spent = 0.0
        self.why: str | None = None

    def __repr__(self) -> str:
        return f"<Purse {self.spent:.4g} of {self._budget.amount:g} spent>"

    def take(self, amount: float) -> bool:
        """Set an amount aside, if the budget allows for it."""
        if self.why is not None:
            return False
        # A last digit that binary fractions cannot hold must not refuse the call that meets the budget.
        if self.spent + amount > self._budget.amount * (1 + 1e-12):
            self.why = (
                f"with {self._budget.words(self.spent)} spent, the next model call, at about "
                f"{self._budget.words(amount)}, would pass the budget of {self._budget.words(self._budget.amount)}"
            )
            return False
        self.spent += amount
        return True

    def correct(self, by: float) -> None:
        self.spent += by


class Till:
    """Of one target: what its model calls cost. Raises TargetError where its file has no price for them."""

    def __init__(self, target: Target, budget: Budget, purse: Purse) -> None:
        if target.cost is None or not (target.cost.call_price or target.cost.token_price_million):
            raise TargetError(
                f"{target.name}: has no price of model calls, so no budget can be kept. Write call_price or "
                "token_price_million under [cost] in its file."
            )
        self._cost = target.cost
        self._budget, self._purse = budget, purse
        self._spent = 0.0
        self._calls = self._counted = self._ended = self._prompt = self._answer = 0

    def __repr__(self) -> str:
        return f"<Till {self._spent:.4g} for {self._calls} calls>"

    def pays(self, step: Step, body: bytes) -> bool:
        """Whether an attempt may be sent, which sets aside what it is expected to cost."""
        if not is_model_call(step, body):
            return True
        expected = price_of(self._cost, expected_tokens(step, body))
        if not self._purse.take(expected):
            return False
        self._spent += expected
        self._calls += 1
        return True

    def settle(self, attempt: Attempt) -> None:
        """An attempt that was paid for has ended."""
        # One that was made up for a step that could not be rendered was never paid for.
        if not attempt.method or not is_model_call(attempt.step, attempt.body):
            return
        expected = expected_tokens(attempt.step, attempt.body)
        told = attempt.events if attempt.facts is None else attempt.facts
        usage = None if told is None else told.usage
        self._ended += 1
        if usage is not None and (usage.input_tokens is not None or usage.output_tokens is not None):
            used = Tokens(
                expected.prompt if usage.input_tokens is None else usage.input_tokens,
                expected.answer if usage.output_tokens is None else usage.output_tokens,
            )
            self._counted += 1
            self._prompt += used.prompt
            self._answer += used.answer
            self._correct(price_of(self._cost, used) - price_of(self._cost, expected))
        elif not attempt.sent_ns or 400 <= attempt.status < 500:
            self._calls -= 1
            self._ended -= 1
            self._correct(-price_of(self._cost, expected))

    def _correct(self, by: float) -> None:
        self._spent += by
        self._purse.correct(by)

    def result(self) -> Spent:
        """What was spent so far."""
        return Spent(
            amount=round(max(0.0, self._spent), 9),
            budget=self._budget.amount,
            currency=self._budget.currency or None,
            calls=self._calls,
            counted=self._counted,
            assumed=self._calls - self._counted,
            input_tokens=self._prompt,
            output_tokens=self._answer,
        )
