"""Whether an attempt's answer is the one that was expected; if not, which class of failure it is. Pure.

Expected is, first that applies: what the step itself expects, or the last of the target's rules for its kind and name;
the recorded status, unless that was transient; a status below 400. An answer worse than recorded fails, one that is
other than recorded but not worse does not. An expectation without a status leaves the status to what follows it.

Then, unless the target file switches it off, the answer is read as what it is: a JSON-RPC error, an MCP result with
isError, errors of GraphQL, an error object or an error event of a model, and a model's stream that ends before its
layout's end are failures whatever the status says (replay/dialects). So are a redirect, a web page, plain text,
nothing at all and JSON that answers nothing, which no model, no MCP server and no GraphQL server answers with, and a
web page where the request or the recording says that something else was asked for (replay/engine/answers/pages.py).
An answer that a step expects to ask for input, or to be an error, is none for that.

What a gRPC call is held to is in replay/engine/grpc/outcome.py.

Most steps need none of this. For them `Outcomes.of` says None, and a status below 400 is all that is asked.
"""

from collections.abc import Iterator, Mapping

import msgspec

from replay.dialects.asked import asks_model
from replay.dialects.bodies import family_of_request, read_body
from replay.dialects.documents import BOM, is_web_page
from replay.dialects.layouts.json_rpc import (
    ERROR_MEMBER,
    TELLS_OF,
    answer_among,
    awaited_by,
    is_batch_of_calls,
)
from replay.dialects.types import Family
from replay.dialects.unanswered import why_unanswered
from replay.engine.answers.pages import asked_instead_of_page
from replay.engine.attempt import Attempt, Expectation
from replay.engine.grpc.descriptors import descriptors_at
from replay.engine.grpc.outcome import Calls
from replay.http.codings import codings_of, uncoded, uncoded_so_far
from replay.results.types import is_transient, status_class
from replay.target.routes import expected_of, is_for
from replay.target.target import Target
from replay.trace.types import Expect, JsonCheck, Step
from replay.trace.values.expect import expected_statuses, reads_body, unmet
from replay.trace.values.extracting import MOST_BODY_BYTES
from replay.wire.types import ALWAYS, NOT_OF_STREAMS

_KNOWN_MOST = 65_536
_ACCEPTED = 202
# Of a coded body, as much as tells what it is. Without gzip or deflate it is no larger than the other.
_LOOKED_AT_BYTES, _LARGEST_BYTES = 4096, 8 << 20
_ERROR_MEMBERS = {ERROR_MEMBER: "rpc_error", "/errors": "graphql_error"}
_PLAIN_KINDS = ("tool", "http")
_ANSWERERS = {"rpc": "an MCP server", "model": "a model", "graphql": "a GraphQL server"}
# How a body of several parts begins, in which GraphQL sends what was deferred.
_PARTS = b"--"

NOT_LED_ON = "a redirect (status {}), which is not followed, where {} was asked"
WEB_PAGE = "the answer is a web page (HTML) where {} was asked"
PAGE_INSTEAD = "the answer is a web page (HTML) where {} was asked for"
NO_DOCUMENT = "the answer is {} where {} was asked"


