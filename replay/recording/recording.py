"""A whole recording: the proxy listening, its journal beside the trace, and the trace made of it at the end."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes

import msgspec

from replay.recording.journal import JournalWriter
from replay.recording.mirror import Mirror, Mirrored
from replay.recording.output import NothingRecorded, Written, write_trace
from replay.recording.proxy import Proxy
from replay.recording.recorder import Recorder
from replay.recording.sessions import Sessions
from replay.recording.types import (
    JOURNAL_FORMAT,
    JOURNAL_VERSION,
    Bodies,
    Exchange,
    JournalHeader,
    Route,
    SessionRules,
    Upstream,
)
from replay.system.listening import listening_on
from replay.trace.errors import TraceError, shown_path
from replay.trace.origins import origin_at, united
from replay.trace.redaction.personal import PersonalData
from replay.trace.redaction.requests import Redactor
from replay.trace.types import Responses

_BACKLOG = 1024


class RecordOptions(msgspec.Struct, frozen=True):
    """What to record, and how. port 0: a free one. patterns: regular expressions of what must not be written.

    personal: finds personal data, which may not be written either; None where they may. mirror: a second target, to
    which requests are sent too; mirrors_unsafe: those too that may change something.
    """

    routes: tuple[Route, ...]
    out: Path
    host: str = "127.0.0.1"
    port: int = 9000
    sessions: SessionRules = SessionRules()
    bodies: Bodies = "keep"
    responses: Responses = "drop"
    patterns: tuple[str, ...] = ()
    personal: PersonalData | None = None
    mirror: Upstream | None = None
    mirrors_unsafe: bool = False
    name: str | None = None
    tls: ssl.SSLContext | None = None


class Recording(msgspec.Struct):
    """A recording that is going on.

    mirrored: what became of requests that were sent to a second target, too; None where there is none.
    refused: requests that were not passed on, by status and reason (as of a Proxy).
    failed: set, with `failure`, when the journal cannot be written any more; requests are passed on all the same.
    """

    url: str
    recorder: Recorder
    refused: Mapping[tuple[int, str], int]
    failed: asyncio.Event
    failure: TraceError | None = None
    mirrored: Mirrored | None = None


def journal_path(out: Path) -> Path:
    """Where the journal of a trace stands while it is recorded."""
    return out.with_name(out.name + ".journal")


@asynccontextmanager
async def recording(options: RecordOptions) -> AsyncIterator[Recording]:
    """Record while the context lasts; at its end the journal holds everything, and no trace is written yet.

    Raises OSError if the address cannot be listened on, TraceError if the journal cannot be begun, PatternError if a
    pattern is none.
    """
    loop = asyncio.get_running_loop()
    key = token_bytes(32)
    redactor = Redactor(options.patterns, personal=options.personal)
    sessions = Sessions(options.sessions, key, redactor.is_harmless)
    proxy = Proxy(
        options.routes,
        sessions,
        lambda exchange: over(exchange),
        hash_key=key if options.bodies == "hash" else None,
        keeps_responses=options.responses == "keep",
        tls=_tls(options),
    )
    mirror = None
    if options.mirror is not None:
        mirror = Mirror(options.mirror, is_unsafe=options.mirrors_unsafe, tls=options.tls)

    def over(exchange: Exchange) -> None:
        recorder.add(exchange)
        if mirror is not None and exchange.socket is None:
            mirror.take(exchange)

    with listening_on("--listen", options.host, options.port):
        listening = await loop.create_server(proxy.doorway, options.host, options.port, backlog=_BACKLOG)
    try:
        with JournalWriter(journal_path(options.out), _header(options)) as journal:
            failed = asyncio.Event()

            def fail(error: TraceError) -> None:
                going_on.failure = error
                failed.set()

            recorder = Recorder(journal, redactor, options.bodies, lambda: proxy.open_exchanges, fail)
            bound = listening.sockets[0].getsockname()[1]
            host = f"[{options.host}]" if ":" in options.host else options.host
            going_on = Recording(f"http://{host}:{bound}", recorder, proxy.refused, failed)
            recorder.start()
            if mirror is not None:
                going_on.mirrored = mirror.mirrored
                mirror.start()
            try:
                yield going_on
            finally:
                listening.close()
                recorder.stop(await proxy.close())
                if mirror is not None:
                    await mirror.close()
    finally:
        listening.close()


def finish_recording(options: RecordOptions) -> Written:
    """Make the trace of a recording that has ended, and remove its journal. Raises TraceError."""
    journal = journal_path(options.out)
    try:
        written = write_trace(journal, options.out, options.name)
    except NothingRecorded as nothing:
        journal.unlink()
        raise NothingRecorded(
            f"{shown_path(options.out)}: not written, since no request was recorded."
        ) from nothing
    journal.unlink()
    return written


def _header(options: RecordOptions) -> JournalHeader:
    name = options.name or options.out.name.removesuffix(".zst").removesuffix(".gz").removesuffix(".jsonl")
    attributes: dict[str, str] = {"bodies": options.bodies}
    if options.responses == "keep":
        attributes["responses"] = options.responses
    return JournalHeader(
        JOURNAL_FORMAT,
        JOURNAL_VERSION,
        name or "recording",
        "replay trace record",
        datetime.now(UTC).isoformat(timespec="milliseconds"),
        attributes,
        united(filter(None, (_origin(route.upstream) for route in options.routes))),
    )


def _origin(upstream: Upstream) -> str | None:
    return origin_at("https" if upstream.is_tls else "http", upstream.authority)


def _tls(options: RecordOptions) -> ssl.SSLContext | None:
    if not any(route.upstream.is_tls for route in options.routes):
        return None
    if options.tls is not None:
        return options.tls
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
