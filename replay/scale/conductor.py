"""The conductor: starts workers together, watches them, tells them when to stop, and notices when one is lost.

It may have them do one run after the other. It decides nothing about steps. What it says to a worker is when to begin
and when to end; what it hears is that the worker is there, how its part goes, and what time it has. Every wait has an
end: a worker that is missing before the start ends the run before it has begun, with its name; one that is lost later
is given up, and the others go on, for a share that another took over would be load that nobody recorded.
"""

import selectors
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from replay.errors import InputError, ReplayError
from replay.exit_codes import EXIT_BAD_INPUT, EXIT_CODES
from replay.results.manifest_types import Ended, WorkerFacts
from replay.results.merging.manifests import name_of
from replay.results.summary_types import Snapshot
from replay.scale.clocks import ClockTrack, Exchange, Fix
from replay.scale.launching import Launched
from replay.scale.lines import Line, LineError
from replay.scale.messages import (
    Assignment,
    Beat,
    Bye,
    Failed,
    FromWorker,
    Going,
    Hello,
    Lost,
    Over,
    Piece,
    Ping,
    Pong,
    Ready,
    Start,
    Stop,
    Want,
)
from replay.scale.mirror import Copy
from replay.scale.presses import Presses
from replay.scale.sending import chunk_of

_NS = 1_000_000_000
_TICK_S = 0.05
_PING_NS = _NS
_BURST_NS = 10 * _NS
_ROUNDS, _ROUNDS_AT_START = 16, 64
# A worker says once a second that it is there.
SILENT_NS = 5 * _NS
# Until a run begins, nothing is lost by waiting for one that reads ahead on a machine that is busy.
SILENT_AT_FIRST_NS = 30 * _NS
# What a process needs to begin to speak, on a machine that is busy with many of them.
HELLO_NS = 60 * _NS
# How long a burst may take: answers that are later than this say nothing of the time.
_BURST_MOST_NS = 2 * _NS
# From naming the start until it comes: a way there, and waking the engine.
_LEAD_NS = 300_000_000
_WAYS = 4


class NotStarted(ReplayError):
    """A worker was missing, or could not begin; str() is the whole message."""


class _Refused(InputError):
    """A worker found something wrong with what the user gave; str() is the whole message."""


class Conducted(NamedTuple):
    """How it went. workers: what is known of each. enough: why the runs were ended, if enough was seen. harm: or if a
    rule or a budget ended them. was_interrupted: they were ended by Ctrl-C.
    """

    workers: list[WorkerFacts]
    enough: str | None = None
    harm: Ended | None = None
    was_interrupted: bool = False


class _Member:
    """One worker, as the conductor knows it."""

    def __init__(self, index: int, launched: Launched, now_ns: int, core: int | None) -> None:
        self.launched = launched
        self.line: Line[FromWorker] = Line(launched.sock, FromWorker)
        self.facts = WorkerFacts(index=index, core=core)
        self.clock = ClockTrack()
        self.heard_ns = now_ns
        self.rounds_left = 0
        self.burst_ends_ns = 0
        self.next_ping_ns = now_ns
        self.next_burst_ns = now_ns
        self.has_greeted = False
        self.forget_run()

    def forget_run(self) -> None:
        """What follows is of the next one."""
        facts = self.facts
        self.facts = WorkerFacts(index=facts.index, core=facts.core, host=facts.host)
        self.told_by: Fix | None = None
        self.ready: Ready | None = None
        self.over: Over | None = None
        self.failed: Failed | None = None
        self.snapshot: Snapshot | None = None
        # Of one on another machine: what is kept here of its run directories.
        self.copy: Copy | None = None

    def __repr__(self) -> str:
        return f"<_Member {self.facts.index}, {self.line!r}>"

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.over is not None or self.failed is not None or self.facts.lost is not None

    @property
    def is_in_burst(self) -> bool:
        return self.rounds_left > 0

    def begin_burst(self, rounds: int, now_ns: int) -> None:
        self.rounds_left = rounds
        self.burst_ends_ns = now_ns + _BURST_MOST_NS
        self.next_burst_ns = now_ns + _BURST_NS
        self.ping()

    def ping(self) -> None:
        self.line.send(Ping(time.monotonic_ns()))

    def took_time(self, pong: Pong, back_ns: int) -> None:
        self.clock.add(Exchange(pong.asked_ns, pong.heard_ns, pong.said_ns, back_ns))
        if self.rounds_left:
            self.rounds_left -= 1
            if self.rounds_left:
                self.ping()
            else:
                self.clock.close_burst()

    def keep_time(self, now_ns: int) -> None:
        """Once in a while."""
        if self.rounds_left and now_ns > self.burst_ends_ns:
            self.rounds_left = 0
            self.clock.close_burst()
        if now_ns >= self.next_burst_ns:
            self.begin_burst(_ROUNDS, now_ns)
        elif now_ns >= self.next_ping_ns and not self.rounds_left:
            self.ping()
        if now_ns >= self.next_ping_ns:
            self.next_ping_ns = now_ns + _PING_NS