class Expected:
    """What one step's answer is held to. keeps_body: how much of the body the wire is to keep (see Exchange).

    family: what the answer is read as, if as any.
    """

    __slots__ = (
        "_expect",
        "_expected_faults",
        "_names_members",
        "_recorded_status",
        "_statuses",
        "family",
        "keeps_body",
    )

    def __init__(
        self, expect: Expect | None, recorded_status: int | None, family: Family | None, keeps_body: int = 0
    ) -> None:
        self._expect = expect if expect is None or expect != Expect(status=expect.status) else None
        self._statuses = None if expect is None else expected_statuses(expect)
        self._recorded_status = (
            None if recorded_status is None or is_transient(recorded_status) else recorded_status
        )
        self.family = family
        self._expected_faults = () if expect is None else tuple(_faults_named(expect))
        # Whoever says what is in the answer's JSON knows it better.
        self._names_members = expect is not None and bool(expect.json)
        looks = self._expect is not None and (reads_body(self._expect) or bool(self._expect.header))
        self.keeps_body = ALWAYS if looks else NOT_OF_STREAMS if family is not None else keeps_body

    def __repr__(self) -> str:
        return f"<Expected {self._expect or self._recorded_status or self.family}>"

    @property
    def looks_closer(self) -> bool:
        """Whether whoever wrote the trace or the target file says more of the answer than its status."""
        return self._expect is not None

    @property
    def keeps_headers(self) -> bool:
        """Whether the response's headers are looked at."""
        return self._expect is not None

    def settle(self, attempt: Attempt) -> None:
        """Give an attempt whose response is whole its error, if it has one."""
        if not self._expects_status(attempt.status):
            attempt.error = status_class(attempt.status)
            if self._statuses is not None:
                attempt.check = "status"
            return
        if self._expect is not None:
            attempt.check = unmet(self._expect, _headers(attempt), plain_body(attempt), attempt.response_bytes)
            if attempt.check is not None:
                attempt.error = "check"
                return
        if self.family is not None and attempt.status < 400:
            if attempt.status >= 300 and not _is_as_recorded(attempt):
                attempt.error = "redirect"
                attempt.why = NOT_LED_ON.format(attempt.status, _ANSWERERS[self.family])
                return
            fault = _fault_of(attempt, self.family, self._names_members)
            attempt.error = None if fault in self._expected_faults else fault

    def _expects_status(self, status: int) -> bool:
        if self._statuses is not None:
            return status in self._statuses
        return status < 400 or (status == self._recorded_status and status < 500)


def _faults_named(expect: Expect) -> Iterator[str]:
    """What an answer may say that went wrong, since the step expects it to say so."""
    for pointer, check in expect.json.items():
        said, fault = TELLS_OF.get(pointer, (msgspec.UNSET, ""))
        if fault and type(check.equals) is type(said) and check.equals == said:
            yield fault
            continue
        if pointer == "/data" and check.type == "object":
            # There is something, whatever is not.
            yield "graphql_error"
            continue
        for member, says in _ERROR_MEMBERS.items():
            is_of_it = pointer == member or pointer.startswith(f"{member}/")
            if is_of_it and check.exists is not False and check != JsonCheck():
                yield says


def _is_as_recorded(attempt: Attempt) -> bool:
    recorded = attempt.step.recorded
    return recorded is not None and recorded.status == attempt.status


def _fault_of(attempt: Attempt, family: Family, names_members: bool) -> str | None:
    """What the answer itself says went wrong. names_members: the step says itself what is in a right one."""
    events = attempt.events
    if events is not None:
        error: str | None = events.error
        return error or ("cut_short" if events.is_cut_short else None)
    body = plain_body(attempt)
    if attempt.is_stream and not attempt.response_bytes:
        return "cut_short"
    if is_web_page(body):
        attempt.why = WEB_PAGE.format(_ANSWERERS[family])
        return "protocol"
    if _is_still_coded(attempt, body):
        # What it says is not known, or is nothing that any client could read.
        if not _is_kept_whole(attempt) or not _is_broken(body, attempt.content_encoding or b""):
            return None
        attempt.why = NO_DOCUMENT.format("not in the coding that it names", _ANSWERERS[family])
        return "protocol"
    no_document = _why_no_document(attempt, body, family)
    if no_document is not None:
        attempt.why = NO_DOCUMENT.format(no_document, _ANSWERERS[family])
        return "protocol"
    facts = read_body(body, family)
    if family != "graphql":
        # Of GraphQL there is nothing else to tell, and its steps are plain lines.
        attempt.facts = facts
    if facts.error is None and not names_members:
        instead = _why_unanswered(attempt, body, family)
        if instead is not None:
            attempt.why = NO_DOCUMENT.format(instead, _ANSWERERS[family])
            return "protocol"
    return facts.error


def _why_unanswered(attempt: Attempt, body: bytes, family: Family) -> str | None:
    """What an answer in JSON is where it is none to what was asked; None where it may be one, or was not kept whole."""
    if attempt.method != "POST" or not _opens_as_json(body):
        return None
    if not _is_kept_whole(attempt):
        return None
    request = attempt.step.request
    return why_unanswered(
        family,
        body,
        awaited=awaited_by(attempt.method, attempt.body) if family == "rpc" else None,
        path=None if request is None else request.path,
        asked=attempt.body,
    )


