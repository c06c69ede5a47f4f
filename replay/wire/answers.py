"""What an answer says of itself, whichever wire it came by: its coding, its events, its instance, when to ask again."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from replay.dialects.layouts.json_rpc import Awaited, awaited_by
from replay.dialects.streams import StreamReader
from replay.http.codings import CodingError, Uncoder, uncoder
from replay.target.target import Target
from replay.wire.types import ALWAYS, Exchange

_TRUE_WORDS = (b"1", b"true", b"yes", b"cold")
# Names of metrics under which targets tell of a boot in Server-Timing.
_COLD_METRICS = (b"cold", b"coldstart", b"cold-start", b"cold_start", b"boot", b"init")
LONGEST_INSTANCE = 200
MOST_CAPTURED_BYTES = 1 << 20


class Tells(NamedTuple):
    """The headers, in lower case, in which this target tells which instance served, and whether it was cold."""

    instance: bytes | None = None
    cold: bytes | None = None

    @classmethod
    def of(cls, target: Target) -> "Tells":
        names = (target.instance_header, target.cold_header)
        return cls(*((name or "").lower().encode() or None for name in names))


def is_coded(value: bytes) -> bool:
    """Whether a Content-Encoding says that the body is not as it is."""
    return value.strip().lower() not in (b"", b"identity")


def keep_body(exchange: Exchange, is_event_stream: bool, *, is_page: bool) -> None:
    """The head of a response is known: begin to keep its body, if that is wanted, or it says that it is a web page."""
    is_kept = exchange.keeps_body == ALWAYS or (exchange.keeps_body and not is_event_stream)
    if is_kept or (is_page and exchange.watches_pages):
        exchange.captured = bytearray()


def capture(captured: bytearray, body: bytes) -> None:
    """Keep more of a body, as long as there is room."""
    room = MOST_CAPTURED_BYTES - len(captured)
    if room > 0:
        captured += body[:room]


class CodedEvents(StreamReader):
    """A stream of events that came compressed. One that cannot be unpacked says nothing."""

    __slots__ = ("_uncoder",)

    def __init__(self, family: str | None, awaited: Awaited | None, coded: Uncoder) -> None:
        super().__init__(family, awaited)
        self._uncoder: Uncoder | None = coded

    @property
    def is_broken(self) -> bool:
        """Whether it was not in the coding that it was said to be in."""
        return self._uncoder is None

    def feed(self, data: bytes, now_ns: int) -> None:
        if self._uncoder is None:
            return
        try:
            plain = self._uncoder.feed(data)
        except CodingError:
            self._uncoder = None
            return
        if plain:
            super().feed(plain, now_ns)


def event_reader(exchange: Exchange) -> StreamReader | None:
    """What reads the events of an answer whose head is known; None where its coding cannot be taken off."""
    awaited = awaited_by(exchange.method, exchange.body) if exchange.family == "rpc" else None
    if exchange.content_encoding is None:
        return StreamReader(exchange.family, awaited)
    coded = uncoder(exchange.content_encoding.decode("latin-1"), MOST_CAPTURED_BYTES)
    return None if coded is None else CodedEvents(exchange.family, awaited, coded)


def settle_events(exchange: Exchange, events: StreamReader, is_event_stream: bool) -> None:
    """Hand the exchange, which is over, what was seen of its events."""
    if isinstance(events, CodedEvents) and events.is_broken:
        return
    if exchange.error is None and not events.is_answered:
        events.finish()
    exchange.first_token_ns, exchange.last_token_ns = events.first_token_ns, events.last_token_ns
    exchange.token_count, exchange.itl_ns = events.token_count, events.itl_ns
    # A stream was asked for, and something else came: it says nothing as a stream.
    if is_event_stream or events.has_events:
        exchange.events = events


def rest_of(exchange: Exchange) -> Exchange:
    """What stands for an exchange that has its answer while its stream goes on: nobody waits for the rest of that, and
    it has the time limits of any.
    """
    return Exchange(
        b"",
        b"",
        exchange.method,
        _nobody,
        session_key=exchange.session_key,
        sent_ns=exchange.sent_ns,
        first_byte_ns=exchange.first_byte_ns,
        status=exchange.status,
    )


def _nobody(_: Exchange) -> None:
    """Waits for the rest of a stream."""


def says_cold(value: bytes) -> bool:
    """Whether the value of a cold header says that the response was cold: a word for yes, or, as in Server-Timing
    (W3C), a metric of a name such as cold or boot among others.
    """
    text = value.strip().lower()
    if text in _TRUE_WORDS:
        return True
    names = [metric.partition(b";")[0].strip() for metric in text.split(b",")]
    return b";" in text and any(name in _COLD_METRICS for name in names)


def retry_after_s(value: bytes) -> float | None:
    """What a Retry-After header asks for: seconds, or a date (RFC 9110, section 10.2.3); None if it is neither."""
    text = value.decode("latin-1").strip()
    # As bytes, of which only ASCII's digits are digits: as text, a superscript two would be one.
    if value.strip().isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        if at.tzinfo is None:
            return None
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