class Conductor:
    """Of these workers. Used as a context manager, it leaves none of them behind.

    launched: they have been started. cores: the one that each is to keep to. version: that of this package, which all
    must have. presses: asked how often Ctrl-C was pressed during the run; each run has its own.
    """

    def __init__(
        self, launched: Sequence[Launched], cores: Sequence[int | None], version: str, presses: Presses
    ) -> None:
        now_ns = time.monotonic_ns()
        self.members = [
            _Member(n, each, now_ns, core) for n, (each, core) in enumerate(zip(launched, cores, strict=True))
        ]
        self._version = version
        self.presses = presses
        self._files: Sequence[Path] = ()
        self._selector = selectors.DefaultSelector()
        for member in self.members:
            self._selector.register(member.line.sock, selectors.EVENT_READ, member)
        self._began_ns = self._looked_ns = now_ns
        self._interrupts = 0
        self.start_ns = 0

    def __repr__(self) -> str:
        return f"<Conductor of {len(self.members)} workers>"

    def __enter__(self) -> "Conductor":
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.line.send(Bye())
            member.line.close()
        for member in self.members:
            member.launched.kill()
        self._selector.close()

    @property
    def facts(self) -> list[WorkerFacts]:
        return [member.facts for member in self.members]

    @property
    def is_whole(self) -> bool:
        """Whether all have done what they were told, and can be told of the next run."""
        return all(member.over is not None and member.line.is_open for member in self.members)

    def gather(self) -> None:
        """Wait until all workers are there. Raises NotStarted with who is not."""
        while any(not member.has_greeted for member in self.members):
            self._turn()
            self._check_all_there()
            if time.monotonic_ns() - self._began_ns > HELLO_NS:
                missing = [name_of(member.facts) for member in self.members if not member.has_greeted]
                raise NotStarted(
                    f"{', '.join(missing)} of {len(self.members)} did not come within "
                    f"{HELLO_NS // _NS} seconds, so the run was not started."
                )

    def assign(self, files: Sequence[Path], assignment: Callable[[int, int | None], Assignment]) -> None:
        """Tell each worker what to do, whether it is the first run or the next. files: what is sent to those that have
        none like it. assignment: by a worker's number and its core.
        """
        self._files, self.start_ns, self._interrupts = files, 0, 0
        for member in self.members:
            member.forget_run()
            told = assignment(member.facts.index, member.facts.core)
            if told.files is not None:
                member.copy = Copy([Path(job.out) for job in told.jobs])
            member.line.send(told)

    def make_ready(self) -> str:
        """Wait until all have read ahead, and know their clocks. Returns the digest of the trace that all have.

        Raises NotStarted for a worker that is not ready, and InputError for what one finds wrong.
        """
        while any(member.ready is None for member in self.members):
            self._turn()
            self._check_all_there()
        digests = {member.ready.sha256 for member in self.members if member.ready is not None}
        if len(digests) > 1:
            raise NotStarted("The workers do not all have the same trace. Give all of them the same file.")
        return digests.pop()

    def start(self, not_before_ns: int = 0) -> int:
        """Name one instant of start in each worker's own clock; returns it in ours."""
        now_ns = time.monotonic_ns()
        for member in self.members:
            member.begin_burst(_ROUNDS_AT_START, now_ns)
        while any(member.is_in_burst for member in self.members):
            self._turn()
            self._check_all_there()
        unsure_ns = max(member.clock.fixes[-1].uncertainty_ns for member in self.members)
        self.start_ns = max(not_before_ns, time.monotonic_ns() + _LEAD_NS + _WAYS * 2 * unsure_ns)
        for member in self.members:
            member.told_by = member.clock.fixes[-1]
            member.line.send(Start(member.clock.there_ns(self.start_ns)))
        return self.start_ns

    def conduct(
        self,
        look: Callable[[Sequence[Snapshot | None]], None],
        enough: Callable[[], str | None],
        harm: Callable[[], str | None],
    ) -> Conducted:
        """Until all workers have ended, or are lost. look: told how each goes, now and then. enough, harm: asked why
        the runs may end now, or must; None while they need not.
        """
        why_enough: str | None = None
        ended: Ended | None = None
        while not all(member.is_settled for member in self.members):
            self._turn()
            look([member.snapshot for member in self.members])
            while self._interrupts < self.presses():
                self._interrupts += 1
                self._tell(Stop("interrupt"))
            if why_enough is not None or ended is not None:
                continue
            why_enough = enough()
            if why_enough is not None:
                self._tell(Stop("enough", why_enough))
            elif (why := harm()) is not None:
                ended = Ended("aborted", why)
                self._tell(Stop("harm", why))
            elif (spent := self._ended_by_itself()) is not None:
                ended = spent
                self._tell(Stop("harm", spent.why))
        self._take_time()
        return Conducted(self.facts, why_enough, ended, self._interrupts > 0)

    def _ended_by_itself(self) -> Ended | None:
        """By what one worker was ended that goes for all: its part of the budget."""
        return next((member.over.ended for member in self.members if member.over and member.over.ended), None)

    def _tell(self, message: Stop) -> None:
        for member in self.members:
            if not member.is_settled:
                member.line.send(message)

    def _take_time(self) -> None:
        """Ask for the time once more: what the clocks did meanwhile is known then."""
        now_ns = time.monotonic_ns()
        there = [member for member in self.members if member.line.is_open and member.facts.lost is None]
        for member in there:
            member.begin_burst(_ROUNDS, now_ns)
        while any(member.is_in_burst and member.line.is_open for member in there):
            self._turn()
        for member in self.members:
            track, told = member.clock, member.told_by
            if told is not None:
                drift = track.drift_ppm
                member.facts.offset_ms = round(told.offset_ns / 1e6, 3)
                member.facts.uncertainty_ms = round(track.start_uncertainty_ns(told, self.start_ns) / 1e6, 4)
                member.facts.drift_ppm = None if drift is None else round(drift, 3)

    def talk(self, hushed: threading.Event) -> None:
        """Between two runs: hear them, and ask for the time, until it is to stop."""
        while not hushed.is_set():
            self._turn()

    def _turn(self) -> None:
        """Hear whoever speaks, look who is silent, ask for the time."""
        for key, _ in self._selector.select(_TICK_S):
            self._hear(key.data)
        now_ns = time.monotonic_ns()
        # A conductor that was held up itself has heard nobody, which says nothing of them.
        was_held_up = now_ns - self._looked_ns > _NS
        silent_ns = SILENT_NS if self.start_ns else SILENT_AT_FIRST_NS
        self._looked_ns = now_ns
        for member in self.members:
            if was_held_up:
                member.heard_ns = now_ns
            if member.facts.lost is not None:
                continue
            if member.has_greeted and member.line.is_open:
                member.keep_time(now_ns)
                member.line.flush()
            if not member.line.is_open:
                self._lose(member, "" if member.is_settled else self._why_gone(member))
            elif member.has_greeted and now_ns - member.heard_ns > silent_ns:
                self._lose(member, f"nothing was heard of it for {silent_ns // _NS} seconds")

    def _why_gone(self, member: _Member) -> str:
        # Its end of the line closes a moment before it can be asked for how it ended.
        for _ in range(20):
            if (how := member.launched.ending()) is not None:
                return how
            time.sleep(0.01)
        return "the connection to it was lost"

    def _hear(self, member: _Member) -> None:
        try:
            messages = member.line.received()
        except LineError as error:
            self._lose(member, f"it sent {error}")
            return
        back_ns = time.monotonic_ns()
        if messages:
            member.heard_ns = back_ns
        for message in messages:
            self._take(member, message, back_ns)

    def _take(self, member: _Member, message: FromWorker, back_ns: int) -> None:
        match message:
            case Pong():
                member.took_time(message, back_ns)
            case Going():
                member.snapshot = message.snapshot
            case Hello():
                member.has_greeted = True
                member.facts.host = message.host
                if message.version != self._version:
                    raise NotStarted(
                        f"{name_of(member.facts)} has agent-replay {message.version}, and this is {self._version}. "
                        "Install the same version on all machines."
                    )
            case Ready():
                member.ready = message
                # A worker has one number for all targets: what it does for the first.
                member.facts.sessions, member.facts.steps = message.sessions[0], message.steps[0]
            case Over():
                member.over = message
            case Failed():
                member.failed = message
                if self.start_ns and message.exit_code != EXIT_CODES["interrupted"]:
                    member.facts.lost = message.why
            case Lost():
                self._lose(member, message.why)
            case Want():
                self._send(member, message)
            case Piece():
                self._keep(member, message)
            case Beat():
                pass

    def _send(self, member: _Member, want: Want) -> None:
        try:
            member.line.send(chunk_of(self._files, want))
        except ValueError as error:
            self._lose(member, f"it sent {error}")

    def _keep(self, member: _Member, piece: Piece) -> None:
        try:
            if member.copy is None:
                raise ValueError("a piece that nobody asked for")
            member.copy.keep(piece)
        except ValueError as error:
            self._lose(member, f"it sent {error}")

    def _lose(self, member: _Member, why: str) -> None:
        if member.facts.lost is None and not member.is_settled:
            member.facts.lost = why
        if member.line.sock.fileno() >= 0:
            self._selector.unregister(member.line.sock)
        member.rounds_left = 0
        member.line.close()
        # What is left of it goes on sending for nobody.
        member.launched.kill()

    def _check_all_there(self) -> None:
        """Before the start, everybody is needed, and there is nothing to keep of what is broken off."""
        if self.presses():
            raise KeyboardInterrupt
        for member in self.members:
            if member.failed is not None:
                if member.failed.exit_code == EXIT_BAD_INPUT:
                    raise _Refused(member.failed.why)
                if member.failed.exit_code == EXIT_CODES["interrupted"]:
                    raise KeyboardInterrupt
                raise NotStarted(f"{name_of(member.facts)} could not begin: {member.failed.why}")
            if member.facts.lost is not None:
                raise NotStarted(
                    f"{name_of(member.facts)} was lost before the start, so the run was not started: "
                    f"{member.facts.lost}."
                )