def _why_no_document(attempt: Attempt, body: bytes, family: str) -> str | None:
    """What a whole answer is that should have been JSON, and by its beginning is none; None where it may be."""
    if _opens_as_json(body):
        return None
    is_empty = not attempt.response_bytes
    if is_empty and _was_empty(attempt):
        return None
    if not is_empty and attempt.captured is None:
        # Nobody knows what it is.
        return None
    if family == "model":
        request = attempt.step.request
        is_asked_for = attempt.method == "POST" and (request is None or asks_model(request.path, attempt.body))
    elif attempt.status == _ACCEPTED and _may_be_answered_elsewhere(attempt):
        is_asked_for = False
    elif family == "graphql":
        is_asked_for = not body.lstrip().startswith(_PARTS)
    else:
        is_asked_for = attempt.method == "POST" and _is_answered(attempt.body)
    return None if not is_asked_for else "empty" if is_empty else "neither JSON nor a stream"


def _is_answered(body: bytes) -> bool:
    """Whether a request of JSON-RPC has an answer."""
    return awaited_by("POST", body) is not None or is_batch_of_calls(body)


def _may_be_answered_elsewhere(attempt: Attempt) -> bool:
    """Whether what is accepted has its answer by another stream; it has not if the recording had it by this one."""
    recorded = attempt.step.recorded
    return recorded is None or recorded.status in (None, _ACCEPTED)


def _is_kept_whole(attempt: Attempt) -> bool:
    return attempt.captured is not None and attempt.response_bytes <= len(attempt.captured)


def _is_still_coded(attempt: Attempt, body: bytes) -> bool:
    """Whether a coding could not be taken off. Servers name what is none, as utf-8, and clients pass over it."""
    coding = attempt.content_encoding
    if coding is None or not attempt.captured or body != bytes(attempt.captured):
        return False
    return codings_of(coding.decode("latin-1")) is not None or not _opens_as_json(body)


def _is_broken(body: bytes, content_encoding: bytes) -> bool:
    """Whether a whole body is surely not in its coding, and not only larger without it than what is read of one.

    Of a longer one its beginning tells. Of codings but these two a few bytes may stand for more than can be looked at.
    """
    coding = content_encoding.decode("latin-1")
    if codings_of(coding) not in (["gzip"], ["deflate"]):
        return False
    begins = body[:_LOOKED_AT_BYTES]
    take_off = uncoded if len(begins) == len(body) else uncoded_so_far
    return take_off(begins, coding, _LARGEST_BYTES) is None


def _opens_as_json(body: bytes) -> bool:
    return body.removeprefix(BOM).lstrip()[:1] in (b"{", b"[")


def _was_empty(attempt: Attempt) -> bool:
    """Whether the recorded answer had the same status and no body: its news comes from elsewhere."""
    recorded = attempt.step.recorded
    return recorded is not None and recorded.response_bytes == 0 and recorded.status == attempt.status


def plain_body(attempt: Attempt) -> bytes:
    """What was kept of the body, without its content coding; of an MCP server's stream, the message that answers."""
    body = bytes(attempt.captured or b"")
    coding = attempt.content_encoding
    is_stream = attempt.events is not None and attempt.step.mcp is not None
    if coding is not None:
        # Such a stream is over for its step once the answer has come, which may be before its coding's end.
        take_off = uncoded_so_far if is_stream else uncoded
        body = take_off(body, coding.decode("latin-1"), MOST_BODY_BYTES) or body
    if is_stream:
        # The reader of its events has read the request already, unless answers are not read by kind.
        awaited = attempt.events.awaited if attempt.events is not None else None
        return answer_among(body, awaited or awaited_by(attempt.method, attempt.body))
    return body


def _beginning_of_body(attempt: Attempt) -> bytes:
    """As much of the body as tells what it is, without its coding where that comes off a part."""
    body, coding = bytes((attempt.captured or b"")[:_LOOKED_AT_BYTES]), attempt.content_encoding
    if coding is None:
        return body
    return uncoded_so_far(body, coding.decode("latin-1"), _LARGEST_BYTES) or plain_body(attempt)


def _headers(attempt: Attempt) -> Mapping[str, str]:
    """The last of each name, where one stands more than once."""
    kept = attempt.captured_headers or ()
    return {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in kept}


