"""Whether a failed attempt is repeated, and after how long.

Waits are exponential with full jitter: drawn evenly from zero to min(max_backoff, backoff * 2**(attempt - 1)), which
spreads a crowd of clients best (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). A budget
keeps retries to a share of all requests, so that they cannot multiply an overload (Beyer et al., Site Reliability
Engineering, ch. 21). Draws depend on the seed, the session, the step and the attempt alone. Pure.
"""

import hashlib

from replay.target.target import Retry
from replay.wire.types import Exchange

_NS = 1_000_000_000
_FREE_RETRIES = 10


class Retries:
    """One run's policy, and how much of its budget is spent."""

    def __init__(self, policy: Retry, seed: int) -> None:
        self._policy = policy
        self._statuses = frozenset(policy.statuses)
        self._errors = frozenset(policy.errors)
        self._seed = seed
        self.retried = 0

    def __repr__(self) -> str:
        return f"<Retries {self.retried} so far>"

    def wants(self, exchange: Exchange) -> bool:
        """Whether the policy repeats such an attempt, its budget aside."""
        policy = self._policy
        if exchange.attempt >= policy.attempts:
            return False
        if not (exchange.idempotent or policy.unsafe or policy.idempotency_header is not None):
            return False
        if exchange.phase is None and exchange.status in self._statuses:
            return True
        return exchange.error is not None and exchange.error in self._errors

    def delay_ns(self, exchange: Exchange, sent: int) -> int | None:
        """How long to wait before the next attempt; None: it stays failed. sent: requests of the run so far."""
        policy = self._policy
        if not self.wants(exchange):
            return None
        if self.retried >= _FREE_RETRIES + sent * policy.budget_percent / 100:
            return None
        self.retried += 1
        if policy.retry_after and exchange.retry_after_s is not None:
            return int(min(exchange.retry_after_s, policy.max_backoff_s) * _NS)
        most_s = min(policy.max_backoff_s, policy.backoff_s * 2 ** min(30, exchange.attempt - 1))
        return int(self._drawn(exchange) * most_s * _NS)

    def _drawn(self, exchange: Exchange) -> float:
        text = f"{self._seed}:{exchange.walk.id}:{exchange.step.id}:{exchange.attempt}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64
