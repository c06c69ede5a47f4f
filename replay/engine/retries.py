"""Whether a failed attempt is repeated, and after how long.

Waits are exponential with full jitter: drawn evenly from zero to min(max_backoff, backoff * 2**(attempt - 1)), which
spreads a crowd of clients best (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). A budget
keeps retries to a share of all requests, so that they cannot multiply an overload (Beyer et al., Site Reliability
Engineering, ch. 21). Draws depend on the seed, the session, the step and the attempt alone. Pure.
"""

import hashlib

from replay.engine.attempt import Attempt
from replay.target.sending import Retry

_NS = 1_000_000_000
_FREE_RETRIES = 10


class Retries:
    """One run's policy, and how much of its budget is spent."""

    def __init__(self, policy: Retry, seed: int) -> None:
        self._policy = policy
        self._statuses = frozenset(policy.statuses)
        self._errors = frozenset(policy.errors)
        self._grpc_statuses = frozenset(policy.grpc_statuses)
        self._seed = seed
        self.retried = 0

    def __repr__(self) -> str:
        return f"<Retries {self.retried} so far>"

    def wants(self, attempt: Attempt) -> bool:
        """Whether the policy repeats such an attempt, its budget aside."""
        policy = self._policy
        if attempt.number - attempt.hops >= policy.attempts:
            return False
        if not (attempt.idempotent or policy.unsafe or policy.idempotency_header is not None):
            return False
        if attempt.phase is None and attempt.status in self._statuses:
            return True
        if attempt.grpc_status in self._grpc_statuses:
            return True
        return attempt.error is not None and attempt.error in self._errors

    def delay_ns(self, attempt: Attempt, sent: int) -> int | None:
        """How long to wait before the next attempt; None: it stays failed. sent: requests of the run so far."""
        policy = self._policy
        if not self.wants(attempt):
            return None
        if self.retried >= _FREE_RETRIES + sent * policy.budget_percent / 100:
            return None
        self.retried += 1
        if policy.retry_after and attempt.retry_after_s is not None:
            return int(min(attempt.retry_after_s, policy.max_backoff_s) * _NS)
        most_s = min(policy.max_backoff_s, policy.backoff_s * 2 ** min(30, attempt.number - 1))
        return int(self._drawn(attempt) * most_s * _NS)

    def _drawn(self, attempt: Attempt) -> float:
        text = f"{self._seed}:{attempt.walk.id}:{attempt.step.id}:{attempt.number}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64