class Outcomes:
    """What each step of a run is held to. reads_answers: False where responses have no bodies, as in a simulation.

    keeps_bodies: every step's body is to be kept, unless it is a stream, whatever it is held to.
    """

    def __init__(self, target: Target, *, reads_answers: bool = True, keeps_bodies: bool = False) -> None:
        self._keeps_body = NOT_OF_STREAMS if keeps_bodies else 0
        # From the last to the first: the last that matches counts.
        self._reads_answers = reads_answers
        self._rules = [(rule, self._usable(expected_of(rule))) for rule in reversed(target.expect)]
        self._calls = Calls(descriptors_at(target.grpc.descriptors))
        self._reads_kinds = reads_answers and target.answers == "kind"
        self._asks_nothing_more = not self._rules and not self._keeps_body
        self._ruled: dict[tuple[str, str], Expect | None] = {}
        self._known: dict[tuple[int | None, int | None, Family | None], Expected] = {}

    def __repr__(self) -> str:
        return f"<Outcomes by {len(self._rules)} rules>"

    def of(self, step: Step, body: bytes) -> Expectation | None:
        """What this step is held to; None: to a status below 400, and no web page where something else was asked for.

        body: of its request.
        """
        if step.grpc is not None:
            return self._of_call(step)
        family: Family | None = None
        is_read = self._reads_kinds and (body or step.kind not in _PLAIN_KINDS)
        if not is_read and self._asks_nothing_more and step.expect is None and step.recorded is None:
            # Most steps: 170 ns rather than 290, of some 20 us that a step costs.
            return None
        if is_read:
            request = step.request
            if request is not None:
                family = family_of_request(step.kind, request.method, request.path, body)
            else:
                family = "rpc" if step.mcp is not None else "model"
        expect = self._usable(step.expect)
        if step.expect is None and self._rules:
            expect = self._rule_for(step)
        recorded = step.recorded
        status = None if recorded is None else recorded.status
        if status is not None and (status < 400 or is_transient(status)):
            # Then a status below 400 is expected, as it is of any step.
            status = None
        if status is None and expect is None and family is None and not self._keeps_body:
            return None
        if step.expect is not None:
            return Expected(expect, status, family, self._keeps_body)
        # A rule is one object for all its steps, so its identity will do.
        key = (None if expect is None else id(expect), status, family)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Expected(expect, status, family, self._keeps_body)
        return known

    def fail_page(self, attempt: Attempt) -> None:
        """Give an attempt its error if it was answered with a web page where something else was asked for."""
        is_looked_at = isinstance(attempt.expected, Expected) and attempt.expected.looks_closer
        if self._reads_kinds and not is_looked_at:
            asked = asked_instead_of_page(attempt.step)
            # A failure that was recorded, or is told by its status, may be told by a page.
            if asked is not None and 200 <= attempt.status < 300 and is_web_page(_beginning_of_body(attempt)):
                attempt.error, attempt.why = "protocol", PAGE_INSTEAD.format(asked)

    def _of_call(self, step: Step) -> Expectation | None:
        """A call ends with a status of its own, which its answer alone tells."""
        if not self._reads_answers:
            return None
        expect = self._rule_for(step) if step.expect is None and self._rules else step.expect
        if expect is None:
            return self._calls.of(step, (), None)
        named = expect.grpc_status
        rest = msgspec.structs.replace(expect, status=(), grpc_status=())

        def unmet_in(attempt: Attempt, message: bytes) -> str | None:
            return unmet(rest, _headers(attempt), message, attempt.response_bytes)

        checks = None if rest == Expect() else unmet_in
        return self._calls.of(step, (named,) if isinstance(named, str) else named, checks)

    def _usable(self, expect: Expect | None) -> Expect | None:
        """As much of an expectation as can be looked at here."""
        if expect is None or self._reads_answers:
            return expect
        return Expect(status=expect.status) if expect.status != () else None

    def _rule_for(self, step: Step) -> Expect | None:
        key = (step.kind, step.name)
        if key not in self._ruled:
            if len(self._ruled) >= _KNOWN_MOST:
                self._ruled.clear()
            self._ruled[key] = next((e for rule, e in self._rules if is_for(rule, *key)), None)
        return self._ruled[key]
