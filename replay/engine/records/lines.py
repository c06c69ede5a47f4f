"""A step as its line of steps.jsonl: a record in full or, where nothing is out of the ordinary, bytes at once.

Instants in a line count from the start of the run.
"""

from collections.abc import Callable
from typing import Literal

from replay.dialects.asked import asks_for_stream, is_model_path
from replay.engine.attempt import Attempt
from replay.engine.grpc.outcome import status_of
from replay.engine.walker import Walk
from replay.results.types import StepRecord
from replay.trace.types import Step

# What nearly every line is: an attempt that succeeded on a kept connection, as StepRecord would be encoded. Written
# so, a line takes 1.1 µs where the Struct and its encoder take 2.3 µs; a test holds the two to the same bytes.
PLAIN_LINE = (
    b'{"session":%b,"step":%b,%b,"outcome":"ok","intended_ns":%d,"sent_ns":%d,"first_byte_ns":%d,"end_ns":%d,'
    b'"status":%d,"request_bytes":%d,"response_bytes":%d,"connection":"%b"%b}'
)

# No content, and none that a form is to be filled with (RFC 9110, sections 15.3.5 and 15.3.6).
_BODILESS = (204, 205)
_LARGEST_RECORDED_BYTES = 1 << 50
_USUAL_HEAD_BYTES, _LARGEST_HEAD_BYTES = 2 << 10, 8 << 10

# A shorter wait for the target is not worth a field in the record.
LEAST_WAITED_NS = 1_000_000


class StepRecords:
    """Makes the records of one run's steps.

    origin_ns: when the run started. warmup_ns: what is due before this much of it is marked as warm-up.
    """

    def __init__(self, target: str, warmup_ns: int) -> None:
        self._target = target
        self.warmup_ns = warmup_ns
        self.origin_ns = 0

    def wait(self, walk: Walk, step: Step, from_ns: int, to_ns: int, *, withheld: bool) -> StepRecord:
        """A step without a request has ended, as ok. withheld: it has one, which a read-only run keeps back."""
        return StepRecord(
            session=walk.id,
            step=step.id,
            kind=step.kind,
            name=step.name,
            target=self._target,
            outcome="ok",
            intended_ns=from_ns - self.origin_ns,
            end_ns=to_ns - self.origin_ns,
            withheld=withheld,
        )

    def unsent(self, walk: Walk, step: Step, due_ns: int | None, reason: str) -> StepRecord:
        """A step that will never be sent, and why."""
        return StepRecord(
            session=walk.id,
            step=step.id,
            kind=step.kind,
            name=step.name,
            target=self._target,
            outcome="unsent",
            intended_ns=None if due_ns is None else due_ns - self.origin_ns,
            error=reason,
        )

    def attempt(self, x: Attempt, attributes: dict[str, str]) -> StepRecord:
        """What happened to one attempt, in full; attributes: the session's and the step's."""
        step: Step = x.step
        origin = self.origin_ns
        events = x.events
        told = events if x.facts is None else x.facts
        usage = None if told is None else told.usage
        recorded = step.recorded
        waited_ns = x.sent_ns - x.written_ns if x.sent_ns else 0
        return StepRecord(
            session=x.walk.id,
            step=step.id,
            kind=step.kind,
            name=step.name,
            target=self._target,
            outcome="ok" if x.error is None else "failed",
            intended_ns=x.intended_ns - origin,
            sent_ns=x.sent_ns - origin if x.sent_ns else None,
            first_byte_ns=x.first_byte_ns - origin if x.first_byte_ns else None,
            first_token_ns=x.first_token_ns - origin if x.first_token_ns else None,
            last_token_ns=x.last_token_ns - origin if x.last_token_ns else None,
            end_ns=x.end_ns - origin,
            attempt=x.number + x.stale_retries,
            status=x.status or None,
            grpc_status=x.grpc_status if step.grpc is None else status_of(x),
            request_bytes=x.request_bytes or None,
            response_bytes=x.response_bytes,
            stream=x.is_stream or _asks_for_stream(x),
            streamed=events is not None,
            layout=None if events is None else events.layout,
            tokens=x.token_count or None,
            input_tokens=None if usage is None else usage.input_tokens,
            output_tokens=None if usage is None else usage.output_tokens,
            hidden_tokens=None if events is None else events.hidden_tokens or None,
            error=x.error,
            phase=x.phase,
            check=x.check,
            why=x.why,
            censored=x.censored,
            connection=_connection(x) if x.request_bytes or _opens_socket(x) else None,
            connect_ns=x.connect_ns or None,
            tls_ns=x.tls_ns or None,
            dns_ns=x.dns_ns or None,
            waited_ns=waited_ns if waited_ns >= LEAST_WAITED_NS else None,
            messages=None if x.socket is None else x.socket.messages or None,
            close_code=None if x.socket is None else x.socket.close_code,
            instance=x.instance,
            cold=x.cold,
            warmup=x.intended_ns - origin < self.warmup_ns,
            recorded_ms=step.took_ms,
            recorded_at_ms=step.at_ms,
            recorded_status=None if recorded is None else recorded.status,
            recorded_ttft_ms=None if recorded is None else recorded.ttft_ms,
            recorded_input_tokens=None if step.llm is None else step.llm.input_tokens or None,
            recorded_output_tokens=None if step.llm is None else step.llm.output_tokens or None,
            recorded_bytes=recorded_bytes_of(step),
            recorded_stream=step.llm is not None and step.llm.stream,
            made_up=_is_made_up(step),
            emptied=is_emptied(x),
            attributes=attributes or None,
        )

    def stale_attempt(self, x: Attempt) -> StepRecord:
        """The attempt that was lost to a kept-alive connection which the target had closed."""
        step: Step = x.step
        origin = self.origin_ns
        return StepRecord(
            session=x.walk.id,
            step=step.id,
            kind=step.kind,
            name=step.name,
            target=self._target,
            outcome="failed",
            intended_ns=x.intended_ns - origin,
            sent_ns=x.stale_sent_ns - origin,
            end_ns=x.stale_end_ns - origin,
            attempt=x.number,
            final=False,
            error="stale",
            phase="first_byte",
            connection="reused",
        )


