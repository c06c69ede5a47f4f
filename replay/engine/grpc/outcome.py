"""How a gRPC call ended: its status, its one message, and what was expected of both. Pure.

The status is what the trailers say (grpc-status), whatever the status of HTTP. Expected is, first that applies: what
the step's own expectation, or the target's rule, names; OK or the recorded status, unless that was transient; OK. What
is no answer of a unary call at all fails as `protocol`, and an answer that comes after the deadline of its call as
`timeout`, whatever it says: the agent had gone on by then. A call that has no answer at its deadline is given up, as a
client of gRPC does; either ends as DEADLINE_EXCEEDED. What the server gives up for that deadline is a `timeout` too.

The server's own words (grpc-message) are shown with the first failure of each method and status, without secrets. Later
ones may name ids and users, and a run has no end of them.
"""

from collections.abc import Callable

from replay.dialects.grpc import PREFIX_BYTES, TRANSIENT, Answer, read_answer
from replay.engine.attempt import Attempt
from replay.engine.grpc.descriptors import Codes
from replay.http.codings import uncoded
from replay.results.types import status_class
from replay.trace.redaction.names import is_secret_header
from replay.trace.redaction.secrets import without_secrets
from replay.trace.types import GrpcCall, Step
from replay.wire.types import ALWAYS

MOST_UNPACKED_BYTES = 4 << 20
"""As much as a client of gRPC takes by default."""

_LEAST_SECRET = 6
_GIVEN_UP = "the server gave the call up at its deadline (grpc-timeout)"
_LATE = "the answer came after the deadline of its call (grpc-timeout)"
_NOT_UNPACKED = "the message of the answer cannot be unpacked to 4 MiB at most"
_EXCEEDED = "DEADLINE_EXCEEDED"
_MS = 1_000_000

_FIRSTS_MOST = 1_000

# What is expected of headers and of the message: the name of the check that is not met.
Checks = Callable[[Attempt, bytes], str | None]


class Calls:
    """What the calls of one run are held to. codes: of the target."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self._firsts: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"<Calls by {self.codes!r}>"

    def of(self, step: Step, named: tuple[str, ...], checks: Checks | None) -> "ExpectedCall":
        """What a step's call is held to. named: the statuses that an expectation names. checks: what else it says."""
        if named:
            return ExpectedCall(self, frozenset(named), checks, names_status=True)
        recorded = None if step.recorded is None else step.recorded.grpc_status
        statuses = {"OK"} if recorded is None or recorded in TRANSIENT else {"OK", recorded}
        return ExpectedCall(self, frozenset(statuses), checks, names_status=False)

    def is_first(self, method: str, status: str) -> bool:
        """Whether no call of this method has ended with this status before, so that its words are told."""
        if (method, status) in self._firsts or len(self._firsts) >= _FIRSTS_MOST:
            return False
        self._firsts.add((method, status))
        return True


class ExpectedCall:
    """What one call is held to. statuses: how it may end. names_status: whether an expectation says so."""

    family: str | None = None
    keeps_body: int = ALWAYS
    keeps_headers = True

    __slots__ = ("_calls", "_checks", "_names_status", "_statuses")

    def __init__(
        self, calls: Calls, statuses: frozenset[str], checks: Checks | None, *, names_status: bool
    ) -> None:
        self._calls, self._statuses, self._checks = calls, statuses, checks
        self._names_status = names_status

    def __repr__(self) -> str:
        return f"<ExpectedCall {'|'.join(sorted(self._statuses))}>"

    def settle(self, attempt: Attempt) -> None:
        """As in Expectation. Of what was kept of the body the message is left, as JSON where that can be told."""
        call = attempt.step.grpc
        assert call is not None
        if attempt.status != 200:
            attempt.error = status_class(attempt.status)
            return
        body, attempt.captured = bytes(attempt.captured or b""), None
        said = read_answer(attempt.captured_headers or (), attempt.trailers, body, attempt.response_bytes)
        message, problem = b"", said.problem
        if problem is None and said.status == "OK":
            message, problem = self._message(attempt, call, said, body)
        if problem is not None:
            attempt.error, attempt.why = "protocol", problem
            return
        attempt.grpc_status = said.status
        most_ns = deadline_ns(call)
        if most_ns and attempt.end_ns - attempt.sent_ns > most_ns:
            attempt.error, attempt.why, attempt.grpc_status = "timeout", _LATE, _EXCEEDED
            return
        if said.status not in self._statuses:
            if said.status == _EXCEEDED and 0 < most_ns <= 2 * (attempt.end_ns - attempt.sent_ns):
                # Both ends count the same time, and which is first is luck. Much earlier it is a deadline of the
                # server's own, for what it asked of others.
                attempt.error, attempt.why = "timeout", _GIVEN_UP
                return
            attempt.error = "grpc_error"
            attempt.check = "grpc_status" if self._names_status else None
            attempt.why = self._why(attempt, call, said)
            return
        attempt.captured = bytearray(message)
        if self._checks is not None:
            attempt.check = self._checks(attempt, message)
            if attempt.check is not None:
                attempt.error = "check"

    def _message(self, attempt: Attempt, call: GrpcCall, said: Answer, body: bytes) -> tuple[bytes, str | None]:
        """The message, or why there is none. One that was not kept whole is not looked into."""
        if len(body) < attempt.response_bytes:
            return b"", None
        message = body[PREFIX_BYTES:]
        if said.coding:
            unpacked = uncoded(message, said.coding, MOST_UNPACKED_BYTES)
            if unpacked is None:
                return b"", _NOT_UNPACKED
            message = unpacked
        decoded = self._calls.codes.decoded(call.method, message)
        return message if decoded is None else decoded, None

    def _why(self, attempt: Attempt, call: GrpcCall, said: Answer) -> str:
        why = f"the call ended with {said.status}"
        if not said.text or not self._calls.is_first(call.method, said.status):
            return why
        return why if _quotes_secret(said.text, attempt.head) else f"{why}: {without_secrets(said.text)}"


def deadline_ns(call: GrpcCall) -> int:
    """How long a call may take; 0: as long as it takes."""
    return 0 if call.timeout_ms is None else round(call.timeout_ms * _MS)


def status_of(attempt: Attempt) -> str | None:
    """How an attempt ended as a call: by its answer, or by the deadline at which it was given up; None: neither."""
    if attempt.grpc_status is None and attempt.most_ns and attempt.censored and attempt.error == "timeout":
        waited_ns = attempt.end_ns - attempt.sent_ns
        return _EXCEEDED if attempt.sent_ns and waited_ns >= attempt.most_ns else None
    return attempt.grpc_status


def _quotes_secret(text: str, head: bytes) -> bool:
    """Whether a server repeats what a request authorises itself with."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if is_secret_header(name.decode("latin-1").lower()):
            words = value.decode("latin-1").replace("=", " ").split()
            if any(len(word) >= _LEAST_SECRET and word in text for word in words):
                return True
    return False