def is_emptied(x: Attempt) -> bool:
    """Whether an answer had no body, where the recorded one had one.

    What leads elsewhere, or was expected to fail, says so by its status, whatever is in it. The recorded size of an
    answer that can have no body is that of its head, which some logs count.
    """
    recorded = x.step.recorded
    if x.response_bytes or x.error is not None or recorded is None or not recorded.response_bytes:
        return False
    if not 200 <= x.status < 300 or (x.status in _BODILESS and x.status == recorded.status):
        return False
    if recorded.counts_head and recorded.response_bytes <= _largest_head_bytes(x):
        return False
    return x.method != "HEAD" and x.socket is None and x.sent_ns > 0


def _largest_head_bytes(x: Attempt) -> int:
    """Up to which size an answer may be all head.

    One to a GET nearly always has a body, so that the size of a usual head decides; what a POST or a DELETE is answered
    has none as often as not, so that it is the largest head that nginx takes from an application by default (a page of
    memory, its proxy_buffer_size).
    """
    return _USUAL_HEAD_BYTES if x.method == "GET" else _LARGEST_HEAD_BYTES


def recorded_bytes_of(step: Step) -> int | None:
    """The size of a step's answer in the recording; None where it is not known, or may be that of a head alone."""
    recorded = step.recorded
    size = None if recorded is None else recorded.response_bytes
    # A trace may have -1 for what is not known, and any number that a line of a run has no room for.
    if recorded is None or size is None or not 0 <= size <= _LARGEST_RECORDED_BYTES:
        return None
    return None if recorded.counts_head and size <= _LARGEST_HEAD_BYTES else size


def _is_made_up(step: Step) -> bool:
    """Whether what it sends is filled in."""
    request = step.request
    if request is not None:
        return bool(request.body_bytes)
    call = step.ws or step.grpc
    return call is not None and bool(call.message_bytes)


def _asks_for_stream(x: Attempt) -> bool:
    """Whether a model's request that the trace has as it was recorded asks for a stream of events.

    What an application of its own calls a stream is one if the recording saw tokens in it: it may be lines, or text.
    """
    request, recorded = x.step.request, x.step.recorded
    if x.family != "model" or request is None:
        return False
    is_known = is_model_path(request.path) or (recorded is not None and recorded.ttft_ms is not None)
    return is_known and asks_for_stream(request.path, x.body)


def _opens_socket(x: Attempt) -> bool:
    """Whether it opened a WebSocket, which is known in virtual time too."""
    return x.socket is not None and x.is_new_connection


def _connection(x: Attempt) -> Literal["new", "reused", "shared"]:
    return "new" if x.is_new_connection else "shared" if x.is_shared else "reused"


# As TOLD of replay/results/tables/plain_lines.py has it.
Told = tuple[int | None, int | None, int | None, bool, bool, int | None]


def told_of(step: Step) -> Told | None:
    """What the trace says of a step beside how long it took and when: None where that is nothing."""
    recorded, llm = step.recorded, step.llm
    is_made_up = _is_made_up(step)
    if recorded is None and llm is None and not is_made_up:
        return None
    status, size = (None, None) if recorded is None else (recorded.status, recorded_bytes_of(step))
    if llm is None:
        return status, None, None, False, is_made_up, size
    return status, llm.input_tokens or None, llm.output_tokens or None, llm.stream, is_made_up, size


def recorded_part(step: Step, told: Told | None, encode: Callable[[object], bytes]) -> bytes:
    """What the trace says of a step, as it stands in a line: the recorded_* fields and made_up of StepRecord."""
    took_ms, at_ms = step.took_ms, step.at_ms
    part = b"" if took_ms is None else b',"recorded_ms":' + encode(took_ms)
    if at_ms:
        part += b',"recorded_at_ms":' + encode(at_ms)
    if told is None:
        return part
    status, input_tokens, output_tokens, is_stream, is_made_up, size = told
    if status is not None:
        part += b',"recorded_status":%d' % status
    if step.recorded is not None and step.recorded.ttft_ms is not None:
        part += b',"recorded_ttft_ms":' + encode(step.recorded.ttft_ms)
    if input_tokens is not None:
        part += b',"recorded_input_tokens":%d' % input_tokens
    if output_tokens is not None:
        part += b',"recorded_output_tokens":%d' % output_tokens
    if size is not None:
        part += b',"recorded_bytes":%d' % size
    if is_stream:
        part += b',"recorded_stream":true'
    if is_made_up:
        part += b',"made_up":true'
    return part
